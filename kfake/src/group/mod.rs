//! Group coordinators. Each group has a task of its own, [`manage`](manage::manage), which takes requests one by one and keeps the
//! group's time. What needs neither is answered where it is asked (`Group::answer_at_once`).

pub(crate) mod classic;
pub(crate) mod commit;
pub(crate) mod expiry;
pub(crate) mod handle;
pub(crate) mod join;
pub(crate) mod manage;
pub(crate) mod member;
mod members;
mod moved;
pub(crate) mod offsets;
mod pending;
pub(crate) mod queue;
mod rebalance;
pub(crate) mod registry;
pub(crate) mod request;
mod retention;
mod session;
mod subscription;
mod uncommitted;
pub(crate) mod undecided;
pub(crate) mod view;

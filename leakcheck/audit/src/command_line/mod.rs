//! The command line of `leak-audit`, declared here and nowhere else: `cargo leak-audit` and `cargo xtask leak-audit` are the same.
//! `leak-audit scan` has its own, in [`scan`](crate::scan).

mod audit;
mod error;
mod exec;
mod help;
mod judging;
mod merge;
mod request;

pub use audit::AuditRequest;
pub use error::ArgumentError;
pub use help::HELP;
pub use judging::{Format, Judging};
pub use request::Request;

//! A group's task: it takes the group's requests one by one and keeps the group's time.
//!
//! It ends by DeleteGroups, with the group's last offset, by the cluster's shutdown, and on request when the group is empty. Each of its waits lists the
//! shutdown.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::handle::Group;
use super::registry::Groups;
use super::request::Request;
use super::view::GroupState;
use crate::cluster::exits::{Exits, Wait};

/// A deadline is late when it passed this long ago: tokio's timers have a resolution of a millisecond.
const LATE: Duration = Duration::from_millis(1);

enum Event {
    Shutdown,
    Asked(Box<Request>),
    /// A deadline has come: of the rebalance or of a session.
    Time,
    /// One of the group's flags has changed.
    Control,
}

/// What the group waits for besides requests.
enum Watch {
    /// Nothing: there is no member.
    Nothing,
    /// The members to join or to sync, at most until then.
    Rebalance { until: Instant },
    /// The next session that can time out.
    Session { until: Instant },
}

/// A task's hold on its group. However the task ends, the group does not stay behind as if it had one.
struct Tenure {
    groups: Arc<Groups>,
    group: Arc<Group>,
    inbox: Option<mpsc::Receiver<Box<Request>>>,
}

impl Drop for Tenure {
    fn drop(&mut self) {
        if self.inbox.is_some() {
            self.group.perish(&self.groups);
        }
    }
}

/// The group's task. The group is in its hands from this call on, also if it is never polled.
pub(crate) fn manage(
    groups: Arc<Groups>,
    group: Arc<Group>,
    inbox: mpsc::Receiver<Box<Request>>,
) -> impl Future<Output = ()> + Send {
    let inbox = Some(inbox);
    run(Tenure { groups, group, inbox })
}

async fn run(mut tenure: Tenure) {
    let (groups, group) = (tenure.groups.clone(), tenure.group.clone());
    let (exits, config) = (&groups.shared.exits, &groups.shared.config);
    while let Some(inbox) = &mut tenure.inbox {
        if group.is_dead() {
            // What is left in the queue is dropped with it: those who wait look the group up again.
            tenure.inbox = None;
            continue;
        }
        let event = if group.stalled.load(Ordering::Acquire) {
            stalled(&group, exits).await
        } else {
            let watch = group.state.lock().watch();
            match watch {
                Watch::Nothing => idle(&group, exits, inbox).await,
                // A timer takes a millisecond at least, and a trip through the driver.
                Watch::Rebalance { until } if until <= Instant::now() => Event::Time,
                Watch::Rebalance { until } => rebalancing(&group, exits, inbox, until).await,
                Watch::Session { until } => watching(&group, exits, inbox, until).await,
            }
        };
        let now = Instant::now();
        let before = group.phase();
        match event {
            Event::Shutdown => {
                if let Some(inbox) = tenure.inbox.take() {
                    group.abandon(inbox);
                }
                return;
            }
            Event::Asked(request) => {
                let mut state = groups.open(&group);
                // Where requests never end, time goes on all the same: what was due before this one comes before it.
                if let Some(before) = now.checked_sub(LATE) {
                    state.expire(before, config);
                }
                match *request {
                    Request::InTransaction(job) => {
                        drop(state);
                        (job.0)(&group);
                    }
                    request => state.handle(request, now, &groups),
                }
            }
            Event::Time => groups.open(&group).expire(now, config),
            Event::Control => {}
        }
        if let Some(at_ms) = group.may_expire(before, &groups.shared) {
            groups.expires_at(at_ms);
        }
        if group.retiring.swap(false, Ordering::AcqRel)
            && group.is_empty()
            && let Some(inbox) = tenure.inbox.take()
        {
            // A request that has come in meanwhile keeps the task.
            tenure.inbox = group.put_back(inbox).err();
        }
        groups.changed();
    }
}

/// Waits for a request: the manage loop of a group without members.
async fn idle(group: &Group, exits: &Exits, inbox: &mut mpsc::Receiver<Box<Request>>) -> Event {
    tokio::select! {
        biased;
        () = exits.shutdown(), if exits.heard_in(Wait::Manage) => Event::Shutdown,
        () = group.control.notified() => Event::Control,
        request = inbox.recv() => asked(request),
    }
}

/// Waits for members to join and to sync, at most for the rebalance timeout.
async fn rebalancing(group: &Group, exits: &Exits, inbox: &mut mpsc::Receiver<Box<Request>>, until: Instant) -> Event {
    tokio::select! {
        biased;
        () = exits.shutdown(), if exits.heard_in(Wait::Rebalance) => Event::Shutdown,
        () = group.control.notified() => Event::Control,
        request = inbox.recv() => asked(request),
        () = sleep_until(until) => Event::Time,
    }
}

/// Waits for requests of a group whose members live by their heartbeats.
async fn watching(group: &Group, exits: &Exits, inbox: &mut mpsc::Receiver<Box<Request>>, until: Instant) -> Event {
    tokio::select! {
        biased;
        () = exits.shutdown(), if exits.heard_in(Wait::Session) => Event::Shutdown,
        () = group.control.notified() => Event::Control,
        request = inbox.recv() => asked(request),
        () = sleep_until(until) => Event::Time,
    }
}

/// Takes no requests until the test lets the group go on.
async fn stalled(group: &Group, exits: &Exits) -> Event {
    tokio::select! {
        biased;
        () = exits.shutdown(), if exits.heard_in(Wait::Stalled) => Event::Shutdown,
        () = group.control.notified() => Event::Control,
    }
}

/// The group itself holds a sender of its queue, so the queue does not end; were it to, nobody could ask any more.
fn asked(request: Option<Box<Request>>) -> Event {
    request.map_or(Event::Shutdown, Event::Asked)
}

impl super::classic::ClassicGroup {
    /// When the task has something to do that nobody asks for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.watch() {
            Watch::Nothing => None,
            Watch::Rebalance { until } | Watch::Session { until } => Some(until),
        }
    }

    fn watch(&self) -> Watch {
        let rebalance = match self.state {
            GroupState::PreparingRebalance => self.join_deadline(),
            GroupState::CompletingRebalance | GroupState::Stable => self.sync_deadline,
            _ => None,
        };
        // Who waits for replicas does so as a session goes on: until a time.
        let next = [self.next_session(), self.gives_up_at()].into_iter().flatten().min();
        match (rebalance, next) {
            (None, None) => Watch::Nothing,
            (Some(until), None) => Watch::Rebalance { until },
            (Some(until), Some(session)) => Watch::Rebalance {
                until: until.min(session),
            },
            (None, Some(until)) => Watch::Session { until },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::state::Shared;

    #[tokio::test]
    async fn a_task_that_is_torn_down_before_its_first_poll_takes_its_group_along() {
        let groups = Arc::new(Groups::new(Arc::new(Shared::of_one_broker())));
        let group = groups.get_or_create("billing");
        let (_queue, inbox) = mpsc::channel(1);
        drop(manage(groups.clone(), group.clone(), inbox));
        assert!(group.is_dead());
        assert!(groups.get("billing").is_none(), "the next request begins anew");
    }
}

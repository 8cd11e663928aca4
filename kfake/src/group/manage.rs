//! A group's task: it takes the group's requests one by one and keeps the group's time.
//!
//! It ends by DeleteGroups, by the cluster's shutdown, and on request when the group is empty. Each of its waits lists the
//! shutdown.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::handle::Group;
use super::registry::Groups;
use super::request::Request;
use super::view::GroupState;
use crate::cluster::exits::{Exits, Wait};

#[expect(
    clippy::large_enum_variant,
    reason = "lives for one turn of the loop; a box would cost an allocation a request"
)]
enum Event {
    Shutdown,
    Asked(Request),
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

pub(crate) async fn manage(groups: Arc<Groups>, group: Arc<Group>, mut inbox: mpsc::Receiver<Request>) {
    let exits = &groups.shared.exits;
    loop {
        let event = if group.stalled.load(Ordering::Acquire) {
            stalled(&group, exits).await
        } else {
            let watch = group.state.lock().watch();
            match watch {
                Watch::Nothing => idle(&group, exits, &mut inbox).await,
                Watch::Rebalance { until } => rebalancing(&group, exits, &mut inbox, until).await,
                Watch::Session { until } => watching(&group, exits, &mut inbox, until).await,
            }
        };
        let now = Instant::now();
        match event {
            Event::Shutdown => return group.abandon(inbox),
            Event::Asked(request) => group.state.lock().handle(request, now, &groups),
            Event::Time => group.state.lock().expire(now, &groups.shared.config),
            Event::Control => {}
        }
        if group.state.lock().state == GroupState::Dead {
            // What is left in the queue is dropped with it: those who wait look the group up again.
            return groups.changed();
        }
        if group.retiring.swap(false, Ordering::AcqRel) && group.is_empty() {
            match group.put_back(inbox) {
                Ok(()) => return groups.changed(),
                Err(still_wanted) => inbox = still_wanted,
            }
        }
        groups.changed();
    }
}

/// Waits for a request: the manage loop of a group without members.
async fn idle(group: &Group, exits: &Exits, inbox: &mut mpsc::Receiver<Request>) -> Event {
    tokio::select! {
        biased;
        () = exits.shutdown(), if exits.heard_in(Wait::Manage) => Event::Shutdown,
        () = group.control.notified() => Event::Control,
        request = inbox.recv() => asked(request),
    }
}

/// Waits for members to join and to sync, at most for the rebalance timeout.
async fn rebalancing(group: &Group, exits: &Exits, inbox: &mut mpsc::Receiver<Request>, until: Instant) -> Event {
    tokio::select! {
        biased;
        () = exits.shutdown(), if exits.heard_in(Wait::Rebalance) => Event::Shutdown,
        () = group.control.notified() => Event::Control,
        request = inbox.recv() => asked(request),
        () = sleep_until(until) => Event::Time,
    }
}

/// Waits for requests of a group whose members live by their heartbeats.
async fn watching(group: &Group, exits: &Exits, inbox: &mut mpsc::Receiver<Request>, until: Instant) -> Event {
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
fn asked(request: Option<Request>) -> Event {
    request.map_or(Event::Shutdown, Event::Asked)
}

impl super::classic::ClassicGroup {
    fn watch(&self) -> Watch {
        let rebalance = match self.state {
            GroupState::PreparingRebalance => self.join_deadline(),
            GroupState::CompletingRebalance | GroupState::Stable => self.sync_deadline,
            _ => None,
        };
        match (rebalance, self.next_session()) {
            (None, None) => Watch::Nothing,
            (Some(until), None) => Watch::Rebalance { until },
            (Some(until), Some(session)) => Watch::Rebalance {
                until: until.min(session),
            },
            (None, Some(until)) => Watch::Session { until },
        }
    }
}

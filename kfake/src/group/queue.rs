//! How a connection hands a request to a group and waits for the answer.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::registry::Groups;
use super::request::{Reply, Request};
use crate::cluster::exits::{Closing, Exits, Wait};
use crate::cluster::internal::Internal;

/// What to do with a request for a group that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The request creates it.
    Create,
    /// The request is answered without it.
    Leave,
}

/// Asks a group and waits for its answer; `None` if there is no such group. A group that is deleted while the request waits
/// is looked up again: the request came later than the deletion.
pub(crate) async fn ask<T>(
    groups: &Arc<Groups>,
    id: &str,
    missing: Missing,
    mut request: impl FnMut(Reply<T>) -> Request,
) -> Result<Option<T>, Closing> {
    let exits = &groups.shared.exits;
    loop {
        let group = match missing {
            Missing::Create => match groups.get(id) {
                Some(group) => group,
                None => {
                    // A group is one of a partition's, and moves with it.
                    groups.shared.ensure(Internal::Offsets);
                    groups.get_or_create(id)
                }
            },
            Missing::Leave => match groups.get(id) {
                Some(group) => group,
                None => return Ok(None),
            },
        };
        let (reply, answer) = oneshot::channel();
        let request = match group.answer_at_once(groups, request(reply)) {
            Ok(()) => return answered(answer, exits).await,
            Err(request) => request,
        };
        // The peer's departure ends both waits from outside, in the connection. The group's deletion closes the queue and
        // drops what is in it.
        let room = tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Hijack) => return Err(Closing),
            room = group.queue.reserve() => room,
        };
        let Ok(room) = room else { continue };
        room.send(request);
        groups.changed();
        group.ensure_running(groups);
        let answer = tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Join) => return Err(Closing),
            answer = answer => answer,
        };
        match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(_) if group.is_dead() => {}
            Err(_) => return unanswered(exits).await,
        }
    }
}

/// The answer to a request that has been handled.
async fn answered<T>(mut answer: oneshot::Receiver<T>, exits: &Exits) -> Result<Option<T>, Closing> {
    match answer.try_recv() {
        Ok(answer) => Ok(Some(answer)),
        Err(_) => unanswered(exits).await,
    }
}

/// The member asked again on another connection: Kafka answers there, and here never.
async fn unanswered<T>(exits: &Exits) -> Result<T, Closing> {
    exits.shutdown().await;
    Err(Closing)
}

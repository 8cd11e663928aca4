//! How a connection hands a request to a group and waits for the answer.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::registry::Groups;
use super::request::{Reply, Request};
use crate::cluster::exits::{Closing, Wait};
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
        let answer = match group.answer_at_once(groups, request(reply)) {
            Ok(()) => there(answer),
            // The peer's departure ends both waits from outside, in the connection. The group's deletion closes the queue and
            // drops what is in it.
            Err(request) => {
                let room = match group.queue.try_reserve() {
                    // As the wait would end.
                    Ok(_) if exits.heard_in(Wait::Hijack) && exits.is_shut_down() => return Err(Closing),
                    Ok(room) => Ok(room),
                    // To enter a wait among those for the shutdown, and to take it out, costs more than to see that there is room.
                    Err(_) => tokio::select! {
                        biased;
                        () = exits.shutdown(), if exits.heard_in(Wait::Hijack) => return Err(Closing),
                        room = group.queue.reserve() => room,
                    },
                };
                let Ok(room) = room else { continue };
                room.send(request);
                groups.changed();
                group.ensure_running(groups);
                tokio::select! {
                    biased;
                    () = exits.shutdown(), if exits.heard_in(Wait::Join) => return Err(Closing),
                    answer = answer => answer.ok(),
                }
            }
        };
        match answer {
            Some(answer) => return Ok(Some(answer)),
            None if group.is_dead() => {}
            // The member asked again on another connection: Kafka answers there, and here never.
            None => {
                exits.shutdown().await;
                return Err(Closing);
            }
        }
    }
}

/// The answer, if it is there.
fn there<T>(mut answer: oneshot::Receiver<T>) -> Option<T> {
    answer.try_recv().ok()
}

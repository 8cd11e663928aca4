//! How a connection hands a request to a group and waits for the answer.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::request::{ClientInfo, Reply, Request};
use crate::api::dispatch::Refusal;
use crate::cluster::exits::Wait;
use crate::net::connection::Context;

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
    context: &Context,
    id: &str,
    missing: Missing,
    mut request: impl FnMut(Reply<T>) -> Request,
) -> Result<Option<T>, Refusal> {
    let shared = &context.shared;
    let exits = &shared.exits;
    loop {
        let group = match missing {
            Missing::Create => shared.groups.get_or_create(id),
            Missing::Leave => match shared.groups.get(id) {
                Some(group) => group,
                None => return Ok(None),
            },
        };
        // The peer's departure ends both waits from outside, in the connection. The group's deletion closes the queue and
        // drops what is in it.
        let room = tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Hijack) => return Err(Refusal::ShuttingDown),
            room = group.queue.reserve() => room,
        };
        let Ok(room) = room else { continue };
        let (reply, answer) = oneshot::channel();
        room.send(request(reply));
        shared.groups.changed();
        group.ensure_running(shared);
        let answer = tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Join) => return Err(Refusal::ShuttingDown),
            answer = answer => answer,
        };
        match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(_) if group.is_dead() => {}
            // The member asked again on another connection: Kafka answers there, and here never.
            Err(_) => {
                exits.shutdown().await;
                return Err(Refusal::ShuttingDown);
            }
        }
    }
}

impl Context {
    /// Who asks, as groups keep it.
    pub(crate) fn client(&self) -> ClientInfo {
        ClientInfo {
            id: self.client_id.clone().unwrap_or_default(),
            host: format!("/{}", self.client_host),
        }
    }

    /// Whether the broker that was asked coordinates the group.
    pub(crate) fn coordinates(self: &Context, group: &str) -> bool {
        Arc::as_ref(&self.shared).coordinator(group) == self.broker
    }
}

//! The channels that a task waits for, and those whose senders it holds itself.
//!
//! That a sender stands in the memory of a task does not say that the task still has it: what was moved out of a variable stays there as
//! bytes, and debug info does not tell. Certain are:
//!
//! - what is behind a reference that a function was called with or a block has captured: nothing can be moved out of there for as long as
//!   the future is alive,
//! - what a future has in its fields that was written by hand, as it is pinned,
//! - whatever was captured by what was never polled,
//! - and what any of these holds.
//!
//! The variables of async functions and blocks are not, and neither is what they were called with by value.

use std::collections::HashSet;
use std::sync::Arc;

use super::decode::{Decoder, named_field};
use super::names;
use super::program::name_of;
use super::tree::{AwaitTree, Channel};
use super::types::{Field, TypeDef, TypeKind};
use super::units::Place;

const RECEIVERS: &[&str] = &[
    "tokio::sync::mpsc::bounded::Receiver",
    "tokio::sync::mpsc::unbounded::UnboundedReceiver",
    "tokio::sync::oneshot::Receiver",
    "tokio::sync::watch::Receiver",
    "tokio::sync::broadcast::Receiver",
];
const SENDERS: &[&str] = &[
    "tokio::sync::mpsc::bounded::Sender",
    "tokio::sync::mpsc::unbounded::UnboundedSender",
    "tokio::sync::oneshot::Sender",
    "tokio::sync::watch::Sender",
    "tokio::sync::broadcast::Sender",
];
const ARC: &str = "alloc::sync::Arc";
/// Where a value may be that is not there any more, or not yet.
const PERHAPS: &str = "core::mem::";
/// How far from the task's future senders are looked for.
const DEEPEST: usize = 64;
/// How far inside of an end of a channel its `Arc` is.
const DEEPEST_IN_AN_END: usize = 6;
/// How many of a vector are looked at.
const MOST_ELEMENTS: u64 = 64;

/// A sender that a task holds for certain.
struct Held {
    channel: u64,
    /// The type and the field that it is in.
    by: String,
}

/// What has been looked at, and found.
#[derive(Default)]
struct Search {
    seen: HashSet<(Place, u64)>,
    found: Vec<Held>,
}

impl Decoder<'_, '_> {
    /// The channel that a leaf waits for.
    pub(super) fn channel(&mut self, of: &Arc<TypeDef>, address: u64) -> Option<Channel> {
        let (receiver, at) = if names::is_coroutine(&of.own_name) {
            self.captured_self(of, address)?
        } else {
            (Arc::clone(of), address)
        };
        let inner = ["inner", "receiver"]
            .into_iter()
            .find_map(|name| named_field(&receiver, name));
        let (receiver, at) = match inner {
            Some(inner) if !RECEIVERS.contains(&receiver.plain.as_str()) => self.pointed_to(inner, at)?,
            _ => (receiver, at),
        };
        if !RECEIVERS.contains(&receiver.plain.as_str()) {
            return None;
        }
        Some(Channel {
            address: self.arc_in(&receiver, at, DEEPEST_IN_AN_END)?,
            own_sender: None,
        })
    }

    /// Says of each channel in the tree whether the task, whose future this is, holds a sender of it.
    pub(super) fn find_own_senders(&mut self, tree: &mut AwaitTree, future: Place, address: u64) {
        if tree.walk().all(|tree| tree.channel.is_none()) {
            return;
        }
        let mut search = Search::default();
        let by = tree.type_name.clone();
        self.look(future, address, &by, DEEPEST, &mut search);
        tree.each_channel(&mut |channel| {
            let own = search.found.iter().find(|held| held.channel == channel.address);
            channel.own_sender = own.map(|held| held.by.clone());
        });
    }

    /// Looks for senders in a value that is there for certain.
    fn look(&mut self, place: Place, address: u64, by: &str, depth: usize, search: &mut Search) {
        let (Some(()), Some(depth)) = (self.step(), depth.checked_sub(1)) else {
            return;
        };
        let Some(of) = self.session.type_at(place) else {
            return;
        };
        if of.size == 0 || of.plain.starts_with(PERHAPS) || !search.seen.insert((of.place, address)) {
            return;
        }
        if SENDERS.contains(&of.plain.as_str()) {
            if let Some(channel) = self.arc_in(&of, address, DEEPEST_IN_AN_END) {
                search.found.push(Held {
                    channel,
                    by: by.to_owned(),
                });
            }
            return;
        }
        match of.kind {
            TypeKind::Pointer if keeps(&of) => {
                if let (Some(target), Some(at)) = (of.target, self.number(address, of.size)) {
                    self.look(target, at, by, depth, search);
                }
            }
            TypeKind::Structure if names::is_coroutine(&of.own_name) => {
                for (field, at) in self.certain(&of, address) {
                    let by = format!("{}, {}", name_of(&self.session, &of), field.name);
                    self.look(field.of_type, at, &by, depth, search);
                }
            }
            TypeKind::Structure => {
                if let Some((content, at)) = self.behind_arc(&of, address) {
                    self.look(content.place, at, by, depth, search);
                } else if let Some((element, at, count)) = self.sequence(&of, address).filter(|_| keeps(&of)) {
                    self.look_at_elements(element, at, count, by, depth, search);
                } else if let Some((concrete, at)) = self.object(&of, address).filter(|_| keeps(&of)) {
                    self.look(concrete, at, by, depth, search);
                } else if let Some((inner, at)) = self.payload(&of, address) {
                    let written = inner.fields.iter().filter(|field| !field.name.starts_with("__"));
                    let owner = written.clone().next().map(|_| name_of(&self.session, &of));
                    for field in &inner.fields {
                        let by = match &owner {
                            Some(owner) if !field.name.starts_with("__") => format!("{owner}::{}", field.name),
                            _ => by.to_owned(),
                        };
                        if let Some(at) = at.checked_add(field.offset) {
                            self.look(field.of_type, at, &by, depth, search);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn look_at_elements(&mut self, element: Place, at: u64, count: u64, by: &str, depth: usize, search: &mut Search) {
        let Some(size) = self.session.type_at(element).map(|of| of.size) else {
            return;
        };
        for nth in 0..count.min(MOST_ELEMENTS) {
            if let Some(at) = size.checked_mul(nth).and_then(|offset| at.checked_add(offset)) {
                self.look(element, at, by, depth, search);
            }
        }
    }

    /// What is there for certain of an async function or block, and where.
    fn certain(&self, of: &TypeDef, address: u64) -> Vec<(Field, u64)> {
        let at = |variant: &super::types::Variant, field: &Field| {
            Some((
                field.clone(),
                address.checked_add(variant.payload.offset)?.checked_add(field.offset)?,
            ))
        };
        let known = || {
            let active = self.active(of, address)?;
            let begin = of.variants.as_ref()?.list.first()?;
            let state = self.session.type_at(active.payload.of_type)?;
            let captured = self.session.type_at(begin.payload.of_type)?;
            if state.own_name == "Unresumed" {
                return Some(captured.fields.iter().filter_map(|field| at(begin, field)).collect());
            }
            if !state.own_name.starts_with("Suspend") {
                return None;
            }
            let references = captured.fields.iter().filter(|field| {
                let of = self.session.type_at(field.of_type);
                of.is_some_and(|of| of.own_name.starts_with('&'))
            });
            let mut certain: Vec<_> = references.filter_map(|field| at(begin, field)).collect();
            let awaited = state.fields.iter().rfind(|field| field.name == "__awaitee");
            certain.extend(awaited.and_then(|field| at(active, field)));
            Some(certain)
        };
        known().unwrap_or_default()
    }

    /// Where the `Arc` points to that an end of a channel has.
    fn arc_in(&mut self, of: &Arc<TypeDef>, address: u64, search: usize) -> Option<u64> {
        self.step()?;
        if of.plain == ARC {
            return Some(self.first_pointer(of, address, DEEPEST_IN_AN_END)?.0).filter(|at| *at != 0);
        }
        let search = search.checked_sub(1)?;
        let (inner, at) = self.payload(of, address)?;
        for field in &inner.fields {
            let of = self.session.type_at(field.of_type)?;
            if let Some(found) = self.arc_in(&of, at.checked_add(field.offset)?, search) {
                return Some(found);
            }
        }
        None
    }
}

/// Whether what this points to is there for as long as this is: not so of raw pointers.
fn keeps(of: &TypeDef) -> bool {
    ["&", "alloc::boxed::Box<", "alloc::vec::Vec<", "Box<", "Vec<"]
        .iter()
        .any(|start| of.own_name.starts_with(start))
}

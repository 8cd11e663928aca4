//! The task itself: its future or what is left of it, and whether a thread polls it.

use std::sync::Arc;

use super::decode::{DEEPEST_SEARCH, Decoder, named_field};
use super::program::name_of;
use super::tree::{AwaitTree, Kind, State};
use super::types::{Field, TypeDef};
use super::units::Place;

/// The task's future, or what is left of it.
const STAGE: &str = "tokio::runtime::task::core::Stage";
const HEADER: &str = "tokio::runtime::task::core::Header";
const BLOCKING_TASK: &str = "tokio::runtime::blocking::task::BlockingTask";
/// The bit of a task's state that is set while a thread polls it, in every version of tokio so far:
/// [`RUNNING`](https://github.com/tokio-rs/tokio/blob/tokio-1.47.1/tokio/src/runtime/task/state.rs#L14). Constants are not in debug info.
const RUNNING: u64 = 1;

impl Decoder<'_, '_> {
    /// The task in a cell.
    pub(super) fn task(mut self, cell: Place, future: Place, address: u64) -> AwaitTree {
        let name = self
            .session
            .type_at(future)
            .map(|future| name_of(&self.session, &future))
            .unwrap_or_default();
        self.stage(cell, future, address)
            .unwrap_or_else(|| AwaitTree::new(Kind::Unknown, name))
    }

    fn stage(&mut self, cell: Place, future: Place, address: u64) -> Option<AwaitTree> {
        let of_future = self.session.type_at(future)?;
        let (stage, at) = self.find_type(cell, address, STAGE, DEEPEST_SEARCH)?;
        let active = self.active(&stage, at)?;
        let payload = self.session.type_at(active.payload.of_type)?;
        let content = payload.fields.first();
        let at = at.checked_add(active.payload.offset)?;
        let mut tree = AwaitTree::new(self.kind(&of_future), name_of(&self.session, &of_future));
        match active.payload.name.as_str() {
            "Running" => {
                let content = content?;
                // One type may be described in several units.
                let held = self.session.type_at(content.of_type)?;
                if held.place != of_future.place && held.segments != of_future.segments {
                    return None;
                }
                let at = at.checked_add(content.offset)?;
                let mut tree = self.future(content.of_type, at, 0);
                self.find_own_senders(&mut tree, content.of_type, at);
                return Some(tree);
            }
            "Finished" => {
                tree.state = content
                    .and_then(|result| self.how_it_ended(result, at))
                    .unwrap_or(State::Ended);
            }
            "Consumed" => tree.state = State::Ended,
            _ => return None,
        }
        if let Some(function) = self.blocking_function(&of_future) {
            (tree.kind, tree.type_name) = (Kind::Blocking, function);
        }
        Some(tree)
    }

    pub(super) fn find_type(
        &mut self,
        within: Place,
        address: u64,
        path: &str,
        depth: usize,
    ) -> Option<(Arc<TypeDef>, u64)> {
        self.step()?;
        let of = self.session.type_at(within)?;
        if of.plain == path {
            return Some((of, address));
        }
        let fields = depth.checked_sub(1).map(|depth| (depth, &of.fields));
        let (depth, fields) = fields?;
        fields
            .iter()
            .find_map(|field| self.find_type(field.of_type, address.checked_add(field.offset)?, path, depth))
    }

    /// How a task ended whose output is still there: a `Result<T::Output, JoinError>`.
    fn how_it_ended(&mut self, result: &Field, at: u64) -> Option<State> {
        let of = self.session.type_at(result.of_type)?;
        let at = at.checked_add(result.offset)?;
        let active = self.active(&of, at)?;
        match active.payload.name.as_str() {
            "Ok" => Some(State::Returned),
            "Err" => {
                let payload = self.session.type_at(active.payload.of_type)?;
                let error = payload.fields.first()?;
                let at = at.checked_add(active.payload.offset)?.checked_add(error.offset)?;
                let error = self.session.type_at(error.of_type)?;
                let repr = error.fields.iter().find(|field| field.name == "repr")?;
                let of = self.session.type_at(repr.of_type)?;
                match self.active(&of, at.checked_add(repr.offset)?)?.payload.name.as_str() {
                    "Cancelled" => Some(State::Aborted),
                    "Panic" => Some(State::Panicked),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(super) fn blocking_function(&self, of: &TypeDef) -> Option<String> {
        let function = of.arguments.first().filter(|_| of.plain == BLOCKING_TASK)?.1;
        Some(name_of(&self.session, &*self.session.type_at(function)?))
    }

    /// Whether a thread polls the task in a cell.
    pub(super) fn polled(mut self, cell: Place, address: u64) -> Option<bool> {
        let (header, at) = self.find_type(cell, address, HEADER, DEEPEST_SEARCH)?;
        let state = named_field(&header, "state")?;
        let of = self.session.type_at(state.of_type)?;
        let number = self.only_number(of, at.checked_add(state.offset)?)?;
        Some(number & RUNNING != 0)
    }

    pub(super) fn blocking_state(&mut self, of: &TypeDef, address: u64) -> Option<State> {
        let function = of.fields.first()?;
        let option = self.session.type_at(function.of_type)?;
        match self
            .active(&option, address.checked_add(function.offset)?)?
            .payload
            .name
            .as_str()
        {
            "Some" => Some(State::Unresumed),
            "None" => Some(State::Running),
            _ => None,
        }
    }
}

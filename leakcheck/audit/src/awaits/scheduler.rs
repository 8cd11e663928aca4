//! What a task's runtime waits by: from the task's cell to its scheduler, from there to the driver.

use std::sync::Arc;

use super::decode::{DEEPEST_SEARCH, Decoder, named_field};
use super::types::{Field, TypeDef, TypeKind};
use super::units::Place;

const CORE: &str = "tokio::runtime::task::core::Core";
/// The scheduler of a runtime of one thread, and what its driver of input and output is woken by.
const HANDLE: &str = "tokio::runtime::scheduler::current_thread::Handle";
const WAKER: &str = "mio::waker::Waker";
const DESCRIPTOR: &str = "std::os::fd::owned::OwnedFd";

impl Decoder<'_, '_> {
    /// The descriptor that wakes the runtime of the task in a cell, where it is a runtime of one thread with a driver of input and output.
    pub(super) fn waking_descriptor(mut self, cell: Place, address: u64) -> Option<u64> {
        let (core, at) = self.find_type(cell, address, CORE, DEEPEST_SEARCH)?;
        let (shared, at) = self.field(&core, at, "scheduler")?;
        let (handle, at) = self.behind_arc(&shared, at)?;
        if handle.plain != HANDLE {
            return None;
        }
        let (driver, at) = self.field(&handle, at, "driver")?;
        let (io, at) = self.field(&driver, at, "io")?;
        let active = self.active(&io, at).filter(|active| active.payload.name == "Enabled")?;
        let (enabled, at) = (active.payload.of_type, at.checked_add(active.payload.offset)?);
        let (waker, at) = self.find_type(enabled, at, WAKER, DEEPEST_SEARCH)?;
        let (descriptor, at) = self.find_type(waker.place, at, DESCRIPTOR, DEEPEST_SEARCH)?;
        self.only_number(descriptor, at)
    }

    fn field(&mut self, of: &TypeDef, address: u64, name: &str) -> Option<(Arc<TypeDef>, u64)> {
        let field = named_field(of, name)?;
        Some((self.session.type_at(field.of_type)?, address.checked_add(field.offset)?))
    }

    /// The number inside of a type that holds nothing else: inside of an atomic, inside of a type with a range of its own.
    pub(super) fn only_number(&mut self, mut of: Arc<TypeDef>, mut at: u64) -> Option<u64> {
        while of.kind == TypeKind::Structure {
            self.step()?;
            let sized = |field: &&Field| self.session.type_at(field.of_type).is_some_and(|of| of.size > 0);
            let only = of.fields.iter().find(sized)?;
            at = at.checked_add(only.offset)?;
            of = self.session.type_at(only.of_type)?;
        }
        self.number(at, of.size)
    }
}

//! What holds many futures, or shares one: vectors, arrays and slices, lists of tasks, what is behind an `Arc`.

use std::sync::Arc;

use super::adapters;
use super::decode::{Decoder, named_field};
use super::program::name_of;
use super::tree::{AwaitTree, Kind};
use super::types::{TypeDef, TypeKind};
use super::units::Place;

/// How many futures of one collection are looked at.
const MOST_MEMBERS: u64 = 1000;
/// How many of them are shown, those that are alike counting as one.
const MOST_SHOWN: usize = 32;
/// How deep inside of its own type a collection's list is.
const DEEPEST: usize = 8;

const VECTOR: &str = "alloc::vec::Vec";
const ARC: &str = "alloc::sync::Arc";
const SHARED: &str = "futures_util::future::future::shared::Shared";
const UNORDERED: &str = "futures_util::stream::futures_unordered::FuturesUnordered";
const JOIN_SET: &str = "tokio::task::join_set::JoinSet";

/// Whether it shares a future with others.
pub(super) fn is_shared(of: &TypeDef) -> bool {
    of.plain == SHARED
}

impl Decoder<'_, '_> {
    /// The futures of a collection, wherever in its own type its list is. Each that is alike to the one before only adds to its number.
    /// `None` where the list is not at hand.
    pub(super) fn members(&mut self, of: &Arc<TypeDef>, address: u64, depth: usize) -> Option<Vec<AwaitTree>> {
        self.members_inside(of, address, depth, DEEPEST)
    }

    fn members_inside(
        &mut self,
        of: &Arc<TypeDef>,
        address: u64,
        depth: usize,
        search: usize,
    ) -> Option<Vec<AwaitTree>> {
        self.step()?;
        let search = search.checked_sub(1)?;
        if of.plain == UNORDERED {
            return self.linked(of, address, depth);
        }
        if let Some((element, at, count)) = self.sequence(of, address) {
            return self.elements(element, at, count, depth);
        }
        let (inner, at) = self.payload(of, address)?;
        let field = inner
            .fields
            .iter()
            .find(|field| self.holds_futures_at_all(field.of_type))?
            .clone();
        let of = self.session.type_at(field.of_type)?;
        self.members_inside(&of, at.checked_add(field.offset)?, depth, search)
    }

    /// Futures that stand one after the other: their type, where the first is, and how many there are.
    pub(super) fn sequence(&mut self, of: &TypeDef, address: u64) -> Option<(Place, u64, u64)> {
        if of.kind == TypeKind::Array {
            return Some((of.target?, address, of.count?));
        }
        if of.plain == VECTOR {
            let element = element(of)?;
            let (buffer, length) = (named_field(of, "buf")?, named_field(of, "len")?);
            let buffer_type = self.session.type_at(buffer.of_type)?;
            let (at, _) = self.first_pointer(&buffer_type, address.checked_add(buffer.offset)?, DEEPEST)?;
            let size = self.session.type_at(length.of_type)?.size;
            return Some((element, at, self.number(address.checked_add(length.offset)?, size)?));
        }
        let (data, length) = (named_field(of, "data_ptr")?, named_field(of, "length")?);
        let pointer = self.session.type_at(data.of_type)?;
        let size = self.session.type_at(length.of_type)?.size;
        let at = self.number(address.checked_add(data.offset)?, pointer.size)?;
        Some((
            pointer.target?,
            at,
            self.number(address.checked_add(length.offset)?, size)?,
        ))
    }

    fn elements(&mut self, element: Place, at: u64, count: u64, depth: usize) -> Option<Vec<AwaitTree>> {
        let of = self.session.type_at(element)?;
        let mut members = Members::default();
        for nth in 0..count.min(MOST_MEMBERS) {
            self.step()?;
            let address = at.checked_add(of.size.checked_mul(nth)?)?;
            members.add(self.future(element, address, depth));
        }
        members.finish(count > MOST_MEMBERS)
    }

    /// The futures of a `FuturesUnordered`, whose list goes from the one that was added last to the first.
    fn linked(&mut self, of: &TypeDef, address: u64, depth: usize) -> Option<Vec<AwaitTree>> {
        let head = named_field(of, "head_all")?;
        let head_type = self.session.type_at(head.of_type)?;
        let (mut at, task) = self.first_pointer(&head_type, address.checked_add(head.offset)?, DEEPEST)?;
        let task = self.session.type_at(task?)?;
        let (future, next) = (named_field(&task, "future")?, named_field(&task, "next_all")?);
        let next_type = self.session.type_at(next.of_type)?;
        let mut members = Members::default();
        for _ in 0..MOST_MEMBERS {
            if at == 0 {
                return members.finish(false);
            }
            self.step()?;
            members.add(self.future(future.of_type, at.checked_add(future.offset)?, depth));
            (at, _) = self.first_pointer(&next_type, at.checked_add(next.offset)?, DEEPEST)?;
        }
        members.finish(true)
    }

    /// The handles of a `JoinSet`, which are in two lists behind an `Arc`.
    pub(super) fn join_set(&mut self, of: &TypeDef, address: u64, depth: usize) -> Option<Vec<AwaitTree>> {
        if of.plain != JOIN_SET {
            return None;
        }
        let inner = named_field(of, "inner")?;
        let inner_type = self.session.type_at(inner.of_type)?;
        let lists = named_field(&inner_type, "lists")?;
        let at = address.checked_add(inner.offset)?.checked_add(lists.offset)?;
        let arc = self.session.type_at(lists.of_type)?;
        let (shared, at) = self.behind_arc(&arc, at)?;
        let (lists, at) = self.find(&shared, at, "ListsInner<", DEEPEST)?;
        let mut members = Members::default();
        for name in ["notified", "idle"] {
            let list = named_field(&lists, name)?;
            let list_type = self.session.type_at(list.of_type)?;
            let head = named_field(&list_type, "head")?;
            let head_type = self.session.type_at(head.of_type)?;
            let at = at.checked_add(list.offset)?.checked_add(head.offset)?;
            let (mut entry, entry_type) = self.first_pointer(&head_type, at, DEEPEST)?;
            let entry_type = self.session.type_at(entry_type?)?;
            let (value, pointers) = (
                named_field(&entry_type, "value")?,
                named_field(&entry_type, "pointers")?,
            );
            let pointers_type = self.session.type_at(pointers.of_type)?;
            let mut left = MOST_MEMBERS;
            while entry != 0 {
                self.step()?;
                left = left.checked_sub(1)?;
                members.add(self.future(value.of_type, entry.checked_add(value.offset)?, depth));
                let (links, at) = self.find(
                    &pointers_type,
                    entry.checked_add(pointers.offset)?,
                    "PointersInner<",
                    DEEPEST,
                )?;
                let next = named_field(&links, "next")?;
                let next_type = self.session.type_at(next.of_type)?;
                (entry, _) = self.first_pointer(&next_type, at.checked_add(next.offset)?, DEEPEST)?;
            }
        }
        members.finish(false)
    }

    /// What an `Arc` shares: its type and where it is, which needs nothing but the pointer.
    pub(super) fn behind_arc(&mut self, of: &TypeDef, address: u64) -> Option<(Arc<TypeDef>, u64)> {
        if of.plain != ARC {
            return None;
        }
        let (at, counted) = self.first_pointer(of, address, DEEPEST)?;
        let counted = self.session.type_at(counted?)?;
        let data = named_field(&counted, "data")?;
        Some((self.session.type_at(data.of_type)?, at.checked_add(data.offset)?))
    }

    /// The future that a `Shared` polls for whoever has a clone of it.
    pub(super) fn shared(&mut self, of: &Arc<TypeDef>, address: u64, depth: usize) -> Option<AwaitTree> {
        let inner = named_field(of, "inner")?;
        let option = self.session.type_at(inner.of_type)?;
        let (payload, at) = self.payload(&option, address.checked_add(inner.offset)?)?;
        let arc = payload.fields.first()?;
        let arc_type = self.session.type_at(arc.of_type)?;
        let (content, at) = self.behind_arc(&arc_type, at.checked_add(arc.offset)?)?;
        let future = named_field(&content, "future_or_output")?;
        let mut tree = AwaitTree::new(Kind::Holds, name_of(&self.session, of));
        tree.children
            .push(self.future(future.of_type, at.checked_add(future.offset)?, depth));
        Some(tree)
    }

    /// The first pointer inside a type, in the order of its fields and through the variant that is there: what it points to, and where.
    /// An option without one is a pointer to nothing.
    pub(super) fn first_pointer(&mut self, of: &TypeDef, address: u64, search: usize) -> Option<(u64, Option<Place>)> {
        self.step()?;
        if of.kind == TypeKind::Pointer {
            return Some((self.number(address, of.size)?, of.target));
        }
        let search = search.checked_sub(1)?;
        if of.variants.is_some() {
            // A list's end. What it would point to is known all the same.
            let some = of.variants.iter().flat_map(|variants| &variants.list);
            let payload = &some.last()?.payload;
            let inner = self.session.type_at(payload.of_type)?;
            return self.first_pointer(&inner, address.checked_add(payload.offset)?, search);
        }
        for field in &of.fields {
            let inner = self.session.type_at(field.of_type)?;
            if inner.size == 0 {
                continue;
            }
            return self.first_pointer(&inner, address.checked_add(field.offset)?, search);
        }
        None
    }

    /// The type inside another whose own name begins so.
    fn find(&mut self, of: &Arc<TypeDef>, address: u64, name: &str, search: usize) -> Option<(Arc<TypeDef>, u64)> {
        self.step()?;
        if of.own_name.starts_with(name) {
            return Some((Arc::clone(of), address));
        }
        let search = search.checked_sub(1)?;
        for field in &of.fields {
            let inner = self.session.type_at(field.of_type)?;
            if let Some(found) = self.find(&inner, address.checked_add(field.offset)?, name, search) {
                return Some(found);
            }
        }
        None
    }

    /// An enum's variant that is there, or the type itself.
    pub(super) fn payload(&mut self, of: &Arc<TypeDef>, address: u64) -> Option<(Arc<TypeDef>, u64)> {
        if of.variants.is_none() {
            return Some((Arc::clone(of), address));
        }
        let active = self.active(of, address)?;
        Some((
            self.session.type_at(active.payload.of_type)?,
            address.checked_add(active.payload.offset)?,
        ))
    }
}

/// What a vector, slice or array is of.
pub(super) fn element(of: &TypeDef) -> Option<Place> {
    if of.kind == TypeKind::Array {
        return of.target;
    }
    let of_vector = || {
        of.arguments
            .iter()
            .find(|(name, _)| name == "T" && of.plain == VECTOR)
            .map(|(_, element)| *element)
    };
    of_vector()
}

/// Whether a type is a pointer to a trait's object that waits.
pub(super) fn is_dyn_future(of: &TypeDef) -> bool {
    named_field(of, "pointer").is_some()
        && named_field(of, "vtable").is_some()
        && adapters::is_waiting_object(&of.own_name)
}

/// The futures of a collection, those that are alike together.
#[derive(Default)]
struct Members {
    shown: Vec<AwaitTree>,
    left_out: u64,
}

impl Members {
    fn add(&mut self, next: AwaitTree) {
        if let Some(last) = self.shown.last_mut()
            && last.is_alike(&next)
        {
            last.count += 1;
        } else if self.shown.len() < MOST_SHOWN {
            self.shown.push(next);
        } else {
            self.left_out += 1;
        }
    }

    fn finish(mut self, goes_on: bool) -> Option<Vec<AwaitTree>> {
        if self.left_out > 0 || goes_on {
            let mut rest = AwaitTree::new(Kind::Unknown, "more that are not shown".to_owned());
            rest.count = self.left_out.max(1);
            self.shown.push(rest);
        }
        Some(self.shown)
    }
}

//! The type of a future, by the function that polls it.
//!
//! Debug info says of each vtable whose it is. On macOS the gathered one does not: a vtable has no symbol there, and what has none is
//! left out. What a vtable polls has one, and its debug info says what it is given.

use super::decode::{Decoder, fat_pointer};
use super::inside::is_dyn_future;
use super::names;
use super::program::MOST_STEPS;
use super::tree::{AwaitTree, Kind};
use super::types::{TypeDef, TypeKind};
use super::units::{Entry, Place, Session};

/// What the compiler calls the body of a coroutine, without its number.
const BODIES: [&str; 3] = ["{async_fn#", "{async_block#", "{async_closure#"];
/// What a name of a function has more where it is the type of what that function polls.
const TYPE: &str = "_env";

impl<'p> Session<'p> {
    /// The type of the future whose `poll` begins at this address.
    pub(super) fn type_polled_at(&self, address: u64) -> Option<Place> {
        self.debug.units_at(address).find_map(|unit| {
            let offset = *self.index(unit)?.functions_at(address).last()?;
            let function = Place { unit, offset };
            let (read, entry) = self.entry(function)?;
            let begins = read.ranges(&entry).iter().any(|(begin, _)| *begin == address);
            (begins && entry.tag() == gimli::DW_TAG_subprogram).then(|| self.type_polled_by(function))?
        })
    }

    fn type_polled_by(&self, function: Place) -> Option<Place> {
        let function = self.declared(function)?;
        let mut segments = self.segments(function);
        let own = segments.last_mut()?;
        if let Some(kind) = BODIES.iter().find(|kind| own.starts_with(**kind)) {
            own.insert_str(kind.len() - 1, TYPE);
            return self.defined(&segments);
        }
        let given = (own == "poll" || own.starts_with("poll<")).then(|| self.given_self(function))??;
        // `Pin<&mut T>`
        let pin = self
            .type_at(given)
            .filter(|pin| pin.own_name.starts_with("Pin<&mut "))?;
        let [pointer] = &pin.fields[..] else { return None };
        let pointer = self.type_at(pointer.of_type)?;
        pointer.target.filter(|_| pointer.kind == TypeKind::Pointer)
    }

    /// Where a function is declared: what was inlined, its origin, and what that specifies.
    pub(super) fn declared(&self, mut function: Place) -> Option<Place> {
        for _ in 0..MOST_STEPS {
            let (_, entry) = self.entry(function)?;
            let declared = [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification]
                .into_iter()
                .find_map(|name| self.attribute_target(function.unit, &entry, name));
            match declared {
                Some(declared) => function = declared,
                None => break,
            }
        }
        Some(function)
    }

    /// The type of a method's `self`.
    fn given_self(&self, function: Place) -> Option<Place> {
        let unit = self.unit(function.unit)?;
        let mut entries = unit
            .unit
            .entries_raw(Some(gimli::UnitOffset(function.offset as usize)))
            .ok()?;
        let mut entry = Entry::null();
        entries.read_entry(&mut entry).ok().filter(|read| *read)?;
        let depth = entries.next_depth();
        if depth <= entry.depth() {
            return None;
        }
        while !entries.is_empty() && entries.next_depth() >= depth {
            let is_own = entries.next_depth() == depth;
            let is_read = entries.read_entry(&mut entry).ok()?;
            let is_parameter = is_read && is_own && entry.tag() == gimli::DW_TAG_formal_parameter;
            if is_parameter && unit.text(&entry, gimli::DW_AT_name).as_deref() == Some("self") {
                return self.attribute_target(function.unit, &entry, gimli::DW_AT_type);
            }
        }
        None
    }
}

impl Decoder<'_, '_> {
    /// The type of a `dyn Future` where debug info says nothing of vtables: by what it polls, if it is as large as the vtable says.
    pub(super) fn concrete_by_its_code(&mut self, vtable: u64) -> Option<Place> {
        let object = &self.session.debug.object;
        let vtable = self.memory.in_object(vtable).filter(|_| object.is_macho())?;
        let poll = object.pointer(vtable.checked_add(24)?)?;
        // Functions of one code have one address, and several names.
        object.function(poll)?;
        let mut said = [0; 8];
        if !object.read(vtable.checked_add(8)?, &mut said) {
            return None;
        }
        let concrete = self.session.type_polled_at(poll)?;
        (self.session.type_at(concrete)?.size == self.session.read_number(said)).then_some(concrete)
    }

    /// A `dyn Future` whose type is not in the debug info, such as of a crate that was compiled without. What its vtable polls has a name
    /// all the same, and that is all that is said of it.
    pub(super) fn object_by_its_code(&self, of: &TypeDef, address: u64) -> Option<AwaitTree> {
        if !is_dyn_future(of) {
            return None;
        }
        let (_, vtable) = fat_pointer(of)?;
        let size = self.session.type_at(vtable.of_type)?.size;
        let vtable = self.number(address.checked_add(vtable.offset)?, size)?;
        let vtable = self.memory.in_object(vtable)?;
        // What drops it, its size, its alignment, and then the trait's one method.
        let poll = self.session.debug.object.pointer(vtable.checked_add(3 * size)?)?;
        let function = self.session.debug.object.function(poll)?;
        Some(AwaitTree::new(Kind::Unknown, names::polled(&function)?))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::super::program::name_of;
    use super::super::units::Debug;

    const PROGRAM: &str = r#"
        use std::{future::Future, pin::Pin, task::{Context, Poll}};
        type Boxed = Pin<Box<dyn Future<Output = ()>>>;
        struct Written(u64);
        impl Future for Written {
            type Output = ();
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                if self.0 == 7 { Poll::Ready(()) } else { Poll::Pending }
            }
        }
        struct Outer<T>(T);
        impl<T: Future<Output = ()> + Unpin> Future for Outer<T> {
            type Output = ();
            fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
                Pin::new(&mut self.0).poll(context)
            }
        }
        async fn plain(depth: u64) { Written(depth).await }
        async fn generic<T: Copy + Into<u64>>(depth: T) { Written(depth.into()).await }
        trait Other { fn other(&self) -> u64; }
        impl Other for Written { fn other(&self) -> u64 { self.0 } }
        fn main() {
            let futures: Vec<Boxed> = vec![
                Box::pin(Written(1)),
                Box::pin(Outer(Written(2))),
                Box::pin(Outer(Box::pin(plain(3)))),
                Box::pin(plain(4)),
                Box::pin(generic(5_u8)),
                Box::pin(generic(6_u32)),
                Box::pin(async { plain(7).await }),
            ];
            let other: Box<dyn Other> = Box::new(Written(8));
            std::hint::black_box((futures, other.other()));
        }
    "#;

    /// Where debug info says of vtables whose they are, what they poll says the same.
    #[test]
    fn what_a_vtable_polls_says_whose_it_is() {
        let room = tempfile::tempdir().expect("a directory");
        let source = room.path().join("futures.rs");
        std::fs::write(&source, PROGRAM).expect("a file");
        for (name, optimized) in [("plain", "0"), ("optimized", "1")] {
            let program = room.path().join(name);
            let mut rustc = Command::new("rustc");
            rustc.args([
                "--edition",
                "2021",
                "--crate-name",
                "futures",
                "-g",
                "-C",
                &format!("opt-level={optimized}"),
                "-o",
            ]);
            let built = rustc.arg(&program).arg(&source).output().expect("rustc starts");
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

            let debug = Debug::open(&program, &[]).expect("debug info");
            let session = debug.session();
            let mut told = BTreeSet::new();
            for vtable in session.everywhere().vtables.keys() {
                let polled = debug
                    .object
                    .pointer(vtable + 24)
                    .and_then(|poll| session.type_polled_at(poll));
                let Some(polled) = polled else { continue };
                let known = session.type_of_vtable(*vtable).expect("whose it is");
                assert_eq!(session.segments(polled), session.segments(known));
                told.insert(name_of(&session, &session.type_at(polled).expect("a type")));
            }
            // What is optimized may have lost some, and says of none something else.
            let expected = [
                "Outer<Pin<Box<plain>>>",
                "Outer<Written>",
                "Written",
                "generic<u32>",
                "generic<u8>",
                "main::{async block}",
                "plain",
            ];
            let expected = expected.map(|name| format!("futures::{name}"));
            if optimized == "0" {
                assert_eq!(Vec::from_iter(told), expected);
            } else {
                assert!(
                    told.iter().all(|name| expected.contains(name)) && told.len() > 3,
                    "{told:?}"
                );
            }
        }
    }
}

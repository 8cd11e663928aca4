//! From a type and the bytes at an address to a tree of awaits.

use std::sync::Arc;

use super::adapters;
use super::inside::{self, is_dyn_future};
use super::leaf::{self, Leaf};
use super::memory::Memory;
use super::names;
use super::program::name_of;
use super::tree::{AwaitTree, Kind, State};
use super::types::{Field, TypeDef, TypeKind, Variant, masked};
use super::units::{Place, Session};

/// How many types may be inside of or behind one another. A chain of awaits is seldom longer than twenty, with some wrappers each.
const DEEPEST: usize = 160;
/// How many types are looked at for one task.
const MOST_STEPS: usize = 20_000;
/// How far into a type futures are looked for.
pub(super) const DEEPEST_SEARCH: usize = 20;
/// How far into what a box holds.
const DEEPEST_IN_A_BOX: usize = 8;

/// How far into a future that was written by hand it is looked for what it may poll, and how much of that is shown.
const DEEPEST_POLLED: usize = 6;
const MOST_POLLED: usize = 16;
/// How many boxes directly in one another are looked through for it.
const MOST_BOXES: usize = 4;

const JOIN_HANDLE: &str = "tokio::runtime::task::join::JoinHandle";
const OPTION: &str = "core::option::Option";
/// The standard library's, and what tokio had before there was one.
const POLL_FN: &[&str] = &[
    "core::future::poll_fn::PollFn",
    "tokio::future::poll_fn::PollFn",
    "futures_util::future::poll_fn::PollFn",
];

/// The answer to one question, while it is looked for.
pub(super) struct Decoder<'p, 'm> {
    pub(super) session: Session<'p>,
    pub(super) memory: &'m dyn Memory,
    steps: usize,
}

impl<'p, 'm> Decoder<'p, 'm> {
    pub(super) fn new(session: Session<'p>, memory: &'m dyn Memory) -> Self {
        Decoder {
            session,
            memory,
            steps: 0,
        }
    }

    /// A future at an address.
    pub(super) fn future(&mut self, place: Place, address: u64, depth: usize) -> AwaitTree {
        let Some(of) = self.session.type_at(place) else {
            return AwaitTree::new(Kind::Unknown, String::new());
        };
        self.known_future(&of, address, depth)
            .unwrap_or_else(|| AwaitTree::new(Kind::Unknown, name_of(&self.session, &of)))
    }

    /// A future of a type that is understood. `None`: it is not, or the memory says nothing, or it was too much.
    fn known_future(&mut self, of: &Arc<TypeDef>, address: u64, depth: usize) -> Option<AwaitTree> {
        self.step()?;
        if depth > DEEPEST {
            return None;
        }
        let depth = depth + 1;
        if let Some(leaf) = self.leaf(of) {
            return Some(self.leaf_at(of, leaf, address, depth));
        }
        if names::is_coroutine(&of.own_name) {
            return Some(self.coroutine(of, address, depth));
        }
        if of.kind == TypeKind::Pointer {
            let (target, at) = (of.target?, self.number(address, of.size));
            return Some(self.behind(target, at, depth));
        }
        if fat_pointer(of).is_some() {
            let Some((concrete, at)) = self.concrete_type(of, address) else {
                return self.object_by_its_code(of, address);
            };
            return Some(self.behind(concrete, at, depth));
        }
        if let Some(function) = self.blocking_function(of) {
            let mut tree = AwaitTree::new(Kind::Blocking, function);
            tree.state = self.blocking_state(of, address).unwrap_or(State::Unknown);
            return Some(tree);
        }
        if POLL_FN.contains(&of.plain.as_str()) {
            let function = of.fields.first()?;
            let closure = self.session.type_at(function.of_type)?;
            return self.poll_fn(of, &closure, address.checked_add(function.offset)?, depth);
        }
        if adapters::is_timeout(&of.plain) {
            return self.timeout(of, address, depth);
        }
        if inside::is_shared(of) {
            return self.shared(of, address, depth);
        }
        self.wrapper(of, address, depth)
    }

    /// A future with a deadline. Newer versions of tokio have none where it would be too far away.
    fn timeout(&mut self, of: &Arc<TypeDef>, address: u64, depth: usize) -> Option<AwaitTree> {
        let field = |name: &&str| named_field(of, name);
        let value = ["value", "response", "inner"].iter().find_map(field)?.clone();
        let timer = ["delay", "sleep"].iter().find_map(field)?;
        let timer_type = self.session.type_at(timer.of_type)?;
        let has_deadline = match &timer_type.variants {
            Some(_) if timer_type.plain == OPTION => {
                let there = self.active(&timer_type, address.checked_add(timer.offset)?)?;
                there.payload.name == "Some"
            }
            _ => true,
        };
        let at = address.checked_add(value.offset)?;
        if !has_deadline {
            return Some(self.future(value.of_type, at, depth));
        }
        let mut tree = AwaitTree::new(Kind::Timeout, base(&name_of(&self.session, of)).to_owned());
        tree.children.push(self.future(value.of_type, at, depth));
        Some(tree)
    }

    /// A type with futures in it: a struct's fields, or those of an enum's variant.
    fn wrapper(&mut self, of: &Arc<TypeDef>, address: u64, depth: usize) -> Option<AwaitTree> {
        let (inner, at) = match &of.variants {
            None => (Arc::clone(of), address),
            Some(_) => {
                let active = self.active(of, address)?;
                if let Some(state) = ended_variant(of, active) {
                    // What has ended was the future that the enum is named after.
                    let payload = self.session.type_at(active.payload.of_type);
                    let future = payload.and_then(|payload| payload.arguments.first().map(|(_, future)| *future));
                    let ended = future.and_then(|future| self.session.type_at(future));
                    let ended = ended.as_ref().unwrap_or(of);
                    let mut tree = AwaitTree::new(self.kind(ended), name_of(&self.session, ended));
                    tree.state = state;
                    return Some(tree);
                }
                (
                    self.session.type_at(active.payload.of_type)?,
                    address.checked_add(active.payload.offset)?,
                )
            }
        };
        let sized = |field: &&Field| self.session.type_at(field.of_type).is_none_or(|of| of.size > 0);
        let only_field = inner.kind == TypeKind::Structure && inner.fields.iter().filter(sized).count() == 1
            || inner.kind == TypeKind::Union;
        let holding: Vec<Field> = inner
            .fields
            .iter()
            .filter(|field| self.holds_futures(field.of_type, DEEPEST_SEARCH))
            .cloned()
            .collect();
        let path = of.plain.as_str();
        let whole = match (adapters::is_join(path), adapters::is_select(path)) {
            (true, _) => Some(Kind::Join),
            (_, true) => Some(Kind::Select),
            _ => None,
        };
        if let Some(kind) = whole {
            return self.all_of(kind, of, &inner, at, depth);
        }
        let seen_through = only_field || adapters::is_seen_through(path);
        if let [field] = &holding[..]
            && seen_through
        {
            let of = self.session.type_at(field.of_type)?;
            return self.known_future(&of, at.checked_add(field.offset)?, depth);
        }
        if let Some((element, ..)) = self.sequence(of, address)
            && self.holds_futures(element, DEEPEST_SEARCH)
        {
            let mut tree = AwaitTree::new(Kind::Holds, name_of(&self.session, of));
            tree.children = self.members(of, address, depth)?;
            return Some(tree);
        }
        if holding.is_empty() {
            return self.by_hand(of, &inner, at, depth);
        }
        let mut tree = AwaitTree::new(Kind::Holds, name_of(&self.session, of));
        for field in &holding {
            let at = at.checked_add(field.offset)?;
            let mut child = self.future(field.of_type, at, depth);
            if self.is_none(field.of_type, at) {
                child.state = State::Absent;
            }
            tree.children.push(child);
        }
        // Beside its futures it may poll what is none.
        let is_other = |field: &&Field| !self.holds_futures(field.of_type, DEEPEST_SEARCH);
        let others: Vec<Field> = inner.fields.iter().filter(is_other).cloned().collect();
        self.polled_of(&others, at, depth, DEEPEST_POLLED, &mut tree.children);
        Some(tree)
    }

    /// Whether it is an option with nothing in it: whoever wrote the future may have taken it out, or not put it in yet.
    fn is_none(&self, place: Place, address: u64) -> bool {
        let option = self.session.type_at(place).filter(|of| of.plain == OPTION);
        option.is_some_and(|of| {
            self.active(&of, address)
                .is_some_and(|active| active.payload.name == "None")
        })
    }

    /// A future that holds no other: one that was written by hand, and polls what it holds by methods as `poll_recv`.
    fn by_hand(&mut self, of: &TypeDef, inner: &TypeDef, at: u64, depth: usize) -> Option<AwaitTree> {
        if adapters::is_seen_through(&of.plain) {
            let polls = |field: &&Field| self.polls(field.of_type, DEEPEST_POLLED);
            if let Some(field) = inner.fields.iter().find(polls) {
                let future = self.session.type_at(field.of_type)?;
                return self.known_future(&future, at.checked_add(field.offset)?, depth);
            }
        }
        let mut tree = AwaitTree::new(Kind::Holds, name_of(&self.session, of));
        self.polled_in(inner, at, depth, DEEPEST_POLLED, &mut tree.children);
        if tree.children.is_empty() {
            // A driver that shares all of its state with the handles by which it is told what to do.
            self.polled_behind_arcs(inner, at, depth, DEEPEST_POLLED, &mut tree.children);
        }
        (!tree.children.is_empty()).then_some(tree)
    }

    /// Whether there is something in a type that is polled and is no future.
    fn polls(&self, place: Place, search: usize) -> bool {
        let (Some(of), Some(search)) = (self.session.type_at(place), search.checked_sub(1)) else {
            return false;
        };
        let variants = of.variants.iter().flat_map(|variants| &variants.list);
        let mut inside = of.fields.iter().chain(variants.map(|variant| &variant.payload));
        leaf::polled(&of.plain).is_some() || inside.any(|field| self.polls(field.of_type, search))
    }

    /// What is polled and is no future, in the fields of a type.
    fn polled_in(&mut self, of: &TypeDef, at: u64, depth: usize, search: usize, found: &mut Vec<AwaitTree>) {
        self.polled_of(&of.fields, at, depth, search, found);
    }

    /// The same in some fields of a type.
    fn polled_of(&mut self, fields: &[Field], at: u64, depth: usize, search: usize, found: &mut Vec<AwaitTree>) {
        let Some(search) = search.checked_sub(1) else { return };
        for field in fields {
            let of = self.session.type_at(field.of_type);
            let (Some(()), Some(of), Some(at)) = (self.step(), of, at.checked_add(field.offset)) else {
                return;
            };
            if found.len() >= MOST_POLLED {
                return;
            }
            let (mut of, mut at) = (of, at);
            for _ in 0..MOST_BOXES {
                let Some(owned) = self.owned(&of, at) else { break };
                (of, at) = owned;
            }
            if let Some(leaf) = leaf::polled(&of.plain) {
                found.push(self.leaf_at(&of, leaf, at, depth));
            } else if let Some((inner, at)) = self.payload(&of, at) {
                self.polled_in(&inner, at, depth, search, found);
            }
        }
    }

    /// What is behind a `Box` or `&mut`, also of a trait's object as of `dyn AsyncRead`: nobody else polls it meanwhile.
    fn owned(&mut self, of: &Arc<TypeDef>, address: u64) -> Option<(Arc<TypeDef>, u64)> {
        let is_only = of.own_name.starts_with("alloc::boxed::Box<") || of.own_name.starts_with("&mut ");
        if !is_only {
            return None;
        }
        let (target, at) = match fat_pointer(of) {
            Some(_) => self.object(of, address)?,
            None => (of.target?, self.number(address, of.size).filter(|at| *at != 0)?),
        };
        Some((self.session.type_at(target)?, at))
    }

    /// What is polled and is no future, in what the fields of a type share with others.
    fn polled_behind_arcs(&mut self, of: &TypeDef, at: u64, depth: usize, search: usize, found: &mut Vec<AwaitTree>) {
        let Some(search) = search.checked_sub(1) else { return };
        for field in &of.fields {
            let of = self.session.type_at(field.of_type);
            let (Some(()), Some(of), Some(at)) = (self.step(), of, at.checked_add(field.offset)) else {
                return;
            };
            if let Some((shared, at)) = self.behind_arc(&of, at) {
                self.polled_in(&shared, at, depth, DEEPEST_POLLED, found);
            } else if let Some((inner, at)) = self.payload(&of, at) {
                self.polled_behind_arcs(&inner, at, depth, search, found);
            }
        }
    }

    /// A future that waits for all that it holds, or for the first of them.
    fn all_of(
        &mut self,
        kind: Kind,
        of: &Arc<TypeDef>,
        inner: &Arc<TypeDef>,
        mut at: u64,
        depth: usize,
    ) -> Option<AwaitTree> {
        let mut tree = AwaitTree::new(kind, name_of(&self.session, of));
        if adapters::is_collection(&of.plain) {
            tree.children = self.members(inner, at, depth)?;
            return Some(tree);
        }
        let mut inner = Arc::clone(inner);
        // Some keep their futures in an option, or a tuple.
        while let [only] = &inner.fields[..] {
            self.step()?;
            at = at.checked_add(only.offset)?;
            let next = self.session.type_at(only.of_type)?;
            (inner, at) = self.payload(&next, at)?;
        }
        let sized = |field: &&Field| self.session.type_at(field.of_type).is_none_or(|of| of.size > 0);
        let shown: Vec<Field> = inner.fields.iter().filter(sized).cloned().collect();
        for field in &shown {
            let child = self.future(field.of_type, at.checked_add(field.offset)?, depth);
            tree.children.push(child);
        }
        Some(tree)
    }

    /// An async function or block.
    fn coroutine(&mut self, of: &Arc<TypeDef>, address: u64, depth: usize) -> AwaitTree {
        let mut tree = AwaitTree::new(Kind::Async, name_of(&self.session, of));
        let Some(active) = self.active(of, address) else {
            return tree;
        };
        tree.state = coroutine_state(of, active, &self.session);
        if !matches!(tree.state, State::Suspended { .. }) {
            return tree;
        }
        let awaited = self.session.type_at(active.payload.of_type).and_then(|variant| {
            let awaited = variant.fields.iter().rfind(|field| field.name == "__awaitee")?;
            let at = address
                .checked_add(active.payload.offset)?
                .checked_add(awaited.offset)?;
            Some((awaited.of_type, at))
        });
        if let Some((awaited, at)) = awaited {
            tree.children.push(self.future(awaited, at, depth));
        }
        tree
    }

    /// A `poll_fn`: what `select!` and `join!` are made of, or one that a person wrote.
    fn poll_fn(&mut self, of: &TypeDef, closure: &TypeDef, address: u64, depth: usize) -> Option<AwaitTree> {
        let captured = |name: &str| {
            closure
                .fields
                .iter()
                .find(|field| field.name.strip_prefix("_ref__").unwrap_or(&field.name) == name)
        };
        if let Some(futures) = captured("futures") {
            let (tuple, at) = self.pointed_to(futures, address)?;
            if tuple.own_name.starts_with('(') {
                let disabled = captured("disabled").and_then(|disabled| {
                    let (mask, at) = self.pointed_to(disabled, address)?;
                    (mask.kind == TypeKind::Other).then(|| self.number(at, mask.size))
                });
                let joined =
                    captured("disabled").is_none() && tuple.fields.iter().all(|field| self.is_maybe_done(field));
                if disabled.is_some() || joined {
                    let kind = if joined { Kind::Join } else { Kind::Select };
                    return Some(self.branches(kind, &tuple, at, disabled.flatten(), depth));
                }
            }
        }
        let holding: Vec<Field> = closure
            .fields
            .iter()
            .filter(|field| self.holds_futures(field.of_type, 1))
            .cloned()
            .collect();
        if holding.is_empty() {
            let mut tree = AwaitTree::new(Kind::Leaf, name_of(&self.session, closure));
            tree.leaf = Some(Leaf::Closure);
            return Some(tree);
        }
        let mut tree = AwaitTree::new(Kind::Holds, name_of(&self.session, of));
        for field in &holding {
            let child = self.future(field.of_type, address.checked_add(field.offset)?, depth);
            tree.children.push(child);
        }
        Some(tree)
    }

    fn branches(&mut self, kind: Kind, tuple: &TypeDef, at: u64, disabled: Option<u64>, depth: usize) -> AwaitTree {
        let mut tree = AwaitTree::new(kind, String::new());
        for (nth, field) in tuple.fields.iter().enumerate() {
            let address = at.checked_add(field.offset);
            let mut branch = match address {
                Some(address) => self.future(field.of_type, address, depth),
                None => AwaitTree::new(Kind::Unknown, String::new()),
            };
            branch.disabled = disabled.is_some_and(|mask| nth < 64 && mask & (1 << nth) != 0);
            tree.children.push(branch);
        }
        tree
    }

    fn is_maybe_done(&self, field: &Field) -> bool {
        self.session
            .type_at(field.of_type)
            .is_some_and(|of| of.own_name.starts_with("MaybeDone<"))
    }

    /// What a captured reference refers to, through as many references as there are.
    pub(super) fn pointed_to(&mut self, captured: &Field, address: u64) -> Option<(Arc<TypeDef>, u64)> {
        let mut at = address.checked_add(captured.offset)?;
        let mut of = self.session.type_at(captured.of_type)?;
        for _ in 0..4 {
            if of.kind != TypeKind::Pointer {
                break;
            }
            at = self.number(at, of.size)?;
            of = self.session.type_at(of.target?)?;
        }
        Some((of, at))
    }

    /// A future behind a pointer, whose memory may not be there.
    fn behind(&mut self, target: Place, at: Option<u64>, depth: usize) -> AwaitTree {
        if let Some(at) = at.filter(|at| *at != 0) {
            return self.future(target, at, depth);
        }
        let Some(of) = self.session.type_at(target) else {
            return AwaitTree::new(Kind::Unknown, String::new());
        };
        AwaitTree::new(self.kind(&of), name_of(&self.session, &of))
    }

    /// What a pointer to a `dyn Trait` points to: its type, and where it is if the pointer says so.
    fn concrete_type(&mut self, of: &TypeDef, address: u64) -> Option<(Place, Option<u64>)> {
        let (data, vtable) = fat_pointer(of)?;
        let size = self.session.type_at(data.of_type)?.size;
        let at = address.checked_add(data.offset).and_then(|at| self.number(at, size));
        let vtable = self.number(address.checked_add(vtable.offset)?, size)?;
        let concrete = self.concrete(vtable);
        let concrete = concrete.or_else(|| is_dyn_future(of).then(|| self.concrete_by_its_code(vtable))?)?;
        Some((concrete, at))
    }

    /// The same of one whose data is known.
    pub(super) fn object(&mut self, of: &TypeDef, address: u64) -> Option<(Place, u64)> {
        let (concrete, at) = self.concrete_type(of, address)?;
        Some((concrete, at?))
    }

    /// The type that a vtable belongs to. The vtable says how large it is, so a wrong one would be noticed.
    fn concrete(&mut self, vtable: u64) -> Option<Place> {
        let vtable = self.memory.in_object(vtable)?;
        let concrete = self.session.type_of_vtable(vtable)?;
        let size = self.session.type_at(concrete)?.size;
        let mut said = [0; 8];
        let known = self.session.debug.object.read(vtable.checked_add(8)?, &mut said);
        (!known || self.session.read_number(said) == size).then_some(concrete)
    }

    fn leaf(&self, of: &TypeDef) -> Option<Leaf> {
        leaf::known(&of.plain, names::is_coroutine(&of.own_name))
    }

    fn leaf_at(&mut self, of: &Arc<TypeDef>, mut leaf: Leaf, address: u64, depth: usize) -> AwaitTree {
        let mut tree = AwaitTree::new(Kind::Leaf, name_of(&self.session, of));
        if let Some(active) = self.active(of, address).filter(|_| names::is_coroutine(&of.own_name)) {
            tree.state = coroutine_state(of, active, &self.session);
        }
        if of.plain == JOIN_HANDLE {
            leaf = Leaf::JoinHandle {
                task: self.joined_task(of, address),
            };
        }
        tree.children = match leaf {
            Leaf::Collection => self.members(of, address, depth),
            Leaf::JoinSet => {
                let itself = (Arc::clone(of), address);
                let (set, at) = self.captured_self(of, address).unwrap_or(itself);
                self.join_set(&set, at, depth)
            }
            _ => None,
        }
        .unwrap_or_default();
        tree.channel = self.channel(of, address);
        tree.leaf = Some(leaf);
        tree
    }

    /// What an async method was called on: it is kept for as long as the method's future is. Through the references to it.
    pub(super) fn captured_self(&mut self, of: &TypeDef, address: u64) -> Option<(Arc<TypeDef>, u64)> {
        let begin = of.variants.as_ref()?.list.first()?;
        let captured = self.session.type_at(begin.payload.of_type)?;
        let itself = named_field(&captured, "self")?;
        self.pointed_to(itself, address.checked_add(begin.payload.offset)?)
    }

    /// The pointer inside a `JoinHandle`, which is to the task's cell. Older versions of tokio have an option there, and some keep the
    /// task's number beside it.
    fn joined_task(&mut self, of: &TypeDef, address: u64) -> Option<u64> {
        let raw = named_field(of, "raw")?;
        let inner = self.session.type_at(raw.of_type)?;
        let (task, _) = self.first_pointer(&inner, address.checked_add(raw.offset)?, DEEPEST_SEARCH)?;
        Some(task).filter(|task| *task != 0)
    }

    /// Whether a type has a future in it that this decoder would show. `depth` is how far it is looked into.
    fn holds_futures(&self, place: Place, depth: usize) -> bool {
        if let Some(known) = self
            .session
            .debug
            .holders
            .lock()
            .ok()
            .and_then(|known| known.get(&place).copied())
        {
            return known;
        }
        let mut left = 2_000;
        let holds = self.search_futures(place, depth, &mut left);
        // What a search that gave up has not found may be there.
        if (holds || left > 0 && depth == DEEPEST_SEARCH)
            && let Ok(mut known) = self.session.debug.holders.lock()
        {
            known.insert(place, holds);
        }
        holds
    }

    pub(super) fn holds_futures_at_all(&self, place: Place) -> bool {
        self.holds_futures(place, DEEPEST_SEARCH)
    }

    fn search_futures(&self, place: Place, depth: usize, left: &mut usize) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        let Some(of) = self.session.type_at(place) else {
            return false;
        };
        let is_future =
            names::is_coroutine(&of.own_name) || self.leaf(&of).is_some() || POLL_FN.contains(&of.plain.as_str());
        if is_future || is_dyn_future(&of) || inside::is_shared(&of) {
            return true;
        }
        let Some(depth) = depth.checked_sub(1) else {
            return false;
        };
        if let Some(data) = named_field(&of, "data_ptr").filter(|_| of.own_name.starts_with("alloc::boxed::Box<[")) {
            let element = self.session.type_at(data.of_type).and_then(|pointer| pointer.target);
            return element.is_some_and(|element| self.search_futures(element, depth, left));
        }
        if of.kind == TypeKind::Pointer {
            // Only what a pointer directly points to: behind the others is everything that is shared.
            let is_box = of.own_name.starts_with("alloc::boxed::Box<") || of.own_name.starts_with("&mut ");
            return is_box
                && of
                    .target
                    .is_some_and(|target| self.search_futures(target, depth.min(DEEPEST_IN_A_BOX), left));
        }
        if let Some(element) = inside::element(&of) {
            return self.search_futures(element, depth, left);
        }
        of.fields
            .iter()
            .any(|field| self.search_futures(field.of_type, depth, left))
            || of.variants.as_ref().is_some_and(|variants| {
                variants
                    .list
                    .iter()
                    .any(|variant| self.search_futures(variant.payload.of_type, depth, left))
            })
    }

    pub(super) fn kind(&self, of: &TypeDef) -> Kind {
        if names::is_coroutine(&of.own_name) {
            Kind::Async
        } else {
            Kind::Unknown
        }
    }

    /// The variant that the memory says.
    pub(super) fn active<'t>(&self, of: &'t TypeDef, address: u64) -> Option<&'t Variant> {
        let variants = of.variants.as_ref()?;
        match &variants.discriminant {
            None => {
                let mut possible = variants.list.iter().filter(|variant| self.is_possible(variant));
                let only = possible.next();
                if possible.next().is_some() { None } else { only }
            }
            Some((offset, size)) => variants.active(self.number(address.checked_add(*offset)?, *size)?),
        }
    }

    /// Not one with a field of the type `!`.
    fn is_possible(&self, variant: &Variant) -> bool {
        let is_never = |field: &Field| self.session.type_at(field.of_type).is_some_and(|of| of.own_name == "!");
        self.session
            .type_at(variant.payload.of_type)
            .is_some_and(|payload| !payload.fields.iter().any(is_never))
    }

    pub(super) fn number(&self, address: u64, size: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        let length = usize::try_from(size)
            .ok()
            .filter(|length| matches!(length, 1 | 2 | 4 | 8))?;
        if !self.memory.read(address, &mut bytes[..length]) {
            return None;
        }
        Some(masked(self.session.read_number_of(bytes, length), size))
    }

    pub(super) fn step(&mut self) -> Option<()> {
        self.steps += 1;
        (self.steps < MOST_STEPS).then_some(())
    }
}

/// The parts of a pointer to a `dyn Trait`.
pub(super) fn fat_pointer(of: &TypeDef) -> Option<(&Field, &Field)> {
    if of.fields.len() != 2 {
        return None;
    }
    Some((named_field(of, "pointer")?, named_field(of, "vtable")?))
}

/// A field by its name.
pub(super) fn named_field<'t>(of: &'t TypeDef, name: &str) -> Option<&'t Field> {
    of.fields.iter().find(|field| field.name == name)
}

fn base(name: &str) -> &str {
    name.split('<').next().unwrap_or(name)
}

/// The variants of the enums that futures are in while they run, once they have ended.
fn ended_variant(of: &TypeDef, active: &Variant) -> Option<State> {
    let name = base(&of.own_name);
    match (name, active.payload.name.as_str()) {
        ("MaybeDone" | "TryMaybeDone", "Done" | "Gone") | ("Map", "Complete") | ("Fuse", "Complete") => {
            Some(State::Returned)
        }
        ("Option", "None") => Some(State::Ended),
        _ => None,
    }
}

fn coroutine_state(of: &TypeDef, active: &Variant, session: &Session<'_>) -> State {
    // The variants' own names are numbers; their types are called what they are.
    let name = session
        .type_at(active.payload.of_type)
        .map(|variant| variant.own_name.clone())
        .unwrap_or_default();
    match name.as_str() {
        "Unresumed" => State::Unresumed,
        "Returned" => State::Returned,
        "Panicked" => State::Panicked,
        name if name.starts_with("Suspend") => {
            let (Some(file), Some(line)) = (&active.file, active.line) else {
                return State::Unknown;
            };
            let start = of.variants.iter().flat_map(|variants| &variants.list).next();
            let begins = start.and_then(|start| Some((start.file.as_ref()?, start.line?)));
            match begins {
                Some((begins_in, begins_at)) if begins_in != file => State::Suspended {
                    file: begins_in.clone(),
                    line: begins_at,
                    in_macro: true,
                },
                _ => State::Suspended {
                    file: file.clone(),
                    line,
                    in_macro: false,
                },
            }
        }
        _ => State::Unknown,
    }
}

//! What has to be known of all entries of a unit: what stands inside what, and where the functions are.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use gimli::{Operation, UnitOffset};

use super::names;
use super::units::{Definition, Entry, Everywhere, Place, Session, Slice, Unit};

/// Entries nested more deeply are not looked at. Modules, functions and blocks nest, but not this far.
const DEEPEST: usize = 128;

/// Functions inlined into one another at one address. More of them come from debug info that is broken.
const MOST_AT_AN_ADDRESS: usize = 128;
/// Ranges of code in one unit. They are kept in memory, and broken debug info can have as many as it likes.
const MOST_RANGES: usize = 1 << 22;

/// One unit's entries, as far as more than one question needs them.
#[derive(Debug, Default)]
pub(super) struct UnitIndex {
    /// What may contain a type or a function, each with what contains it, sorted. The unit itself contains those with zero.
    parents: Vec<(u32, u32)>,
    /// The functions that have code, and what was inlined into them: where it begins and ends, how deep it stands, and its entry.
    code: Vec<(u64, u64, u16, u32)>,
}

impl UnitIndex {
    pub(super) fn parent(&self, offset: u32) -> Option<u32> {
        let found = self.parents.binary_search_by_key(&offset, |(entry, _)| *entry).ok()?;
        Some(self.parents[found].1).filter(|parent| *parent != 0)
    }

    /// The functions at an address, from what was inlined last to the function that has the code.
    pub(super) fn functions_at(&self, address: u64) -> Vec<u32> {
        let mut found: Vec<_> = self
            .code
            .iter()
            .filter(|code| code.0 <= address && address < code.1)
            .collect();
        found.sort_by_key(|code| std::cmp::Reverse(code.2));
        found.truncate(MOST_AT_AN_ADDRESS);
        found.into_iter().map(|code| code.3).collect()
    }

    fn of(unit: &Unit<'_>) -> UnitIndex {
        let mut index = UnitIndex::default();
        let mut containers: Vec<(isize, u32)> = Vec::new();
        each_entry(unit, |entry, depth, offset| {
            let tag = entry.tag();
            let contains = is_container(tag) || tag == gimli::DW_TAG_subprogram;
            while containers.last().is_some_and(|(above, _)| *above >= depth) {
                containers.pop();
            }
            if contains {
                index
                    .parents
                    .push((offset, containers.last().map_or(0, |(_, offset)| *offset)));
                if containers.len() < DEEPEST {
                    containers.push((depth, offset));
                }
            }
            let is_code = matches!(tag, gimli::DW_TAG_subprogram | gimli::DW_TAG_inlined_subroutine);
            if is_code && index.code.len() < MOST_RANGES {
                let deep = u16::try_from(depth).unwrap_or(u16::MAX);
                index.code.extend(
                    unit.ranges(entry)
                        .into_iter()
                        .map(|(begin, end)| (begin, end, deep, offset)),
                );
            }
        });
        index
    }
}

fn is_container(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_namespace
            | gimli::DW_TAG_structure_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type
    )
}

/// Every entry of a unit with its depth below the unit's own, until one cannot be read.
fn each_entry<'p>(unit: &Unit<'p>, mut look: impl FnMut(&Entry<'p>, isize, u32)) {
    let Ok(mut entries) = unit.unit.entries_raw(None) else {
        return;
    };
    let mut entry = Entry::null();
    while !entries.is_empty() {
        match entries.read_entry(&mut entry) {
            Ok(true) => {
                if let Ok(offset) = u32::try_from(entry.offset().0) {
                    look(&entry, entry.depth(), offset);
                }
            }
            Ok(false) => {}
            Err(_) => return,
        }
    }
}

impl<'p> Session<'p> {
    pub(super) fn index(&self, unit: u32) -> Option<Arc<UnitIndex>> {
        if let Some(index) = self.debug.indexes.lock().ok()?.get(&unit) {
            return Some(Arc::clone(index));
        }
        let index = Arc::new(UnitIndex::of(&*self.unit(unit)?));
        self.debug.indexes.lock().ok()?.insert(unit, Arc::clone(&index));
        Some(index)
    }

    /// The names from the crate down to an entry.
    pub(super) fn segments(&self, place: Place) -> Vec<String> {
        let mut segments = Vec::new();
        let (Some(index), Some(unit)) = (self.index(place.unit), self.unit(place.unit)) else {
            return segments;
        };
        let mut at = Some(place.offset);
        while let Some(offset) = at
            && segments.len() < DEEPEST
        {
            let name = unit.unit.entry(UnitOffset(offset as usize)).ok();
            segments.push(
                name.and_then(|entry| unit.text(&entry, gimli::DW_AT_name))
                    .unwrap_or_default(),
            );
            at = index.parent(offset);
        }
        segments.reverse();
        segments
    }

    /// What stands in any unit at all. The first question that needs it pays for the search.
    pub(super) fn everywhere(&self) -> &'p Everywhere {
        self.debug.everywhere.get_or_init(|| {
            let mut everywhere = Everywhere::default();
            for number in 0..self.debug.unit_count() {
                if let Some(unit) = self.load(number) {
                    self.search(number, &unit, &mut everywhere);
                }
            }
            everywhere
        })
    }

    fn search(&self, number: u32, unit: &Unit<'p>, everywhere: &mut Everywhere) {
        // The namespaces down to where the search is, and how many of them an impl block is above.
        let mut path: Vec<(isize, &'p [u8])> = Vec::new();
        let mut known: Option<isize> = None;
        let Ok(mut entries) = unit.unit.entries_raw(None) else {
            return;
        };
        while !entries.is_empty() {
            let (depth, offset) = (entries.next_depth(), entries.next_offset());
            let Ok(abbreviation) = entries.read_abbreviation() else {
                return;
            };
            let Some(abbreviation) = abbreviation else { continue };
            while path.last().is_some_and(|(above, _)| *above >= depth) {
                path.pop();
            }
            known = known.filter(|of| *of < depth);
            let tag = abbreviation.tag();
            let in_an_impl = path.iter().any(|(_, name)| name.starts_with(b"{impl#"));
            let wanted = is_container(tag)
                || tag == gimli::DW_TAG_variable && depth == 1
                || tag == gimli::DW_TAG_subprogram && in_an_impl && known.is_none();
            if !wanted {
                if entries.skip_attributes(abbreviation.attributes()).is_err() {
                    return;
                }
                continue;
            }
            let mut name = None;
            let mut linkage = None;
            let mut location = None;
            let mut of_type = None;
            let mut size = None;
            let mut is_declaration = false;
            for specification in abbreviation.attributes() {
                let Ok(attribute) = entries.read_attribute(*specification) else {
                    return;
                };
                match attribute.name() {
                    gimli::DW_AT_name => name = unit.bytes(attribute.value()),
                    gimli::DW_AT_linkage_name => linkage = unit.bytes(attribute.value()),
                    gimli::DW_AT_location => location = attribute.exprloc_value(),
                    gimli::DW_AT_byte_size => size = attribute.udata_value(),
                    gimli::DW_AT_declaration => is_declaration = true,
                    gimli::DW_AT_type => of_type = self.target(number, &attribute),
                    _ => {}
                }
            }
            if tag == gimli::DW_TAG_variable {
                if name.is_some_and(|name| name.ends_with(b"::{vtable}"))
                    && let (Some(location), Some(of_type)) = (location, of_type)
                    && let Some(address) = fixed_address(unit, location)
                {
                    everywhere.vtables.entry(address).or_default().push(of_type);
                }
            } else if tag == gimli::DW_TAG_subprogram {
                if let Some(linkage) = linkage {
                    add_impl(everywhere, &path, linkage);
                    // One function tells; the others of this block say the same.
                    known = path
                        .iter()
                        .rev()
                        .find(|(_, name)| name.starts_with(b"{impl#"))
                        .map(|(depth, _)| *depth);
                }
            } else if path.len() < DEEPEST {
                path.push((depth, name.unwrap_or_default()));
                if tag == gimli::DW_TAG_structure_type
                    && !is_declaration
                    && let (Some(size), Ok(offset)) = (size, u32::try_from(offset.0))
                {
                    let place = Place { unit: number, offset };
                    let known = everywhere.definitions.entry(hash(path.iter().map(|(_, name)| *name)));
                    known
                        .and_modify(|known| match known {
                            Definition::At(_, other) if *other == size => {}
                            _ => *known = Definition::Unclear,
                        })
                        .or_insert(Definition::At(place, size));
                }
            }
        }
    }

    /// Where the type is described that an entry only declares: a compiler that optimizes describes some types once for several units.
    pub(super) fn definition(&self, declared: Place) -> Option<Place> {
        self.defined(&self.segments(declared))
    }

    /// Where the type of this name is described.
    pub(super) fn defined(&self, segments: &[String]) -> Option<Place> {
        let Definition::At(place, _) = self
            .everywhere()
            .definitions
            .get(&hash(segments.iter().map(String::as_bytes)))?
        else {
            return None;
        };
        (self.segments(*place) == segments).then_some(*place)
    }

    /// What the vtable at an address of the object is the vtable of. Types whose vtables are the same may share one: then nobody
    /// knows.
    pub(super) fn type_of_vtable(&self, address: u64) -> Option<Place> {
        let concrete = |vtable_type: &Place| {
            let (_, entry) = self.entry(*vtable_type)?;
            self.attribute_target(vtable_type.unit, &entry, gimli::DW_AT_containing_type)
        };
        let (first, others) = self.everywhere().vtables.get(&address)?.split_first()?;
        let first = concrete(first)?;
        let names = self.segments(first);
        others
            .iter()
            .all(|other| concrete(other).is_some_and(|other| self.segments(other) == names))
            .then_some(first)
    }
}

fn hash<'a>(segments: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for segment in segments {
        segment.hash(&mut hasher);
    }
    hasher.finish()
}

fn fixed_address(unit: &Unit<'_>, location: gimli::Expression<Slice<'_>>) -> Option<u64> {
    let mut operations = location.operations(unit.unit.encoding());
    let address = match operations.next().ok()?? {
        Operation::Address { address } => address,
        Operation::AddressIndex { index } => unit.dwarf.address(&unit.unit, index).ok()?,
        _ => return None,
    };
    (address != 0 && operations.next().ok()?.is_none()).then_some(address)
}

fn add_impl(everywhere: &mut Everywhere, path: &[(isize, &[u8])], linkage: &[u8]) {
    let Ok(linkage) = std::str::from_utf8(linkage) else {
        return;
    };
    let Ok(demangled) = rustc_demangle::try_demangle(linkage) else {
        return;
    };
    let demangled = format!("{demangled:#}");
    let Some(block) = path.iter().rposition(|(_, name)| name.starts_with(b"{impl#")) else {
        return;
    };
    // The function itself is one level below, and its name is not on the path.
    let Some(own) = names::own_type(&demangled, path.len() - block) else {
        return;
    };
    let key: Vec<_> = path[..=block]
        .iter()
        .map(|(_, name)| String::from_utf8_lossy(name))
        .collect();
    let known = everywhere
        .impls
        .entry(key.join("::"))
        .or_insert_with(|| Some(own.clone()));
    if known.as_ref().is_some_and(|known| *known != own) {
        *known = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_given_from_what_was_inlined_last() {
        let index = UnitIndex {
            code: vec![
                (0x10, 0x40, 1, 1),
                (0x20, 0x30, 3, 3),
                (0x18, 0x38, 2, 2),
                (0x40, 0x50, 1, 4),
            ],
            ..UnitIndex::default()
        };
        assert_eq!(index.functions_at(0x20), [3, 2, 1]);
        assert_eq!(index.functions_at(0x3f), [1]);
        assert!(index.functions_at(0x50).is_empty());
    }

    /// What a fuzzer found: broken debug info in which thousands of functions cover the same code, each of which was then looked at.
    #[test]
    fn functions_without_end_at_one_address_are_not_all_looked_at() {
        let index = UnitIndex {
            code: (0..100_000).map(|nth| (0, u64::MAX, u16::MAX, nth)).collect(),
            ..UnitIndex::default()
        };
        assert_eq!(index.functions_at(7).len(), MOST_AT_AN_ADDRESS);
    }
}

//! A type as debug info describes it: its fields, its variants, what it points to.

use std::rc::Rc;
use std::sync::Arc;

use gimli::{AttributeValue, UnitOffset};

use super::names;
use super::units::{Entry, Place, Session, Slice, Unit};

/// A type with more fields or variants than this is not looked into.
const MOST_PARTS: usize = 4096;

/// A type.
#[derive(Debug)]
pub(super) struct TypeDef {
    pub(super) place: Place,
    pub(super) kind: TypeKind,
    /// Its own name, type arguments included.
    pub(super) own_name: String,
    /// The names from the crate down to it.
    pub(super) segments: Vec<String>,
    /// The path without type arguments: see [`names::plain`].
    pub(super) plain: String,
    pub(super) size: u64,
    pub(super) fields: Vec<Field>,
    pub(super) variants: Option<Variants>,
    pub(super) arguments: Vec<(String, Place)>,
    /// What a pointer points to, or what an array is of.
    pub(super) target: Option<Place>,
    /// How many an array has.
    pub(super) count: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeKind {
    Structure,
    Union,
    Pointer,
    Array,
    Other,
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) of_type: Place,
}

#[derive(Debug, Default)]
pub(super) struct Variants {
    /// Where the number that tells them apart is: its offset and its size. None where one variant alone is possible.
    pub(super) discriminant: Option<(u64, u64)>,
    pub(super) list: Vec<Variant>,
}

#[derive(Debug)]
pub(super) struct Variant {
    pub(super) value: Value,
    pub(super) payload: Field,
    pub(super) file: Option<String>,
    pub(super) line: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Is(u64),
    /// Every number that no other variant has.
    Rest,
    /// Written in a way that is not understood.
    Unclear,
}

impl Variants {
    /// The variant that a number stands for.
    pub(super) fn active(&self, number: u64) -> Option<&Variant> {
        if let Some(found) = self.list.iter().find(|variant| variant.value == Value::Is(number)) {
            return Some(found);
        }
        if self.list.iter().any(|variant| variant.value == Value::Unclear) {
            return None;
        }
        let mut rest = self.list.iter().filter(|variant| variant.value == Value::Rest);
        let only = rest.next();
        if rest.next().is_some() { None } else { only }
    }
}

/// A number of so many bytes, without what its sign may have filled the rest with.
pub(super) fn masked(number: u64, size: u64) -> u64 {
    if size >= 8 {
        number
    } else {
        number & ((1 << (size * 8)) - 1)
    }
}

impl<'p> Session<'p> {
    pub(super) fn type_at(&self, place: Place) -> Option<Arc<TypeDef>> {
        if let Some(known) = self.debug.types.lock().ok()?.get(&place) {
            return known.clone();
        }
        let read = self.read_type(place).map(Arc::new);
        self.debug.types.lock().ok()?.insert(place, read.clone());
        read
    }

    fn read_type(&self, place: Place) -> Option<TypeDef> {
        let unit = self.unit(place.unit)?;
        let mut entries = unit.unit.entries_raw(Some(UnitOffset(place.offset as usize))).ok()?;
        let mut entry = Entry::null();
        if !entries.read_entry(&mut entry).ok()? {
            return None;
        }
        let kind = match entry.tag() {
            gimli::DW_TAG_structure_type | gimli::DW_TAG_enumeration_type => TypeKind::Structure,
            gimli::DW_TAG_union_type => TypeKind::Union,
            gimli::DW_TAG_pointer_type | gimli::DW_TAG_reference_type => TypeKind::Pointer,
            gimli::DW_TAG_array_type => TypeKind::Array,
            gimli::DW_TAG_base_type | gimli::DW_TAG_subroutine_type => TypeKind::Other,
            _ => return None,
        };
        if entry.has_attr(gimli::DW_AT_declaration) {
            let defined = self.definition(place).filter(|defined| *defined != place)?;
            return self.read_type(defined);
        }
        let segments = self.segments_of_type(place, &unit, &entry);
        let mut read = TypeDef {
            place,
            kind,
            own_name: unit.text(&entry, gimli::DW_AT_name).unwrap_or_default(),
            plain: names::plain(&segments),
            segments,
            size: match entry
                .attr_value(gimli::DW_AT_byte_size)
                .and_then(|size| size.udata_value())
            {
                Some(size) => size,
                // Debug info leaves the size of a pointer out, as it is that of all.
                None if kind == TypeKind::Pointer => u64::from(unit.unit.encoding().address_size),
                None => 0,
            },
            fields: Vec::new(),
            variants: None,
            arguments: Vec::new(),
            target: self.attribute_target(place.unit, &entry, gimli::DW_AT_type),
            count: None,
        };
        if entry.has_children() && kind != TypeKind::Other {
            self.read_parts(place.unit, &unit, &mut entries, &mut read)?;
        }
        if kind == TypeKind::Array
            && let (Some(element), Some(count)) = (read.target, read.count)
        {
            read.size = self
                .type_at(element)
                .and_then(|element| element.size.checked_mul(count))
                .unwrap_or(0);
        }
        Some(read)
    }

    fn segments_of_type(&self, place: Place, unit: &Rc<Unit<'p>>, entry: &Entry<'p>) -> Vec<String> {
        // Pointers have whole paths as their names, and stand directly in the unit.
        if matches!(entry.tag(), gimli::DW_TAG_pointer_type | gimli::DW_TAG_base_type) {
            return vec![unit.text(entry, gimli::DW_AT_name).unwrap_or_default()];
        }
        self.segments(place)
    }

    fn read_parts(
        &self,
        number: u32,
        unit: &Rc<Unit<'p>>,
        entries: &mut gimli::EntriesRaw<'_, Slice<'p>>,
        into: &mut TypeDef,
    ) -> Option<()> {
        let mut entry = Entry::null();
        // The discriminant is named by the variant part before it is described.
        let mut discriminant: Option<Option<Place>> = None;
        let mut value = Value::Unclear;
        let outer = entries.next_depth() - 1;
        let mut parts = 0;
        while !entries.is_empty() {
            let depth = entries.next_depth() - outer;
            if depth <= 0 {
                break;
            }
            if !entries.read_entry(&mut entry).ok()? {
                continue;
            }
            match (depth, entry.tag()) {
                (1, gimli::DW_TAG_member) => into.fields.push(self.field(number, unit, &entry)?),
                (1, gimli::DW_TAG_subrange_type) => {
                    let number = |name| entry.attr_value(name).and_then(|value| number_of(&value));
                    let last = || number(gimli::DW_AT_upper_bound)?.checked_add(1);
                    into.count = number(gimli::DW_AT_count).or_else(last);
                }
                (1, gimli::DW_TAG_template_type_parameter) => {
                    if let Some(argument) = self.attribute_target(number, &entry, gimli::DW_AT_type) {
                        into.arguments
                            .push((unit.text(&entry, gimli::DW_AT_name).unwrap_or_default(), argument));
                    }
                }
                (1, gimli::DW_TAG_variant_part) => {
                    discriminant = Some(self.attribute_target(number, &entry, gimli::DW_AT_discr));
                    into.variants.get_or_insert_default();
                }
                (2, gimli::DW_TAG_member) if discriminant.is_some() => {
                    let place = Place {
                        unit: number,
                        offset: u32::try_from(entry.offset().0).ok()?,
                    };
                    if discriminant == Some(Some(place)) {
                        let field = self.field(number, unit, &entry)?;
                        let size = self.size_of_number(field.of_type)?;
                        into.variants.get_or_insert_default().discriminant = Some((field.offset, size));
                    }
                }
                (2, gimli::DW_TAG_variant) => {
                    value = match entry.attr_value(gimli::DW_AT_discr_value) {
                        Some(value) => number_of(&value).map_or(Value::Unclear, Value::Is),
                        None if entry.has_attr(gimli::DW_AT_discr_list) => Value::Unclear,
                        None => Value::Rest,
                    };
                }
                (3, gimli::DW_TAG_member) if discriminant.is_some() => {
                    let variant = Variant {
                        value,
                        payload: self.field(number, unit, &entry)?,
                        file: unit.file(&entry),
                        line: entry
                            .attr_value(gimli::DW_AT_decl_line)
                            .and_then(|line| line.udata_value()),
                    };
                    into.variants.get_or_insert_default().list.push(variant);
                }
                _ => continue,
            }
            parts += 1;
            if parts > MOST_PARTS {
                return None;
            }
        }
        if let Some(variants) = &mut into.variants {
            // A discriminant that is named and not described is one that was not understood.
            if discriminant.flatten().is_some() && variants.discriminant.is_none() {
                return None;
            }
            let size = variants.discriminant.as_ref().map_or(8, |(_, size)| *size);
            for variant in &mut variants.list {
                if let Value::Is(number) = &mut variant.value {
                    *number = masked(*number, size);
                }
            }
        }
        Some(())
    }

    fn field(&self, number: u32, unit: &Rc<Unit<'p>>, entry: &Entry<'p>) -> Option<Field> {
        Some(Field {
            name: unit.text(entry, gimli::DW_AT_name).unwrap_or_default(),
            offset: entry
                .attr_value(gimli::DW_AT_data_member_location)
                .and_then(|at| at.udata_value())
                .unwrap_or(0),
            of_type: self.attribute_target(number, entry, gimli::DW_AT_type)?,
        })
    }

    /// The size of what tells variants apart: a number, or a pointer that is never null.
    fn size_of_number(&self, place: Place) -> Option<u64> {
        let (unit, entry) = self.entry(place)?;
        match entry.tag() {
            gimli::DW_TAG_pointer_type => Some(u64::from(unit.unit.encoding().address_size)),
            _ => entry.attr_value(gimli::DW_AT_byte_size)?.udata_value(),
        }
        .filter(|size| matches!(size, 1 | 2 | 4 | 8))
    }

    pub(super) fn attribute_target(&self, unit: u32, entry: &Entry<'p>, name: gimli::DwAt) -> Option<Place> {
        self.target(unit, entry.attr(name)?)
    }
}

fn number_of(value: &AttributeValue<Slice<'_>>) -> Option<u64> {
    match value {
        AttributeValue::Sdata(number) => Some(number.cast_unsigned()),
        value => value.udata_value(),
    }
}

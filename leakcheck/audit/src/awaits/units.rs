//! A program's compilation units: which there are, which covers an address, and each one's entries when they are asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};

use gimli::{
    Attribute, AttributeValue, DebugInfoOffset, DwarfPackageSections, EndianSlice, RunTimeEndian, Section as _,
    UnitOffset,
};

use super::error::Error;
use super::index::UnitIndex;
use super::names::Impls;
use super::object_file::{ObjectFile, Section, Sections, strings_end};
use super::types::TypeDef;

pub(super) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;
pub(super) type Entry<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

/// Pieces of one function. Optimized ones have some dozens.
const MOST_RANGES: usize = 4096;

/// Bytes of a name. Combinators within each other make names of kilobytes.
const LONGEST_STRING: usize = 64 * 1024;

/// An entry of the debug info.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) unit: u32,
    pub(super) offset: u32,
}

/// What only a look at every unit finds.
#[derive(Debug, Default)]
pub(super) struct Everywhere {
    /// The types of the vtables, by their addresses in the object.
    pub(super) vtables: HashMap<u64, Vec<Place>>,
    pub(super) impls: Impls,
    /// The types that are described in full, by a hash of their names from the crate down: see [`Session::definition`].
    pub(super) definitions: HashMap<u64, Definition>,
}

/// Where a type is described in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Definition {
    At(Place, u64),
    /// Types of one name are of different sizes, such as those of two versions of a crate.
    Unclear,
}

/// Everything that is kept of a program between two questions. It grows with what is asked about.
pub(super) struct Debug {
    path: PathBuf,
    pub(super) object: ObjectFile,
    /// The debug info, where it is not in the object itself.
    beside: Option<ObjectFile>,
    package: Option<DwarfPackageSections<Section>>,
    units: Vec<UnitEntry>,
    /// Which unit covers which addresses, sorted by where they begin.
    ranges: Vec<(u64, u64, u32)>,
    pub(super) indexes: Mutex<HashMap<u32, Arc<UnitIndex>>>,
    pub(super) types: Mutex<HashMap<Place, Option<Arc<TypeDef>>>>,
    pub(super) holders: Mutex<HashMap<Place, bool>>,
    pub(super) everywhere: OnceLock<Everywhere>,
}

struct UnitEntry {
    offset: usize,
    has_types: bool,
    /// The file that has this unit's entries, where they are split off.
    split: OnceLock<Option<Box<Sections>>>,
}

impl Debug {
    pub(super) fn open(path: &Path, directories: &[PathBuf]) -> Result<Debug, Error> {
        let object = ObjectFile::open(path)?;
        let beside = if object.has_debug_info {
            None
        } else {
            object.beside(path, directories)
        };
        let mut packaged = path.as_os_str().to_owned();
        packaged.push(".dwp");
        let mut debug = Debug {
            path: path.to_owned(),
            object,
            beside,
            package: ObjectFile::open_dwp(Path::new(&packaged)),
            units: Vec::new(),
            ranges: Vec::new(),
            indexes: Mutex::default(),
            types: Mutex::default(),
            holders: Mutex::default(),
            everywhere: OnceLock::new(),
        };
        debug.list_units()?;
        if debug.units.is_empty() && debug.object.has_debug_map {
            return Err(Error::NotGathered { path: debug.path });
        }
        if debug.units.is_empty() {
            return Err(Error::NoDebugInfo { path: debug.path });
        }
        if debug.units.iter().all(|unit| !unit.has_types) {
            return Err(Error::NoTypes { path: debug.path });
        }
        Ok(debug)
    }

    fn sections(&self) -> (&Sections, RunTimeEndian) {
        let object = self.beside.as_ref().unwrap_or(&self.object);
        (&object.sections, object.endian)
    }

    fn list_units(&mut self) -> Result<(), Error> {
        let broken = |source| Error::BrokenDebugInfo {
            path: self.path.clone(),
            source,
        };
        let (sections, endian) = self.sections();
        let dwarf = sections.borrow(|section| EndianSlice::new(section, endian));
        let strings = [dwarf.debug_str.reader(), dwarf.debug_line_str.reader()];
        if !strings.into_iter().all(|section| strings_end(section.slice())) {
            return Err(Error::EndlessStrings {
                path: self.path.clone(),
            });
        }
        let (mut entries, mut covered) = (Vec::new(), Vec::new());
        let mut headers = dwarf.units();
        while let Some(header) = headers.next().map_err(broken)? {
            let number = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            let Some(DebugInfoOffset(offset)) = header.debug_info_offset() else {
                continue;
            };
            // A unit that cannot be read takes nothing from the others.
            let Ok(unit) = dwarf.unit(header) else { continue };
            let split = unit.dwo_name().ok().flatten().is_some();
            let has_types = split || !is_of_std(&unit) && describes_types(&unit);
            entries.push(UnitEntry {
                offset,
                has_types,
                split: OnceLock::new(),
            });
            let Ok(mut ranges) = dwarf.unit_ranges(&unit) else {
                continue;
            };
            while let Ok(Some(range)) = ranges.next() {
                // What the linker threw away begins at zero, or at the end of the address space.
                if range.begin != 0 && range.begin < range.end {
                    covered.push((range.begin, range.end, number));
                }
            }
        }
        covered.sort_unstable();
        self.units = entries;
        self.ranges = covered;
        Ok(())
    }

    pub(super) fn session(&self) -> Session<'_> {
        let (sections, endian) = self.sections();
        let slice = |section| EndianSlice::new(section, endian);
        Session {
            debug: self,
            endian,
            dwarf: sections.borrow(|section| slice(section)),
            package: self
                .package
                .as_ref()
                .and_then(|package| package.borrow(|section| slice(section), slice(&[])).ok()),
            units: RefCell::default(),
        }
    }

    /// The units that say they cover an address.
    pub(super) fn units_at(&self, address: u64) -> impl Iterator<Item = u32> + '_ {
        let end = self.ranges.partition_point(|(begin, ..)| *begin <= address);
        // Ranges do not overlap but in broken debug info, so one look back is nearly always the answer.
        self.ranges[end.saturating_sub(8)..end]
            .iter()
            .rev()
            .filter(move |range| range.1 > address)
            .map(|range| range.2)
    }

    pub(super) fn has_types(&self, unit: u32) -> bool {
        self.units.get(unit as usize).is_some_and(|unit| unit.has_types)
    }

    pub(super) fn unit_count(&self) -> u32 {
        u32::try_from(self.units.len()).unwrap_or(u32::MAX)
    }
}

/// The string that begins so far into a section, without the zero that ends it.
fn ended(section: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = section.get(offset..)?;
    let rest = &rest[..rest.len().min(LONGEST_STRING)];
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(&rest[..end])
}

/// The standard library is shipped with line tables alone, whatever the profile says.
fn is_of_std(unit: &gimli::Unit<Slice<'_>>) -> bool {
    unit.comp_dir
        .is_some_and(|directory| directory.slice().starts_with(b"/rustc/"))
}

fn describes_types(unit: &gimli::Unit<Slice<'_>>) -> bool {
    // Compilers number abbreviations from one.
    (1..)
        .map_while(|code| unit.abbreviations.get(code))
        .any(|abbreviation| abbreviation.tag() == gimli::DW_TAG_structure_type)
}

/// A unit whose entries can be read.
pub(super) struct Unit<'p> {
    pub(super) dwarf: Rc<gimli::Dwarf<Slice<'p>>>,
    pub(super) unit: gimli::Unit<Slice<'p>>,
    /// What stands in the program for a unit that is elsewhere.
    skeleton: Option<gimli::Unit<Slice<'p>>>,
}

impl<'p> Unit<'p> {
    pub(super) fn text(&self, entry: &Entry<'p>, name: gimli::DwAt) -> Option<String> {
        let text = self.bytes(entry.attr_value(name)?)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The bytes of a string. Of one that is too long to be a name, and of one without an end, there are none: to look for the end of
    /// each in a section that has none would take minutes.
    pub(super) fn bytes(&self, value: AttributeValue<Slice<'p>>) -> Option<&'p [u8]> {
        let (section, offset) = match value {
            AttributeValue::DebugStrRef(offset) => (self.dwarf.debug_str.reader(), offset.0),
            AttributeValue::DebugLineStrRef(offset) => (self.dwarf.debug_line_str.reader(), offset.0),
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let (format, base) = (self.unit.header.format(), self.unit.str_offsets_base);
                let offset = self.dwarf.debug_str_offsets.get_str_offset(format, base, index);
                (self.dwarf.debug_str.reader(), offset.ok()?.0)
            }
            // It stands where it is used, or in a file that is shared.
            other => return self.dwarf.attr_string(&self.unit, other).ok().map(|text| text.slice()),
        };
        ended(section.slice(), offset)
    }

    /// The file that an entry names, as the compiler knew it.
    pub(super) fn file(&self, entry: &Entry<'p>) -> Option<String> {
        let number = match entry.attr_value(gimli::DW_AT_decl_file)? {
            AttributeValue::FileIndex(number) => number,
            other => other.udata_value()?,
        };
        let of_skeleton = || self.skeleton.as_ref()?.line_program.as_ref();
        let program = self.unit.line_program.as_ref().or_else(of_skeleton)?;
        let header = program.header();
        let file = header.file(number)?;
        let text = |value| {
            let text = self.bytes(value)?;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        let mut path = PathBuf::from(text(file.path_name())?);
        if path.is_relative()
            && let Some(directory) = file.directory(header).and_then(text)
        {
            path = Path::new(&directory).join(path);
        }
        if path.is_relative()
            && let Some(directory) = self.unit.comp_dir
        {
            path = Path::new(&*directory.to_string_lossy()).join(path);
        }
        Some(path.to_string_lossy().into_owned())
    }

    /// The ranges of addresses that an entry covers.
    pub(super) fn ranges(&self, entry: &Entry<'p>) -> Vec<(u64, u64)> {
        let mut covered = Vec::new();
        if let Ok(mut ranges) = self.dwarf.die_ranges(&self.unit, entry) {
            while let Ok(Some(range)) = ranges.next()
                && covered.len() < MOST_RANGES
            {
                if range.begin != 0 && range.begin < range.end {
                    covered.push((range.begin, range.end));
                }
            }
        }
        covered
    }
}

/// The debug info while one question is answered: what is borrowed from the program, and the units that were needed.
pub(super) struct Session<'p> {
    pub(super) debug: &'p Debug,
    endian: RunTimeEndian,
    dwarf: gimli::Dwarf<Slice<'p>>,
    package: Option<gimli::DwarfPackage<Slice<'p>>>,
    units: RefCell<HashMap<u32, Option<Rc<Unit<'p>>>>>,
}

impl<'p> Session<'p> {
    pub(super) fn unit(&self, number: u32) -> Option<Rc<Unit<'p>>> {
        if let Some(unit) = self.units.borrow().get(&number) {
            return unit.clone();
        }
        let unit = self.load(number).map(Rc::new);
        self.units.borrow_mut().insert(number, unit.clone());
        unit
    }

    /// A unit that is not kept.
    pub(super) fn load(&self, number: u32) -> Option<Unit<'p>> {
        let entry = self.debug.units.get(number as usize)?;
        let dwarf = self.borrowed();
        let header = dwarf.unit_header(DebugInfoOffset(entry.offset)).ok()?;
        let unit = dwarf.unit(header).ok()?;
        let (Some(id), Some(name)) = (unit.dwo_id, unit.dwo_name().ok()?) else {
            return Some(Unit {
                dwarf: Rc::new(dwarf),
                unit,
                skeleton: None,
            });
        };
        let packaged = self
            .package
            .as_ref()
            .and_then(|package| package.find_cu(id, &dwarf).ok().flatten());
        let split = match packaged {
            Some(split) => split,
            None => {
                let name = dwarf.attr_string(&unit, name).ok()?.to_string_lossy().into_owned();
                let directory = unit.comp_dir.map(|directory| directory.to_string_lossy().into_owned());
                let path = Path::new(directory.as_deref().unwrap_or_default()).join(name);
                let sections = entry
                    .split
                    .get_or_init(|| ObjectFile::open_dwo(&path).map(Box::new))
                    .as_ref()?;
                let mut split = sections.borrow(|section| EndianSlice::new(section, self.endian));
                split.make_dwo(&dwarf);
                split
            }
        };
        let mut headers = split.units();
        while let Some(header) = headers.next().ok()? {
            let Ok(mut inner) = split.unit(header) else { continue };
            if inner.dwo_id.is_none_or(|inner| inner == id) {
                inner.copy_relocated_attributes(&unit);
                return Some(Unit {
                    dwarf: Rc::new(split),
                    unit: inner,
                    skeleton: Some(unit),
                });
            }
        }
        None
    }

    fn borrowed(&self) -> gimli::Dwarf<Slice<'p>> {
        let (sections, endian) = self.debug.sections();
        let mut dwarf = sections.borrow(|section| EndianSlice::new(section, endian));
        // A program in a package keeps its addresses and lines itself.
        dwarf.file_type = self.dwarf.file_type;
        dwarf
    }

    /// The entry that an attribute points to.
    pub(super) fn target(&self, from: u32, attribute: &Attribute<Slice<'p>>) -> Option<Place> {
        match attribute.value() {
            AttributeValue::UnitRef(UnitOffset(offset)) => Some(Place {
                unit: from,
                offset: u32::try_from(offset).ok()?,
            }),
            AttributeValue::DebugInfoRef(DebugInfoOffset(offset)) => {
                let number = self
                    .debug
                    .units
                    .partition_point(|unit| unit.offset <= offset)
                    .checked_sub(1)?;
                let offset = offset - self.debug.units[number].offset;
                Some(Place {
                    unit: u32::try_from(number).ok()?,
                    offset: u32::try_from(offset).ok()?,
                })
            }
            _ => None,
        }
    }

    /// An entry alone, without what is inside it.
    pub(super) fn entry(&self, place: Place) -> Option<(Rc<Unit<'p>>, Entry<'p>)> {
        let unit = self.unit(place.unit)?;
        let entry = unit.unit.entry(UnitOffset(place.offset as usize)).ok()?;
        Some((unit, entry))
    }
}

impl Session<'_> {
    /// A number of eight bytes, in the program's own order of bytes.
    pub(super) fn read_number(&self, bytes: [u8; 8]) -> u64 {
        self.read_number_of(bytes, 8)
    }

    /// The number in the first bytes.
    pub(super) fn read_number_of(&self, bytes: [u8; 8], length: usize) -> u64 {
        match self.endian {
            RunTimeEndian::Little => u64::from_le_bytes(bytes),
            RunTimeEndian::Big => u64::from_be_bytes(bytes) >> (8 * (8 - length.clamp(1, 8))),
        }
    }
}

//! An object file's sections, mapped where they can be and unpacked where they are compressed.

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gimli::{DwarfPackageSections, DwarfSections, RunTimeEndian, SectionId};
use memmap2::Mmap;
use object::{CompressionFormat, Object, ObjectSection};

use super::error::Error;

/// A section that claims to unpack to more is broken, or more than this process could hold.
const LARGEST_UNPACKED: u64 = 4 << 30;

/// A section's bytes.
pub(super) enum Section {
    Mapped(Arc<Mmap>, Range<usize>),
    Unpacked(Vec<u8>),
}

impl Deref for Section {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Section::Mapped(map, range) => &map[range.clone()],
            Section::Unpacked(bytes) => bytes,
        }
    }
}

pub(super) type Sections = DwarfSections<Section>;

/// What is read of an object file.
pub(super) struct ObjectFile {
    pub(super) sections: Sections,
    pub(super) endian: RunTimeEndian,
    pub(super) has_debug_info: bool,
    /// Where the sections that are loaded with the program stand: their addresses there, and where they begin in the file.
    loaded: Vec<(Range<u64>, usize)>,
    map: Arc<Mmap>,
}

impl ObjectFile {
    /// Maps a file and finds the sections of its debug info.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or is no object file.
    pub(super) fn open(path: &Path) -> Result<ObjectFile, Error> {
        let map = map(path)?;
        let no_object = |source| Error::NoObject {
            path: path.to_owned(),
            source,
        };
        let file = object::File::parse(&map[..]).map_err(no_object)?;
        let sections = DwarfSections::load(|id| section(&file, &map, id.name())).map_err(no_object)?;
        let loaded = file
            .sections()
            .filter(|section| section.address() != 0)
            .filter_map(|section| {
                let (start, length) = section.file_range()?;
                let end = section.address().checked_add(length)?;
                (map.len() as u64 >= start.checked_add(length)?).then_some((section.address()..end, start as usize))
            })
            .collect();
        let has_debug_info = file.section_by_name(".debug_info").is_some();
        Ok(ObjectFile {
            sections,
            endian: endian(&file),
            has_debug_info,
            loaded,
            map,
        })
    }

    /// The bytes that the file has for an address of the program, before anything is relocated.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let known = self
            .loaded
            .iter()
            .find(|(range, _)| range.contains(&address))
            .and_then(|(range, start)| {
                let start = start + usize::try_from(address - range.start).ok()?;
                self.map.get(start..)?.get(..buffer.len())
            });
        known.map(|known| buffer.copy_from_slice(known)).is_some()
    }

    /// The sections of a file that a compiler put a unit's debug info into.
    pub(super) fn open_dwo(path: &Path) -> Option<Sections> {
        let map = map(path).ok()?;
        let file = object::File::parse(&map[..]).ok()?;
        DwarfSections::load(|id| match id.dwo_name() {
            Some(name) => section(&file, &map, name),
            None => Ok(Section::Unpacked(Vec::new())),
        })
        .ok()
    }

    /// The sections of a package of such files.
    pub(super) fn open_dwp(path: &Path) -> Option<DwarfPackageSections<Section>> {
        let map = map(path).ok()?;
        let file = object::File::parse(&map[..]).ok()?;
        DwarfPackageSections::load(|id: SectionId| match id.dwo_name() {
            Some(name) => section(&file, &map, name).map_err(|_| gimli::Error::Io),
            None => Ok::<_, gimli::Error>(Section::Unpacked(Vec::new())),
        })
        .ok()
    }

    /// Where else the debug info of a program may be: beside it in a bundle, as macOS has it.
    pub(super) fn bundle(path: &Path) -> Option<PathBuf> {
        let name = path.file_name()?;
        let mut bundle = name.to_owned();
        bundle.push(".dSYM");
        let inside = path.with_file_name(bundle).join("Contents/Resources/DWARF").join(name);
        inside.is_file().then_some(inside)
    }
}

fn map(path: &Path) -> Result<Arc<Mmap>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    // SAFETY: a program that is judged is not written to meanwhile. Whoever does so all the same changes the debug info under its
    // reader, which expects anything of it.
    let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
    Ok(Arc::new(map))
}

fn endian(file: &object::File<'_>) -> RunTimeEndian {
    if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    }
}

fn section(file: &object::File<'_>, map: &Arc<Mmap>, name: &str) -> object::Result<Section> {
    let nothing = Section::Unpacked(Vec::new());
    let Some(section) = file.section_by_name(name) else {
        return Ok(nothing);
    };
    let stored = section.compressed_file_range()?;
    if stored.format == CompressionFormat::None {
        let start = usize::try_from(stored.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(stored.uncompressed_size).unwrap_or(usize::MAX));
        return Ok(if end <= map.len() {
            Section::Mapped(Arc::clone(map), start..end)
        } else {
            nothing
        });
    }
    if stored.uncompressed_size > LARGEST_UNPACKED {
        return Ok(nothing);
    }
    Ok(Section::Unpacked(section.uncompressed_data()?.into_owned()))
}

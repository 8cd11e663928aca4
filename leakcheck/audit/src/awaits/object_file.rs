//! An object file's sections, mapped where they can be and unpacked where they are compressed.

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gimli::{DwarfPackageSections, DwarfSections, RunTimeEndian, SectionId};
use memmap2::Mmap;
use object::{CompressionFormat, Object, ObjectSection, ObjectSymbol};

use super::error::Error;

/// A section that claims to unpack to more is broken, or more than this process could hold.
const LARGEST_UNPACKED: u64 = 4 << 30;

/// Bytes without an end of a string among them: far more than any name has.
const LONGEST_RUN: usize = 2 << 20;

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
    /// It says which object files it was linked from, and they have its debug info: Mach-O's debug map.
    pub(super) has_debug_map: bool,
    /// Which build it is, where it is a Mach-O file.
    uuid: Option<[u8; 16]>,
    build_id: Option<Vec<u8>>,
    /// The name of the file that the debug info was moved to, and the checksum of that file.
    debug_link: Option<(PathBuf, u32)>,
    /// The addresses of its code.
    code: Vec<Range<u64>>,
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
        let code = file
            .sections()
            .filter(|section| section.kind() == object::SectionKind::Text);
        let code = code.map(|section| section.address()..section.address().saturating_add(section.size()));
        let code = code.collect();
        let has_debug_info = file.section_by_name(".debug_info").is_some();
        Ok(ObjectFile {
            sections,
            endian: endian(&file),
            has_debug_info,
            has_debug_map: !file.object_map().objects().is_empty(),
            uuid: file.mach_uuid().ok().flatten(),
            build_id: file.build_id().ok().flatten().map(<[u8]>::to_vec),
            debug_link: file
                .gnu_debuglink()
                .ok()
                .flatten()
                .map(|(name, checksum)| (PathBuf::from(String::from_utf8_lossy(name).into_owned()), checksum)),
            code,
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

    /// The pointer that stands at an address of the program: what the linker left to be relocated, or else what is in the file.
    pub(super) fn pointer(&self, address: u64) -> Option<u64> {
        let file = object::File::parse(&self.map[..]).ok()?;
        let relocated = file
            .dynamic_relocations()
            .and_then(|mut all| all.find(|(at, _)| *at == address));
        if let Some((_, relocation)) = relocated
            && relocation.addend() != 0
        {
            return u64::try_from(relocation.addend()).ok();
        }
        let mut bytes = [0; 8];
        let pointer = self.read(address, &mut bytes).then(|| match self.endian {
            RunTimeEndian::Little => u64::from_le_bytes(bytes),
            RunTimeEndian::Big => u64::from_be_bytes(bytes),
        });
        let pointer = pointer.filter(|pointer| *pointer != 0 && file.is_64())?;
        if file.format() != object::BinaryFormat::MachO || self.is_code(pointer) {
            return Some(pointer);
        }
        chained(pointer)?.into_iter().find(|target| self.is_code(*target))
    }

    pub(super) fn is_macho(&self) -> bool {
        self.uuid.is_some()
    }

    fn is_code(&self, address: u64) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }

    /// The name of the function that begins at an address, as a person writes it. `None` where several do: then it is not known which.
    pub(super) fn function(&self, address: u64) -> Option<String> {
        let file = object::File::parse(&self.map[..]).ok()?;
        let mut names = file
            .symbols()
            .filter(|symbol| symbol.address() == address && symbol.kind() == object::SymbolKind::Text)
            .filter_map(|symbol| Some(format!("{:#}", rustc_demangle::try_demangle(symbol.name().ok()?).ok()?)));
        let first = names.next()?;
        names.all(|other| other == first).then_some(first)
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

    /// The file with the debug info of this one, which has none itself: in a bundle beside it, as macOS has it, or where the debuggers of
    /// Linux look for it, [by build id and by link](https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html).
    pub(super) fn beside(&self, path: &Path, directories: &[PathBuf]) -> Option<ObjectFile> {
        if let Some(bundled) = self.bundled(path, directories) {
            return Some(bundled);
        }
        let by_id = self.build_id.iter().filter(|id| id.len() > 1).flat_map(|id| {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let name = Path::new(".build-id")
                .join(hex(&id[..1]))
                .join(hex(&id[1..]) + ".debug");
            directories.iter().map(move |directory| directory.join(&name))
        });
        let parent = path
            .parent()
            .map(|parent| parent.canonicalize().unwrap_or(parent.to_owned()));
        let by_link = self.debug_link.iter().zip(parent).flat_map(|((name, _), parent)| {
            let inside: PathBuf = parent.components().skip(1).collect();
            let mut found = vec![parent.join(name), parent.join(".debug").join(name)];
            found.extend(directories.iter().map(|directory| directory.join(&inside).join(name)));
            found
        });
        by_id
            .chain(by_link)
            .filter(|found| found.is_file() && found != path)
            .filter_map(|found| ObjectFile::open(&found).ok())
            .find(|found| found.has_debug_info && self.is_of(found))
    }

    /// Whether that is the debug info of this very build: another's would be believed, and wrong.
    fn is_of(&self, other: &ObjectFile) -> bool {
        match (&self.build_id, &other.build_id, &self.debug_link) {
            (Some(own), Some(other), _) => own == other,
            (.., Some((_, checksum))) => crc32(&other.map) == *checksum,
            _ => false,
        }
    }

    /// The debug info in a bundle beside the program or in one of the directories. Which is this build's says its UUID: cargo gives
    /// one program two names, and what is in a bundle has the first.
    fn bundled(&self, path: &Path, directories: &[PathBuf]) -> Option<ObjectFile> {
        let name = path.file_name()?;
        let mut usual = name.to_owned();
        usual.push(".dSYM");
        let Some(uuid) = self.uuid else {
            let inside = path.with_file_name(usual).join("Contents/Resources/DWARF").join(name);
            return inside.is_file().then(|| ObjectFile::open(&inside).ok()).flatten();
        };
        let is_bundle = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "dSYM");
        let all = path
            .parent()
            .into_iter()
            .chain(directories.iter().map(PathBuf::as_path))
            .flat_map(|directory| std::iter::once(directory.join(&usual)).chain(inside(directory).filter(is_bundle)));
        all.flat_map(|bundle| inside(&bundle.join("Contents/Resources/DWARF")))
            .filter_map(|found| ObjectFile::open(&found).ok())
            .find(|found| found.uuid == Some(uuid) && found.has_debug_info)
    }
}

/// What is in a directory; nothing where it is none.
fn inside(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

/// Where a pointer of a Mach-O file may lead to that dyld is to fill in, by `mach-o/fixup-chains.h`: its lower 36 bits are an address,
/// or one from the file's beginning, which programs have at 4 GiB. The next eight are the address' highest. `None` where the highest
/// bit says that it is another file's.
fn chained(pointer: u64) -> Option<[u64; 2]> {
    const BEGINNING: u64 = 1 << 32;
    let target = pointer & ((1 << 36) - 1) | (pointer >> 36 & 0xff) << 56;
    (pointer >> 63 == 0).then_some([target, target.wrapping_add(BEGINNING)])
}

/// Whether a program's debug info is in a file of its own that is found.
pub(crate) fn has_debug_info_beside(path: &Path) -> bool {
    ObjectFile::open(path).is_ok_and(|file| file.beside(path, &[]).is_some())
}

/// Whether the strings of a file's debug info have ends, where they are not compressed. A file that cannot be read has none that
/// do not.
pub(crate) fn strings_end_in(path: &Path) -> bool {
    let strings = || {
        let map = map(path).ok()?;
        let file = object::File::parse(&map[..]).ok()?;
        let ends = |name: &str| {
            let Ok(Section::Mapped(map, range)) = section(&file, &map, name) else {
                return true;
            };
            strings_end(&map[range])
        };
        Some([".debug_str", ".debug_line_str"].into_iter().all(ends))
    };
    strings().unwrap_or(true)
}

/// Whether no part of a section of strings is too long to be one. Each string that is read is searched for its end.
pub(super) fn strings_end(section: &[u8]) -> bool {
    section.chunks_exact(LONGEST_RUN).all(|part| part.contains(&0))
}

/// The checksum of IEEE 802.3, which the link to a file with debug info has.
fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|at| {
        let shift = |sum: u32, _| {
            if sum & 1 == 1 {
                0xedb8_8320 ^ (sum >> 1)
            } else {
                sum >> 1
            }
        };
        (0..8).fold(at as u32, shift)
    });
    let add = |sum: u32, byte: &u8| table[usize::from(sum as u8 ^ byte)] ^ (sum >> 8);
    !bytes.iter().fold(u32::MAX, add)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_without_an_end_are_noticed() {
        let mut section = vec![b'a'; 3 * LONGEST_RUN];
        assert!(!strings_end(&section));
        section.iter_mut().step_by(LONGEST_RUN).for_each(|byte| *byte = 0);
        assert!(strings_end(&section));
        assert!(strings_end(b"name") && strings_end(b""));
    }

    #[test]
    fn a_pointer_that_is_filled_in_later_is_followed() {
        // As DYLD_CHAINED_PTR_64 and DYLD_CHAINED_PTR_64_OFFSET have it, with the distance to the next one in bits 51 to 62.
        assert_eq!(chained(0x0010_0001_0000_4a30).expect("an address")[0], 0x1_0000_4a30);
        assert_eq!(chained(0x0010_0000_0000_4a30).expect("an offset")[1], 0x1_0000_4a30);
        assert_eq!(chained(1 << 63 | 7), None, "a function of another file");
    }

    #[test]
    fn a_checksum_is_the_usual_one() {
        // The check value that catalogues of checksums have for it.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}

//! What can be told of a program without running it: whether its tasks could have been seen at all.

use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol};

use crate::awaits::has_debug_info_beside;

/// A program's file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Program {
    /// The versions of tokio in it, from the paths that its panics name.
    pub(super) tokio: Vec<String>,
    /// No loader is asked for, and so nothing is preloaded.
    pub(super) is_static: bool,
    /// It has neither symbols nor debug info.
    pub(super) is_stripped: bool,
    /// It has no trace of Rust's default allocator, which asks libc.
    pub(super) has_own_allocator: bool,
    /// Which build it is, where its file says so: a Mach-O file's UUID.
    pub(super) uuid: Option<[u8; 16]>,
}

impl Program {
    /// `None` for what is no program's file, as a script.
    pub(super) fn inspect(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        let file = object::File::parse(&*bytes).ok()?;
        let is_macho = file.format() == object::BinaryFormat::MachO;
        let mut symbols = false;
        let mut default_allocator = false;
        let mut own_functions = false;
        for symbol in file.symbols() {
            let name = symbol.name_bytes().unwrap_or_default();
            // Of a Mach-O file, what is asked of others and the name of its own header stay when it is stripped.
            symbols |= !is_macho || symbol.is_definition() && name != b"__mh_execute_header";
            // An allocator under libc's names, in the program itself: its calls never leave it.
            own_functions |= symbol.is_definition() && plain(name, is_macho) == b"posix_memalign";
            default_allocator |= contains(name, b"__rdl_alloc");
        }
        let constants: &[&[u8]] = if is_macho {
            &[b"__const", b"__cstring"]
        } else {
            &[b".rodata"]
        };
        let strings = file
            .sections()
            .filter(|section| section.name_bytes().is_ok_and(|name| constants.contains(&name)));
        let tokio = strings
            .filter_map(|section| section.data().ok())
            .flat_map(tokio_versions);
        let mut tokio: Vec<String> = tokio.collect();
        tokio.sort();
        tokio.dedup();
        Some(Self {
            tokio,
            is_static: !is_macho && file.section_by_name(".interp").is_none(),
            is_stripped: !symbols
                && file.section_by_name(".debug_line").is_none()
                && !(is_macho && has_debug_info_beside(path)),
            has_own_allocator: own_functions || symbols && !default_allocator,
            uuid: file.mach_uuid().ok().flatten(),
        })
    }
}

impl Program {
    pub(super) fn has_tokio(&self) -> bool {
        !self.tokio.is_empty()
    }

    /// The first version of tokio in it whose tasks are not allocated at an alignment of their own: before 1.29.
    pub(super) fn too_old(&self) -> Option<&str> {
        let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        let old = |version: &&String| version.starts_with("0.") || minor(version).is_none_or(|minor| minor < 29);
        self.tokio.iter().find(old).map(String::as_str)
    }
}

/// A symbol as its source has it: in a Mach-O file there is an underscore before each.
fn plain(name: &[u8], is_macho: bool) -> &[u8] {
    name.strip_prefix(b"_").filter(|_| is_macho).unwrap_or(name)
}

fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

/// The versions in paths as `/tokio-1.47.1/src/`.
fn tokio_versions(bytes: &[u8]) -> Vec<String> {
    const CRATE: &[u8] = b"/tokio-";
    let mut versions = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'/') {
        rest = &rest[at..];
        if let Some(version) = rest.strip_prefix(CRATE) {
            let length = version.iter().take(32).position(|byte| *byte == b'/').unwrap_or(0);
            let (version, path) = version.split_at(length);
            if path.starts_with(b"/src/") && version.first().is_some_and(u8::is_ascii_digit) {
                versions.push(String::from_utf8_lossy(version).into_owned());
            }
        }
        rest = &rest[1..];
    }
    versions.sort();
    versions.dedup();
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_a_path_of_tokio_itself() {
        let strings = b"x/registry/src/i/tokio-1.47.1/src/runtime/a.rs/tokio-util-0.7.1/src/b.rs/tokio-1.47.1/src/c.rs";
        assert_eq!(tokio_versions(strings), ["1.47.1"]);
        assert_eq!(tokio_versions(b"/tokio-"), [""; 0]);
    }

    #[test]
    fn an_old_version_is_known() {
        let program = |tokio: &str| Program {
            tokio: vec![tokio.to_owned()],
            ..Program::default()
        };
        assert_eq!(program("1.28.2").too_old(), Some("1.28.2"));
        assert_eq!(program("0.2.25").too_old(), Some("0.2.25"));
        assert_eq!(program("1.29.0").too_old(), None);
        assert_eq!(program("1.54.1").too_old(), None);
    }

    #[test]
    fn what_is_no_program_has_nothing_to_tell() {
        assert_eq!(Program::inspect(Path::new(file!())), None);
    }
}

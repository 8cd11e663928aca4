//! Addresses to functions, files and lines, from the files that a process had loaded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use addr2line::Loader;
use object::Object as _;
use rustc_demangle::demangle;

use super::paths::plain;
use super::preload;
use super::records::Process;
use crate::awaits::strings_end_in;
use crate::owners::by_path;
use crate::report::Origin;

/// A function on a stack. Inlined functions are frames of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    /// As it is mangled in the file, made readable.
    pub(super) name: String,
    /// Without generic arguments.
    pub(super) path: String,
    /// Debug info has the function's own name alone, as line tables do. The path has the module that its file is.
    pub(super) is_short: bool,
    /// Where in the source, if the file says so.
    pub(super) source: Option<(String, u32)>,
    /// The address in its object, which debug info is looked up by.
    pub(super) address: u64,
}

/// The debug info of the files that were met, and the addresses that were looked up.
#[derive(Default)]
pub(super) struct Symbols {
    files: HashMap<PathBuf, Option<Loader>>,
    frames: HashMap<(PathBuf, u64), Rc<[Frame]>>,
}

impl Symbols {
    /// Whether nothing has shown that this file's debug info makes no sense.
    pub(super) fn is_readable(&self, path: &Path) -> bool {
        self.files.get(path).is_none_or(Option::is_some)
    }

    /// The frames of a stack, the innermost first.
    pub(super) fn stack(&mut self, process: &Process, stack: &[u64]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for address in stack {
            // A return address is behind its call.
            let call = address.wrapping_sub(1);
            match process.object(call) {
                // The hooks themselves.
                Some(object) if object.path.ends_with(preload::FILE) => (),
                Some(object) => {
                    let path = if object.path.is_empty() {
                        &process.executable
                    } else {
                        &object.path
                    };
                    let address = call.wrapping_sub(object.base);
                    frames.extend_from_slice(&self.frames(Path::new(path), object.uuid, address));
                }
                None => frames.push(Frame::default()),
            }
        }
        frames
    }

    fn frames(&mut self, path: &Path, uuid: Option<[u8; 16]>, address: u64) -> Rc<[Frame]> {
        let key = (path.to_owned(), address);
        if let Some(frames) = self.frames.get(&key) {
            return Rc::clone(frames);
        }
        let loader = self.files.entry(path.to_owned()).or_insert_with(|| {
            (is_build(path, uuid) && strings_end_in(path))
                .then(|| Loader::new(path).ok())
                .flatten()
        });
        // Of what has a UUID, the linker's names begin with an underscore that the source's do not have.
        let frames: Rc<[Frame]> = loader
            .as_ref()
            .map_or_else(Vec::new, |loader| look_up(loader, address, uuid.is_some()))
            .into();
        // Names that are no text come from debug info that is damaged, and what the others say is not to be believed either.
        if frames.iter().any(|frame| is_garbled(&frame.name)) {
            *loader = None;
        }
        self.frames.insert(key, Rc::clone(&frames));
        frames
    }
}

/// Whether a file is the build that was loaded, where that is known: another's names would be believed, and wrong.
fn is_build(path: &Path, uuid: Option<[u8; 16]>) -> bool {
    let Some(uuid) = uuid else { return true };
    let bytes = std::fs::read(path).unwrap_or_default();
    object::File::parse(&*bytes).is_ok_and(|file| file.mach_uuid().ok().flatten() == Some(uuid))
}

fn look_up(loader: &Loader, address: u64, has_underscore: bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    if let Ok(mut found) = loader.find_frames(address) {
        while let Ok(Some(frame)) = found.next() {
            let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
            let source = frame
                .location
                .and_then(|location| Some((location.file?.to_owned(), location.line?)));
            if name.is_some() || source.is_some() {
                frames.push(named(name.as_deref().unwrap_or_default(), source, address));
            }
        }
    }
    // The function that the linker knows: the last frame where debug info has no names, or names without modules, as line
    // tables alone do; or the only one.
    let nameless = |frame: &Frame| frame.name.is_empty() || frame.is_short;
    if frames.last().is_none_or(nameless)
        && let Some(symbol) = loader.find_symbol(address)
    {
        let before = frames.pop().unwrap_or_default();
        let symbol = symbol.strip_prefix('_').filter(|_| has_underscore).unwrap_or(symbol);
        let linked = named(symbol, before.source.clone(), address);
        let is_it = before.name.is_empty() || !nameless(&linked);
        frames.push(if is_it { linked } else { before });
    }
    if frames.is_empty() {
        frames.push(Frame {
            address,
            ..Frame::default()
        });
    }
    frames
}

/// Whether no compiler gives a function this name: it has control characters, or bytes that are no text.
fn is_garbled(name: &str) -> bool {
    name.contains(|letter: char| letter.is_control() || letter == char::REPLACEMENT_CHARACTER)
}

fn named(name: &str, source: Option<(String, u32)>, address: u64) -> Frame {
    let name = format!("{:#}", demangle(name));
    let mut path = plain(&name);
    let is_short = !path.is_empty() && !path.contains("::");
    if is_short
        && let Some((file, _)) = &source
        && let Some(module) = module(file)
    {
        path = format!("{module}::{path}");
    }
    Frame {
        name,
        path,
        is_short,
        source,
        address,
    }
}

/// The module that a file is, of the standard library and of tokio: what a task's memory is allocated and freed through.
fn module(file: &str) -> Option<String> {
    let krate = match standard_library(file) {
        Some(library) => library,
        None => match by_path(file)? {
            Origin::Dependency { name, .. } if name == "tokio" => "tokio",
            _ => return None,
        },
    };
    let (_, inside) = file.rsplit_once("/src/")?;
    let inside = inside.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    Some(format!("{krate}::{}", inside.replace('/', "::")))
}

/// The crate of the standard library that a file is of: as its sources are named in a toolchain, or installed beside one.
fn standard_library(file: &str) -> Option<&str> {
    let (before, library) = file.split_once("/library/")?;
    let is_rust = before.starts_with("/rustc/") || before.ends_with("/rustlib/src/rust");
    let name = library.split('/').next().filter(|_| is_rust)?;
    ["core", "alloc", "std"].contains(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_text_is_noticed() {
        assert!(is_garbled("a\u{1}b") && is_garbled("a\u{fffd}"));
        assert!(!is_garbled("<a::B<fn() -> é::C> as d::E>::f::{closure#0}") && !is_garbled(""));
    }

    #[test]
    fn a_file_of_the_standard_library_says_whose_a_function_is() {
        let boxed = "/rustc/0123456789abcdef/library/alloc/src/boxed.rs";
        assert_eq!(
            named("new<u8>", Some((boxed.to_owned(), 1)), 0).path,
            "alloc::boxed::new"
        );
        let installed = "/home/u/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/mem/mod.rs";
        assert_eq!(standard_library(installed), Some("core"));
        for file in [
            "/w/library/core/src/lib.rs",
            "/rustc/01/library/proc_macro/src/lib.rs",
            "/w/src/main.rs",
        ] {
            assert_eq!(standard_library(file), None, "{file}");
        }
        assert_eq!(named("new<u8>", Some(("/w/src/a.rs".to_owned(), 1)), 0).path, "new");
        let tokio = "/r/registry/src/index/tokio-1.47.1/src/runtime/task/mod.rs";
        let frame = named("new_task<a::b>", Some((tokio.to_owned(), 1)), 0);
        assert_eq!((&*frame.path, frame.is_short), ("tokio::runtime::task::new_task", true));
        assert!(!named("tokio::runtime::task::new_task<a::b>", Some((tokio.to_owned(), 1)), 0).is_short);
    }
}

//! Addresses to functions, files and lines, from the files that a process had loaded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use addr2line::Loader;
use rustc_demangle::demangle;

use super::paths::plain;
use super::preload;
use super::records::Process;

/// A function on a stack. Inlined functions are frames of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    /// As it is mangled in the file, made readable.
    pub(super) name: String,
    /// Without generic arguments.
    pub(super) path: String,
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
                    frames.extend_from_slice(&self.frames(Path::new(path), call.wrapping_sub(object.base)));
                }
                None => frames.push(Frame::default()),
            }
        }
        frames
    }

    fn frames(&mut self, path: &Path, address: u64) -> Rc<[Frame]> {
        let key = (path.to_owned(), address);
        if let Some(frames) = self.frames.get(&key) {
            return Rc::clone(frames);
        }
        let loader = self
            .files
            .entry(path.to_owned())
            .or_insert_with(|| Loader::new(path).ok());
        let frames: Rc<[Frame]> = loader
            .as_ref()
            .map_or_else(Vec::new, |loader| look_up(loader, address))
            .into();
        self.frames.insert(key, Rc::clone(&frames));
        frames
    }
}

fn look_up(loader: &Loader, address: u64) -> Vec<Frame> {
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
    // The function that the linker knows: the last frame where debug info has no names, or the only one.
    if frames.last().is_none_or(|frame| frame.name.is_empty())
        && let Some(symbol) = loader.find_symbol(address)
    {
        let source = frames.pop().and_then(|frame| frame.source);
        frames.push(named(symbol, source, address));
    }
    if frames.is_empty() {
        frames.push(Frame {
            address,
            ..Frame::default()
        });
    }
    frames
}

fn named(name: &str, source: Option<(String, u32)>, address: u64) -> Frame {
    let name = format!("{:#}", demangle(name));
    let path = plain(&name);
    Frame {
        name,
        path,
        source,
        address,
    }
}

//! The files that are loaded into this process: its images, without those of the system that are no files.

use std::ffi::{c_char, c_void, CStr};

use super::boxes::Segments;
use super::libc::getpid;
use super::macho::{Image, Piece, HEADER};
use super::memory::read;
use super::state::kind;

/// What an object's identity is written down as.
pub(super) const IDENTITY: u64 = kind::IDENTITY;

extern "C" {
    fn _dyld_image_count() -> u32;
    fn _dyld_get_image_header(index: u32) -> *const c_void;
    fn _dyld_get_image_name(index: u32) -> *const c_char;
    fn _dyld_get_image_vmaddr_slide(index: u32) -> isize;
}

/// Of an image's header and load commands, what is looked at.
const COMMANDS: usize = 16 * 1024;

/// A loaded file.
#[derive(Clone, Copy)]
pub(super) struct Object {
    /// By how much its addresses are above those in its file.
    pub(super) base: u64,
    pub(super) range: (u64, u64),
    /// Empty for the executable.
    pub(super) name: &'static CStr,
    /// Its UUID; zeros where it has none.
    pub(super) identity: [u64; 2],
}

pub(super) struct Objects {
    pub(super) list: [Object; 256],
    pub(super) count: usize,
}

/// Tells of each image: itself, its slide and its name. The loader has locks of its own, so ours must not be held.
///
/// Another thread may unload one meanwhile, so that its header is read as memory is that may not be mapped.
fn each(mut tell: impl FnMut(Image<'_>, u64, &'static CStr)) {
    // SAFETY: no arguments.
    let (count, pid) = unsafe { (_dyld_image_count(), getpid()) };
    let mut bytes = [0_u8; COMMANDS];
    for index in 0..count {
        // SAFETY: an index that is none gives null or zero.
        let (header, slide, name) = unsafe {
            (
                _dyld_get_image_header(index) as u64,
                _dyld_get_image_vmaddr_slide(index) as u64,
                _dyld_get_image_name(index),
            )
        };
        if header == 0 || name.is_null() || !read(pid, header, bytes.as_mut_ptr().cast(), HEADER) {
            continue;
        }
        let Some(image) = Image::of(&bytes[..HEADER]) else { continue };
        let length = HEADER.saturating_add(image.commands_size()).min(COMMANDS);
        if image.is_in_cache() || !read(pid, header, bytes.as_mut_ptr().cast(), length) {
            continue;
        }
        if let Some(image) = Image::of(&bytes[..length]) {
            // SAFETY: a name that ends with a zero byte, and lives until the image is unloaded.
            tell(image, slide, unsafe { CStr::from_ptr(name) });
        }
    }
}

impl Objects {
    /// What is loaded.
    pub(super) fn loaded() -> Self {
        let mut objects = Self {
            list: [Object {
                base: 0,
                range: (0, 0),
                name: c"",
                identity: [0; 2],
            }; 256],
            count: 0,
        };
        each(|image, slide, name| {
            let Some(place) = objects.list.get_mut(objects.count) else { return };
            let range = image.range();
            *place = Object {
                base: slide,
                range: (range.0.wrapping_add(slide), range.1.wrapping_add(slide)),
                name: if image.is_executable() { c"" } else { name },
                identity: image.uuid(),
            };
            objects.count += 1;
        });
        objects
    }

    /// Their headers have said which files they are.
    pub(super) fn identify(&mut self) {}
}

impl Segments {
    /// What is loaded.
    pub(super) fn loaded() -> Self {
        let mut segments = Self::NONE;
        each(|image, slide, _| {
            image.pieces(|piece| {
                let moved = |range: (u64, u64)| (range.0.wrapping_add(slide), range.1.wrapping_add(slide));
                match piece {
                    Piece::Segment { range, has_code } => {
                        segments.loaded.add(moved(range));
                        if has_code {
                            segments.code.add(moved(range));
                        }
                    }
                    Piece::Constants { range } => segments.constants(moved(range)),
                }
            });
        });
        segments
    }
}

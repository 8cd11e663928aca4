//! The files that are loaded into this process.

use std::ffi::{c_int, c_void, CStr};

use super::boxes::Segments;
use super::libc::{dl_iterate_phdr, DlPhdrInfo, PT_LOAD};

const PT_GNU_RELRO: u32 = 0x6474_e552;
const WRITABLE: u32 = 2;
const EXECUTABLE: u32 = 1;

/// A loaded file.
#[derive(Clone, Copy)]
pub(super) struct Object {
    pub(super) base: u64,
    pub(super) range: (u64, u64),
    /// Empty for the executable.
    pub(super) name: &'static CStr,
    /// What says which build of the file it is, where it can be had here; zeros where not.
    pub(super) identity: [u64; 2],
}

pub(super) struct Objects {
    pub(super) list: [Object; 256],
    pub(super) count: usize,
}

impl Objects {
    /// What is loaded. The loader has a lock of its own, so ours must not be held.
    pub(super) fn loaded() -> Self {
        extern "C" fn object(info: *const DlPhdrInfo, _: usize, data: *mut c_void) -> c_int {
            // SAFETY: the list below, and what the loader hands out.
            let (objects, info) = unsafe { (&mut *data.cast::<Objects>(), &*info) };
            let mut range = (u64::MAX, 0);
            for index in 0..info.count {
                // SAFETY: as many as the loader says.
                let header = unsafe { &*info.headers.add(usize::from(index)) };
                if header.kind == PT_LOAD {
                    range.0 = range.0.min(header.address);
                    range.1 = range.1.max(header.address + header.memory_size);
                }
            }
            let Some(place) = objects.list.get_mut(objects.count) else {
                return 1;
            };
            let base = info.address as u64;
            *place = Object {
                base,
                range: (base.wrapping_add(range.0), base.wrapping_add(range.1)),
                // SAFETY: a name that ends with a zero byte, and lives until the file is unloaded.
                name: if info.name.is_null() {
                    c""
                } else {
                    unsafe { CStr::from_ptr(info.name) }
                },
                identity: [0; 2],
            };
            objects.count += 1;
            0
        }
        let mut objects = Self {
            list: [Object {
                base: 0,
                range: (0, 0),
                name: c"",
                identity: [0; 2],
            }; 256],
            count: 0,
        };
        // SAFETY: the callback has the type that libc asks for.
        unsafe { dl_iterate_phdr(object, std::ptr::from_mut(&mut objects).cast()) };
        objects
    }
}

impl Segments {
    /// The loader has a lock of its own, so ours must not be held.
    pub(super) fn loaded() -> Self {
        extern "C" fn object(info: *const DlPhdrInfo, _: usize, data: *mut c_void) -> c_int {
            // SAFETY: the segments below, and what the loader hands out.
            let (segments, info) = unsafe { (&mut *data.cast::<Segments>(), &*info) };
            for index in 0..info.count {
                // SAFETY: as many as the loader says.
                let header = unsafe { &*info.headers.add(usize::from(index)) };
                let start = (info.address as u64).wrapping_add(header.address);
                let range = (start, start.wrapping_add(header.memory_size));
                if header.kind == PT_LOAD {
                    segments.loaded.add(range);
                    if header.flags & EXECUTABLE != 0 {
                        segments.code.add(range);
                    } else if header.flags & WRITABLE == 0 {
                        segments.constants(range);
                    }
                } else if header.kind == PT_GNU_RELRO {
                    segments.constants(range);
                }
            }
            0
        }
        let mut segments = Self::NONE;
        // SAFETY: the callback has the type that libc asks for.
        unsafe { dl_iterate_phdr(object, std::ptr::from_mut(&mut segments).cast()) };
        segments
    }
}

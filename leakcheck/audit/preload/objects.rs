//! The files that are loaded into this process.

use std::ffi::{c_int, c_void, CStr};

use super::boxes::Segments;
use super::hooks::{Syscall, SYSCALL};
use super::libc::{close, dl_iterate_phdr, open, DlPhdrInfo, O_RDONLY_CLOEXEC, PT_LOAD};
use super::state::kind;

/// What an object's identity is written down as.
pub(super) const IDENTITY: u64 = kind::FILE;

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
    /// Which file it is: its inode, and when it was last written to, in nanoseconds of the clock. Zeros where that is not
    /// known, or was not asked.
    pub(super) identity: [u64; 2],
}

pub(super) struct Objects {
    pub(super) list: [Object; 256],
    pub(super) count: usize,
}

impl Objects {
    /// What is loaded, without its identity. The loader has a lock of its own, so ours must not be held.
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

    /// Asks which files they are: three system calls for each.
    pub(super) fn identify(&mut self) {
        for object in &mut self.list[..self.count] {
            object.identity = match object.name.to_bytes() {
                // The link is to what runs, whatever has its name by now.
                [] => identity(c"/proc/self/exe"),
                [b'/', ..] => identity(object.name),
                _ => [0; 2],
            };
        }
    }
}

/// The inode of a file and the time when it was last written to; zeros where the kernel does not say.
///
/// By the call's number: not every libc has the function, and what `stat` fills in differs by machine. It is asked of the opened file: of
/// `/proc/self/exe` an emulator opens what it runs, and answers what it is itself where it is asked by path.
fn identity(path: &CStr) -> [u64; 2] {
    #[cfg(target_arch = "x86_64")]
    const SYS_STATX: i64 = 332;
    #[cfg(target_arch = "aarch64")]
    const SYS_STATX: i64 = 291;
    /// Of the file itself, and not of one in it; the time and the inode.
    const AT_EMPTY_PATH: usize = 0x1000;
    const STATX_MTIME_INO: usize = 0x40 | 0x100;
    // `struct statx` of Linux' `include/uapi/linux/stat.h`, in words.
    let mut found = [0_u64; 32];
    // SAFETY: libc's function of this name has this type.
    let call = unsafe { std::mem::transmute::<usize, Syscall>(SYSCALL.address()) };
    // SAFETY: paths that end with a zero byte, a file that is ours, and room for the whole structure.
    let result = unsafe {
        let fd = open(path.as_ptr(), O_RDONLY_CLOEXEC);
        if fd < 0 {
            return [0; 2];
        }
        let found = found.as_mut_ptr() as usize;
        let none = c"".as_ptr() as usize;
        let result = call(SYS_STATX, fd as usize, none, AT_EMPTY_PATH, STATX_MTIME_INO, found, 0);
        close(fd);
        result
    };
    let (inode, seconds, nanoseconds) = (found[4], found[14], found[15] & 0xffff_ffff);
    let has_both = found[0] as usize & STATX_MTIME_INO == STATX_MTIME_INO;
    if result == 0 && has_both {
        [inode, seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)]
    } else {
        [0; 2]
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

//! What is asked of libc and of the loader, and the next definitions of the functions that are interposed.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::state::SPACE;

#[repr(C)]
pub(super) struct DlPhdrInfo {
    pub(super) address: usize,
    pub(super) name: *const c_char,
    pub(super) headers: *const ProgramHeader,
    pub(super) count: u16,
}

#[repr(C)]
pub(super) struct ProgramHeader {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) physical: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
    pub(super) align: u64,
}

extern "C" {
    pub(super) fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    pub(super) fn dl_iterate_phdr(f: extern "C" fn(*const DlPhdrInfo, usize, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    pub(super) fn mmap(at: *mut c_void, len: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    pub(super) fn munmap(at: *mut c_void, len: usize) -> c_int;
    pub(super) fn madvise(at: *mut c_void, len: usize, advice: c_int) -> c_int;
    pub(super) fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub(super) fn close(fd: c_int) -> c_int;
    pub(super) fn read(fd: c_int, to: *mut c_void, len: usize) -> isize;
    pub(super) fn readlink(path: *const c_char, to: *mut c_char, len: usize) -> isize;
    pub(super) fn posix_fallocate(fd: c_int, offset: i64, len: i64) -> c_int;
    pub(super) fn getrlimit(resource: c_int, limits: *mut [u64; 2]) -> c_int;
    pub(super) fn memcmp(one: *const c_void, other: *const c_void, len: usize) -> c_int;
    pub(super) fn getpid() -> c_int;
    pub(super) fn getppid() -> c_int;
    pub(super) fn getenv(name: *const c_char) -> *const c_char;
    pub(super) fn atexit(f: extern "C" fn()) -> c_int;
    pub(super) fn clock_gettime(clock: c_int, time: *mut [i64; 2]) -> c_int;
    pub(super) fn __errno_location() -> *mut c_int;
}

pub(super) const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
pub(super) const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_PROCESS: c_int = 2;
pub(super) const PROT_READ_WRITE: c_int = 3;
pub(super) const MAP_SHARED: c_int = 1;
pub(super) const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
pub(super) const MADV_DONTDUMP: c_int = 16;
pub(super) const MADV_WIPEONFORK: c_int = 18;
pub(super) const O_RDONLY_CLOEXEC: c_int = 0o2000000;
pub(super) const O_RDWR_CLOEXEC: c_int = 0o2000002;
pub(super) const O_CREATE_NEW: c_int = 0o300;
const RLIMIT_FSIZE: c_int = 1;
pub(super) const PT_LOAD: u32 = 1;
pub(super) const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

/// The next definition of a function behind ours. Resolved once; `dlsym` is never called with our lock held.
pub(super) struct Real(AtomicUsize, &'static CStr);

impl Real {
    pub(super) const fn new(name: &'static CStr) -> Self {
        Self(AtomicUsize::new(0), name)
    }

    pub(super) fn address(&self) -> usize {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                // SAFETY: a name that ends with a zero byte.
                let address = unsafe { dlsym(RTLD_NEXT, self.1.as_ptr()) } as usize;
                self.0.store(address, Ordering::Relaxed);
                address
            }
            address => address,
        }
    }
}

/// Nanoseconds of a clock that is never put back.
pub(super) fn monotonic() -> u64 {
    nanoseconds(CLOCK_MONOTONIC)
}

/// Nanoseconds that processors have worked for this process.
pub(super) fn processor_time() -> u64 {
    nanoseconds(CLOCK_PROCESS)
}

fn nanoseconds(clock: c_int) -> u64 {
    let mut time = [0; 2];
    // SAFETY: a `timespec` on 64 bits is two words.
    unsafe { clock_gettime(clock, &mut time) };
    time[0] as u64 * 1_000_000_000 + time[1] as u64
}

/// Gives a file blocks up to this size. Where it may not be as large as that, the kernel would end the process by a signal:
/// `setrlimit(2)`, so that is asked first.
pub(super) fn reserve(fd: c_int, size: usize) -> bool {
    let mut limits = [0; 2];
    // SAFETY: two words, as the call writes; a file that is our caller's.
    unsafe {
        let is_allowed = getrlimit(RLIMIT_FSIZE, &mut limits) != 0 || size as u64 <= limits[0];
        is_allowed && posix_fallocate(fd, 0, size as i64) == 0
    }
}

pub(super) fn anonymous(len: usize) -> Option<*mut c_void> {
    // SAFETY: fresh memory.
    let memory = unsafe { mmap(std::ptr::null_mut(), len, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0) };
    (memory as isize != -1).then_some(memory)
}

/// Gives a new file for records its first blocks, and maps it with room to grow: where, and how many bytes it has.
pub(super) fn map_records(fd: c_int, size: usize) -> Option<(*mut u64, usize)> {
    if !reserve(fd, size) {
        return None;
    }
    // SAFETY: fresh memory of a file that is our caller's. What lies behind its end is not touched before it has grown.
    let base = unsafe { mmap(std::ptr::null_mut(), SPACE, PROT_READ_WRITE, MAP_SHARED, fd, 0) };
    if base as isize == -1 {
        return None;
    }
    // SAFETY: mapped just now.
    unsafe { madvise(base, SPACE, MADV_DONTDUMP) };
    Some((base.cast(), size))
}

/// Makes the room usable up to which the file has grown. Here it is mapped already.
pub(super) fn map_more(_base: *mut u64, _from: usize, _to: usize, _fd: c_int) -> bool {
    true
}

/// The path of this process' file. Says how long it is.
pub(super) fn executable(text: &mut [u8]) -> usize {
    // SAFETY: a path that ends with a zero byte, and as many bytes as there are.
    let length = unsafe { readlink(c"/proc/self/exe".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    usize::try_from(length).unwrap_or(0)
}

/// This process' arguments, a zero byte behind each, as far as there is room. Says how long they are.
pub(super) fn arguments(text: &mut [u8]) -> usize {
    // SAFETY: a path that ends with a zero byte, a file that is ours, and as many bytes as there are.
    let length = unsafe {
        let fd = open(c"/proc/self/cmdline".as_ptr(), O_RDONLY_CLOEXEC);
        if fd < 0 {
            return 0;
        }
        let length = read(fd, text.as_mut_ptr().cast(), text.len());
        close(fd);
        length
    };
    usize::try_from(length).unwrap_or(0)
}

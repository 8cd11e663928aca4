//! What is asked of libSystem and of the loader.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::state::{CHUNK, SPACE};

extern "C" {
    pub(super) fn mmap(at: *mut c_void, len: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    pub(super) fn munmap(at: *mut c_void, len: usize) -> c_int;
    pub(super) fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub(super) fn close(fd: c_int) -> c_int;
    pub(super) fn memcmp(one: *const c_void, other: *const c_void, len: usize) -> c_int;
    pub(super) fn getpid() -> c_int;
    pub(super) fn getppid() -> c_int;
    pub(super) fn getenv(name: *const c_char) -> *const c_char;
    pub(super) fn atexit(f: extern "C" fn()) -> c_int;
    /// By the name that it has elsewhere.
    #[link_name = "__error"]
    pub(super) fn __errno_location() -> *mut c_int;
    pub(super) fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn ftruncate(fd: c_int, size: i64) -> c_int;
    fn getrlimit(resource: c_int, limits: *mut [u64; 2]) -> c_int;
    fn clock_gettime_nsec_np(clock: c_uint) -> u64;
    fn proc_pidpath(pid: c_int, to: *mut c_void, len: u32) -> c_int;
    fn _NSGetArgc() -> *const c_int;
    fn _NSGetArgv() -> *const *const *const c_char;
}

/// `CLOCK_UPTIME_RAW`
const UPTIME: c_uint = 8;
/// `CLOCK_PROCESS_CPUTIME_ID`
const PROCESS: c_uint = 12;
const PROT_NONE: c_int = 0;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;
const MAP_FIXED: c_int = 0x10;
const MAP_PRIVATE_ANONYMOUS: c_int = 0x1002;
pub(super) const O_RDONLY_CLOEXEC: c_int = 0x0100_0000;
pub(super) const O_RDWR_CLOEXEC: c_int = 0x0100_0002;
/// `O_CREAT | O_EXCL`
pub(super) const O_CREATE_NEW: c_int = 0xa00;
const RLIMIT_FSIZE: c_int = 1;
const F_PREALLOCATE: c_int = 42;
/// `PROC_PIDPATHINFO_MAXSIZE`
const PIDPATH_MAX: usize = 4096;

/// `struct fstore` of `sys/fcntl.h`.
#[repr(C)]
struct Store {
    flags: c_uint,
    mode: c_int,
    offset: i64,
    length: i64,
    allocated: i64,
}
/// `F_ALLOCATEALL`: all or nothing. `F_PEOFPOSMODE`: from the end of what is allocated.
const ALL: c_uint = 4;
const FROM_END: c_int = 3;

/// Nanoseconds of a clock that is never put back.
pub(super) fn monotonic() -> u64 {
    // SAFETY: no pointer.
    unsafe { clock_gettime_nsec_np(UPTIME) }
}

/// Nanoseconds that processors have worked for this process.
pub(super) fn processor_time() -> u64 {
    // SAFETY: no pointer.
    unsafe { clock_gettime_nsec_np(PROCESS) }
}

/// Gives a file blocks up to this size, and this size. Where it may not be as large as that, the kernel would end the process by
/// a signal: `setrlimit(2)`, so that is asked first.
pub(super) fn reserve(fd: c_int, size: usize) -> bool {
    let mut limits = [0; 2];
    let mut store = Store {
        flags: ALL,
        mode: FROM_END,
        offset: 0,
        // More than is needed where the file has blocks already: how many is the file system's own.
        length: size as i64,
        allocated: 0,
    };
    // SAFETY: two words and a structure, as the calls read and write them; a file that is our caller's.
    unsafe {
        let is_allowed = getrlimit(RLIMIT_FSIZE, &mut limits) != 0 || size as u64 <= limits[0];
        is_allowed && fcntl(fd, F_PREALLOCATE, &mut store) != -1 && ftruncate(fd, size as i64) == 0
    }
}

pub(super) fn anonymous(len: usize) -> Option<*mut c_void> {
    // SAFETY: fresh memory.
    let memory = unsafe { mmap(std::ptr::null_mut(), len, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0) };
    (memory as isize != -1).then_some(memory)
}

/// Gives a new file for records its first blocks, and maps it with room to grow: where, and how many bytes it has.
///
/// What is behind a file's end is not mapped before it is there: that a mapping grows with its file is promised nowhere.
pub(super) fn map_records(fd: c_int, _least: usize) -> Option<(*mut u64, usize)> {
    if !reserve(fd, CHUNK) {
        return None;
    }
    // SAFETY: addresses that nobody has, and that may not be touched.
    let base = unsafe { mmap(std::ptr::null_mut(), SPACE, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0) };
    if base as isize == -1 {
        return None;
    }
    let base = base.cast();
    map_more(base, 0, CHUNK, fd).then_some((base, CHUNK))
}

/// Makes the room usable up to which the file has grown. Both sizes are multiples of [`CHUNK`], and so of a page.
pub(super) fn map_more(base: *mut u64, from: usize, to: usize, fd: c_int) -> bool {
    // SAFETY: within the addresses that `map_records` has taken, behind what is in use.
    unsafe {
        let at = base.cast::<u8>().add(from).cast();
        let flags = MAP_SHARED | MAP_FIXED;
        mmap(at, to - from, PROT_READ_WRITE, flags, fd, from as i64) as isize != -1
    }
}

/// The path of this process' file. Says how long it is.
pub(super) fn executable(text: &mut [u8]) -> usize {
    let mut path = [0_u8; PIDPATH_MAX];
    // SAFETY: as many bytes as there are.
    let length = unsafe { proc_pidpath(getpid(), path.as_mut_ptr().cast(), path.len() as u32) };
    let length = usize::try_from(length).unwrap_or(0).min(text.len());
    text[..length].copy_from_slice(&path[..length]);
    length
}

/// This process' arguments, a zero byte behind each, as far as there is room. Says how long they are.
pub(super) fn arguments(text: &mut [u8]) -> usize {
    let mut end = 0;
    // SAFETY: the loader keeps both for as long as the process lives; each argument ends with a zero byte.
    unsafe {
        let (count, arguments) = (*_NSGetArgc(), *_NSGetArgv());
        for index in 0..usize::try_from(count).unwrap_or(0) {
            let mut from = *arguments.add(index);
            if from.is_null() {
                break;
            }
            loop {
                let Some(place) = text.get_mut(end) else { return end };
                *place = from.cast::<u8>().read();
                end += 1;
                if *place == 0 {
                    break;
                }
                from = from.add(1);
            }
        }
    }
    end
}

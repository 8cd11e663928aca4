//! Programs that this process starts and that nothing can be preloaded into, because they ask for no loader: each is noted in
//! a file of its own, once, so that the audit can look at it.
//!
//! All of this may run in a forked child, or in one that borrows its parent's memory: no lock is taken, nothing is allocated.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void, CStr};

use super::libc::{
    close, getenv, open, read, readlink, Real, O_CREATE_NEW, O_RDONLY_CLOEXEC, O_RDWR_CLOEXEC, __errno_location,
};
use super::start::digits;
use super::table::mix;

extern "C" {
    fn write(fd: c_int, from: *const c_void, len: usize) -> isize;
}

const PT_INTERP: u32 = 3;
const PATH_MAX: usize = 4096;

type Arguments = *const *const c_char;
type Exec = unsafe extern "C" fn(*const c_char, Arguments) -> c_int;
type ExecIn = unsafe extern "C" fn(*const c_char, Arguments, Arguments) -> c_int;
type Spawn =
    unsafe extern "C" fn(*mut c_int, *const c_char, *const c_void, *const c_void, Arguments, Arguments) -> c_int;

static EXECV: Real = Real::new(c"execv");
static EXECVP: Real = Real::new(c"execvp");
static EXECVE: Real = Real::new(c"execve");
static EXECVPE: Real = Real::new(c"execvpe");
static POSIX_SPAWN: Real = Real::new(c"posix_spawn");
static POSIX_SPAWNP: Real = Real::new(c"posix_spawnp");

/// Finds the real functions while that is safe.
pub(super) fn resolve() {
    for real in [&EXECV, &EXECVP, &EXECVE, &EXECVPE, &POSIX_SPAWN, &POSIX_SPAWNP] {
        real.address();
    }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn execv(path: *const c_char, arguments: Arguments) -> c_int {
    note(path);
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, Exec>(EXECV.address())(path, arguments) }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn execvp(path: *const c_char, arguments: Arguments) -> c_int {
    note_searched(path);
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, Exec>(EXECVP.address())(path, arguments) }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn execve(path: *const c_char, arguments: Arguments, environment: Arguments) -> c_int {
    note(path);
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, ExecIn>(EXECVE.address())(path, arguments, environment) }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn execvpe(path: *const c_char, arguments: Arguments, environment: Arguments) -> c_int {
    note_searched(path);
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, ExecIn>(EXECVPE.address())(path, arguments, environment) }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn posix_spawn(
    pid: *mut c_int,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: Arguments,
    environment: Arguments,
) -> c_int {
    note(path);
    let real = POSIX_SPAWN.address();
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, Spawn>(real)(pid, path, actions, attributes, arguments, environment) }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn posix_spawnp(
    pid: *mut c_int,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: Arguments,
    environment: Arguments,
) -> c_int {
    note_searched(path);
    let real = POSIX_SPAWNP.address();
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, Spawn>(real)(pid, path, actions, attributes, arguments, environment) }
}

/// The directory of the records. Written once, before `main`.
struct Directory(UnsafeCell<[u8; 512]>);

// SAFETY: nothing is written any more when there is more than one thread.
unsafe impl Sync for Directory {}

static DIRECTORY: Directory = Directory(UnsafeCell::new([0; 512]));

/// To be called before `main`.
pub(super) fn begin(directory: &[u8]) {
    if directory.len() < 512 {
        // SAFETY: there is one thread.
        let kept = unsafe { &mut *DIRECTORY.0.get() };
        kept[..directory.len()].copy_from_slice(directory);
    }
}

/// A path that is put together, with a zero byte at its end.
struct Path {
    bytes: [u8; PATH_MAX],
    len: usize,
}

impl Path {
    fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut path = Self {
            bytes: [0; PATH_MAX],
            len: 0,
        };
        for part in parts {
            let end = path.len.checked_add(part.len()).filter(|end| *end < PATH_MAX)?;
            path.bytes[path.len..end].copy_from_slice(part);
            path.len = end;
        }
        Some(path)
    }

    fn open(&self, flags: c_int) -> c_int {
        // SAFETY: a path that ends with a zero byte.
        unsafe { open(self.bytes.as_ptr().cast(), flags, 0o600) }
    }
}

fn note_searched(path: *const c_char) {
    if path.is_null() {
        return;
    }
    // SAFETY: a name that ends with a zero byte, as our caller's caller promises, and the environment, which does.
    let (name, directories) = unsafe {
        let directories = getenv(c"PATH".as_ptr());
        let directories = if directories.is_null() { c"/bin:/usr/bin" } else { CStr::from_ptr(directories) };
        (CStr::from_ptr(path).to_bytes(), directories.to_bytes())
    };
    if name.contains(&b'/') {
        note(path);
        return;
    }
    for directory in directories.split(|byte| *byte == b':') {
        let directory = if directory.is_empty() { b"." } else { directory };
        if let Some(found) = Path::of(&[directory, b"/", name]) {
            if note(found.bytes.as_ptr().cast()) {
                return;
            }
        }
    }
}

/// Notes a program if it is linked statically. Whether there is such a file.
fn note(path: *const c_char) -> bool {
    // SAFETY: as `begin` wrote it.
    let directory = unsafe { &*DIRECTORY.0.get() };
    if directory[0] == 0 || path.is_null() {
        return false;
    }
    // SAFETY: this thread's own errno; a path that ends with a zero byte; a file that is ours.
    unsafe {
        let errno = *__errno_location();
        let fd = open(path, O_RDONLY_CLOEXEC);
        if fd >= 0 {
            if is_static(fd) {
                write_down(fd, directory);
            }
            close(fd);
        }
        *__errno_location() = errno;
        fd >= 0
    }
}

/// Whether it is an ELF file of 64 bits without an interpreter (System V ABI, "Program Interpreter").
fn is_static(fd: c_int) -> bool {
    let mut head = [0_u8; PATH_MAX];
    // SAFETY: as long as it is.
    let length = unsafe { read(fd, head.as_mut_ptr().cast(), head.len()) };
    let head = &head[..usize::try_from(length).unwrap_or(0)];
    has_interpreter(head) == Some(false)
}

/// `None` for what is no program, or is not understood.
fn has_interpreter(head: &[u8]) -> Option<bool> {
    let half = |at: usize| Some(u16::from_ne_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(head.get(at..at + 8)?.try_into().ok()?));
    if !head.starts_with(b"\x7fELF\x02") || !matches!(half(16)?, 2 | 3) {
        return None;
    }
    let (start, size, count) = (usize::try_from(long(32)?).ok()?, usize::from(half(54)?), half(56)?);
    for index in 0..usize::from(count) {
        if word(start.checked_add(index * size)?)? == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

fn write_down(fd: c_int, directory: &[u8]) {
    let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (place, digit) in link[14..34].iter_mut().zip(digits(fd as u64).into_iter().filter(|digit| *digit != 0)) {
        *place = digit;
    }
    let mut target = [0_u8; PATH_MAX];
    // SAFETY: a path that ends with a zero byte, and as many bytes as there are.
    let length = unsafe { readlink(link.as_ptr().cast(), target.as_mut_ptr().cast(), target.len()) };
    let target = &target[..usize::try_from(length).unwrap_or(0)];
    let hash = target.iter().fold(0, |hash, byte| mix(hash, u64::from(*byte)));
    let end = directory.iter().position(|byte| *byte == 0).unwrap_or(0);
    let Some(path) = Path::of(&[&directory[..end], b"/static.", &trimmed(hash)]) else {
        return;
    };
    let noted = path.open(O_RDWR_CLOEXEC | O_CREATE_NEW);
    if noted >= 0 {
        // SAFETY: a file that is ours.
        unsafe {
            write(noted, target.as_ptr().cast(), target.len());
            close(noted);
        }
    }
}

/// A number as letters, of one length.
fn trimmed(number: u64) -> [u8; 16] {
    std::array::from_fn(|index| b'a' + (number >> (index * 4) & 15) as u8)
}

//! Programs that this process starts and that nothing can be preloaded into, because they ask for no loader: each is noted in
//! a file of its own, once, so that the audit can look at it.
//!
//! All of this may run in a forked child, or in one that borrows its parent's memory: no lock is taken, nothing is allocated.

use std::ffi::{c_char, c_int, c_void};

use super::libc::{read, readlink, Real};
use super::notes::{keep, opened, searched, PATH_MAX};
use super::start::digits;

const PT_INTERP: u32 = 3;

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
    searched(path, note);
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
    searched(path, note);
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
    searched(path, note);
    let real = POSIX_SPAWNP.address();
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, Spawn>(real)(pid, path, actions, attributes, arguments, environment) }
}

/// Notes a program if it is linked statically. Whether there is such a file.
fn note(path: *const c_char) -> bool {
    opened(path, |fd| {
        if is_static(fd) {
            write_down(fd);
        }
    })
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

fn write_down(fd: c_int) {
    let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (place, digit) in link[14..34].iter_mut().zip(digits(fd as u64).into_iter().filter(|digit| *digit != 0)) {
        *place = digit;
    }
    let mut target = [0_u8; PATH_MAX];
    // SAFETY: a path that ends with a zero byte, and as many bytes as there are.
    let length = unsafe { readlink(link.as_ptr().cast(), target.as_mut_ptr().cast(), target.len()) };
    let target = &target[..usize::try_from(length).unwrap_or(0)];
    keep(c"static", target);
}

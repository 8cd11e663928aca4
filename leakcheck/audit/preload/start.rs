//! Before `main`: this process' file is made.

use std::ffi::{c_int, CStr};
use std::sync::atomic::Ordering;

use super::cells::COPYABLE;
use super::events::exiting;
use super::libc::{
    anonymous, arguments, atexit, close, executable, getenv, getpid, getppid, map_records, monotonic, open, O_CREATE_NEW,
    O_RDWR_CLOEXEC,
};
use super::own::{self, BUSY};
use super::state::{header, lock, HEADER, WORDS_AT};
use super::{active, hooks, notes};

/// The directory for the records.
const DIRECTORY: &CStr = c"LEAK_AUDIT_OBSERVE";
const MAGIC: u64 = u64::from_le_bytes(*b"LKOBSRV5");

#[used]
#[cfg_attr(target_os = "linux", link_section = ".init_array")]
#[cfg_attr(target_os = "macos", link_section = "__DATA,__mod_init_func,mod_init_funcs")]
pub(super) static START: extern "C" fn() = {
    extern "C" fn start() {
        hooks::resolve();
        own::prepare();
        BUSY.with(|busy| busy.set(true));
        if begin().is_none() {
            active::stop();
        }
        BUSY.with(|busy| busy.set(false));
    }
    start
};

/// Makes this process' file. `None` where it cannot be, and nothing is recorded.
pub(super) fn begin() -> Option<()> {
    // SAFETY: names that end with a zero byte; the environment does not change before `main`.
    let directory = unsafe {
        let directory = getenv(DIRECTORY.as_ptr());
        if directory.is_null() {
            return None;
        }
        CStr::from_ptr(directory)
    };
    notes::begin(directory.to_bytes());
    let mut state = lock();
    let state = &mut *state;
    // SAFETY: no arguments.
    let pid = unsafe { getpid() } as u64;
    // A process that became another program has the same number: the first name that is free.
    for turn in 0..1000 {
        let mut path = [0; 512];
        let mut end = 0;
        for part in [directory.to_bytes(), b"/", &digits(pid), b".", &digits(turn)] {
            for byte in part.iter().filter(|byte| **byte != 0) {
                *path.get_mut(end)? = *byte;
                end += 1;
            }
        }
        *path.get_mut(end)? = 0;
        // SAFETY: a path that ends with a zero byte, and a file that is ours once it is created.
        unsafe {
            let fd = open(path.as_ptr().cast(), O_RDWR_CLOEXEC | O_CREATE_NEW, 0o600);
            if fd < 0 {
                continue;
            }
            let mapped = map_records(fd, HEADER);
            close(fd);
            (state.base, state.size) = mapped?;
        }
        state.path = path;
        break;
    }
    if state.base.is_null() {
        return None;
    }
    state.used = HEADER;
    state.set_header(header::PID, pid);
    // SAFETY: no arguments.
    state.set_header(header::PARENT, unsafe { getppid() } as u64);
    state.set_header(header::USED, HEADER as u64);
    let mut text = [0; header::EXECUTABLE_MAX];
    let length = executable(&mut text);
    let length = state.text(header::TEXT, &text[..length], header::EXECUTABLE_MAX);
    state.set_header(header::EXECUTABLE, length);
    let length = arguments(&mut text[..header::ARGUMENTS_MAX]);
    let at = header::TEXT + header::EXECUTABLE_MAX;
    let length = state.text(at, &text[..length], header::ARGUMENTS_MAX);
    state.set_header(header::ARGUMENTS, length);
    state.set_header(header::MAGIC, MAGIC);

    state.cells = anonymous(COPYABLE * 8)?.cast();
    state.threads = anonymous(COPYABLE * 8)?.cast();
    state.began = monotonic();
    WORDS_AT.store(state.base, Ordering::Relaxed);
    state.boxes.begin(pid as c_int)?;
    own::begin();
    active::begin()?;
    // SAFETY: the function has the type that libc asks for.
    unsafe { atexit(exiting) };
    Some(())
}

/// A number's digits. Zero bytes are none.
pub(super) fn digits(mut number: u64) -> [u8; 20] {
    let mut digits = [0; 20];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits
}

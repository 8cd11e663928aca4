//! Before `main`: this process' file is made.

use std::ffi::{c_int, CStr};
use std::sync::atomic::Ordering;

use super::events::{exiting, ACTIVE, BUSY};
use super::hooks::{ALIGNED_ALLOC, EPOLL_WAIT, FREE, MEMALIGN, POSIX_MEMALIGN, PTHREAD_CREATE, SYSCALL};
use super::libc::{
    anonymous, atexit, close, getenv, getpid, getppid, madvise, mmap, monotonic, open, posix_fallocate, read, readlink,
    MADV_DONTDUMP, MADV_WIPEONFORK, MAP_SHARED, O_CREATE_NEW, O_RDONLY_CLOEXEC, O_RDWR_CLOEXEC, PROT_READ_WRITE,
};
use super::cells::COPYABLE;
use super::state::{WORDS_AT, header, lock, HEADER, SPACE};
use super::{programs, threads};

/// The directory for the records.
const DIRECTORY: &CStr = c"LEAK_AUDIT_OBSERVE";
const MAGIC: u64 = u64::from_le_bytes(*b"LKOBSRV3");

#[used]
#[link_section = ".init_array"]
pub(super) static START: extern "C" fn() = {
    extern "C" fn start() {
        for real in [
            &POSIX_MEMALIGN,
            &ALIGNED_ALLOC,
            &MEMALIGN,
            &FREE,
            &EPOLL_WAIT,
            &SYSCALL,
            &PTHREAD_CREATE,
        ] {
            real.address();
        }
        programs::resolve();
        BUSY.with(|busy| busy.set(true));
        if begin().is_none() {
            ACTIVE.store(std::ptr::null_mut(), Ordering::Relaxed);
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
    programs::begin(directory.to_bytes());
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
            let made = posix_fallocate(fd, 0, HEADER as i64) == 0;
            let base = mmap(std::ptr::null_mut(), SPACE, PROT_READ_WRITE, MAP_SHARED, fd, 0);
            close(fd);
            if !made || base as isize == -1 {
                return None;
            }
            madvise(base, SPACE, MADV_DONTDUMP);
            state.base = base.cast();
        }
        state.path = path;
        break;
    }
    if state.base.is_null() {
        return None;
    }
    (state.size, state.used) = (HEADER, HEADER);
    state.set_header(header::PID, pid);
    // SAFETY: no arguments.
    state.set_header(header::PARENT, unsafe { getppid() } as u64);
    state.set_header(header::USED, HEADER as u64);
    let mut text = [0; header::EXECUTABLE_MAX];
    // SAFETY: a path that ends with a zero byte, and as many bytes as there are.
    let length = unsafe { readlink(c"/proc/self/exe".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    let length = state.text(
        header::TEXT,
        &text[..usize::try_from(length).unwrap_or(0)],
        header::EXECUTABLE_MAX,
    );
    state.set_header(header::EXECUTABLE, length);
    // SAFETY: as above.
    let length = unsafe {
        let fd = open(c"/proc/self/cmdline".as_ptr(), O_RDONLY_CLOEXEC);
        let length = if fd < 0 {
            0
        } else {
            read(fd, text.as_mut_ptr().cast(), header::ARGUMENTS_MAX)
        };
        if fd >= 0 {
            close(fd);
        }
        length
    };
    let at = header::TEXT + header::EXECUTABLE_MAX;
    let length = state.text(at, &text[..usize::try_from(length).unwrap_or(0)], header::ARGUMENTS_MAX);
    state.set_header(header::ARGUMENTS, length);
    state.set_header(header::MAGIC, MAGIC);

    state.cells = anonymous(COPYABLE * 8)?.cast();
    state.threads = anonymous(COPYABLE * 8)?.cast();
    state.began = monotonic();
    WORDS_AT.store(state.base, Ordering::Relaxed);
    state.boxes.begin(pid as c_int)?;
    threads::begin();
    let active = anonymous(4096)?.cast::<u64>();
    // SAFETY: a page of its own; the function has the type that libc asks for.
    unsafe {
        if madvise(active.cast(), 4096, MADV_WIPEONFORK) != 0 {
            return None;
        }
        active.write(1);
        ACTIVE.store(active, Ordering::Relaxed);
        atexit(exiting);
    }
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

//! Notes beside the records: each a small file, written once, for the audit to look at.
//!
//! All of this may run in a forked child, or in one that borrows its parent's memory: no lock is taken, nothing is allocated.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void, CStr};

use super::libc::{close, getenv, open, __errno_location, O_CREATE_NEW, O_RDONLY_CLOEXEC, O_RDWR_CLOEXEC};
use super::table::mix;

extern "C" {
    fn write(fd: c_int, from: *const c_void, len: usize) -> isize;
}

pub(super) const PATH_MAX: usize = 4096;

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

/// Has a program noted that is looked for as `execvp` does: by a function that says whether there is such a file.
pub(super) fn searched(path: *const c_char, note: fn(*const c_char) -> bool) {
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

/// Looks into a program that is about to be started, where there is a place for notes. Whether there is such a file.
pub(super) fn opened(path: *const c_char, look: impl FnOnce(c_int)) -> bool {
    if !is_kept() || path.is_null() {
        return false;
    }
    // SAFETY: this thread's own errno; a path that ends with a zero byte; a file that is ours.
    unsafe {
        let errno = *__errno_location();
        let fd = open(path, O_RDONLY_CLOEXEC);
        if fd >= 0 {
            look(fd);
            close(fd);
        }
        *__errno_location() = errno;
        fd >= 0
    }
}

/// Whether there is a place for notes.
fn is_kept() -> bool {
    // SAFETY: as `begin` wrote it.
    let directory = unsafe { &*DIRECTORY.0.get() };
    directory[0] != 0
}

/// Keeps a text under a name of its own behind that of its kind, unless it is there already.
pub(super) fn keep(kind: &CStr, text: &[u8]) {
    // SAFETY: as `begin` wrote it.
    let directory = unsafe { &*DIRECTORY.0.get() };
    let hash = text.iter().fold(0, |hash, byte| mix(hash, u64::from(*byte)));
    let end = directory.iter().position(|byte| *byte == 0).unwrap_or(0);
    let Some(path) = Path::of(&[&directory[..end], b"/", kind.to_bytes(), b".", &trimmed(hash)]) else {
        return;
    };
    let noted = path.open(O_RDWR_CLOEXEC | O_CREATE_NEW);
    if noted >= 0 {
        // SAFETY: a file that is ours.
        unsafe {
            write(noted, text.as_ptr().cast(), text.len());
            close(noted);
        }
    }
}

/// A number as letters, of one length.
fn trimmed(number: u64) -> [u8; 16] {
    std::array::from_fn(|index| b'a' + (number >> (index * 4) & 15) as u8)
}

//! Programs that this process starts: each is noted, once, so that the audit can look at it.
//!
//! macOS keeps programs of its own, and those that are signed for the hardened runtime, from libraries that are inserted, and takes
//! the variable away from whatever these start. Which programs those are is for the audit to find out.
//!
//! All of this may run in a forked child, or in one that borrows its parent's memory: no lock is taken, nothing is allocated.

use std::ffi::{c_char, c_int, c_void};

use super::hooks::Pair;
use super::libc::{executable, fcntl};
use super::notes::{keep, opened, searched, PATH_MAX};

type Arguments = *const *const c_char;

extern "C" {
    fn execv(path: *const c_char, arguments: Arguments) -> c_int;
    fn execvp(path: *const c_char, arguments: Arguments) -> c_int;
    fn execve(path: *const c_char, arguments: Arguments, environment: Arguments) -> c_int;
    fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: Arguments,
        environment: Arguments,
    ) -> c_int;
    fn posix_spawnp(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: Arguments,
        environment: Arguments,
    ) -> c_int;
}

const F_GETPATH: c_int = 50;
/// What `F_GETPATH` writes at most.
const MAXPATHLEN: usize = 1024;

#[used]
#[link_section = "__DATA,__interpose,interposing"]
static PAIRS: [Pair; 5] = [
    Pair(own_execv as *const (), execv as *const ()),
    Pair(own_execvp as *const (), execvp as *const ()),
    Pair(own_execve as *const (), execve as *const ()),
    Pair(own_posix_spawn as *const (), posix_spawn as *const ()),
    Pair(own_posix_spawnp as *const (), posix_spawnp as *const ()),
];

unsafe extern "C" fn own_execv(path: *const c_char, arguments: Arguments) -> c_int {
    note(path);
    // SAFETY: our caller keeps its contract.
    unsafe { execv(path, arguments) }
}

unsafe extern "C" fn own_execvp(path: *const c_char, arguments: Arguments) -> c_int {
    searched(path, note);
    // SAFETY: our caller keeps its contract.
    unsafe { execvp(path, arguments) }
}

unsafe extern "C" fn own_execve(path: *const c_char, arguments: Arguments, environment: Arguments) -> c_int {
    note(path);
    // SAFETY: our caller keeps its contract.
    unsafe { execve(path, arguments, environment) }
}

unsafe extern "C" fn own_posix_spawn(
    pid: *mut c_int,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: Arguments,
    environment: Arguments,
) -> c_int {
    note(path);
    // SAFETY: our caller keeps its contract.
    unsafe { posix_spawn(pid, path, actions, attributes, arguments, environment) }
}

unsafe extern "C" fn own_posix_spawnp(
    pid: *mut c_int,
    path: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: Arguments,
    environment: Arguments,
) -> c_int {
    searched(path, note);
    // SAFETY: our caller keeps its contract.
    unsafe { posix_spawnp(pid, path, actions, attributes, arguments, environment) }
}

/// Notes a program. Whether there is such a file.
fn note(path: *const c_char) -> bool {
    opened(path, |fd| {
        let mut both = [0_u8; MAXPATHLEN + PATH_MAX];
        // SAFETY: a file that is open; as many bytes as are written.
        if unsafe { fcntl(fd, F_GETPATH, both.as_mut_ptr()) } != -1 {
            // This process' own path behind it, with a zero byte between them.
            let end = both[..MAXPATHLEN].iter().position(|byte| *byte == 0).unwrap_or(0) + 1;
            let end = end + executable(&mut both[end..]);
            keep(c"started", &both[..end]);
        }
    })
}

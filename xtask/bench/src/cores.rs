//! One core for the client and the server.
//!
//! Where client and server take turns, each turn on two cores wakes the other one: in a virtual machine by an exit to the hypervisor,
//! which takes microseconds, is counted as the server's processor time, and differs threefold from run to run. On one core
//! they wake each other by the scheduler alone, and what a server spends repeats to a few percent.

use std::io;

/// Keeps this thread, and the processes that it starts meanwhile, on one core. Where it was before it goes with the drop.
#[derive(Debug)]
pub struct OneCore {
    #[cfg(target_os = "linux")]
    before: libc::cpu_set_t,
}

#[cfg(target_os = "linux")]
impl OneCore {
    /// The last of the cores that this thread may run on: interrupts mostly go to the first.
    pub fn take() -> io::Result<Self> {
        let before = allowed()?;
        let last = (0..libc::CPU_SETSIZE.unsigned_abs() as usize).rfind(|&core| holds(&before, core));
        let last = last.ok_or_else(|| io::Error::other("this thread may run on no core"))?;
        // SAFETY: all bytes zero are a set that is empty, and the core is within the set's size.
        let one = unsafe {
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(last, &mut one);
            one
        };
        allow(&one)?;
        Ok(Self { before })
    }
}

#[cfg(not(target_os = "linux"))]
impl OneCore {
    pub fn take() -> io::Result<Self> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

#[cfg(target_os = "linux")]
impl Drop for OneCore {
    fn drop(&mut self) {
        // It was allowed there before.
        let _ = allow(&self.before);
    }
}

/// The cores that this thread may run on.
#[cfg(target_os = "linux")]
fn allowed() -> io::Result<libc::cpu_set_t> {
    // SAFETY: all bytes zero are such a set, and the call writes at most the size given.
    let (code, set) = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (libc::sched_getaffinity(0, size_of_val(&set), &raw mut set), set)
    };
    if code == 0 {
        Ok(set)
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(target_os = "linux")]
fn allow(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: reads a set of the size given.
    match unsafe { libc::sched_setaffinity(0, size_of_val(set), set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(target_os = "linux")]
fn holds(set: &libc::cpu_set_t, core: usize) -> bool {
    // SAFETY: looks a bit up, and none beyond the set's size.
    unsafe { libc::CPU_ISSET(core, set) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn cores() -> Vec<usize> {
        let set = allowed().unwrap();
        (0..libc::CPU_SETSIZE as usize)
            .filter(|&core| holds(&set, core))
            .collect()
    }

    #[test]
    fn it_and_what_it_starts_have_one_core_until_it_is_dropped() {
        // A thread of its own, as the others of this process run on.
        let test = || {
            let before = cores();
            let one = OneCore::take().unwrap();
            assert_eq!(cores(), before[before.len() - 1..]);
            let child = std::process::Command::new("nproc")
                .env_remove("OMP_NUM_THREADS")
                .output()
                .unwrap();
            assert_eq!(child.stdout, b"1\n");
            drop(one);
            assert_eq!(cores(), before);
        };
        std::thread::spawn(test).join().unwrap();
    }
}

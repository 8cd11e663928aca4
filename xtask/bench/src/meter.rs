//! What a process has cost so far, read from outside.

use std::time::Duration;

use anyhow::{Context, ensure};

/// A process that is measured.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    pid: u32,
}

impl Meter {
    pub fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// The processor time of all its threads, also of those that have ended: the process's CPU clock, which counts
    /// nanoseconds where `/proc/PID/stat` counts ticks.
    pub fn cpu(self) -> anyhow::Result<Duration> {
        let mut clock: libc::clockid_t = 0;
        let pid = libc::pid_t::try_from(self.pid)?;
        // SAFETY: writes one clock id to the place given.
        let code = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
        ensure!(
            code == 0,
            "process {pid} has no CPU clock: {}",
            std::io::Error::from_raw_os_error(code)
        );
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes one timespec to the place given.
        let code = unsafe { libc::clock_gettime(clock, &raw mut time) };
        ensure!(
            code == 0,
            "reading the CPU clock of {pid}: {}",
            std::io::Error::last_os_error()
        );
        Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
    }

    /// Its memory in bytes: its proportional set size, or its resident set where the system does not tell the former.
    pub fn memory(self) -> anyhow::Result<u64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid));
        let (text, name) = match rollup {
            Ok(text) => (text, "Pss:"),
            Err(_) => (std::fs::read_to_string(format!("/proc/{}/status", self.pid))?, "VmRSS:"),
        };
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line
            .and_then(|rest| rest.split_whitespace().next())
            .context("no memory told")?;
        Ok(kib.parse::<u64>()? * 1024)
    }
}

/// The processor time of the processes that this one has started and that have ended.
pub fn of_children() -> anyhow::Result<Duration> {
    // SAFETY: all bytes zero are such a struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes one struct to the place given.
    let code = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    ensure!(code == 0, "no usage is told: {}", std::io::Error::last_os_error());
    let time = |time: libc::timeval| -> anyhow::Result<Duration> {
        Ok(Duration::from_secs(u64::try_from(time.tv_sec)?) + Duration::from_micros(u64::try_from(time.tv_usec)?))
    };
    Ok(time(usage.ru_utime)? + time(usage.ru_stime)?)
}

/// Lets this process, and those it starts, open as many files as it may; returns how many.
pub fn raise_file_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls take one rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 1024;
        }
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    limit.rlim_cur
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_moves_the_clock_and_memory_the_size() {
        let meter = Meter::of(std::process::id());
        let (cpu, memory) = (meter.cpu().unwrap(), meter.memory().unwrap());
        let block = vec![1_u8; 32 << 20];
        let sum: u64 = std::hint::black_box(&block).iter().map(|byte| u64::from(*byte)).sum();
        assert_eq!(sum, 32 << 20);
        assert!(meter.cpu().unwrap() > cpu);
        assert!(meter.memory().unwrap() >= memory + (30 << 20));
    }

    #[test]
    fn a_process_that_is_gone_has_no_memory() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(Meter::of(child.id()).memory().is_err());
    }
}

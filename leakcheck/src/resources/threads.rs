//! The threads of this process.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::blocking;
use crate::report::{Resource, ResourceKind};

/// The kernel tells times to programs in hundredths of a second, whatever its own clock's rate is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Threads that libraries start once a process, and leakcheck's own. Each with its reason.
const EXPECTED: [(&str, &str); 3] = [
    ("leakcheck-alarm", "leakcheck's own: it is on its way out"),
    (
        "leakcheck-relay",
        "leakcheck's own: it passes another process's output on",
    ),
    ("jemalloc_bg_thd", "an allocator's, for the whole process"),
];

/// The threads that live: their numbers and when each began, in ticks since the system did. Numbers come again.
pub(super) fn live() -> std::io::Result<BTreeMap<u32, u64>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        // One that has ended meanwhile has no file any more.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let (Some(number), Some(began)) = (number, began(&stat)) {
            threads.insert(number, began);
        }
    }
    Ok(threads)
}

/// Those of them that were not there before, and that `is_told` does not know by the tracked closure that they run.
pub(super) fn new_since(before: &BTreeMap<u32, u64>, is_told: impl Fn(u64) -> bool) -> std::io::Result<Vec<Resource>> {
    let found = live()?;
    let new = found
        .into_iter()
        .filter(|(number, began)| before.get(number) != Some(began))
        .filter(|(number, _)| !blocking::task_of(*number).is_some_and(&is_told));
    Ok(new.filter_map(|(number, began)| thread(number, began)).collect())
}

fn thread(number: u32, began: u64) -> Option<Resource> {
    let comm = fs::read_to_string(format!("/proc/self/task/{number}/comm")).ok()?;
    let name = comm.trim_end().to_owned();
    if EXPECTED.iter().any(|(expected, _)| name.starts_with(expected)) {
        return None;
    }
    let help = if name == "tokio-rt-worker" || name.starts_with("tokio-runtime-w") {
        "a thread of a tokio runtime: a closure given to spawn_blocking has not returned, or the runtime still runs"
    } else {
        "join it, and tell it to stop before"
    };
    Some(Resource {
        kind: ResourceKind::Thread,
        description: format!("thread {name}"),
        target: name,
        number,
        alive: alive(began),
        with_runtime: false,
        help: vec![help.to_owned()],
    })
}

fn alive(began: u64) -> Option<Duration> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let now: f64 = uptime.split(' ').next()?.parse().ok()?;
    Duration::try_from_secs_f64(now - began as f64 / TICKS_PER_SECOND).ok()
}

/// The 22nd field of `stat`: when the thread began. The second is its name, which may have anything in it.
fn began(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    // A zombie is over, and waits only for its process to take notice.
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_birth_is_found_behind_any_name() {
        let stat = "77 (a ) S (b)) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 991 1 2 3";
        assert_eq!(began(stat), Some(991));
        assert_eq!(began(&stat.replace(") S 1", ") Z 1")), None);
        assert_eq!(began(""), None);
    }
}

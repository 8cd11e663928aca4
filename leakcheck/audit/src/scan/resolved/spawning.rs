//! The functions that start a task or a thread: tokio's, tokio-util's, std's, and those of `leakcheck::TaskTracker`.

use crate::scan::spawned::{Fate, Kind};

/// A function that starts what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spawning {
    /// As clippy looks it up.
    pub path: &'static str,
    pub kind: Kind,
    /// What becomes of the task, whatever is done with the value; `None` where that is its handle.
    pub fate: Option<Fate>,
}

const fn of(path: &'static str, kind: Kind) -> Spawning {
    Spawning { path, kind, fate: None }
}

const fn owned(path: &'static str, kind: Kind) -> Spawning {
    Spawning {
        path,
        kind,
        fate: Some(Fate::Owned),
    }
}

const fn tracked(path: &'static str, kind: Kind) -> Spawning {
    Spawning {
        path,
        kind,
        fate: Some(Fate::Tracked),
    }
}

/// All of them. Those that a workspace does not have are passed over by clippy. `std::thread::Scope::spawn` is none: its thread
/// has ended when the scope returns.
pub(crate) const SPAWNING: &[Spawning] = &[
    of("std::thread::spawn", Kind::Thread),
    of("std::thread::Builder::spawn", Kind::Thread),
    of("std::thread::Builder::spawn_unchecked", Kind::Thread),
    // tokio::task::spawn is the same function.
    of("tokio::spawn", Kind::Task),
    of("tokio::task::spawn_local", Kind::Task),
    of("tokio::task::spawn_blocking", Kind::Blocking),
    of("tokio::runtime::Handle::spawn", Kind::Task),
    of("tokio::runtime::Handle::spawn_blocking", Kind::Blocking),
    of("tokio::task::Builder::spawn", Kind::Task),
    of("tokio::task::Builder::spawn_on", Kind::Task),
    of("tokio::task::Builder::spawn_local", Kind::Task),
    of("tokio::task::Builder::spawn_local_on", Kind::Task),
    of("tokio::task::Builder::spawn_blocking", Kind::Blocking),
    of("tokio::task::Builder::spawn_blocking_on", Kind::Blocking),
    owned("tokio::runtime::Runtime::spawn", Kind::Task),
    owned("tokio::runtime::Runtime::spawn_blocking", Kind::Blocking),
    owned("tokio::runtime::LocalRuntime::spawn_local", Kind::Task),
    owned("tokio::runtime::LocalRuntime::spawn_blocking", Kind::Blocking),
    owned("tokio::task::LocalSet::spawn_local", Kind::Task),
    owned("tokio::task::JoinSet::spawn", Kind::Task),
    owned("tokio::task::JoinSet::spawn_on", Kind::Task),
    owned("tokio::task::JoinSet::spawn_local", Kind::Task),
    owned("tokio::task::JoinSet::spawn_local_on", Kind::Task),
    owned("tokio::task::JoinSet::spawn_blocking", Kind::Blocking),
    owned("tokio::task::JoinSet::spawn_blocking_on", Kind::Blocking),
    owned("tokio::task::join_set::Builder::spawn", Kind::Task),
    owned("tokio::task::join_set::Builder::spawn_on", Kind::Task),
    owned("tokio::task::join_set::Builder::spawn_local", Kind::Task),
    owned("tokio::task::join_set::Builder::spawn_local_on", Kind::Task),
    owned("tokio::task::join_set::Builder::spawn_blocking", Kind::Blocking),
    owned("tokio::task::join_set::Builder::spawn_blocking_on", Kind::Blocking),
    owned("tokio_util::task::JoinMap::spawn", Kind::Task),
    owned("tokio_util::task::JoinMap::spawn_on", Kind::Task),
    owned("tokio_util::task::JoinMap::spawn_local", Kind::Task),
    owned("tokio_util::task::JoinMap::spawn_local_on", Kind::Task),
    owned("tokio_util::task::JoinMap::spawn_blocking", Kind::Blocking),
    owned("tokio_util::task::JoinMap::spawn_blocking_on", Kind::Blocking),
    owned("tokio_util::task::JoinQueue::spawn", Kind::Task),
    owned("tokio_util::task::JoinQueue::spawn_on", Kind::Task),
    owned("tokio_util::task::JoinQueue::spawn_local", Kind::Task),
    owned("tokio_util::task::JoinQueue::spawn_blocking", Kind::Blocking),
    owned("tokio_util::task::JoinQueue::spawn_blocking_on", Kind::Blocking),
    of("tokio_util::task::LocalPoolHandle::spawn_pinned", Kind::Task),
    of("tokio_util::task::LocalPoolHandle::spawn_pinned_by_idx", Kind::Task),
    tracked("tokio_util::task::TaskTracker::spawn", Kind::Task),
    tracked("tokio_util::task::TaskTracker::spawn_on", Kind::Task),
    tracked("tokio_util::task::TaskTracker::spawn_local", Kind::Task),
    tracked("tokio_util::task::TaskTracker::spawn_local_on", Kind::Task),
    tracked("tokio_util::task::TaskTracker::spawn_blocking", Kind::Blocking),
    tracked("tokio_util::task::TaskTracker::spawn_blocking_on", Kind::Blocking),
    tracked("leakcheck::TaskTracker::spawn", Kind::Task),
    tracked("leakcheck::TaskTracker::spawn_named", Kind::Task),
    tracked("leakcheck::TaskTracker::spawn_on", Kind::Task),
    tracked("leakcheck::TaskTracker::spawn_named_on", Kind::Task),
    tracked("leakcheck::TaskTracker::spawn_local", Kind::Task),
    tracked("leakcheck::TaskTracker::spawn_local_named", Kind::Task),
    tracked("leakcheck::TaskTracker::spawn_local_on", Kind::Task),
    tracked("leakcheck::TaskTracker::spawn_blocking", Kind::Blocking),
    tracked("leakcheck::TaskTracker::spawn_blocking_named", Kind::Blocking),
    tracked("leakcheck::TaskTracker::spawn_blocking_on", Kind::Blocking),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn listed() -> BTreeSet<&'static str> {
        SPAWNING.iter().map(|spawning| spawning.path).collect()
    }

    #[test]
    fn each_path_is_listed_once() {
        assert_eq!(listed().len(), SPAWNING.len());
    }

    /// This repository's own gate has the list too, and `cargo xtask lint-gate` proves that clippy catches each path of it.
    #[test]
    fn every_function_that_the_lint_gate_forbids_is_listed() {
        let gate = include_str!("../../../../../clippy.toml");
        let gate: toml::Table = gate.parse().unwrap();
        let forbidden = gate["disallowed-methods"].as_array().unwrap();
        assert!(forbidden.len() > 25);
        for method in forbidden {
            let path = method["path"].as_str().unwrap();
            assert!(listed().contains(path), "{path} is not listed");
        }
    }

    /// What becomes of a task is said by the type that spawns it, and which kind it is by the function's name.
    #[test]
    fn alike_functions_are_told_alike() {
        for spawning in SPAWNING {
            let fate = match spawning.path.rsplit("::").nth(1) {
                _ if spawning.path.contains("::join_set::") => Some(Fate::Owned),
                Some("Runtime" | "LocalRuntime" | "LocalSet" | "JoinSet" | "JoinMap" | "JoinQueue") => {
                    Some(Fate::Owned)
                }
                Some("TaskTracker") => Some(Fate::Tracked),
                _ => None,
            };
            assert_eq!(spawning.fate, fate, "{}", spawning.path);
            let kind = match spawning.path {
                path if path.starts_with("std::thread") => Kind::Thread,
                path if path.contains("blocking") => Kind::Blocking,
                _ => Kind::Task,
            };
            assert_eq!(spawning.kind, kind, "{}", spawning.path);
        }
    }
}

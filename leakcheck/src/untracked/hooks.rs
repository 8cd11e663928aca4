//! tokio tells of each spawn and each end of a task, where it was built with `--cfg tokio_unstable`.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::Lazy;
use tokio::runtime::{Builder, TaskMeta};
use tokio::task::Id;

use super::here;
use crate::info::TaskKind;
use crate::registry;
use crate::report::{Frame, Place, UntrackedSpawn};
use crate::sync::lock;

/// The tasks that live and that no tracker saw: the number of the builder of their runtime, and where they were spawned.
static LIVE: Lazy<Mutex<HashMap<Id, (u64, At)>>> = Lazy::new(Mutex::default);

/// Where a task was spawned, as far as this version of tokio tells.
#[derive(Clone, Copy)]
struct At(Option<&'static Location<'static>>);

impl From<&'static Location<'static>> for At {
    fn from(location: &'static Location<'static>) -> Self {
        Self(Some(location))
    }
}

/// Older versions do not tell. Where the method is there, it comes before this one.
#[allow(dead_code, reason = "used where tokio has no method of that name")]
trait SpawnedAt {
    fn spawned_at(&self) -> At {
        At(None)
    }
}

impl SpawnedAt for TaskMeta<'_> {}

/// Has the tasks known of each runtime that is built by this. A later hook of the user's takes the place of one of these:
/// nothing is known exactly then.
pub(crate) fn told_by(builder: &mut Builder) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    builder.on_task_spawn(move |task| {
        if !here::is_ours() {
            let at = task.spawned_at().into();
            lock(&LIVE).insert(task.id(), (number, at));
        }
    });
    builder.on_task_terminate(|task| {
        lock(&LIVE).remove(&task.id());
    });
}

/// Leaves a task out that leakcheck itself has spawned.
#[cfg(feature = "install")]
pub(super) fn forget(task: Id) {
    lock(&LIVE).remove(&task);
}

/// The tasks of the current runtime that no tracker saw, by where they were spawned, the most frequent first. `None` where
/// tokio does not tell of its spawns. Where it does not tell of its ends, they are too many.
#[expect(clippy::disallowed_methods, reason = "the task is aborted at once")]
pub(crate) fn live_here() -> Option<Vec<UntrackedSpawn>> {
    let question = tokio::spawn(std::future::pending::<()>());
    let asked = lock(&LIVE).remove(&question.id());
    question.abort();
    let (builder, _) = asked?;
    let futures = registry::live(|task| task.kind == TaskKind::Future);
    let hosts: Vec<Id> = futures.iter().filter_map(|task| task.host()).collect();
    let mut places: Vec<(Option<Place>, usize)> = Vec::new();
    for (id, (of, at)) in lock(&LIVE).iter() {
        if *of != builder || hosts.contains(id) {
            continue;
        }
        let place = at.0.map(Place::from);
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, count)) => *count += 1,
            None => places.push((place, 1)),
        }
    }
    places.sort_by(|(a, more), (b, most)| most.cmp(more).then_with(|| a.cmp(b)));
    let spawn = |(place, count): (Option<Place>, usize)| UntrackedSpawn {
        kind: TaskKind::Async,
        count,
        frames: place.into_iter().map(Frame::of_nobody_at).collect(),
    };
    Some(places.into_iter().map(spawn).collect())
}

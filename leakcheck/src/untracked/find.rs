//! What a check finds of tasks that no tracker saw.

use std::time::Duration;

use super::count::{self, Counted};
#[cfg(feature = "install")]
use super::named::{self, Candidate};
use crate::policy::Untracked;
use crate::report::{Known, UntrackedTasks};
use crate::scope::Scope;
use crate::settle::Settled;
use crate::watchdog::Watchdog;

/// Finds those that are left when they have had the rest of the grace to end, inside of the check's own runtime.
pub(crate) async fn find(
    scope: &Scope,
    policy: Untracked,
    grace: Duration,
    settled: Settled,
    watchdog: &Watchdog,
) -> Option<UntrackedTasks> {
    if policy == Untracked::Allow {
        return None;
    }
    let counted = match count::settle(grace, settled, watchdog).await {
        Counted::Tasks(tasks) => tasks,
        Counted::Unsure => 0,
    };
    #[cfg(feature = "install")]
    let found = Named::of(scope, counted, grace.saturating_sub(settled.took), watchdog).await;
    #[cfg(not(feature = "install"))]
    let found = {
        let _ = scope;
        Named::nothing(counted)
    };
    #[cfg(tokio_unstable)]
    return exactly(found.report(policy), counted);
    #[cfg(not(tokio_unstable))]
    found.report(policy)
}

/// The same by what tokio told, where that agrees with its count.
#[cfg(tokio_unstable)]
fn exactly(found: Option<UntrackedTasks>, counted: usize) -> Option<UntrackedTasks> {
    let mut found = found?;
    let told = super::hooks::live_here();
    if let Some(told) = told.filter(|told| told.iter().map(|spawn| spawn.count).sum::<usize>() == counted) {
        found.known = Known::Exact;
        // An allocator's findings go further than the first line.
        if found.spawned.is_empty() {
            found.spawned = told;
        }
    }
    Some(found)
}

/// Finds those of a check without a runtime of its own: what its thread and its tracked tasks spawned.
pub(crate) fn find_here(scope: &Scope, policy: Untracked, grace: Duration) -> Option<UntrackedTasks> {
    #[cfg(feature = "install")]
    if policy != Untracked::Allow {
        return Named::of_a_thread(scope, grace).report(policy);
    }
    let _ = (scope, policy, grace);
    None
}

/// Tasks, and where some of them were spawned.
struct Named {
    count: usize,
    #[cfg(feature = "install")]
    tasks: Vec<Candidate>,
}

impl Named {
    #[cfg(not(feature = "install"))]
    fn nothing(count: usize) -> Self {
        Self { count }
    }

    fn report(self, policy: Untracked) -> Option<UntrackedTasks> {
        #[cfg(feature = "install")]
        let spawned = named::fold(&self.tasks);
        #[cfg(not(feature = "install"))]
        let spawned = Vec::new();
        (self.count > 0).then_some(UntrackedTasks {
            count: self.count,
            known: if spawned.is_empty() {
                Known::Counted
            } else {
                Known::Named
            },
            spawned,
            policy,
        })
    }
}

#[cfg(feature = "install")]
mod by_allocation {
    use std::collections::HashSet;
    use std::time::Instant;

    use tokio::runtime::{Handle, RuntimeFlavor};

    use super::*;
    use crate::info::TaskKind;
    use crate::registry;

    /// How long the calling thread sleeps between two looks.
    const BREATH: Duration = Duration::from_millis(1);

    impl Named {
        /// The tasks that tokio counted, and those that it does not count.
        pub(super) async fn of(scope: &Scope, counted: usize, grace: Duration, watchdog: &Watchdog) -> Self {
            let begun = Instant::now();
            let tasks = of_scope(scope);
            if tasks.is_empty() {
                return Self { count: counted, tasks };
            }
            let owner = named::owner_here();
            // Without the number of this runtime's list, its own tasks cannot be told from others.
            let is_elsewhere = |task: &Candidate| {
                let list = task.alive_in();
                // Zero is the list of none. A task that is not for the blocking threads is about to come into one.
                let is_in_none = list == Some(0) && task.kind() != TaskKind::Blocking;
                task.is_of(scope.id()) && owner.is_some() && list.is_some() && list != owner && !is_in_none
            };
            while begun.elapsed() < grace && tasks.iter().any(is_elsewhere) {
                tokio::task::yield_now().await;
                watchdog.beat();
                std::thread::sleep(BREATH);
            }
            let (mut elsewhere, mut here): (Vec<_>, Vec<_>) = tasks.into_iter().partition(is_elsewhere);
            here.retain(|task| owner.is_some() && task.alive_in() == owner);
            // What was spawned after the count has not had its time.
            here.truncate(counted);
            let count = counted + elsewhere.len();
            here.append(&mut elsewhere);
            Self { count, tasks: here }
        }

        /// The tasks that a check spawned whose runtimes are not its own.
        pub(super) fn of_a_thread(scope: &Scope, grace: Duration) -> Self {
            let begun = Instant::now();
            let mut tasks = of_scope(scope);
            // What this very thread drives can neither end nor be waited for meanwhile.
            let driven_here = Handle::try_current()
                .ok()
                .filter(|here| !tasks.is_empty() && here.runtime_flavor() == RuntimeFlavor::CurrentThread)
                .and_then(|_| named::owner_here());
            tasks.retain(|task| task.is_of(scope.id()) && (driven_here.is_none() || task.alive_in() != driven_here));
            while begun.elapsed() < grace && tasks.iter().any(Candidate::is_alive) {
                std::thread::sleep(BREATH);
            }
            tasks.retain(Candidate::is_alive);
            Self {
                count: tasks.len(),
                tasks,
            }
        }
    }

    /// Those that are alive and that may be a scope's. A future that is tracked may have made a task that seems not to be.
    fn of_scope(scope: &Scope) -> Vec<Candidate> {
        let mut tasks = named::candidates(scope.id());
        tasks.retain(Candidate::is_alive);
        if !tasks.is_empty() {
            let futures = registry::live(|task| task.kind == TaskKind::Future);
            let tracked: HashSet<_> = futures.iter().filter_map(|task| task.probe.polled_by()).collect();
            tasks.retain(|task| !tracked.contains(&task.address()));
        }
        tasks
    }
}

//! Which rules there are.

use super::{
    blocking_loop, detached_task, end_ignored, ends_by_signal, interval_without_exit, join_set_not_drained,
    select_misses_shutdown, select_without_exit,
};
use crate::scan::context::{Context, Raw};

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as comments silence it.
    pub name: &'static str,
    /// What it finds, in a sentence.
    pub finds: &'static str,
}

/// Every rule. The last two are about the comments that silence others.
pub const RULES: &[Rule] = &[
    Rule {
        name: select_without_exit::NAME,
        finds: "a task's endless loop around a `select!` that nothing leaves",
    },
    Rule {
        name: select_misses_shutdown::NAME,
        finds: "a `select!` that does not listen to the shutdown that its function has and that others beside it listen to",
    },
    Rule {
        name: interval_without_exit::NAME,
        finds: "a task's endless loop that waits for time alone, and that nothing leaves",
    },
    Rule {
        name: end_ignored::NAME,
        finds: "an endless loop that goes on receiving from a channel after its end",
    },
    Rule {
        name: detached_task::NAME,
        finds: "a task without an end whose handle is dropped",
    },
    Rule {
        name: ends_by_signal::NAME,
        finds: "a task that nothing ends but a signal to the process, as Ctrl-C",
    },
    Rule {
        name: blocking_loop::NAME,
        finds: "an endless loop on a thread or on the blocking pool that nothing leaves",
    },
    Rule {
        name: join_set_not_drained::NAME,
        finds: "a `JoinSet` that tasks are spawned into again and again, and that nobody joins",
    },
    Rule {
        name: crate::scan::silence::WITHOUT_REASON,
        finds: "a silencing comment that gives no reason, or that is not understood",
    },
    Rule {
        name: crate::scan::silence::UNUSED,
        finds: "a silencing comment that silences nothing",
    },
];

/// What every rule finds in one crate.
pub(crate) fn check(context: &Context<'_, '_>) -> Vec<Raw> {
    let mut found = Vec::new();
    select_without_exit::check(context, &mut found);
    interval_without_exit::check(context, &mut found);
    end_ignored::check(context, &mut found);
    detached_task::check(context, &mut found);
    ends_by_signal::check(context, &mut found);
    blocking_loop::check(context, &mut found);
    join_set_not_drained::check(context, &mut found);
    select_misses_shutdown::check(context, &mut found);
    found
}

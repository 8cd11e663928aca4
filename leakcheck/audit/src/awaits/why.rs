//! Why a task never ended, as far as its chain of awaits says it for certain.

use std::fmt;

use super::leaf::Leaf;
use super::tree::{AwaitTree, Kind, State};

/// Why a task never ended. Each is certain: where anything in the way is unknown, there is no reason to give.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It was never polled.
    NeverPolled,
    /// It is in a `select!` none of whose branches waits for cancellation, a channel's end or a deadline.
    NoWayOut {
        /// The async function or block that the `select!` stands in.
        function: String,
    },
    /// It waits for the next tick of an interval, and for nothing that could end it meanwhile.
    Ticking {
        /// The async function or block that waits.
        function: String,
    },
    /// It waits for something that never happens, such as `std::future::pending`.
    Never {
        /// The async function or block that waits.
        function: String,
    },
    /// It waits for a message of a channel or for the channel's end, and holds a sender of that channel itself, so that the end never
    /// comes.
    OwnSender {
        /// The async function or block that waits.
        function: String,
        /// The type and the field that hold the sender.
        sender: String,
    },
    /// It waits for another task to end.
    WaitsForTask {
        /// The address of that task's cell, where it is known. Whoever has the cells of all tasks knows the task: see [`root`].
        task: Option<u64>,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NeverPolled => write!(to, "never polled"),
            Why::NoWayOut { function } => {
                write!(
                    to,
                    "no branch of the select! in {function} waits for cancellation, a channel's end or a deadline"
                )
            }
            Why::Ticking { function } => {
                write!(to, "{function} waits for an interval's next tick and for nothing else")
            }
            Why::Never { function } => write!(to, "{function} waits for a future that never ends"),
            Why::OwnSender { function, sender } => write!(
                to,
                "{function} waits for a channel whose sender the task owns itself, in {sender}: the channel never ends"
            ),
            Why::WaitsForTask { task: None } => write!(to, "waits for another task to end"),
            Why::WaitsForTask { task: Some(task) } => write!(to, "waits for the task at {task:#x} to end"),
        }
    }
}

/// Why a task with this chain of awaits has not ended: the first of its [`reasons`].
pub fn why(tree: &AwaitTree) -> Option<Why> {
    reasons(tree).into_iter().next()
}

/// Why a task with this chain of awaits has not ended. Nothing where the chain does not say it for certain.
///
/// What stands behind a deadline is not the reason, as the deadline ends it, and neither is what a `join!` or a future of the user's own
/// waits for among others.
pub fn reasons(tree: &AwaitTree) -> Vec<Why> {
    if tree.state == State::Unresumed {
        return vec![Why::NeverPolled];
    }
    let (mut at, mut function) = (tree, &tree.type_name);
    // Down to where the chain ends, or branches.
    while at.kind == Kind::Async {
        function = &at.type_name;
        at = match (&at.state, &at.children[..]) {
            (State::Suspended { .. }, [only]) => only,
            _ => return Vec::new(),
        };
    }
    let mut reasons = Vec::new();
    match (at.kind, at.leaf) {
        (Kind::Leaf, Some(Leaf::JoinHandle { task })) => reasons.push(Why::WaitsForTask { task }),
        // A set with one task is a task.
        (Kind::Leaf, Some(Leaf::JoinSet)) => {
            if let [only] = &at.children[..]
                && let (1, Some(Leaf::JoinHandle { task })) = (only.count, only.leaf)
            {
                reasons.push(Why::WaitsForTask { task });
            }
        }
        (Kind::Leaf, Some(Leaf::Interval)) => reasons.push(Why::Ticking {
            function: function.clone(),
        }),
        (Kind::Leaf, Some(Leaf::Never)) => reasons.push(Why::Never {
            function: function.clone(),
        }),
        (Kind::Leaf, Some(_)) => reasons.extend(own_sender(at, function)),
        (Kind::Select, _) => {
            let mut polled = at.children.iter().filter(|branch| !branch.disabled).peekable();
            if polled.peek().is_some() && polled.all(has_no_way_out) {
                reasons.push(Why::NoWayOut {
                    function: function.clone(),
                });
                for branch in at.children.iter().filter(|branch| !branch.disabled) {
                    let leaves = branch.walk().filter(|tree| tree.kind == Kind::Leaf);
                    reasons.extend(leaves.filter_map(|leaf| own_sender(leaf, function)));
                }
            }
        }
        _ => {}
    }
    reasons
}

fn own_sender(leaf: &AwaitTree, function: &str) -> Option<Why> {
    let ends_with_its_channel = matches!(
        leaf.leaf,
        Some(Leaf::MpscReceive | Leaf::OneshotReceive | Leaf::WatchChange | Leaf::BroadcastReceive)
    );
    let sender = leaf.channel.as_ref()?.own_sender.clone()?;
    ends_with_its_channel.then(|| Why::OwnSender {
        function: function.to_owned(),
        sender,
    })
}

/// Whether a branch is known to wait neither for cancellation nor for a channel's end nor for a deadline. A `Notify`, a semaphore and
/// another task may each be meant to stop it, so they are no proof, and neither is anything unknown.
fn has_no_way_out(branch: &AwaitTree) -> bool {
    match branch.kind {
        Kind::Async => match (&branch.state, &branch.children[..]) {
            (State::Suspended { .. }, [only]) => has_no_way_out(only),
            _ => false,
        },
        Kind::Select => {
            let mut polled = branch.children.iter().filter(|branch| !branch.disabled).peekable();
            polled.peek().is_some() && polled.all(has_no_way_out)
        }
        Kind::Leaf => match branch.leaf {
            // Sockets end when their peer goes, but that is neither of the three.
            Some(Leaf::Interval | Leaf::Accept | Leaf::Io | Leaf::Never) => true,
            // A channel that cannot end, as the task has a sender of it.
            _ => own_sender(branch, "").is_some(),
        },
        _ => false,
    }
}

/// The task that a chain of waiting tasks ends with: which of `tasks` `from` waits for, and so on. Each is given by its cell's address and
/// what it waits for. `None` where `from` waits for none of them, or they wait for one another in a circle.
///
/// ```
/// use leakcheck_audit::awaits::{self, AwaitTree};
///
/// fn print_roots(tasks: &[(u64, AwaitTree)]) {
///     for from in 0..tasks.len() {
///         if let Some(root) = awaits::root(tasks, from) {
///             println!("{} waits for {}", tasks[from].1.type_name, tasks[root].1.type_name);
///         }
///     }
/// }
/// ```
pub fn root(tasks: &[(u64, AwaitTree)], from: usize) -> Option<usize> {
    let next = |at: usize| match why(&tasks.get(at)?.1)? {
        Why::WaitsForTask { task: Some(task) } => tasks.iter().position(|(cell, _)| *cell == task),
        _ => None,
    };
    let mut at = next(from)?;
    for _ in 0..tasks.len() {
        match next(at) {
            Some(next) => at = next,
            None => return Some(at),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(leaf: Leaf) -> AwaitTree {
        AwaitTree {
            leaf: Some(leaf),
            ..AwaitTree::new(Kind::Leaf, "leaf".to_owned())
        }
    }

    fn function(children: Vec<AwaitTree>) -> AwaitTree {
        let state = State::Suspended {
            file: "a.rs".to_owned(),
            line: 1,
            in_macro: false,
        };
        AwaitTree {
            state,
            children,
            ..AwaitTree::new(Kind::Async, "run".to_owned())
        }
    }

    fn select(children: Vec<AwaitTree>) -> AwaitTree {
        function(vec![AwaitTree {
            children,
            ..AwaitTree::new(Kind::Select, String::new())
        }])
    }

    #[test]
    fn a_select_without_a_way_out_is_told_of() {
        let stuck = select(vec![leaf(Leaf::Interval), function(vec![leaf(Leaf::Accept)])]);
        assert_eq!(
            why(&stuck),
            Some(Why::NoWayOut {
                function: "run".to_owned()
            })
        );
    }

    #[test]
    fn a_branch_that_may_end_it_leaves_nothing_to_say() {
        let may_end = [
            Leaf::MpscReceive,
            Leaf::OneshotReceive,
            Leaf::WatchChange,
            Leaf::BroadcastReceive,
            Leaf::ChannelClosed,
            Leaf::Notified,
            Leaf::Semaphore,
            Leaf::Sleep,
            Leaf::Cancelled,
            Leaf::JoinHandle { task: None },
        ];
        for end in may_end {
            assert_eq!(why(&select(vec![leaf(Leaf::Interval), leaf(end)])), None, "{end:?}");
        }
        let unknown = AwaitTree::new(Kind::Unknown, "mine".to_owned());
        assert_eq!(why(&select(vec![leaf(Leaf::Interval), unknown])), None);
        let never_polled = AwaitTree {
            state: State::Unresumed,
            ..function(Vec::new())
        };
        assert_eq!(why(&select(vec![leaf(Leaf::Interval), never_polled])), None);
        assert_eq!(why(&select(Vec::new())), None);
    }

    #[test]
    fn a_disabled_branch_is_no_way_out() {
        let disabled = AwaitTree {
            disabled: true,
            ..leaf(Leaf::Cancelled)
        };
        let stuck = select(vec![leaf(Leaf::Accept), disabled.clone()]);
        assert!(matches!(why(&stuck), Some(Why::NoWayOut { .. })));
        assert_eq!(why(&select(vec![disabled])), None);
    }

    #[test]
    fn what_a_deadline_ends_is_no_reason() {
        let timeout = AwaitTree {
            children: vec![leaf(Leaf::Never)],
            ..AwaitTree::new(Kind::Timeout, String::new())
        };
        assert_eq!(why(&function(vec![timeout])), None);
    }

    #[test]
    fn tasks_that_wait_for_each_other_lead_to_the_one_that_does_not() {
        let waits_for = |task| function(vec![leaf(Leaf::JoinHandle { task: Some(task) })]);
        let tasks = [
            (1, waits_for(2)),
            (2, waits_for(3)),
            (3, function(vec![leaf(Leaf::Accept)])),
        ];
        assert_eq!(root(&tasks, 0), Some(2));
        assert_eq!(root(&tasks, 2), None);
        let circle = [(1, waits_for(2)), (2, waits_for(1))];
        assert_eq!(root(&circle, 0), None);
        assert_eq!(root(&circle, 9), None);
    }
}

//! What may be done about a leak. Only what is certain is said.

use crate::probe::Places;
use crate::report::LeakState;

/// Channels that end a wait once nobody can send any more. As the wait goes on, somebody still can.
const ENDED_BY_SENDERS: &[&str] = &[
    "mpsc::Receiver::recv",
    "mpsc::UnboundedReceiver::recv",
    "broadcast::Receiver::recv",
    "watch::Receiver::changed",
];

/// Waits that last as long as some other task does.
const ENDED_BY_A_TASK: &[&str] = &["JoinHandle", "JoinSet::join_next"];

/// One sentence for each thing to do, the first of them first.
///
/// `is_polled` says that the task is inside of its poll, `told_to_stop` that its tracker's token was cancelled.
pub(crate) fn of(state: LeakState, is_polled: bool, places: &Places, told_to_stop: bool) -> Vec<String> {
    let help = match state {
        // Nobody has looked.
        LeakState::Waiting if cfg!(miri) => return Vec::new(),
        LeakState::Waiting => return of_waiting(places, told_to_stop),
        LeakState::Blocking => "a closure cannot be cancelled: let it see that its owner is gone",
        LeakState::Silent if is_polled => {
            "its poll does not return: what takes long or blocks belongs into spawn_blocking"
        }
        LeakState::Undriven => "drop its runtime or its LocalSet, or drive it until the task has ended",
        LeakState::Dropped => "cancel its token or abort it, and wait for its end before its runtime goes",
        LeakState::Silent | LeakState::Unasked => return Vec::new(),
    };
    vec![help.to_owned()]
}

fn of_waiting(places: &Places, told_to_stop: bool) -> Vec<String> {
    // Without a trace nobody knows what it waits for.
    if cfg!(miri) {
        return Vec::new();
    }
    if places.for_cancellation {
        let help = match told_to_stop {
            true => {
                "a branch waits for cancellation, but not of its tracker's token, which is cancelled: cancel this one too"
            }
            false => "a branch waits for cancellation: cancel its token",
        };
        return vec![help.to_owned()];
    }
    let mut help = Vec::new();
    let waits_for = |leaves: &[&str]| match places.waits.as_slice() {
        [wait] => leaves.contains(&wait.leaf.as_str()),
        _ => false,
    };
    if waits_for(ENDED_BY_A_TASK) {
        help.push("what it waits for is a task that has not ended either: see to that one first".to_owned());
    }
    help.push("no branch waits for cancellation: add one for the token that its owner cancels".to_owned());
    if waits_for(ENDED_BY_SENDERS) {
        help.push("or drop the last sender of its channel, which is still there".to_owned());
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Wait;

    fn waiting_for(leaf: &str) -> Places {
        Places {
            waits: vec![Wait {
                leaf: leaf.to_owned(),
                line: None,
                frames: Vec::new(),
            }],
            ..Places::default()
        }
    }

    #[test]
    fn each_leak_is_told_what_to_do() {
        let cancellation = Places {
            for_cancellation: true,
            ..Places::default()
        };
        for (places, told, expected) in [
            (waiting_for("Sleep"), false, &["no branch waits"][..]),
            (
                waiting_for("JoinHandle"),
                false,
                &["what it waits for is a task", "no branch waits"],
            ),
            (
                waiting_for("mpsc::Receiver::recv"),
                true,
                &["no branch waits", "or drop the last sender"],
            ),
            (Places::default(), false, &["no branch waits"]),
        ] {
            let help = of(LeakState::Waiting, false, &places, told);
            assert_eq!(help.len(), expected.len(), "{help:?}");
            assert!(
                help.iter().zip(expected).all(|(help, start)| help.starts_with(start)),
                "{help:?}"
            );
        }
        assert!(of(LeakState::Waiting, false, &cancellation, false)[0].ends_with("cancel its token"));
        assert!(of(LeakState::Waiting, false, &cancellation, true)[0].ends_with("cancel this one too"));
    }
}

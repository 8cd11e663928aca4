//! Models: loom runs each in every order of its threads' steps, up to a number of preemptions, and finds the one that fails.
//!
//! `bash .ci/run loom` runs them. Each has a planted mistake beside it
//! that loom must find: an order that the real code keeps from happening.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::thread;

use crate::group::Group;
use crate::info::TaskKind;
use crate::probe::{Answer, Asker, ask_and_wait, is_open_after};
use crate::registry;
use crate::scope::{Begun, Scope};
use crate::settle::settle_here;
use crate::task::Record;
use crate::verify::judge;

/// Tries every order of a model's steps with so many preemptions: with two, loom's authors found most mistakes.
fn in_every_order(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Whether loom finds an order in which the model fails.
fn is_found(model: impl Fn() + Sync + Send + 'static) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| in_every_order(model))).is_err()
}

/// A task that goes down with its runtime when it is dropped: there is none.
fn task() -> Record {
    Record::new::<()>(&Group::root("modelled"), TaskKind::Async, None, None)
}

fn check() -> (Begun, Arc<Scope>) {
    let begun = Begun::new("modelled");
    let scope = begun.scope.clone();
    (begun, scope)
}

/// Tasks end while a check waits for them: it hears of the last one.
fn settling(leave: fn(Record)) {
    let (_begun, scope) = check();
    let tasks = [task(), task()];
    let leaving = tasks.map(|task| thread::spawn(move || leave(task)));
    settle_here(&scope, &[], Duration::from_secs(60));
    assert_eq!(scope.live(), 0);
    assert!(scope.tasks().is_empty());
    let seen: u64 = scope.sites().iter().map(|(_, counts)| counts.seen).sum();
    let dropped: u64 = scope.sites().iter().map(|(_, counts)| counts.dropped).sum();
    assert_eq!((seen, dropped), (2, 2), "whoever misses a task finds it counted");
    for task in leaving {
        task.join().unwrap();
    }
}

#[test]
fn a_check_that_waits_hears_of_the_last_end() {
    in_every_order(|| settling(drop));
}

#[test]
fn a_planted_end_that_nobody_hears_of_is_found() {
    assert!(is_found(|| settling(Record::leave_after_a_look_around)));
}

/// A task goes down with its runtime while a verdict is made: it is found alive, or it is found dropped.
fn judging(leave: fn(Record)) {
    let (_begun, scope) = check();
    let task = task();
    let leaving = thread::spawn(move || leave(task));
    assert_eq!(judge(&scope).leaks.len(), 1);
    leaving.join().unwrap();
}

#[test]
fn a_task_that_goes_down_during_the_verdict_is_reported_once() {
    in_every_order(|| judging(drop));
}

#[test]
fn a_planted_end_that_a_verdict_misses_is_found() {
    assert!(is_found(|| judging(Record::leave_before_it_is_counted)));
}

/// A task that is polled twice, and ends.
fn polled_and_gone(record: Record, leave: fn(Record)) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        let polled: Poll<()> = record.poll(&mut cx, |_| Poll::Pending);
        assert!(polled.is_pending());
    }
    leave(record);
}

#[test]
fn a_question_is_answered_or_its_task_has_ended() {
    in_every_order(|| {
        let (_begun, scope) = check();
        let record = task();
        let task = record.task().clone();
        let polling = thread::spawn(move || polled_and_gone(record, drop));
        let answers = ask_and_wait(std::slice::from_ref(&task), Asker::Check);
        assert!(matches!(answers[..], [Answer::Waits(_)]) || task.has_ended());
        polling.join().unwrap();
        assert_eq!(scope.live(), 0);
    });
}

/// Questions that nobody will answer any more are closed: whoever waits for one hears of that.
fn closing(leave: fn(Record)) {
    let (_begun, _) = check();
    let record = task();
    let task = record.task().clone();
    let polling = thread::spawn(move || polled_and_gone(record, leave));
    let open = is_open_after(&task, || polling.join().unwrap());
    assert!(!open, "a task that has ended keeps no question");
}

#[test]
fn a_task_that_has_ended_keeps_no_question() {
    in_every_order(|| closing(drop));
}

#[test]
fn a_planted_question_that_is_lost_is_found() {
    assert!(is_found(|| closing(Record::leave_before_it_has_ended)));
}

#[test]
fn the_registry_lists_what_lives_while_others_come_and_go() {
    in_every_order(|| {
        let (_begun, _) = check();
        let stays = task();
        let others = [(); 2].map(|()| {
            thread::spawn(|| {
                drop(task());
            })
        });
        // It may take the slot that one of them has left.
        drop(task());
        let live = registry::live(|_| true);
        let mut ids: Vec<u64> = live.iter().map(|task| task.id()).collect();
        assert!(ids.contains(&stays.task().id()));
        ids.dedup();
        assert_eq!(ids.len(), live.len(), "none is listed twice");
        for other in others {
            other.join().unwrap();
        }
        let live = registry::live(|_| true);
        assert!(matches!(&live[..], [task] if task.id() == stays.task().id()));
    });
}

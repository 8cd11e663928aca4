//! The text of what is no tracked task left behind: tasks that no tracker saw, and panics that nobody did.

use std::fmt;

use super::style::Role;
use super::{Report, TaskPanic, UntrackedSpawn, UntrackedTasks};
use crate::info::TaskKind;
use crate::policy::Untracked;

/// So many places that spawned tasks are shown; the JSON has all of them.
const SHOWN_SPAWNS: usize = 8;

/// So many callers of such a place are shown.
const SHOWN_FRAMES: usize = 4;

/// So many panics are shown.
const SHOWN_PANICS: usize = 8;

/// The first line of a report without a leaked task: its word, and what goes on behind it.
pub(super) fn headline(report: &Report) -> (Role, &'static str, String) {
    let test = &report.test;
    let denied = report.panics.iter().filter(|panic| panic.denied).count();
    match &report.untracked {
        Some(tasks) if tasks.policy == Untracked::Deny => (
            Role::Leaked,
            "leaked:",
            format!("{} outlived test {test}", unseen(tasks)),
        ),
        _ if denied > 0 => (
            Role::Leaked,
            "panicked:",
            format!("{}, in test {test}", panicked(denied)),
        ),
        Some(_) => (Role::Clean, "clean:", format!("no tracked task outlived test {test}")),
        None => (Role::Clean, "clean:", format!("no task outlived test {test}")),
    }
}

/// `2 tasks that no tracker saw`
fn unseen(tasks: &UntrackedTasks) -> String {
    match tasks.count {
        1 => "1 task that no tracker saw".to_owned(),
        n => format!("{n} tasks that no tracker saw"),
    }
}

fn panicked(tasks: usize) -> String {
    match tasks {
        1 => "1 task panicked and nobody awaited it".to_owned(),
        n => format!("{n} tasks panicked and nobody awaited them"),
    }
}

/// The sections after the leaks.
pub(super) fn write(f: &mut impl fmt::Write, report: &Report) -> fmt::Result {
    if let Some(tasks) = &report.untracked {
        write_untracked(f, tasks)?;
    }
    for panic in report.panics.iter().take(SHOWN_PANICS) {
        write_panic(f, panic)?;
    }
    if let Some(more) = report.panics.len().checked_sub(SHOWN_PANICS).filter(|more| *more > 0) {
        writeln!(f, "\n  and {more} more panics")?;
    }
    Ok(())
}

fn write_untracked(f: &mut impl fmt::Write, tasks: &UntrackedTasks) -> fmt::Result {
    writeln!(f, "\n  {}", unseen(tasks))?;
    for spawn in tasks.spawned.iter().take(SHOWN_SPAWNS) {
        write_spawn(f, spawn)?;
    }
    let hidden: usize = tasks.spawned.iter().skip(SHOWN_SPAWNS).map(|spawn| spawn.count).sum();
    if hidden > 0 {
        writeln!(f, "    spawned at   other places: {hidden} more")?;
    }
    let named: usize = tasks.spawned.iter().map(|spawn| spawn.count).sum();
    match tasks.count.saturating_sub(named) {
        0 => {}
        _ if named == 0 => writeln!(
            f,
            "    spawned at   unknown: `leakcheck::install!()` in the test crate tells"
        )?,
        unknown => writeln!(f, "    spawned at   unknown places: {unknown} more")?,
    }
    writeln!(
        f,
        "    help         spawn it through a TaskTracker, or allow it with `untracked = allow`"
    )
}

fn write_spawn(f: &mut impl fmt::Write, spawn: &UntrackedSpawn) -> fmt::Result {
    let what = match spawn.kind {
        TaskKind::Blocking => "a blocking task",
        TaskKind::Local => "a local task",
        TaskKind::Async | TaskKind::Future => "a task",
    };
    let times = if spawn.count == 1 {
        String::new()
    } else {
        format!(", {} times", spawn.count)
    };
    // A call in a dependency says less than the user's that led to it, which is shown first.
    let first = spawn
        .frames
        .iter()
        .position(|frame| !frame.is_of_a_dependency())
        .unwrap_or(0);
    match spawn.frames.get(first) {
        None => writeln!(f, "    spawned at   a place without debug information  {what}{times}")?,
        Some(at) if at.function.is_empty() => writeln!(f, "    spawned at   {at}  {what}{times}")?,
        Some(at) => writeln!(f, "    spawned at   {at}  {what}{times}, in {}", at.function)?,
    }
    for frame in &spawn.frames[..first] {
        writeln!(f, "                   through {frame}  {}", frame.function)?;
    }
    for frame in spawn.frames.iter().skip(first + 1).take(SHOWN_FRAMES) {
        writeln!(f, "                   called from {frame}  {}", frame.function)?;
    }
    Ok(())
}

fn write_panic(f: &mut impl fmt::Write, panic: &TaskPanic) -> fmt::Result {
    writeln!(f, "\n  {:<42} panicked", panic.path())?;
    match &panic.message {
        Some(message) => {
            let mut lines = message.lines();
            writeln!(f, "    message      {}", lines.next().unwrap_or_default())?;
            lines.try_for_each(|line| writeln!(f, "                 {line}"))?;
        }
        None => writeln!(f, "    message      not a text")?,
    }
    match &panic.parent {
        Some(parent) => writeln!(f, "    spawned at   {}   by {parent}", panic.spawned_at)?,
        None => writeln!(f, "    spawned at   {}", panic.spawned_at)?,
    }
    let help = match panic.detached {
        true => "nobody can see it, as its JoinHandle was dropped: await that, or allow it with `panics = allow`",
        false => "nobody awaited it then; whether anybody has later cannot be told",
    };
    writeln!(f, "    help         {help}")
}

//! What fails a test without being a tracked task left behind: tasks that no tracker saw, and panics that nobody did.

use std::fmt::Write as _;

use super::leak::path;
use crate::judge::count;
use crate::records::Record;

/// A line for each finding, with the lines that spawned it.
pub(super) fn report(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        if let Some(untracked) = record.untracked.as_ref().filter(|untracked| untracked.denied) {
            let tasks = count(untracked.count, "task");
            let _ = writeln!(
                text,
                "leaked: {tasks} that no tracker saw outlived test {}",
                record.test
            );
            for spawn in &untracked.spawned {
                let tasks = count(spawn.count, &format!("{} task", spawn.kind));
                let at = spawn.frames.first().map_or_else(
                    || "an unknown place".to_owned(),
                    |frame| format!("{}:{}", frame.file, frame.line),
                );
                let _ = writeln!(text, "  {tasks} spawned at {at}");
            }
        }
        for panic in record.denied_panics() {
            let (test, place) = (&record.test, &panic.spawned_at);
            let message = panic.message.as_deref().unwrap_or("not with a text");
            let _ = writeln!(
                text,
                "panicked: {}, spawned at {}:{}, in test {test}, and nobody awaited it: {message}",
                path(&panic.group, &panic.name),
                place.file,
                place.line,
            );
        }
    }
    text
}

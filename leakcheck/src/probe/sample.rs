//! Which of many tasks are asked: each costs a poll and the reading of its traces.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

use crate::info::without_numbers;
use crate::task::Task;

/// So many tasks are all asked: with debug information, reading the traces of one takes milliseconds.
const ALL: usize = 200;

/// Of more tasks than that, so many of each kind are asked, and no more than [`ALL`] of all kinds together.
const OF_EACH: usize = 16;

/// Whether to ask each of these tasks. Of thousands some of each kind stand for the others: of each line that spawned
/// some, and there of each name, whatever the numbers in it are.
pub(crate) fn choose(tasks: &[Arc<Task>]) -> Vec<bool> {
    if tasks.len() <= ALL {
        return vec![true; tasks.len()];
    }
    let mut of_kind: HashMap<(&'static Location<'static>, String), Vec<usize>> = HashMap::new();
    for (number, task) in tasks.iter().enumerate() {
        let kind = (task.site, without_numbers(&task.name.read()));
        let members = of_kind.entry(kind).or_default();
        if members.len() < OF_EACH {
            members.push(number);
        }
    }
    let mut kinds: Vec<Vec<usize>> = of_kind.into_values().collect();
    kinds.sort_unstable();
    let mut chosen = vec![false; tasks.len()];
    let in_turn = (0..OF_EACH).flat_map(|turn| kinds.iter().filter_map(move |members| members.get(turn)));
    for number in in_turn.take(ALL) {
        chosen[*number] = true;
    }
    chosen
}

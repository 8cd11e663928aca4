//! One task that outlives its runtime, one that ends, and one that is alive when the process exits.

use tokio::runtime::task::list::OwnedTasks;

#[inline(never)]
fn outlives_its_runtime() {
    let mut tasks = OwnedTasks::default();
    tasks.bind();
    tasks.close_and_shutdown_all();
}

#[inline(never)]
fn ends() {
    let mut tasks = OwnedTasks::default();
    tasks.bind();
    tasks.run();
}

#[inline(never)]
fn leaks_at_exit() {
    let mut tasks = OwnedTasks::default();
    tasks.bind();
    std::mem::forget(tasks);
}

fn main() {
    outlives_its_runtime();
    ends();
    leaks_at_exit();
}

//! What a campaign runs.

mod clean;
mod planted;

use leakcheck::{Check, Report};
use tokio::runtime::Builder;

pub use clean::CLEAN;
pub use planted::PLANTED;

/// The name of the one task that a planted scenario leaves behind.
pub const STAYS: &str = "stays";

/// One scenario: a whole test, with its verdict.
pub type Scenario = (&'static str, fn() -> Report);

fn on_current_thread<F: Future<Output = ()>>(body: F) -> Report {
    judged(Check::new("current_thread"), body)
}

fn on_multi_thread<F: Future<Output = ()>>(body: F) -> Report {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    judged(Check::new("multi_thread").runtime(builder), body)
}

fn under_a_paused_clock<F: Future<Output = ()>>(body: F) -> Report {
    let check = Check::new("paused").configure(|runtime| {
        runtime.start_paused(true);
    });
    judged(check, body)
}

/// Without a runtime of the check's own.
fn around(body: impl FnOnce()) -> Report {
    let outcome = Check::new("around").run_sync(body);
    outcome.body.expect("the body of a scenario");
    outcome.report
}

fn judged<F: Future<Output = ()>>(check: Check, body: F) -> Report {
    let outcome = check.run(body);
    outcome.body.expect("the body of a scenario");
    outcome.report
}

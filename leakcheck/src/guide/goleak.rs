//! For those who know [goleak](https://github.com/uber-go/goleak): what each of its functions is called here.
//!
//! | goleak | leakcheck | what is different |
//! | --- | --- | --- |
//! | `VerifyNone(t)` | [`#[leakcheck]`](macro@crate::leakcheck), [`verify_none`](crate::verify_none) | tests that run in parallel do not see each other's tasks, so that every test can have its own check |
//! | `defer VerifyNone(t)` | [`guard`](crate::guard) | it checks when it is dropped, also during a panic |
//! | `VerifyTestMain(m)` | `leakcheck::main!` (feature `main`), or [`guard_process`](crate::guard_process) in a `main` of your own | for a test target with `harness = false`; the built-in test harness has no place for code at its end |
//! | `Find()` | [`find`](crate::find) | the finding is data: see [`Report`](crate::Report) |
//! | `IgnoreTopFunction(f)` | [`ignore::top_function`](crate::ignore::top_function) | the user's innermost function, as what is below is the library's; it must hold for everything that the task waits for |
//! | `IgnoreAnyFunction(f)` | [`ignore::function`](crate::ignore::function) | patterns may have a `*` |
//! | `IgnoreCreatedBy(f)` | [`ignore::spawned_by`](crate::ignore::spawned_by), [`ignore::file`](crate::ignore::file) | the function is read from the source; where that is not there, the file still is |
//! | `IgnoreCurrent()` | [`ignore::current`](crate::ignore::current) | as there: by identity, for tasks that live at the call |
//! | no counterpart | [`ignore::name`](crate::ignore::name), [`ignore::group`](crate::ignore::group) | goroutines have no names |
//! | `Cleanup(f)` | [`Check::cleanup`](crate::Check::cleanup) | called once the check is over, with the report in place of an exit code |
//! | `RunOnFailure()` | always on | a test that fails is checked as well: its leak is printed beside its own failure. [`Check::on_failure`](crate::Check::on_failure) calls a function then |
//! | `MaxRetryAttempts(n)`, `MaxSleepInterval(d)` | [`Check::grace`](crate::Check::grace), `grace = "2s"` | goleak looks up to 20 times, with sleeps between that double up to a limit. Here it is first yielded to the tasks, then waited for the end of each, as long as the grace lasts. It costs nothing where nothing is left, and no wall time under a paused clock |
//! | the filters that are built in | none | goleak must not report the goroutines of Go's own runtime and test harness; here only what went through a [`TaskTracker`](crate::TaskTracker) is seen |
//!
//! Every rule here takes a reason, which is printed where the rule was used, and a rule that matched nothing is told of. What
//! a library publishes for its users ([`ignore::published_by`](crate::ignore::published_by)) goes wherever a rule goes.
//!
//! # A whole test binary
//!
//! ```toml
//! [[test]]
//! name = "server"
//! harness = false
//!
//! [dev-dependencies]
//! leakcheck = { version = "0.1", features = ["main"] }
//! ```
//!
//! ```
//! # mod tests {
//! use leakcheck::ignore;
//!
//! fn the_configuration_is_read() {}
//!
//! async fn closing_ends_every_connection() {
//!     // Checked for itself, too, as with `#[leakcheck]`.
//! }
//!
//! # #[cfg(feature = "main")]
//! leakcheck::main! {
//!     ignore: [ignore::name("flush", "lives as long as the process")],
//!     tests: [the_configuration_is_read, async closing_ends_every_connection],
//! }
//! # }
//! # fn main() {}
//! ```

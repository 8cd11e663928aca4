//! The attribute of the `leakcheck` crate. Use it from there: its documentation is here only because an attribute has
//! to have a crate of its own.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod args;
mod expand;
mod grace;

/// Checks that a test leaves no task behind.
///
/// On an `async fn` it makes the test: with a runtime of its own, so that tests that run in parallel never see each
/// other's tasks. When the body is over, also by a panic or an error, the tasks that were spawned through a `TaskTracker`
/// have a moment to end. One that does not fails the test, with a report that says where it waits. A failure of the body
/// is never hidden by that: it is what the test shows, and the report is printed besides.
///
/// ```
/// use leakcheck::{TaskTracker, leakcheck};
///
/// #[leakcheck]
/// async fn closing_ends_every_task() {
///     let tasks = TaskTracker::named("server");
///     tasks.spawn(async { /* … */ });
/// }
/// ```
///
/// # Arguments
///
/// | argument | meaning |
/// | --- | --- |
/// | `flavor = "current_thread"` or `"multi_thread"` | the runtime; `current_thread` unless given |
/// | `worker_threads = 4` | of a multi-thread runtime |
/// | `start_paused`, `start_paused = true` | the clock stands still while the test has anything to do; needs tokio's feature `test-util` |
/// | `grace = "2s"` | how long tasks have to end after the body, by tokio's clock; one second unless given |
/// | `ignore = rule`, `ignore = [rule, rule]` | what may stay: see `leakcheck::ignore`; may be given several times |
/// | `crate = "path"` | where the crate `leakcheck` is, when it has another name |
///
/// # With other attributes
///
/// In front of `#[tokio::test(…)]` it takes that attribute's place and arguments.
///
/// Behind `#[tokio::test]`, or in front of a plain `#[test]`, the test runs as that attribute has it, and the check is
/// made around its body. tokio drops the runtime there before anything can be asked, so the report cannot say where a
/// task waited: a task that went down with its runtime counts as leaked, unless the token of its tracker had been
/// cancelled. Only `grace` and `ignore` have a meaning then.
///
/// A test may return whatever a test may return, as `Result<(), Error>`. Without leakcheck's feature `track` the test
/// just runs.
#[proc_macro_attribute]
pub fn leakcheck(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments with args::Args::parse);
    let test = parse_macro_input!(item as syn::ItemFn);
    expand::expand(arguments, test)
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

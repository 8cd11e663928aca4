//! The number that a test's randomness is drawn from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use once_cell::sync::Lazy;
use tokio::runtime::{Builder, Handle, Id as RuntimeId};

use crate::sync::lock;

/// Sets the seed of every test that does not set its own.
pub(crate) const SEED: &str = "LEAKCHECK_SEED";

/// Names the one run of a repeated test that is to be made.
pub(crate) const RUN: &str = "LEAKCHECK_RUN";

/// The seed of this process: given, or drawn once.
static OF_PROCESS: Lazy<u64> = Lazy::new(|| from_environment(SEED).unwrap_or_else(drawn));

/// The seeds of the checks by their runtimes.
static OF_RUNTIMES: Lazy<Mutex<HashMap<RuntimeId, Arc<Given>>>> = Lazy::new(Mutex::default);

thread_local! {
    /// The seeds of the checks that run on this thread, the innermost last.
    static HERE: RefCell<Vec<Arc<Given>>> = const { RefCell::new(Vec::new()) };
}

/// The number that this run of a test is to draw its randomness from. It is the same however often it is asked for.
///
/// ```
/// # #[derive(Clone)] struct Rng(u64);
/// # impl Rng { fn with_seed(seed: u64) -> Self { Self(seed) } fn order(&mut self) -> Vec<u32> { vec![2, 1] } }
/// #[leakcheck::leakcheck(repeat = 100)]
/// async fn orders_may_come_in_any_order() {
///     let mut random = Rng::with_seed(leakcheck::seed());
///     for order in random.order() { /* … */ }
/// }
/// ```
///
/// It is made of the test's seed and the number of its run, which is 1 where it is not repeated. The seed is, in this
/// order, that of `seed = 42`, that of the environment variable `LEAKCHECK_SEED`, or one that is drawn once a process.
/// A repeated test that fails prints it; a single one does when it fails and has called this.
///
/// It is known on the thread of a check, and on every thread of the check's own runtime. Elsewhere, as on a runtime that
/// the test itself made, it is the process's: hand the number on.
///
/// # Panics
///
/// When `LEAKCHECK_SEED` is set and is not a number.
#[must_use]
pub fn seed() -> u64 {
    let here = HERE.try_with(|here| here.borrow().last().cloned()).ok().flatten();
    here.or_else(|| lock(&OF_RUNTIMES).get(&Handle::try_current().ok()?.id()).cloned())
        .map_or_else(
            || mix(*OF_PROCESS, 0),
            |given| {
                given.asked.store(true, Ordering::Relaxed);
                given.seed
            },
        )
}

/// What `seed()` gives, and whether it has.
#[derive(Debug)]
struct Given {
    seed: u64,
    asked: AtomicBool,
}

/// The seed of a test, of which each run has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn new(given: Option<u64>) -> Self {
        Self(given.unwrap_or_else(|| *OF_PROCESS))
    }

    /// The seed of one run, counted from 1.
    pub(crate) fn of_run(self, run: u32) -> u64 {
        mix(self.0, u64::from(run))
    }
}

/// What a user gave, when there is one.
///
/// # Panics
///
/// When it is not a number: a test that is to be repeated exactly must not be repeated otherwise.
pub(crate) fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    match text.trim().parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("leakcheck: {name}={text} is not a number"),
    }
}

fn drawn() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Sebastiano Vigna's splitmix64: neighbours have nothing to do with each other.
fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Draws what can be varied of a runtime on stable Rust from a run's seed.
pub(crate) fn vary(runtime: &mut Builder, seed: u64) {
    // Up to about twice tokio's own numbers, which are 61 and 31.
    runtime.event_interval(1 + (mix(seed, 1) % 122) as u32);
    runtime.global_queue_interval(1 + (mix(seed, 2) % 62) as u32);
    #[cfg(tokio_unstable)]
    runtime.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
}

/// While it lives, `seed()` is this one's, on this thread and on the runtime that it is told of.
#[derive(Debug)]
pub(crate) struct Seeded {
    given: Arc<Given>,
    runtime: Option<RuntimeId>,
    /// It belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        let given = Arc::new(Given {
            seed,
            asked: AtomicBool::new(false),
        });
        HERE.with(|here| here.borrow_mut().push(given.clone()));
        Self {
            given,
            runtime: None,
            _not_send: std::marker::PhantomData,
        }
    }

    pub(crate) fn made(&mut self, runtime: RuntimeId) {
        lock(&OF_RUNTIMES).insert(runtime, self.given.clone());
        self.runtime = Some(runtime);
    }

    /// Whether anybody has asked for it.
    pub(crate) fn was_asked_for(&self) -> bool {
        self.given.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime {
            lock(&OF_RUNTIMES).remove(&runtime);
        }
        // Runs are nested, so that the last one is this one's.
        let _ = HERE.try_with(|here| here.borrow_mut().pop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_has_a_seed_of_its_own_that_comes_again() {
        let seeds: std::collections::BTreeSet<u64> = (1..=1_000).map(|run| Seed(42).of_run(run)).collect();
        assert_eq!(seeds.len(), 1_000);
        assert_eq!(Seed(42).of_run(7), Seed(42).of_run(7));
        assert_ne!(Seed(42).of_run(7), Seed(43).of_run(7));
    }
}

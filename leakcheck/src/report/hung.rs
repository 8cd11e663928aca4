//! A test that did not end in time.

use std::fmt;
use std::time::Duration;

use super::Leak;

/// What a test waited for that did not end in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Hung {
    /// How long it had, by the wall clock.
    pub timeout: Duration,
    /// The test's body, by the name `test body` and the number 0, then every tracked task of the test in the order in
    /// which they were spawned, also those that a rule allows to stay. Their ages are those of tokio's clock.
    pub tasks: Vec<Leak>,
}

impl fmt::Display for Hung {
    /// One line, as `did not end within 30 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did not end within {} s", self.timeout.as_secs_f64())
    }
}

//! What is logged on this thread. `tests/differential/tests/anything` has it too.

use std::io;
use std::sync::{Arc, Mutex};

/// What is logged, as bytes.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects the warnings that are logged on this thread, until it is dropped.
pub struct Warnings {
    log: Log,
    _on_this_thread: tracing::subscriber::DefaultGuard,
}

impl Warnings {
    /// Begins to collect.
    pub fn collect() -> Self {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            log,
            _on_this_thread: tracing::subscriber::set_default(subscriber),
        }
    }

    /// What has been logged since it was last taken.
    pub fn take(&self) -> String {
        let log = std::mem::take(&mut *self.log.0.lock().expect("nobody panics with it"));
        String::from_utf8_lossy(&log).into_owned()
    }
}

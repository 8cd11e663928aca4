//! The `kfake` binary: arguments to a builder, and a clean end.
#![deny(clippy::disallowed_methods)]

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use kfake::StartError;

mod cli;
mod steering;

/// How long the cluster's tasks may take to end before the one that stays is reported.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A start that failed.
const FAILED: u8 = 1;
/// Arguments that make no sense.
const USAGE: u8 = 2;
/// A task remained after the cluster was closed.
const LEAKED: u8 = 3;

fn main() -> ExitCode {
    let arguments = match cli::parse(std::env::args_os().skip(1)) {
        Ok(cli::Command::Run(arguments)) => *arguments,
        Ok(cli::Command::Print(text)) => {
            // A reader that has seen enough is no failure.
            let _ = writeln!(std::io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            say(&format!("kfake: {error}\n\n{}", cli::USAGE));
            return ExitCode::from(USAGE);
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // It would panic over an error of its own that it cannot print.
        .log_internal_errors(false)
        .with_max_level(arguments.log_level)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("kfake: cannot start a runtime: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(run(arguments));
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Says something to whoever reads it. Nobody has to.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn run(arguments: cli::Arguments) -> u8 {
    // Listened for before the first port is open: a signal right after `ready` must not kill the process.
    let mut stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            say(&format!("kfake: cannot listen for signals: {error}"));
            return FAILED;
        }
    };
    #[cfg(feature = "plants")]
    let arguments = planted(arguments);
    let is_steered = arguments.is_steered;
    let cluster = match arguments.builder.start().await {
        Ok(cluster) => cluster,
        Err(error) => {
            say(&format!("kfake: {}", with_causes(&error)));
            return match error {
                StartError::Release(_) => USAGE,
                _ => FAILED,
            };
        }
    };
    let ready = format!("ready {}\n", cluster.bootstrap_servers());
    let mut stdout = std::io::stdout();
    if let Err(error) = stdout.write_all(ready.as_bytes()).and_then(|()| stdout.flush()) {
        tracing::warn!(%error, "cannot say that the cluster is ready");
    }
    tokio::select! {
        () = stop.wait() => {}
        () = steering::follow(&cluster), if is_steered => {}
    }
    tracing::info!("closing the cluster");
    let closed = tokio::time::timeout(CLOSE_LIMIT, cluster.close()).await.is_ok();
    let report = leakcheck::find();
    // The process ends, and the system takes all of its memory at once: to free ten thousand groups one by one took as long as
    // to end their tasks.
    std::mem::forget(cluster);
    if closed && report.leaks.is_empty() {
        return 0;
    }
    say(&report.to_string());
    LEAKED
}

/// Plants a bug on demand, for the test that shows this end: a check that cannot fail is none.
#[cfg(feature = "plants")]
fn planted(mut arguments: cli::Arguments) -> cli::Arguments {
    if std::env::var_os("KFAKE_PLANT").is_some_and(|plant| plant == "manage") {
        arguments.builder = arguments.builder.plant(kfake::Plant::Manage);
    }
    arguments
}

/// The error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(unix)]
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Stop;

#[cfg(not(unix))]
impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn wait(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "cannot wait for Ctrl-C");
        }
    }
}

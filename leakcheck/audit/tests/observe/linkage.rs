//! Programs that nothing can be preloaded into.

use crate::fixture::{Fixture, assert_unjudged};

#[cfg(target_arch = "x86_64")]
const GNU: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const GNU: &str = "aarch64-unknown-linux-gnu";
#[cfg(target_arch = "x86_64")]
const MUSL: &str = "x86_64-unknown-linux-musl";
#[cfg(target_arch = "aarch64")]
const MUSL: &str = "aarch64-unknown-linux-musl";

#[test]
#[ignore = "builds another target: CI's step observe"]
fn a_statically_linked_program_is_not_taken_for_clean() {
    let fixture = Fixture::of("tokio-1-47")
        .with(&["--target", GNU])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");

    assert_unjudged(&fixture.run("server", &[]), "is linked statically");
}

/// Where rustup has that target's library.
#[test]
#[ignore = "builds another target: CI's step observe"]
fn a_program_for_musl_is_not_taken_for_clean() {
    let output = std::process::Command::new("rustc")
        .args(["--print", "target-libdir", "--target", MUSL])
        .output();
    let libraries = output.expect("rustc starts").stdout;
    let libraries = String::from_utf8_lossy(&libraries).trim().to_owned();
    if !std::path::Path::new(&libraries).exists() {
        eprintln!("not run: rustup target add {MUSL}");
        return;
    }

    let verdict = Fixture::of("tokio-1-47").with(&["--target", MUSL]).run("server", &[]);
    assert_unjudged(&verdict, "is linked statically");
}

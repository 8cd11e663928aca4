//! Programs with an allocator of their own.

use leakcheck_audit::Conclusion;

use crate::fixture::{Fixture, assert_unjudged};

/// The leak of `fixtures/allocators`, where it was seen; else why not. Never clean.
fn assert_not_clean(feature: &'static str) {
    let fixture = Fixture::of("allocators").with(&["--features", feature]);
    let verdict = fixture.run("leaks", &[]);

    if verdict.findings.is_empty() {
        assert_unjudged(&verdict, "has an allocator of its own");
    } else {
        assert_eq!(verdict.findings.len(), 1, "{verdict:#?}");
        assert_eq!(fixture.source(&verdict.findings[0]), "tokio::spawn(pending::<()>());");
        assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    }
}

#[test]
#[ignore = "builds a C library: CI's step observe"]
fn a_program_with_jemalloc_is_not_taken_for_clean() {
    assert_not_clean("jemalloc");
}

#[test]
#[ignore = "builds a C library: CI's step observe"]
fn a_program_with_mimalloc_is_not_taken_for_clean() {
    assert_not_clean("mimalloc");
}

#[test]
#[ignore = "builds leakcheck for another workspace: CI's step observe"]
fn a_program_with_leakchecks_own_probe_is_not_taken_for_clean() {
    assert_not_clean("install");
}

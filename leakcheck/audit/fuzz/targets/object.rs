//! Any bytes as an object file. The fuzzer begins with small programs that have something like a task: `cargo fuzz` takes them from
//! `corpus/object`, where `tiny.sh` puts them.

#![no_main]

use std::sync::OnceLock;

use leakcheck_audit::awaits::{Memory, Program};

struct Zeros;

impl Memory for Zeros {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        buffer.fill(address as u8 & 3);
        true
    }

    fn in_object(&self, address: u64) -> Option<u64> {
        Some(address)
    }
}

fn directory() -> &'static tempfile::TempDir {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        // In memory where that can be: it is written for every input.
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = directory().path().join("object");
    std::fs::write(&path, bytes).expect("room for a file");
    let Ok(program) = Program::open_with(&path, &[]) else { return };
    // Code is nowhere else in such small programs. Each question may look at some thousand entries, so there are not too many.
    for address in (0x40..0x4000).step_by(64) {
        if let Some(task) = program.task_at(address) {
            let tree = task.decode(&Zeros, 0x1000);
            assert!(tree.walk().count() <= 20_000);
            assert!(!tree.to_string().is_empty());
        }
    }
});

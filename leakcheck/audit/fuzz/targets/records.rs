//! Any bytes as what the preloaded library wrote.

#![no_main]

use leakcheck_audit::observe::records::Process;

/// Where the records begin, behind the header.
const HEADER: usize = 8192;

/// A header that is sound before records that may be anything.
fn with_header(records: &[u8]) -> Vec<u8> {
    let mut file = vec![0; HEADER];
    file[..8].copy_from_slice(b"LKOBSRV4");
    file.extend(records);
    let used = file.len() as u64;
    file[32..40].copy_from_slice(&used.to_ne_bytes());
    file
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    look_at(bytes);
    look_at(&with_header(bytes));
});

fn look_at(bytes: &[u8]) {
    let Ok(process) = Process::parse(bytes) else { return };
    let stacks = process.folds.iter().flat_map(|fold| [fold.allocated, fold.freed]);
    for stack in stacks.chain(process.live.iter().map(|live| live.allocated)) {
        for address in process.stack(stack) {
            let _ = process.object(address);
        }
    }
    for lineage in process.folds.iter().map(|fold| fold.lineage) {
        for creator in process.creators(lineage) {
            let _ = process.stack(creator);
        }
    }
    let copied: usize = process
        .folds
        .iter()
        .flat_map(|fold| &fold.copies)
        .chain(process.live.iter().filter_map(|live| live.copy.as_ref()))
        .map(|copy| copy.bytes.len())
        .sum();
    assert!(copied <= bytes.len(), "no byte is there that was not written");
}

//! Any bytes as the memory of real tasks: the fixture's, whose executable `AWAITS_FIXTURE` names.

#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use leakcheck_audit::awaits::{self, Memory};
use run::{Cell, Heap, Run};

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/awaits/run.rs"]
mod run;

/// What the decoder promises not to go beyond.
const MOST_FUTURES: usize = 20_000;

/// The task whose turn it is, and its real memory.
fn fixture() -> &'static (Run, Vec<usize>) {
    static RUN: OnceLock<(Run, Vec<usize>)> = OnceLock::new();
    RUN.get_or_init(|| {
        let executable = std::env::var_os("AWAITS_FIXTURE").expect("AWAITS_FIXTURE is a build of fixtures/awaits");
        let run = Run::of(Path::new(&executable));
        let is_task = |cell: &Cell| cell.return_addresses.iter().any(|at| run.program.task_at(at.wrapping_sub(run.bias)).is_some());
        let tasks = (0..run.cells.len()).filter(|nth| is_task(&run.cells[*nth])).collect();
        (run, tasks)
    })
}

/// Every read is answered from the same bytes, wherever it is from.
struct Anything<'a>(&'a [u8]);

impl Memory for Anything<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let begin = address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
        for (nth, byte) in buffer.iter_mut().enumerate() {
            *byte = self.0[(begin as usize + nth) % self.0.len()];
        }
        true
    }

    fn in_object(&self, address: u64) -> Option<u64> {
        Some(address)
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [nth, mode, bytes @ ..] = bytes else { return };
    let (run, tasks) = fixture();
    let cell = &run.cells[tasks[usize::from(*nth) % tasks.len()]];
    let task = cell
        .return_addresses
        .iter()
        .find_map(|at| run.program.task_at(at.wrapping_sub(run.bias)))
        .expect("a task");
    let mut heap: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let tree = match mode % 3 {
        0 if !bytes.is_empty() => task.decode(&Anything(bytes), cell.address),
        1 => {
            heap.extend(run.heap.clone());
            heap.insert(cell.address, bytes.to_vec());
            task.decode(&Heap { heap: &heap, bias: run.bias }, cell.address)
        }
        // The truth with some lies.
        _ => {
            heap.extend(run.heap.clone());
            let addresses: Vec<u64> = heap.keys().copied().collect();
            for lie in bytes.chunks_exact(12) {
                let which = u16::from_le_bytes([lie[0], lie[1]]);
                // Most of them where it matters most.
                let address = if which & 3 != 0 { cell.address } else { addresses[usize::from(which) % addresses.len()] };
                let block = heap.get_mut(&address).expect("a block");
                let at = usize::from(u16::from_le_bytes([lie[2], lie[3]]));
                if let Some(word) = block.get_mut(at..at + 8) {
                    word.copy_from_slice(&lie[4..12]);
                }
            }
            task.decode(&Heap { heap: &heap, bias: run.bias }, cell.address)
        }
    };
    assert!(tree.walk().count() <= MOST_FUTURES);
    assert!(!tree.to_string().is_empty());
    for reason in awaits::reasons(&tree) {
        assert!(!reason.to_string().is_empty());
    }
});

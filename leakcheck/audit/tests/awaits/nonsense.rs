//! Bytes and debug info that make no sense: the decoder says less, and never fails, runs on, or overflows the stack.

use std::collections::BTreeMap;
use std::path::Path;

use leakcheck_audit::awaits::{AwaitTree, Memory, Program};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::run::{Cell, Heap, Run};
use crate::usual;

/// More than any task of the fixture has, and what the decoder promises not to go beyond.
const MOST_FUTURES: usize = 20_000;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

/// A small stack makes an overflow show.
fn on_a_small_stack(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(2 << 20)
            .spawn_scoped(scope, test);
        thread.expect("a thread").join().expect("no panic");
    });
}

fn look_at(tree: &AwaitTree) {
    assert!(tree.walk().count() <= MOST_FUTURES);
    assert!(!tree.to_string().is_empty());
    let _ = leakcheck_audit::awaits::why(tree);
}

fn tasks(run: &Run) -> Vec<&Cell> {
    let is_task = |cell: &&Cell| {
        cell.return_addresses
            .iter()
            .any(|at| run.program.task_at(at.wrapping_sub(run.bias)).is_some())
    };
    run.cells.iter().filter(is_task).collect()
}

fn decode(run: &Run, program: &Program, cell: &Cell, memory: &dyn Memory) -> Option<AwaitTree> {
    let task = cell
        .return_addresses
        .iter()
        .find_map(|at| program.task_at(at.wrapping_sub(run.bias)))?;
    Some(task.decode(memory, cell.address))
}

#[test]
fn any_bytes_of_a_cell_are_borne() {
    let run = usual();
    let tasks = tasks(run);
    let cases = (
        0..tasks.len(),
        any::<u64>(),
        prop::collection::vec(any::<u8>(), 0..1024),
        any::<bool>(),
    );
    let test = |(nth, mut seed, bytes, mutate): (usize, u64, Vec<u8>, bool)| {
        let cell: &Cell = tasks[nth];
        let mut heap = run.heap.clone();
        let real = heap.get_mut(&cell.address).expect("the cell's bytes");
        if mutate {
            // The truth with a few lies.
            for byte in bytes.iter().take(16) {
                let at = usize::try_from(seed).unwrap_or(0) % real.len();
                real[at] = *byte;
                seed = seed.rotate_left(9).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        } else {
            *real = bytes;
        }
        look_at(
            &decode(
                run,
                &run.program,
                cell,
                &Heap {
                    heap: &heap,
                    bias: run.bias,
                },
            )
            .expect("a task"),
        );
        Ok(())
    };
    on_a_small_stack(|| runner(256).run(&cases, test).expect("no failure"));
}

/// Everything points to itself.
struct Circle(u64);

impl Memory for Circle {
    fn read(&self, _: u64, buffer: &mut [u8]) -> bool {
        if buffer.len() == 8 {
            buffer.copy_from_slice(&self.0.to_ne_bytes());
        } else {
            buffer.fill(3);
        }
        true
    }

    fn in_object(&self, address: u64) -> Option<u64> {
        Some(address)
    }
}

#[test]
fn memory_that_goes_in_circles_is_borne() {
    let run = usual();
    on_a_small_stack(|| {
        for cell in tasks(run) {
            for address in [0, 8, cell.address, u64::MAX, u64::MAX - 7] {
                look_at(&decode(run, &run.program, cell, &Circle(address)).expect("a task"));
            }
        }
    });
}

/// A boxed future of this very type is in its own box.
#[test]
fn a_future_that_holds_itself_ends_somewhere() {
    let run = usual();
    let (_, cell) = run.task("recursive");
    let mut heap: BTreeMap<u64, Vec<u8>> = run.heap.clone();
    // The outermost box holds the next one, which is as large.
    let holds_another = |outer: &u64| {
        pointers(&heap, *outer)
            .into_iter()
            .find(|inner| heap[inner].len() == heap[outer].len())
    };
    let outermost = pointers(&heap, cell.address)
        .into_iter()
        .find(|outer| holds_another(outer).is_some())
        .expect("a box");
    let inner = holds_another(&outermost).expect("another");
    let boxed = heap.get_mut(&outermost).expect("the box");
    for word in boxed.chunks_exact_mut(8).filter(|word| **word == inner.to_ne_bytes()) {
        word.copy_from_slice(&outermost.to_ne_bytes());
    }
    on_a_small_stack(|| {
        let tree = decode(
            run,
            &run.program,
            cell,
            &Heap {
                heap: &heap,
                bias: run.bias,
            },
        )
        .expect("a task");
        look_at(&tree);
        assert!(tree.walk().count() > 10, "it goes on until it is too deep: {tree}");
    });
}

/// What the words of an allocation point to, itself left out.
fn pointers(heap: &BTreeMap<u64, Vec<u8>>, of: u64) -> Vec<u64> {
    let words = heap[&of]
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().expect("eight bytes")));
    words.filter(|word| heap.contains_key(word) && *word != of).collect()
}

/// Any part of the file may be anything, and it may end anywhere.
#[test]
fn any_bytes_of_an_object_file_are_borne() {
    let run = usual();
    let executable = std::fs::read(&run.executable).expect("the fixture");
    let tasks = tasks(run);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("garbled");
    // Where the file has debug info, and not code, is where lies are worth telling.
    let begin = executable.len() / 8;
    let lies = prop::collection::vec((begin..executable.len(), any::<[u8; 4]>()), 1..20_000);
    let cases = (lies, prop::option::of(0..executable.len()));
    let test = |(lies, end): (Vec<(usize, [u8; 4])>, Option<usize>)| {
        let mut bytes = executable.clone();
        for (at, lie) in lies {
            let end = bytes.len().min(at + lie.len());
            bytes[at..end].copy_from_slice(&lie[..end - at]);
        }
        bytes.truncate(end.unwrap_or(bytes.len()));
        std::fs::write(&path, &bytes).expect("a file");
        try_all(run, &path, &tasks);
        Ok(())
    };
    on_a_small_stack(|| runner(6).run(&cases, test).expect("no failure"));
}

fn try_all(run: &Run, path: &Path, tasks: &[&Cell]) {
    let Ok(program) = Program::open(path) else { return };
    for cell in tasks {
        if let Some(tree) = decode(
            run,
            &program,
            cell,
            &Heap {
                heap: &run.heap,
                bias: run.bias,
            },
        ) {
            look_at(&tree);
        }
    }
}

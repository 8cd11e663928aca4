//! What it costs to read a program's debug info, and then to decode its tasks: of the fixture, in the profile `dev`.

#[path = "../tests/awaits/fixture.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod fixture;
#[path = "../tests/awaits/run.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod run;

use criterion::{Criterion, criterion_group, criterion_main};
use leakcheck_audit::awaits::Program;

use fixture::Build;
use run::{Heap, Run};

fn awaits(criterion: &mut Criterion) {
    let run = Run::of(&Build::DEV.run());
    let memory = Heap {
        heap: &run.heap,
        bias: run.bias,
    };
    let mut group = criterion.benchmark_group("awaits");
    group.sample_size(10);
    group.bench_function("open", |bencher| {
        bencher.iter(|| Program::open(&run.executable).expect("debug info"));
    });
    // What only a look at all units can tell is looked for once.
    group.bench_function("open, and decode a first task with a box", |bencher| {
        let (_, cell) = run.task("awaits_a_box");
        bencher.iter(|| {
            let program = Program::open(&run.executable).expect("debug info");
            let task = cell
                .return_addresses
                .iter()
                .find_map(|at| program.task_at(at.checked_sub(run.bias)?));
            task.expect("a task").decode(&memory, cell.address)
        });
    });
    group.bench_function("find a task's type", |bencher| {
        let (_, cell) = run.task("nested");
        bencher.iter(|| {
            let mut addresses = cell.return_addresses.iter();
            addresses.find_map(|at| run.program.task_at(at.checked_sub(run.bias)?))
        });
    });
    for name in ["nested", "select_of_three", "awaits_a_box", "own_mpsc", "join_many"] {
        let (task, cell) = run.task(name);
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter(|| task.decode(&memory, cell.address));
        });
    }
    group.finish();
}

criterion_group!(benches, awaits);
criterion_main!(benches);

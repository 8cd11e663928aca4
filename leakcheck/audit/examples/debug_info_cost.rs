//! What a program's debug info costs to read: `cargo run --release -p leakcheck-audit --example debug_info_cost -- PROGRAM`.
//!
//! It asks for far more than an audit does: for a task at every sixteenth byte of the program's code, so that every unit is
//! looked at, and for the awaits of each task that there is. The time is the processor's own, the memory the most that was ever
//! resident, the program's mapped file included.

use std::collections::BTreeMap;

use leakcheck_audit::awaits::{Memory, Program};
use object::{Object, ObjectSection};

/// All zeros, wherever it is read: tasks that were never polled.
struct Zeros;

impl Memory for Zeros {
    fn read(&self, _: u64, buffer: &mut [u8]) -> bool {
        buffer.fill(0);
        true
    }

    fn in_object(&self, address: u64) -> Option<u64> {
        Some(address)
    }
}

/// `CLK_TCK`, which is 100 on all of Linux.
const TICKS: f64 = 100.0;

fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let numbers = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = numbers
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / TICKS
}

fn memory(of: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(of));
    line.unwrap_or("?").trim_start_matches(':').trim().to_owned()
}

fn say(what: &str) {
    println!(
        "{what}: {:.2} s, {} resident, {} of it its own, {} at most",
        processor_seconds(),
        memory("VmRSS"),
        memory("RssAnon"),
        memory("VmHWM"),
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which program?")?;
    let program = Program::open(&path)?;
    say("opened");
    let code = {
        // SAFETY: nobody writes to a program that is measured.
        let map = unsafe { memmap2::Mmap::map(&std::fs::File::open(&path)?)? };
        let file = object::File::parse(&map[..])?;
        let text = file.section_by_name(".text").ok_or("no code")?;
        text.address()..text.address() + text.size()
    };
    let mut tasks: BTreeMap<String, u64> = BTreeMap::new();
    for address in code.step_by(16) {
        if let Some(task) = program.task_at(address + 1) {
            let tree = task.decode(&Zeros, 0x1000);
            *tasks.entry(tree.type_name).or_default() += 1;
        }
    }
    say(&format!("{} types of tasks found", tasks.len()));
    Ok(())
}

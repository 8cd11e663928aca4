//! What the fixture wrote down when it ran.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use leakcheck_audit::awaits::{AwaitTree, Memory, Program};

/// A run of the fixture.
pub struct Run {
    pub executable: PathBuf,
    pub program: Program,
    pub bias: u64,
    pub cells: Vec<Cell>,
    /// The live allocations, by their addresses.
    pub heap: BTreeMap<u64, Vec<u8>>,
}

pub struct Cell {
    pub name: String,
    pub address: u64,
    pub size: u64,
    pub return_addresses: Vec<u64>,
}

impl Run {
    pub fn of(executable: &Path) -> Run {
        let output = Command::new(executable).output().expect("the fixture starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        let hex = |text: &str| u64::from_str_radix(text, 16).expect("a hexadecimal number");
        let (mut bias, mut cells, mut heap) = (0, Vec::new(), BTreeMap::new());
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["bias", at] => bias = hex(at),
                ["cell", name, address, size, ips] => cells.push(Cell {
                    name: name.to_owned(),
                    address: hex(address),
                    size: hex(size),
                    return_addresses: ips.split(',').map(hex).collect(),
                }),
                ["heap", address, bytes] => {
                    let bytes = bytes
                        .as_bytes()
                        .chunks(2)
                        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).expect("text"), 16).expect("a byte"));
                    heap.insert(hex(address), bytes.collect());
                }
                _ => {}
            }
        }
        Run {
            executable: executable.to_owned(),
            program: Program::open(executable).expect("debug info"),
            bias,
            cells,
            heap,
        }
    }

    pub fn memory(&self) -> Heap<'_> {
        Heap {
            heap: &self.heap,
            bias: self.bias,
        }
    }

    /// The task of this name, decoded with all memory at hand.
    pub fn tree(&self, name: &str) -> AwaitTree {
        self.decode(
            name,
            &Heap {
                heap: &self.heap,
                bias: self.bias,
            },
        )
    }

    /// The task of this name, decoded from its cell's own bytes.
    pub fn tree_of_cell(&self, name: &str) -> AwaitTree {
        let (_, cell) = self.task(name);
        let alone = BTreeMap::from([(cell.address, self.heap[&cell.address].clone())]);
        self.decode(
            name,
            &Heap {
                heap: &alone,
                bias: self.bias,
            },
        )
    }

    pub fn task(&self, name: &str) -> (leakcheck_audit::awaits::TaskType<'_>, &Cell) {
        // Whatever else was allocated under that name is no task.
        let mut found = self.cells.iter().filter(|cell| cell.name == name).filter_map(|cell| {
            let task = cell
                .return_addresses
                .iter()
                .find_map(|at| self.program.task_at(at.checked_sub(self.bias)?))?;
            assert_eq!(
                task.cell_size(),
                cell.size,
                "the cell of {name} is as large as its type"
            );
            Some((task, cell))
        });
        let task = found.next().unwrap_or_else(|| panic!("there is no task {name}"));
        assert!(found.next().is_none(), "there is one task {name}");
        task
    }

    /// A tree as text, with the names of tasks for their addresses.
    pub fn named(&self, tree: &AwaitTree) -> String {
        self.with_names(tree.to_string())
    }

    pub fn with_names(&self, text: String) -> String {
        self.cells.iter().fold(text, |text, cell| {
            text.replace(&format!("{:#x}", cell.address), &cell.name)
        })
    }

    fn decode(&self, name: &str, memory: &dyn Memory) -> AwaitTree {
        let (task, cell) = self.task(name);
        let mut tree = task.decode(memory, cell.address);
        tree.map_files(&mut |file| file.rsplit(['/', '\\']).next().unwrap_or(file).to_owned());
        tree
    }
}

pub struct Heap<'a> {
    pub heap: &'a BTreeMap<u64, Vec<u8>>,
    pub bias: u64,
}

impl Memory for Heap<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let known = self
            .heap
            .range(..=address)
            .next_back()
            .and_then(|(start, bytes)| bytes.get(usize::try_from(address - start).ok()?..)?.get(..buffer.len()));
        known.map(|known| buffer.copy_from_slice(known)).is_some()
    }

    fn in_object(&self, address: u64) -> Option<u64> {
        address.checked_sub(self.bias)
    }
}

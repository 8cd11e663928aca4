//! The fixture: built, run, and what it wrote down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use leakcheck_audit::awaits::{AwaitTree, Memory, Program};

/// How the fixture is built.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    pub profile: &'static str,
    /// A version requirement of tokio. The crates around tokio are left out where they need a newer one.
    pub tokio: Option<&'static str>,
    /// What is added to the profile, as cargo's `--config` takes it.
    pub settings: &'static [&'static str],
    /// What the compiler is given besides.
    pub flags: &'static str,
    /// With the crates around tokio, as long as tokio is the newest.
    pub ecosystem: bool,
}

impl Build {
    pub const DEV: Build = Build {
        profile: "dev",
        tokio: None,
        settings: &[],
        flags: "",
        ecosystem: true,
    };

    /// The newest tokio without the crates around it.
    pub const SMALL: Build = Build {
        ecosystem: false,
        ..Build::DEV
    };

    pub fn is_small(self) -> bool {
        self.tokio.is_some() || !self.ecosystem
    }

    /// Builds the fixture and gives its executable. What was built before is used again.
    pub fn run(self) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/awaits");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("awaits");
        let mut project = source.clone();
        let mut name = self.tokio.unwrap_or("newest").replace(['=', '.'], "_");
        if let Some(version) = self.tokio {
            project = target.join("projects").join(&name);
            copy_with_tokio(&source, &project, version);
        }
        for setting in self.settings {
            name.push_str(&setting.replace(|other: char| !other.is_alphanumeric(), "_"));
        }
        name.push_str(&self.flags.replace(|other: char| !other.is_alphanumeric(), "_"));
        if self.is_small() {
            name.push_str("_small");
        }
        let target = target.join(name);
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--profile", self.profile])
            .current_dir(&project);
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        for setting in self.settings {
            cargo.args(["--config", &format!("profile.{}.{setting}", self.profile)]);
        }
        if self.is_small() {
            cargo.arg("--no-default-features");
        }
        if !self.flags.is_empty() {
            cargo.env("RUSTFLAGS", self.flags);
        }
        let status = cargo.status().expect("cargo starts");
        assert!(status.success(), "the fixture does not build as {self:?}");
        target
            .join(if self.profile == "dev" { "debug" } else { self.profile })
            .join("awaits-fixture")
    }
}

fn copy_with_tokio(source: &Path, project: &Path, version: &str) {
    std::fs::create_dir_all(project.join("src")).expect("a directory for the project");
    for file in std::fs::read_dir(source.join("src")).expect("the fixture's source") {
        let file = file.expect("a source file").path();
        let to = project.join("src").join(file.file_name().expect("a name"));
        write_if_other(&to, &std::fs::read_to_string(&file).expect("source"));
    }
    let manifest = std::fs::read_to_string(source.join("Cargo.toml")).expect("a manifest");
    let tokio = manifest.replace(
        r#"tokio = { version = "1""#,
        &format!(r#"tokio = {{ version = "{version}""#),
    );
    let edition = source.join("edition-2018");
    let tokio = tokio.replace(
        r#"path = "edition-2018""#,
        &format!("path = {:?}", edition.display().to_string()),
    );
    // Nothing may ask for a newer tokio, not even an optional dependency.
    let kept: Vec<&str> = tokio
        .lines()
        .filter(|line| {
            ![
                "async-trait",
                "futures-",
                "tokio-stream",
                "tokio-util",
                "tower",
                "tracing",
            ]
            .iter()
            .any(|name| line.starts_with(name))
        })
        .map(|line| {
            if line.starts_with("ecosystem") {
                "ecosystem = []"
            } else {
                line
            }
        })
        .collect();
    write_if_other(&project.join("Cargo.toml"), &(kept.join("\n") + "\n"));
}

/// What is the same keeps its time, so that cargo builds nothing again.
fn write_if_other(path: &Path, text: &str) {
    if std::fs::read_to_string(path).ok().as_deref() != Some(text) {
        std::fs::write(path, text).expect("a file of the project");
    }
}

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

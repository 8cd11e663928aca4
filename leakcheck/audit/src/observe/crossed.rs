//! The tool's side of macOS with real Mach-O files, made on any system: by rustc for Apple's targets, and linked by zig.
//!
//! ```text
//! rustup target add aarch64-apple-darwin x86_64-apple-darwin; pip install ziglang; apt-get install llvm
//! LEAK_AUDIT_ZIG=…/ziglang/zig cargo test -p leakcheck-audit --lib crossed -- --ignored
//! ```
//!
//! Each test says what it lacks and does not run without it. None runs a program of macOS': that takes a Mac. What can be told of one
//! small program is told everywhere: see `tiny.rs`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};
use tempfile::TempDir;

use super::judge::{Evidence, ObservedVerdict, What, judge};
use super::macho_file::{Records, SLIDE};
use super::preload::SOURCES;
use super::records::{Copy, Process};
use super::waiting::{Asked, Waiting};
use crate::awaits::{self, Copied, Program};
use crate::owners::Owners;

const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether std is there for a target.
fn has(target: &str) -> bool {
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output();
    let there = libraries.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir());
    if !there {
        eprintln!("not run: rustup target add {target}");
    }
    there
}

/// A linker for a target: a script that calls zig. `None`, and why, where there is none.
fn linker(target: &str, directory: &Path) -> Option<PathBuf> {
    if !has(target) {
        return None;
    }
    let zig = std::env::var("LEAK_AUDIT_ZIG").unwrap_or_else(|_| "zig".to_owned());
    if !succeeds(Command::new(&zig).arg("version")) || !succeeds(Command::new("dsymutil").arg("--version")) {
        eprintln!("not run: there is no zig ({zig}; LEAK_AUDIT_ZIG names one), or no dsymutil, which is LLVM's");
        return None;
    }
    // rustc tells by the name what arguments it takes.
    let script = directory.join("zig-cc");
    let processor = target.split('-').next()?;
    // zig has no libiconv, and nothing here asks for it.
    let others = r#"for a in "$@"; do shift; [ "$a" = -liconv ] || set -- "$@" "$a"; done"#;
    std::fs::write(
        &script,
        format!("#!/bin/sh\n{others}\nexec {zig:?} cc -target {processor}-macos \"$@\"\n"),
    )
    .ok()?;
    run(Command::new("chmod").arg("+x").arg(&script));
    Some(script)
}

fn sources(directory: &Path) {
    for (name, text) in SOURCES {
        std::fs::write(directory.join(name), text).expect("the source");
    }
}

/// As the tool builds the library, for a target.
fn rustc(target: &str, directory: &Path) -> Command {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(directory);
    rustc.args(["--edition", "2021", "--crate-type", "cdylib", "-O", "--target", target]);
    rustc
}

/// The functions whose calls are replaced, each with what is called in its place.
fn pairs(object: &Path) -> BTreeSet<(String, String)> {
    let bytes = std::fs::read(object).expect("an object file");
    let file = object::File::parse(&*bytes).expect("Mach-O");
    let name = |target| match target {
        RelocationTarget::Symbol(index) => {
            let symbol = file.symbol_by_index(index).expect("a symbol");
            symbol.name().expect("its name").to_owned()
        }
        other => panic!("{other:?}"),
    };
    let mut pairs = BTreeSet::new();
    for section in file.sections().filter(|section| section.name() == Ok("__interpose")) {
        let mut at: Vec<_> = section.relocations().map(|(at, to)| (at, name(to.target()))).collect();
        at.sort();
        assert_eq!(at.len() as u64 * 8, section.size(), "each of its words is an address");
        for pair in at.chunks(2) {
            let own = format!("{:#}", rustc_demangle::demangle(pair[0].1.trim_start_matches('_')));
            pairs.insert((pair[1].1.clone(), own));
        }
    }
    pairs
}

#[test]
#[ignore = "needs Apple's targets: see this module"]
fn the_library_replaces_what_it_is_to_replace() {
    for target in TARGETS.into_iter().filter(|target| has(target)) {
        let room = TempDir::new().expect("a directory");
        sources(room.path());
        run(rustc(target, room.path()).args([
            "-Dwarnings",
            "--emit",
            "obj",
            "-C",
            "codegen-units=1",
            "-C",
            "symbol-mangling-version=v0",
            "-o",
            "preload.o",
            "preload.rs",
        ]));
        let hooks = |name: &str, own: &str| (format!("_{name}"), format!("preload::hooks::own_{own}"));
        let programs = |name: &str| (format!("_{name}"), format!("preload::programs::own_{name}"));
        let expected = BTreeSet::from([
            hooks("posix_memalign", "posix_memalign"),
            hooks("free", "free"),
            hooks("kevent", "kevent"),
            hooks("pthread_cond_wait", "cond_wait"),
            hooks("pthread_cond_timedwait", "cond_timedwait"),
            hooks("pthread_cond_timedwait_relative_np", "cond_timedwait_relative"),
            hooks("pthread_create", "pthread_create"),
            hooks("dlclose", "dlclose"),
            programs("execv"),
            programs("execvp"),
            programs("execve"),
            programs("posix_spawn"),
            programs("posix_spawnp"),
        ]);
        assert_eq!(pairs(&room.path().join("preload.o")), expected, "{target}");

        let bytes = std::fs::read(room.path().join("preload.o")).expect("an object file");
        let file = object::File::parse(&*bytes).expect("Mach-O");
        let has_start = file
            .sections()
            .any(|section| section.name() == Ok("__mod_init_func") && section.size() == 8);
        assert!(has_start, "{target}: it is called before main");
        // The first use of a thread-local value asks `malloc`: see `own_macos.rs`.
        let is_thread_local = |section: &object::Section<'_, '_>| section.name() == Ok("__thread_vars");
        assert!(!file.sections().any(|section| is_thread_local(&section)), "{target}");
    }
}

/// As `cargo` would have the tool do it on a Mac.
#[test]
#[ignore = "needs Apple's targets and zig: see this module"]
fn the_library_links_and_asks_for_nothing_but_libsystem() {
    for target in TARGETS {
        let room = TempDir::new().expect("a directory");
        let Some(linker) = linker(target, room.path()) else {
            continue;
        };
        sources(room.path());
        let library = room.path().join("library.dylib");
        run(rustc(target, room.path())
            .arg("-C")
            .arg(format!("linker={}", linker.display()))
            .arg("-o")
            .arg(&library)
            .arg("preload.rs"));
        let bytes = std::fs::read(&library).expect("a library");
        let file = object::File::parse(&*bytes).expect("Mach-O");
        assert_eq!(file.kind(), object::ObjectKind::Dynamic);
        let asked: BTreeSet<_> = file
            .imports()
            .expect("its imports")
            .filter_map(Result::ok)
            .map(|import| String::from_utf8_lossy(import.library()).into_owned())
            .collect();
        assert_eq!(
            asked,
            BTreeSet::from(["/usr/lib/libSystem.B.dylib".to_owned()]),
            "{target}"
        );
    }
}

/// The canary as a Mac would build it. What it records there is put together here, with addresses of its functions.
struct Canary {
    room: TempDir,
    program: PathBuf,
}

impl Canary {
    fn build(target: &str, profile: &str) -> Option<Self> {
        let room = TempDir::new().expect("a directory");
        let linker = linker(target, room.path())?;
        for (name, text) in [
            ("tokio.rs", include_str!("../../preload/canary_tokio.rs")),
            ("canary.rs", include_str!("../../preload/canary.rs")),
        ] {
            std::fs::write(room.path().join(name), text).expect("the source");
        }
        let rustc = |arguments: &[&str]| {
            run(Command::new("rustc")
                .current_dir(room.path())
                .args(["--edition", "2021", "-g", "--target", target, "-C"])
                .arg(format!("linker={}", linker.display()))
                .args(["-C", profile])
                .args(arguments));
        };
        rustc(&[
            "--crate-type",
            "rlib",
            "--crate-name",
            "tokio",
            "-o",
            "libtokio.rlib",
            "tokio.rs",
        ]);
        rustc(&[
            "--crate-name",
            "canary",
            "--extern",
            "tokio=libtokio.rlib",
            "-o",
            "canary",
            "canary.rs",
        ]);
        let program = room.path().join("canary");
        Some(Self { room, program })
    }

    /// A return address in a function of that name, as it was in memory.
    fn inside(&self, function: &str) -> u64 {
        let bytes = std::fs::read(&self.program).expect("a program");
        let file = object::File::parse(&*bytes).expect("Mach-O");
        let found = file.symbols().find(|symbol| {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap_or_default()));
            symbol.is_definition() && name.ends_with(function)
        });
        found.unwrap_or_else(|| panic!("{function} is not there")).address() + 9 + SLIDE
    }

    fn judge(&self) -> ObservedVerdict {
        let bytes = std::fs::read(&self.program).expect("a program");
        let uuid = object::File::parse(&*bytes).expect("Mach-O").mach_uuid();
        let uuid = uuid.expect("sound").expect("the linker gave it one");
        let mut records = Records::of(&self.program);
        records.object(SLIDE, (1 << 32) + SLIDE..(1 << 32) + SLIDE + 0x100_0000, uuid);
        let bind = self.inside("OwnedTasks::bind");
        for (function, end) in [
            (
                "canary::outlives_its_runtime",
                Some("OwnedTasks::close_and_shutdown_all"),
            ),
            ("canary::ends", Some("OwnedTasks::run")),
            ("canary::leaks_at_exit", None),
        ] {
            let caller = records.node(0, self.inside(function));
            let allocated = records.node(caller, bind);
            match end {
                Some(end) => {
                    let freed = records.node(caller, self.inside(end));
                    records.record(4, &[allocated, freed, 0, 0, 1, 0, 128, 10, 20, 0]);
                }
                None => {
                    records.record(5, &[0x1000, allocated, 0, 128, 0, 0, 0, 0, 0, 10, 0]);
                }
            }
        }
        let process = Process::parse(&records.bytes()).expect("sound");
        judge(Evidence {
            processes: &mut std::iter::once((process, false)),
            workspace: self.room.path(),
            owners: &Owners::default(),
            command: Some(&self.program),
        })
    }

    fn is_seen(&self) {
        let verdict = self.judge();
        assert_eq!((verdict.tasks, &*verdict.unjudged), (3, &[][..]));
        let mut found: Vec<_> = verdict
            .findings
            .iter()
            .map(|finding| {
                let place = finding.spawned.first().expect("a place");
                (
                    finding.what,
                    place.function.as_str(),
                    place.file.as_deref(),
                    place.line.expect("a line"),
                )
            })
            .collect();
        found.sort_by_key(|(_, function, ..)| *function);
        let file = Some("canary.rs");
        let source = include_str!("../../preload/canary.rs");
        let line = |function: &str| 1 + source.lines().position(|line| line.contains(function)).expect("there") as u32;
        for ((what, function, place, at), name) in found.iter().zip(["leaks_at_exit", "outlives_its_runtime"]) {
            assert_eq!((*what, *place), (What::Leaked, file), "{function}");
            assert_eq!(*function, format!("canary::{name}"));
            assert!((line(name)..line(name) + 4).contains(at), "{function} at line {at}");
        }
        assert_eq!(found.len(), 2);
    }
}

#[test]
#[ignore = "needs Apple's targets, zig and dsymutil: see this module"]
fn addresses_are_found_in_object_files_and_in_a_bundle() {
    for target in TARGETS {
        let Some(canary) = Canary::build(target, "split-debuginfo=unpacked") else {
            continue;
        };
        canary.is_seen();

        // What dsymutil gathered is enough, wherever the object files are.
        run(Command::new("dsymutil")
            .args(["-o", "other-name.dSYM", "canary"])
            .current_dir(canary.room.path()));
        for entry in std::fs::read_dir(canary.room.path()).expect("the room") {
            let path = entry.expect("a file").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "o" || extension == "rlib")
            {
                std::fs::remove_file(path).expect("it was there");
            }
        }
        canary.is_seen();
    }
}

#[test]
#[ignore = "needs Apple's targets, zig and dsymutil: see this module"]
fn a_program_that_was_built_again_is_not_judged() {
    let Some(canary) = Canary::build(TARGETS[0], "split-debuginfo=unpacked") else {
        return;
    };
    let bytes = std::fs::read(&canary.program).expect("a program");
    let mut records = Records::of(&canary.program);
    records.object(
        SLIDE,
        (1 << 32) + SLIDE..(1 << 32) + SLIDE + bytes.len() as u64,
        [7; 16],
    );
    let node = records.node(0, canary.inside("OwnedTasks::bind"));
    records.record(5, &[0x1000, node, 0, 128, 0, 0, 0, 0, 0, 10, 0]);
    let verdict = judge(Evidence {
        processes: &mut std::iter::once((Process::parse(&records.bytes()).expect("sound"), false)),
        workspace: canary.room.path(),
        owners: &Owners::default(),
        command: Some(&canary.program),
    });
    assert_eq!(verdict.conclusion(), crate::judge::Conclusion::CannotJudge);
    assert!(
        verdict.unjudged[0].contains("was built again"),
        "{:?}",
        verdict.unjudged
    );
}

/// The fixture of the awaits, for a Mac.
fn fixture(target: &str, room: &Path) -> Option<PathBuf> {
    let linker = linker(target, room)?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/crossed");
    let variable = format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase());
    run(Command::new("cargo")
        .args(["build", "--quiet", "--target", target])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/awaits"))
        .env(variable, linker)
        .env("CARGO_TARGET_DIR", &built)
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTFLAGS"));
    Some(built.join(target).join("debug/awaits-fixture"))
}

#[test]
#[ignore = "needs Apple's targets, zig and dsymutil: see this module"]
fn a_future_is_decoded_by_debug_info_that_was_gathered() {
    let room = TempDir::new().expect("a directory");
    let Some(program) = fixture(TARGETS[0], room.path()) else {
        return;
    };
    assert!(matches!(
        Program::open(&program),
        Err(awaits::Error::NotGathered { .. })
    ));

    // The functions that make the tasks' cells.
    let bytes = std::fs::read(&program).expect("a program");
    let file = object::File::parse(&*bytes).expect("Mach-O");
    let makers: Vec<u64> = file
        .symbols()
        .filter(|symbol| {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap_or_default()));
            symbol.is_definition() && name.contains("task::core::Cell") && name.ends_with(">::new")
        })
        .map(|symbol| symbol.address() + 9)
        .collect();
    assert!(makers.len() > 10, "the fixture has many tasks: {}", makers.len());
    super::gather::gather(&program, room.path()).expect("dsymutil gathers it");
    let opened = Program::open_with(&program, &[room.path().to_owned()]).expect("debug info with types");
    let mut suspended = BTreeSet::new();
    for maker in &makers {
        let task = opened.task_at(*maker).expect("a type of task");
        assert!(task.cell_size() >= 128 && task.name().contains("::"), "{}", task.name());
        let mut cell = vec![0_u8; task.cell_size() as usize];
        for at in 0..cell.len().min(1024) {
            // The number that says where it waits is one of these bytes, and 3 is the first await.
            cell[at] = 3;
            let copied = Copied {
                address: 0x1000,
                bytes: &cell,
                bias: 0,
            };
            if let awaits::State::Suspended { file, line, .. } = task.decode(&copied, 0x1000).state {
                suspended.insert((file, line));
            }
            cell[at] = 0;
        }
    }
    let own = suspended
        .iter()
        .filter(|(file, line)| file.contains("fixtures/awaits") && *line > 0);
    assert!(own.count() > 10, "{suspended:?}");

    boxes_are_read_through(&program, &opened, &makers);

    // As the audit asks, which gathers it first.
    let is_select = |maker: &&u64| {
        let task = opened.task_at(**maker);
        task.is_some_and(|task| task.name().ends_with("shapes::select_of_two"))
    };
    let select = makers.iter().find(is_select).expect("a task of the fixture's");
    let copy = Copy {
        address: 0x1000,
        bytes: vec![0; 64 * 1024],
        is_last: true,
        ..Copy::default()
    };
    let mut waiting = Waiting::new(Path::new("/"));
    let (_, waited) = waiting.waiting(Asked {
        object: &program,
        stack: &[*select],
        bias: 0,
        copy: Some(&copy),
        waited: false,
    });
    let awaits = waited.awaits.unwrap_or_else(|| panic!("{:?}", waited.unknown));
    assert_eq!(awaits.future, "awaits_fixture::shapes::select_of_two");
    assert!(
        waited.why.iter().any(|why| why.contains("never polled")),
        "{:?}",
        waited.why
    );
}

/// Puts each of the program's vtables of futures into the box of a task that is one.
fn boxes_are_read_through(program: &Path, opened: &Program, makers: &[u64]) {
    const BIAS: u64 = 0x4a8_0000;
    let bytes = std::fs::read(program).expect("a program");
    let file = object::File::parse(&*bytes).expect("Mach-O");
    let boxed = makers.iter().filter_map(|maker| opened.task_at(*maker));
    let boxed = boxed
        .into_iter()
        .find(|task| task.name().starts_with("core::pin::Pin<Box<dyn Future"));
    let boxed = boxed.expect("a task of the fixture's is a box");
    let size = boxed.cell_size() as usize;
    let inside = vec![0; 4096];
    let mut read = BTreeSet::new();
    for section in file.sections().filter(|section| section.name() == Ok("__const")) {
        let data = section.data().expect("its bytes");
        for at in (0..data.len().saturating_sub(32)).step_by(8) {
            let word = |index: usize| u64::from_le_bytes(data[at + index * 8..][..8].try_into().expect("eight bytes"));
            // What a vtable may be.
            if !matches!((word(1), word(2)), (1..4096, 1 | 8 | 16)) || word(3) >> 32 != 1 {
                continue;
            }
            for place in (0..size - 8).step_by(8) {
                let mut cell = vec![0; size];
                cell[place..place + 8].copy_from_slice(&0x9000_u64.to_le_bytes());
                cell[place + 8..place + 16].copy_from_slice(&(section.address() + at as u64 + BIAS).to_le_bytes());
                let mut memory = awaits::Regions::new(BIAS);
                memory.add(0x1000, &cell);
                memory.add(0x9000, &inside);
                let tree = boxed.decode(&memory, 0x1000);
                if tree.state == awaits::State::Unresumed && !tree.type_name.starts_with("Box<") {
                    read.insert(tree.type_name);
                }
            }
        }
    }
    for future in [
        "combinators::receive",
        "combinators::tick",
        "shapes::boxed::{async block}",
    ] {
        assert!(read.iter().any(|name| name.ends_with(future)), "{future} of {read:?}");
    }
}

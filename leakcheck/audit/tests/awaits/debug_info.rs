//! Where debug info may be, in which form, and what is said where there is too little of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use leakcheck_audit::awaits::{Error, Program};
use tempfile::TempDir;

use crate::fixture::Build;
use crate::run::Run;
use crate::{assert_as_expected, assert_read_as_expected, usual};

fn objcopy(arguments: &[&str], files: &[&Path]) {
    let status = Command::new("objcopy").args(arguments).args(files).status();
    assert!(status.expect("binutils").success(), "objcopy {arguments:?} {files:?}");
}

/// A copy of the fixture with its debug info in a file of its own.
struct Moved {
    directory: TempDir,
    program: PathBuf,
    debug_info: PathBuf,
}

impl Moved {
    fn new(remove: &[&str]) -> Moved {
        let directory = tempfile::tempdir().expect("a directory");
        let [whole, program, debug_info] =
            ["whole", "program", "program.debug"].map(|name| directory.path().join(name));
        objcopy(remove, &[&usual().executable, &whole]);
        objcopy(&["--only-keep-debug"], &[&whole, &debug_info]);
        let link = format!("--add-gnu-debuglink={}", debug_info.display());
        objcopy(&["--strip-debug", &link], &[&whole, &program]);
        std::fs::remove_file(whole).expect("it was there");
        Moved {
            directory,
            program,
            debug_info,
        }
    }

    fn move_debug_info_to(&self, place: &Path) {
        let place = self.directory.path().join(place);
        std::fs::create_dir_all(place.parent().expect("inside")).expect("a directory");
        std::fs::rename(&self.debug_info, place).expect("the same file system");
    }

    fn open(&self) -> Result<Program, Error> {
        Program::open_with(&self.program, &[self.directory.path().join("lib")])
    }
}

#[test]
fn line_tables_alone_are_said_to_lack_types() {
    // As this workspace builds its tests, and this one is.
    let error = Program::open(std::env::current_exe().unwrap()).unwrap_err();
    assert!(matches!(error, Error::NoTypes { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("types are missing: build it with debug = true"),
        "{error}"
    );
}

#[test]
fn what_has_no_debug_info_is_said_to_have_none() {
    let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let name = memmem(&bytes, b".debug_info\0").unwrap();
    bytes[name + 1] = b'x';
    let directory = tempfile::tempdir().unwrap();
    let stripped = directory.path().join("stripped");
    std::fs::write(&stripped, bytes).unwrap();
    assert!(matches!(Program::open(&stripped), Err(Error::NoDebugInfo { .. })));
    assert!(matches!(Program::open("/nowhere"), Err(Error::Unreadable { .. })));
    assert!(matches!(Program::open("Cargo.toml"), Err(Error::NoObject { .. })));
}

fn memmem(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}

#[test]
fn compressed_debug_info_is_read_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    for form in ["zlib", "zlib-gnu", "zstd"] {
        let compressed = directory.path().join(form);
        objcopy(
            &[&format!("--compress-debug-sections={form}")],
            &[&usual().executable, &compressed],
        );
        let size = |path: &Path| std::fs::metadata(path).expect("a file").len();
        assert!(size(&compressed) < size(&usual().executable), "{form} compresses");
        assert_read_as_expected(&Run::of(&compressed), Build::DEV);
    }
}

#[test]
fn debug_info_that_was_moved_is_found_by_its_link() {
    let moved = Moved::new(&[]);
    let run = Run::of(&moved.program);
    assert_read_as_expected(&run, Build::DEV);

    moved.move_debug_info_to(Path::new(".debug/program.debug"));
    assert!(moved.open().is_ok(), "in a directory beside it");

    let moved = Moved::new(&["--remove-section=.note.gnu.build-id"]);
    let place = moved.directory.path().canonicalize().expect("a path");
    let place: PathBuf = place.components().skip(1).collect();
    assert!(
        moved.open().is_ok(),
        "the checksum alone tells that it is the right one"
    );
    moved.move_debug_info_to(&Path::new("lib").join(place).join("program.debug"));
    assert!(moved.open().is_ok(), "in the system's directory");
}

#[test]
fn debug_info_that_was_moved_is_found_by_its_build_id() {
    let moved = Moved::new(&[]);
    let notes = Command::new("readelf").arg("-n").arg(&moved.program).output();
    let notes = String::from_utf8(notes.expect("binutils").stdout).expect("text");
    let id = notes
        .split("Build ID: ")
        .nth(1)
        .expect("a build id")
        .split_whitespace()
        .next();
    let (first, rest) = id.expect("a number").split_at(2);
    moved.move_debug_info_to(&Path::new("lib/.build-id").join(first).join(format!("{rest}.debug")));
    assert!(moved.open().is_ok());
}

#[test]
fn debug_info_of_another_build_is_not_taken() {
    for remove in [&[][..], &["--remove-section=.note.gnu.build-id"]] {
        let moved = Moved::new(remove);
        let other = std::env::current_exe().expect("a program");
        objcopy(&["--only-keep-debug"], &[&other, &moved.debug_info]);
        let error = moved.open().expect_err("it is not of this build");
        assert!(matches!(error, Error::NoDebugInfo { .. }), "{error:?}");
    }
}

#[test]
fn a_stripped_program_is_said_to_have_no_debug_info() {
    let directory = tempfile::tempdir().expect("a directory");
    let stripped = directory.path().join("debug").join("stripped");
    std::fs::create_dir(stripped.parent().expect("inside")).expect("a directory");
    objcopy(&["--strip-all"], &[&usual().executable, &stripped]);
    let error = Program::open(&stripped).expect_err("nothing to read");
    assert_eq!(
        error.to_string(),
        format!(
            "{} has no debug info: build it with debug = true in [profile.dev] of the workspace's Cargo.toml, or CARGO_PROFILE_DEV_DEBUG=true in the \
             environment, and without strip",
            stripped.display()
        )
    );
}

#[test]
#[ignore = "builds the fixture again: on a schedule"]
fn functions_without_types_are_said_to_lack_them() {
    let program = Build {
        settings: &["debug=\"limited\""],
        ..Build::SMALL
    }
    .run();
    let error = Program::open(&program).expect_err("no types");
    assert!(matches!(error, Error::NoTypes { .. }), "{error:?}");
    assert!(
        error.to_string().contains("debug = true in its Cargo profile"),
        "{error}"
    );
}

/// All other builds have version 4, which is the compiler's own choice on Linux.
#[test]
#[ignore = "builds the fixture again: on a schedule"]
fn version_5_compressed_by_the_linker_is_read_the_same() {
    assert_as_expected(Build {
        flags: "-Cdwarf-version=5 -Clink-arg=-Wl,--compress-debug-sections=zlib",
        ..Build::SMALL
    });
}

#[test]
#[ignore = "builds the fixture again: on a schedule"]
fn what_the_linker_optimized_is_read_the_same() {
    assert_as_expected(Build {
        profile: "release",
        settings: &["lto=\"thin\"", "opt-level=3"],
        ..Build::SMALL
    });
}

#[test]
#[ignore = "builds the fixture again: on a schedule"]
fn debug_info_in_files_of_its_own_is_found() {
    assert_as_expected(Build {
        settings: &["split-debuginfo=\"packed\""],
        ..Build::SMALL
    });
    assert_as_expected(Build {
        settings: &["split-debuginfo=\"unpacked\""],
        ..Build::SMALL
    });
}

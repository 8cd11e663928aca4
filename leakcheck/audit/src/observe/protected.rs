//! Programs that macOS keeps from inserted libraries, and what follows for what they start.
//!
//! dyld takes `DYLD_INSERT_LIBRARIES` out of the environment of a program that System Integrity Protection protects, and of one that
//! is signed for the hardened runtime or restricted otherwise. What such a program starts has no library either, and leaves no
//! record: it would look as if it had not run. Nothing here asks the system, so that it is tested on any.

use std::path::{Path, PathBuf};

use super::places::is_tool;
use super::program::Program;

/// `kSecCodeSignatureRestrict` and `kSecCodeSignatureRuntime` of a signature's flags.
const RESTRICTED: u32 = 0x800 | 0x1_0000;
/// With this entitlement a program keeps the variable.
const ALLOWS: &[u8] = b"com.apple.security.cs.allow-dyld-environment-variables";
/// `CSMAGIC_CODEDIRECTORY`, and where its flags are.
const CODE_DIRECTORY: [u8; 4] = [0xfa, 0xde, 0x0c, 0x02];
const FLAGS: usize = 12;
/// `CSMAGIC_EMBEDDED_SIGNATURE`
const SIGNATURE: [u8; 4] = [0xfa, 0xde, 0x0c, 0xc0];
/// `LC_CODE_SIGNATURE`
const CODE_SIGNATURE: u32 = 0x1d;

/// Programs whose purpose it is to start others. What else is protected, as `git` or `cc`, starts none of a project's own.
const LAUNCHERS: [&str; 26] = [
    "arch",
    "bash",
    "caffeinate",
    "csh",
    "dash",
    "env",
    "expect",
    "find",
    "gnumake",
    "ksh",
    "launchctl",
    "make",
    "nice",
    "nohup",
    "open",
    "parallel",
    "perl",
    "python3",
    "ruby",
    "script",
    "sh",
    "sudo",
    "tcsh",
    "time",
    "xargs",
    "zsh",
];

/// What keeps the library out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    ByTheSystem,
    BySignature,
}

/// Why the tasks of a command, or of what it starts, could not be observed.
pub(super) fn command(path: &Path) -> Option<String> {
    let (program, kept) = kept(path)?;
    Some(match kept {
        Kept::ByTheSystem => launched(&program),
        Kept::BySignature => signed(&program),
    })
}

/// The same of a program that an observed process has started. `note` is what that wrote down: both their paths.
pub(super) fn started(note: &[u8]) -> Option<String> {
    let note = String::from_utf8_lossy(note);
    let (path, parent) = note.split_once('\0')?;
    let (path, parent) = (Path::new(path), Path::new(parent));
    let is_build = parent
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("build-script-"));
    if is_tool(parent, None) || is_build {
        // What cargo and rustc start to build, and a project's tests are not among it: those can be observed.
        return None;
    }
    let (program, kept) = kept(path)?;
    let name = program.file_name()?.to_string_lossy();
    // python3.13, bash5
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let launches = LAUNCHERS
        .iter()
        .any(|known| *known == name || known.trim_end_matches('3') == stem);
    match kept {
        _ if launches => Some(launched(&program)),
        Kept::BySignature if Program::inspect(&program).is_some_and(|program| program.has_tokio()) => {
            Some(signed(&program))
        }
        Kept::ByTheSystem | Kept::BySignature => None,
    }
}

fn launched(program: &Path) -> String {
    format!(
        "{} is a program that macOS protects: its tasks, and those of all that it started, could not be observed",
        program.display()
    )
}

fn signed(program: &Path) -> String {
    format!(
        "{} is signed so that no library is inserted into it (the hardened runtime): its tasks could not be observed",
        program.display()
    )
}

/// The program that a file is run by, and what keeps the library out of it. `None` where nothing does.
fn kept(path: &Path) -> Option<(PathBuf, Kept)> {
    if is_protected(path) {
        return Some((path.to_owned(), Kept::ByTheSystem));
    }
    let bytes = std::fs::read(path).ok()?;
    if let Some(interpreter) = interpreter(&bytes) {
        return is_protected(&interpreter).then_some((interpreter, Kept::ByTheSystem));
    }
    is_restricted(&bytes).then(|| (path.to_owned(), Kept::BySignature))
}

/// Where System Integrity Protection has the system's programs: Apple's "About System Integrity Protection on your Mac".
fn is_protected(path: &Path) -> bool {
    let system = ["/System", "/bin", "/sbin", "/usr"];
    system.iter().any(|directory| path.starts_with(directory)) && !path.starts_with("/usr/local")
}

/// What runs a script: `execve(2)`.
fn interpreter(bytes: &[u8]) -> Option<PathBuf> {
    let line = bytes.strip_prefix(b"#!")?;
    let line = String::from_utf8_lossy(&line[..line.len().min(512)]).into_owned();
    Some(PathBuf::from(line.lines().next()?.split_whitespace().next()?))
}

/// Whether a Mach-O file's signature keeps libraries out.
fn is_restricted(bytes: &[u8]) -> bool {
    let Some(signature) = signature(bytes) else {
        return false;
    };
    let contains = |wanted: &[u8]| signature.windows(wanted.len()).any(|window| window == wanted);
    flags(signature).is_some_and(|flags| flags & RESTRICTED != 0) && !contains(ALLOWS)
}

/// The embedded signature: that of the first processor's part, where there are several.
fn signature(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = match object::read::macho::MachOFatFile32::parse(bytes) {
        Ok(fat) => {
            use object::read::macho::FatArch as _;
            fat.arches().first()?.data(bytes).ok()?
        }
        Err(_) => bytes,
    };
    let object::File::MachO64(file) = object::File::parse(bytes).ok()? else {
        return None;
    };
    let mut commands = file.macho_load_commands().ok()?;
    while let Ok(Some(command)) = commands.next() {
        let raw = command.raw_data();
        if raw.get(..4)? == CODE_SIGNATURE.to_le_bytes() {
            let word = |at: usize| Some(u32::from_le_bytes(raw.get(at..at + 4)?.try_into().ok()?) as usize);
            return bytes.get(word(8)?..)?.get(..word(12)?);
        }
    }
    None
}

/// The flags of a signature's code directory. Its numbers have their highest byte first.
fn flags(signature: &[u8]) -> Option<u32> {
    let word = |at: usize| {
        Some(u32::from_be_bytes(
            signature.get(at..at.checked_add(4)?)?.try_into().ok()?,
        ))
    };
    if !signature.starts_with(&SIGNATURE) {
        return None;
    }
    let count = word(8)?.min(64) as usize;
    let mut parts = (0..count)
        .filter_map(|index| word(16 + index * 8))
        .map(|offset| offset as usize);
    let directory = parts.find(|offset| {
        signature
            .get(*offset..)
            .is_some_and(|part| part.starts_with(&CODE_DIRECTORY))
    })?;
    word(directory.checked_add(FLAGS)?)
}

#[cfg(test)]
mod tests {
    use super::super::macho_file::MachO;
    use super::*;

    #[test]
    fn a_signature_says_whether_libraries_are_kept_out() {
        let file = MachO::executable;
        assert!(
            is_restricted(&file().signed(0x1_0000, b"").bytes()),
            "the hardened runtime"
        );
        assert!(is_restricted(&file().signed(0x800, b"").bytes()));
        assert!(
            !is_restricted(&file().signed(0x1_0000, ALLOWS).bytes()),
            "it has the entitlement"
        );
        // As the linker signs whatever it makes: ad hoc.
        assert!(!is_restricted(&file().signed(0x2_0002, b"").bytes()));
        assert!(!is_restricted(&file().bytes()) && !is_restricted(b"#!/bin/sh\n") && !is_restricted(b""));
        let whole = file().signed(0x1_0000, b"").bytes();
        (0..whole.len()).for_each(|length| {
            is_restricted(&whole[..length]);
        });
        assert!(
            !is_restricted(&whole[..whole.len() - 12]),
            "a signature that is cut off"
        );
    }

    #[test]
    fn the_systems_programs_are_protected_and_scripts_are_what_runs_them() {
        assert!(is_protected(Path::new("/bin/sh")) && is_protected(Path::new("/usr/bin/env")));
        assert!(!is_protected(Path::new("/usr/local/bin/bash")) && !is_protected(Path::new("/binary/sh")));
        assert_eq!(
            interpreter(b"#! /usr/bin/env bash\nx").as_deref(),
            Some(Path::new("/usr/bin/env"))
        );
        assert_eq!(interpreter(b"#!/bin/sh").as_deref(), Some(Path::new("/bin/sh")));
        assert_eq!((interpreter(b"#!\n"), interpreter(b"\x7fELF")), (None, None));
    }

    #[test]
    fn what_a_protected_program_starts_is_not_taken_for_clean() {
        let says = |path: &str, parent: &str| started(format!("{path}\0{parent}").as_bytes());
        let test = "/w/target/debug/deps/suite-0123456789abcdef";
        for launcher in ["/bin/sh", "/usr/bin/env", "/usr/bin/python3", "/usr/bin/make"] {
            let said = says(launcher, test).expect(launcher);
            assert!(
                said.starts_with(launcher) && said.contains("could not be observed"),
                "{said}"
            );
        }
        assert_eq!(
            says("/usr/bin/git", test),
            None,
            "it starts none of the project's programs"
        );
        for builds in [
            "/h/.cargo/bin/cargo",
            "/t/bin/rustc",
            "/w/target/debug/build/a-01/build-script-build",
        ] {
            assert_eq!(says("/bin/sh", builds), None, "{builds}");
        }
        assert_eq!(started(b"/bin/sh"), None, "half a note");
        // As the command itself, whatever it is.
        assert!(command(Path::new("/bin/ls")).is_some() && command(Path::new(file!())).is_none());
    }

    #[test]
    fn a_script_and_a_hardened_program_are_known_by_their_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).expect("a file");
            path
        };
        let script = write("script", b"#!/bin/sh\nexec tests\n");
        assert!(command(&script).expect("protected").starts_with("/bin/sh"));
        let hardened = write("hardened", &MachO::executable().signed(0x1_0000, b"").bytes());
        assert!(command(&hardened).expect("protected").contains("hardened runtime"));
        // Without tokio there is nothing in it to observe.
        assert_eq!(started(format!("{}\0/w/suite", hardened.display()).as_bytes()), None);
        assert_eq!(
            command(&write("plain", &MachO::executable().signed(2, b"").bytes())),
            None
        );
    }
}

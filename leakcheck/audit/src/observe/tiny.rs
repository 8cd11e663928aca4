//! What can be told of a small Mach-O program on any system, without running it.

use std::path::PathBuf;

use object::Object as _;
use tempfile::TempDir;

use super::macho_file::{Records, SLIDE};
use super::program::Program as ProgramFile;
use super::records::Process;
use super::symbols::Symbols;
use crate::awaits::{self, Program};

/// `fixtures/macho/tiny.rs`, built as the last lines of that file say.
struct Tiny {
    room: TempDir,
    uuid: [u8; 16],
}

impl Tiny {
    const PROGRAM: &[u8] = include_bytes!("../../fixtures/macho/tiny.zlib");
    const DEBUG_INFO: &[u8] = include_bytes!("../../fixtures/macho/tiny.dSYM.zlib");
    /// Where `main` goes on after it has called `inner`.
    const RETURN: u64 = 0x1_0000_15f9;

    fn unpack(with_bundle: bool) -> Self {
        let unpacked = |data, uncompressed_size| {
            let format = object::CompressionFormat::Zlib;
            let packed = object::CompressedData {
                format,
                data,
                uncompressed_size,
            };
            packed.decompress().expect("zlib").into_owned()
        };
        let room = TempDir::new().expect("a directory");
        let program = unpacked(Self::PROGRAM, 25_426);
        std::fs::write(room.path().join("tiny-second-name"), &program).expect("a file");
        if with_bundle {
            let inside = room.path().join("tiny-0123456789abcdef.dSYM/Contents/Resources/DWARF");
            std::fs::create_dir_all(&inside).expect("a directory");
            std::fs::write(inside.join("tiny"), unpacked(Self::DEBUG_INFO, 17_804)).expect("a file");
        }
        let uuid = object::File::parse(&*program).expect("Mach-O").mach_uuid();
        let uuid = uuid.expect("sound").expect("the linker gave it one");
        Self { room, uuid }
    }

    fn program(&self) -> PathBuf {
        self.room.path().join("tiny-second-name")
    }

    /// What is found at the return address, as of a process that had loaded this build: each function with its file and line.
    fn found(&self, uuid: [u8; 16]) -> Vec<(String, Option<(String, u32)>)> {
        let mut records = Records::of(&self.program());
        records.object(SLIDE, (1 << 32) + SLIDE..(1 << 32) + SLIDE + 0x4000, uuid);
        let node = records.node(0, Self::RETURN + SLIDE);
        let process = Process::parse(&records.bytes()).expect("sound");
        let frames = Symbols::default().stack(&process, &process.stack(node));
        frames.into_iter().map(|frame| (frame.path, frame.source)).collect()
    }
}

#[test]
fn an_address_less_its_slide_is_found_by_the_bundle_of_the_same_uuid() {
    let tiny = Tiny::unpack(true);
    let at = |line| Some(("/w/tiny.rs".to_owned(), line));
    let expected = [("tiny::inlined".to_owned(), at(9)), ("main".to_owned(), at(13))];
    assert_eq!(tiny.found(tiny.uuid), expected);
    assert!(
        Program::open(tiny.program()).is_ok(),
        "a bundle of another name is this build's all the same"
    );

    // The symbol that is left has no underscore more than the source.
    let bare = Tiny::unpack(false);
    assert_eq!(bare.found(bare.uuid), [("main".to_owned(), None)]);
    assert!(matches!(
        Program::open(bare.program()),
        Err(awaits::Error::NotGathered { .. })
    ));
}

#[test]
fn nothing_is_told_of_a_program_that_was_built_again() {
    let tiny = Tiny::unpack(true);
    assert_eq!(tiny.found([7; 16]), [], "it is another build's address");
}

#[test]
fn what_can_be_told_of_a_mach_o_program_without_running_it() {
    let tiny = Tiny::unpack(false);
    let program = ProgramFile::inspect(&tiny.program()).expect("a program");
    assert!(!program.is_static && !program.is_stripped && !program.has_tokio());
    assert!(
        program.has_own_allocator,
        "it has none at all, and so not Rust's default one"
    );
    assert_eq!(program.uuid, Some(tiny.uuid));
}

//! The parts of the preloaded library for macOS that ask the system for nothing, tested on any.

#[path = "../../preload/chain.rs"]
mod chain;
#[path = "../../preload/macho.rs"]
mod macho;

use self::chain::{End, follow};
use self::macho::{HEADER, Image, Piece};
use super::macho_file::MachO;

/// A stack at this address, of these words.
const STACK: u64 = 0x7000_0000;

/// The return addresses that a walk from the word of this index finds, and how it ends.
fn walk(words: &[u64], from: usize, most: usize) -> (Vec<u64>, End) {
    let high = STACK + words.len() as u64 * 8;
    let mut found = Vec::new();
    let word = |at: u64| {
        assert!(
            at.is_multiple_of(8) && (STACK..high).contains(&at),
            "{at:x} is not of the stack"
        );
        words[(at - STACK) as usize / 8]
    };
    let end = follow(STACK + from as u64 * 8, (STACK, high), word, |pc| {
        found.push(pc);
        found.len() < most
    });
    (found, end)
}

fn at(index: u64) -> u64 {
    STACK + index * 8
}

#[test]
fn a_chain_of_frames_is_followed_to_the_first_one() {
    // Locals of nine words, and three frames among them.
    let words = [1, at(4), 0x10, 2, at(7), 0x20, 3, 0, 0x30];
    assert_eq!(walk(&words, 1, 99), (vec![0x10, 0x20, 0x30], End::First));
    assert_eq!(walk(&words, 1, 2), (vec![0x10, 0x20], End::Enough));
    // A thread's first function has nothing to return to.
    assert_eq!(walk(&[at(2), 0x10, 0x77, 0], 0, 99), (vec![0x10], End::First));
}

#[test]
fn what_is_no_frame_ends_the_walk_before_it_is_read() {
    let high = at(4);
    for nonsense in [1, at(1) + 4, at(0), at(3), high, high - 8, u64::MAX - 7, STACK - 16] {
        let words = [nonsense, 0x10, 2, 3];
        assert_eq!(walk(&words, 0, 99), (vec![0x10], End::Broken), "{nonsense:x}");
    }
    assert_eq!(walk(&[at(1), 0x10], 1, 99), (Vec::new(), End::Broken), "half a frame");
}

#[test]
fn frames_that_point_at_one_another_are_no_loop() {
    assert_eq!(
        walk(&[at(2), 0x10, at(0), 0x20], 0, 99),
        (vec![0x10, 0x20], End::Broken)
    );
    assert_eq!(walk(&[at(0), 0x10], 0, 99), (vec![0x10], End::Broken));
}

fn image() -> MachO {
    MachO::executable()
        .segment(("__PAGEZERO", 0, 1 << 32, [0, 0], &[]))
        .segment((
            "__TEXT",
            1 << 32,
            0x4000,
            [5, 5],
            &[("__text", 0x1_0000_1000, 0x100), ("__const", 0x1_0000_2000, 0x80)],
        ))
        .segment((
            "__DATA_CONST",
            0x1_0000_4000,
            0x4000,
            [3, 3],
            &[("__got", 0x1_0000_4000, 8), ("__const", 0x1_0000_4010, 0x90)],
        ))
        .segment(("__DATA", 0x1_0000_8000, 0x8000, [3, 3], &[("__data", 0x1_0000_8000, 8)]))
        .uuid(*b"0123456789abcdef")
}

#[test]
fn an_image_says_where_its_code_and_its_vtables_are() {
    let bytes = image().bytes();
    let image = Image::of(&bytes).expect("an image");
    assert!(image.is_executable() && !image.is_in_cache());
    assert_eq!(image.uuid().map(u64::to_ne_bytes).concat(), b"0123456789abcdef");
    assert_eq!(
        image.range(),
        (1 << 32, 0x1_0001_0000),
        "without what may not be touched"
    );
    assert_eq!(HEADER + image.commands_size(), bytes.len());

    let mut pieces = Vec::new();
    image.pieces(|piece| pieces.push(piece));
    let segment = |from: u64, to: u64, has_code| Piece::Segment {
        range: (from, to),
        has_code,
    };
    assert_eq!(
        pieces,
        [
            segment(1 << 32, 0x1_0000_4000, true),
            segment(0x1_0000_4000, 0x1_0000_8000, false),
            Piece::Constants {
                range: (0x1_0000_4010, 0x1_0000_40a0)
            },
            segment(0x1_0000_8000, 0x1_0001_0000, false),
        ]
    );
}

#[test]
fn a_part_of_the_system_and_a_library_are_told_apart() {
    let mut cached = MachO::default();
    cached.flags = 0x8000_0000;
    let bytes = cached.bytes();
    let image = Image::of(&bytes).expect("an image");
    assert!(image.is_in_cache() && !image.is_executable());
    assert_eq!((image.uuid(), image.range()), ([0; 2], (0, 0)));
    assert!(Image::of(b"\x7fELF").is_none() && Image::of(&[0; 64]).is_none() && Image::of(&bytes[..31]).is_none());
}

#[test]
fn load_commands_that_are_cut_off_or_make_no_sense_end_the_list() {
    let whole = image().bytes();
    for length in HEADER..whole.len() {
        let image = Image::of(&whole[..length]).expect("a header");
        image.pieces(|_| ());
        let _ = (image.uuid(), image.range());
    }
    let mut random = 1_u64;
    let mut bytes = whole;
    for _ in 0..2000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = 4 + (random >> 33) as usize % (bytes.len() - 4);
        bytes[at] ^= (random >> 20) as u8;
        let image = Image::of(&bytes).expect("its magic is left alone");
        image.pieces(|_| ());
        let _ = (image.uuid(), image.range());
    }
}

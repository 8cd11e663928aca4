//! What a Mach-O image's load commands say: `mach-o/loader.h` of Apple's SDK.
//!
//! Nothing here asks the system for anything, so that it is tested on any.

/// `MH_MAGIC_64`: 64 bits, in the order of this machine.
const MAGIC: u32 = 0xfeed_facf;
/// `MH_EXECUTE`
const EXECUTE: u32 = 2;
/// `MH_DYLIB_IN_CACHE`: part of the system, and no file.
const IN_CACHE: u32 = 0x8000_0000;
/// `LC_SEGMENT_64`, `LC_UUID`
const SEGMENT: u32 = 0x19;
const UUID: u32 = 0x1b;
/// `VM_PROT_EXECUTE`
const EXECUTABLE: u32 = 4;

pub(super) const HEADER: usize = 32;
const SEGMENT_HEADER: usize = 72;
const SECTION: usize = 80;

/// A loaded image's header and the load commands behind it, as far as they were read.
#[derive(Clone, Copy)]
pub(super) struct Image<'a>(&'a [u8]);

/// A piece of memory, as the file has it: without slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A segment that is mapped, and whether there is code in it.
    Segment { range: (u64, u64), has_code: bool },
    /// Constants that hold addresses, as vtables.
    Constants { range: (u64, u64) },
}

impl<'a> Image<'a> {
    /// `None` for what is no Mach-O image of 64 bits.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= HEADER && half(bytes, 0)? == MAGIC).then_some(Self(bytes))
    }

    /// How many bytes the load commands are.
    pub(super) fn commands_size(&self) -> usize {
        half(self.0, 20).unwrap_or(0) as usize
    }

    pub(super) fn is_executable(&self) -> bool {
        half(self.0, 12) == Some(EXECUTE)
    }

    pub(super) fn is_in_cache(&self) -> bool {
        half(self.0, 24).unwrap_or(0) & IN_CACHE != 0
    }

    /// What says which build it is. Zeros where nothing does.
    pub(super) fn uuid(&self) -> [u64; 2] {
        let mut uuid = [0; 2];
        self.each(UUID, |command| {
            if let (Some(one), Some(two)) = (long(command, 8), long(command, 16)) {
                uuid = [one, two];
            }
        });
        uuid
    }

    /// The addresses it takes up, without slide, by all that is mapped.
    pub(super) fn range(&self) -> (u64, u64) {
        let mut all = (u64::MAX, 0);
        self.pieces(|piece| {
            if let Piece::Segment { range, .. } = piece {
                all = (all.0.min(range.0), all.1.max(range.1));
            }
        });
        if all.1 == 0 { (0, 0) } else { all }
    }

    /// Tells of each segment, and of each section of constants behind it.
    pub(super) fn pieces(&self, mut tell: impl FnMut(Piece)) {
        self.each(SEGMENT, |command| {
            let Some(segment) = segment(command) else { return };
            // `__PAGEZERO` may not be touched at all.
            if segment.most == 0 || segment.size == 0 {
                return;
            }
            tell(Piece::Segment {
                range: (segment.address, segment.address.wrapping_add(segment.size)),
                has_code: segment.first & EXECUTABLE != 0,
            });
            if segment.first & EXECUTABLE != 0 {
                return;
            }
            for index in 0..segment.sections as usize {
                let Some(section) = command.get(SEGMENT_HEADER + index * SECTION..) else {
                    return;
                };
                let (Some(address), Some(size)) = (long(section, 32), long(section, 40)) else {
                    return;
                };
                // In `__DATA_CONST`, or where the linker does not make that one, in `__DATA`.
                if size != 0 && section.starts_with(b"__const\0") {
                    tell(Piece::Constants {
                        range: (address, address.wrapping_add(size)),
                    });
                }
            }
        });
    }

    /// Tells of each load command of a kind.
    fn each(&self, kind: u32, mut tell: impl FnMut(&'a [u8])) {
        let end = self.0.len().min(HEADER.saturating_add(self.commands_size()));
        let mut rest = &self.0[HEADER.min(end)..end];
        while let (Some(found), Some(size)) = (half(rest, 0), half(rest, 4)) {
            let size = size as usize;
            if size < 8 || size > rest.len() {
                return;
            }
            if found == kind {
                tell(&rest[..size]);
            }
            rest = &rest[size..];
        }
    }
}

struct Segment {
    address: u64,
    size: u64,
    /// Which protection it may have at most, and has first.
    most: u32,
    first: u32,
    sections: u32,
}

fn segment(command: &[u8]) -> Option<Segment> {
    Some(Segment {
        address: long(command, 24)?,
        size: long(command, 32)?,
        most: half(command, 56)?,
        first: half(command, 60)?,
        sections: half(command, 64)?,
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

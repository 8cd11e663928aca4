//! Mach-O files and records of macOS that tests put together.

use std::path::Path;

/// A file of 64 bits for arm64.
#[derive(Debug, Default)]
pub(super) struct MachO {
    commands: Vec<u8>,
    count: u32,
    /// `MH_EXECUTE` where it is 2.
    pub(super) kind: u32,
    pub(super) flags: u32,
    behind: Vec<u8>,
}

/// How large the header and all commands are at most: what lies behind them begins here.
const BEHIND: usize = 4096;

/// A segment: its name, address, size, protections at most and at first, and its sections by name, address and size.
pub(super) type Segment<'a> = (&'a str, u64, u64, [u32; 2], &'a [(&'a str, u64, u64)]);

impl MachO {
    pub(super) fn executable() -> Self {
        Self {
            kind: 2,
            ..Self::default()
        }
    }

    fn command(&mut self, kind: u32, body: &[u8]) {
        let length = (8 + body.len()).next_multiple_of(8);
        self.commands.extend(kind.to_le_bytes());
        self.commands.extend((length as u32).to_le_bytes());
        self.commands.extend(body);
        self.commands.resize(self.commands.len() + length - 8 - body.len(), 0);
        self.count += 1;
    }

    pub(super) fn uuid(mut self, uuid: [u8; 16]) -> Self {
        self.command(0x1b, &uuid);
        self
    }

    pub(super) fn segment(mut self, (name, address, size, [most, first], sections): Segment<'_>) -> Self {
        let mut body = named(name).to_vec();
        [address, size, 0, 0]
            .iter()
            .for_each(|word| body.extend(word.to_le_bytes()));
        [most, first, sections.len() as u32, 0]
            .iter()
            .for_each(|word| body.extend(word.to_le_bytes()));
        for (section, address, size) in sections {
            body.extend(named(section));
            body.extend(named(name));
            [*address, *size]
                .iter()
                .for_each(|word| body.extend(word.to_le_bytes()));
            body.extend([0; 32]);
        }
        self.command(0x19, &body);
        self
    }

    /// With an embedded signature of these flags, and these bytes behind its code directory.
    pub(super) fn signed(mut self, flags: u32, more: &[u8]) -> Self {
        let mut signature = Vec::new();
        let mut words = |words: &[u32]| words.iter().for_each(|word| signature.extend(word.to_be_bytes()));
        // A blob with two parts, requirements first.
        words(&[0xfade_0cc0, 60, 2, 2, 28, 0, 40]);
        words(&[0xfade_0c01, 12, 0]);
        words(&[0xfade_0c02, 20, 0x2_0400, flags, 0]);
        signature.extend(more);
        let place = [(BEHIND + self.behind.len()) as u32, signature.len() as u32];
        let place: Vec<u8> = place.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.command(0x1d, &place);
        self.behind.extend(signature);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let header = [
            0xfeed_facf,
            0x0100_000c,
            0,
            self.kind,
            self.count,
            self.commands.len() as u32,
            self.flags,
            0,
        ];
        let mut bytes: Vec<u8> = header.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        bytes.extend(&self.commands);
        assert!(bytes.len() <= BEHIND, "there is room for the commands");
        if !self.behind.is_empty() {
            bytes.resize(BEHIND, 0);
            bytes.extend(&self.behind);
        }
        bytes
    }
}

fn named(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// What the program was moved by in memory.
pub(super) const SLIDE: u64 = 0x4a8_0000;

/// A file of records, as the library writes it.
pub(super) struct Records(Vec<u64>);

impl Records {
    pub(super) fn of(program: &Path) -> Self {
        let mut words = vec![0; 1024];
        words[0] = u64::from_le_bytes(*b"LKOBSRV5");
        (words[1], words[3]) = (7, 1);
        let path = program.to_str().expect("text").as_bytes();
        words[7] = path.len() as u64;
        for (at, part) in path.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            words[16 + at] = u64::from_ne_bytes(word);
        }
        Self(words)
    }

    pub(super) fn record(&mut self, kind: u64, words: &[u64]) -> u64 {
        let at = self.0.len() as u64 * 8;
        self.0.push(kind | (words.len() as u64 + 1) << 8);
        self.0.extend(words);
        at
    }

    pub(super) fn node(&mut self, parent: u64, pc: u64) -> u64 {
        self.record(1, &[parent, pc])
    }

    pub(super) fn object(&mut self, slide: u64, range: std::ops::Range<u64>, uuid: [u8; 16]) {
        let object = self.record(3, &[slide, range.start, range.end, 0]);
        let half = |at: usize| u64::from_ne_bytes(uuid[at..at + 8].try_into().expect("eight bytes"));
        self.record(10, &[object, half(0), half(8)]);
    }

    pub(super) fn bytes(&mut self) -> Vec<u8> {
        self.0[4] = self.0.len() as u64 * 8;
        self.0.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }
}

//! Mach-O files that tests put together, for what no compiler of this system makes.

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

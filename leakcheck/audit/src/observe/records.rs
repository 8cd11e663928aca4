//! What the preloaded library wrote: one file a process, in words of eight bytes in the machine's order.
//!
//! A header of fixed size, then records. A record's first word is its kind (lowest byte) and its length in words; records
//! name each other by their offset in the file, 0 for none. The library's source names every word.

use std::collections::HashMap;
use std::path::Path;

const MAGIC: u64 = u64::from_le_bytes(*b"LKOBSRV1");
const HEADER: usize = 8192;
const TEXT: usize = 128;
const EXECUTABLE_MAX: usize = 4000;
const ARGUMENTS_MAX: usize = 3900;

/// What one process did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    /// Its number, and its parent's.
    pub pid: u64,
    /// Its parent's number.
    pub parent: u64,
    /// Its file.
    pub executable: String,
    /// Its arguments, the first being its name.
    pub arguments: Vec<String>,
    /// It came to `exit`; otherwise it was killed, aborted, or became another program.
    pub exited: bool,
    /// What there was no room to record.
    pub dropped: u64,
    /// Files that were loaded.
    pub objects: Vec<Object>,
    /// Blocks that were freed, counted by where they came from and ended.
    pub folds: Vec<Fold>,
    /// Blocks that were not freed.
    pub live: Vec<Live>,
    nodes: HashMap<u64, (u64, u64)>,
    lineages: HashMap<u64, (u64, u64)>,
}

/// A file loaded into a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What its own addresses are shifted by.
    pub base: u64,
    /// The addresses it takes up.
    pub range: std::ops::Range<u64>,
    /// Empty for the executable.
    pub path: String,
}

/// Blocks that were allocated and freed alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    /// The stack that allocated them.
    pub allocated: u64,
    /// The stack that freed them.
    pub freed: u64,
    /// The threads they were allocated on.
    pub lineage: u64,
    /// They were done when a runtime parked, well before they were freed.
    pub complete: bool,
    /// How many.
    pub count: u64,
    /// Copies of the bytes of some, from before they were freed.
    pub copies: Vec<Copy>,
}

/// A block that was not freed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// The stack that allocated it.
    pub allocated: u64,
    /// The thread it was allocated on.
    pub lineage: u64,
    /// It was done.
    pub complete: bool,
    /// Its bytes, if they were copied.
    pub copy: Option<Copy>,
}

/// The bytes of a block, as they were at some time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// Where the block was.
    pub address: u64,
    /// How many times a runtime parked between the copy and the end of the block.
    pub age: u64,
    /// The bytes: all of the block, or its beginning.
    pub bytes: Vec<u8>,
}

/// Why a file is not a process' records.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(&'static str);

struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn word(&self, at: u64) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.0.get(at..at.checked_add(8)?)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }

    fn bytes(&self, at: u64, length: u64) -> Option<&[u8]> {
        let at = usize::try_from(at).ok()?;
        self.0.get(at..at.checked_add(usize::try_from(length).ok()?)?)
    }

    fn text(&self, at: usize, length: u64, most: usize) -> Option<String> {
        let bytes = self.bytes(at as u64, length.min(most as u64))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Process {
    /// Reads one file.
    ///
    /// # Errors
    ///
    /// Where it is no such file, or is cut off.
    pub fn read(path: &Path) -> Result<Self, Broken> {
        let bytes = std::fs::read(path).map_err(|_| Broken("it cannot be read"))?;
        Self::parse(&bytes)
    }

    /// The number of the process whose file it is, where that can be read.
    #[must_use]
    pub fn pid(path: &Path) -> Option<u64> {
        let mut header = [0; 16];
        std::io::Read::read_exact(&mut std::fs::File::open(path).ok()?, &mut header).ok()?;
        Words(&header).word(8)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    ///
    /// Where they are no such file's, or are cut off.
    pub fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        let words = Words(bytes);
        let header = |word: u64| words.word(word * 8).ok_or(Broken("its header is cut off"));
        if header(0)? != MAGIC {
            return Err(Broken("it is not of this version"));
        }
        let text = |at, length, most| words.text(at, length, most).ok_or(Broken("its header is cut off"));
        let arguments = text(TEXT + EXECUTABLE_MAX, header(8)?, ARGUMENTS_MAX)?;
        let mut process = Self {
            pid: header(1)?,
            parent: header(2)?,
            executable: text(TEXT, header(7)?, EXECUTABLE_MAX)?,
            arguments: arguments.split_terminator('\0').map(str::to_owned).collect(),
            exited: header(3)? == 1,
            dropped: header(5)?,
            ..Self::default()
        };
        let (used, passes) = (header(4)?, header(6)?);
        let mut copies: HashMap<u64, Vec<Copy>> = HashMap::new();
        let mut folds = Vec::new();
        let mut at = HEADER as u64;
        while at < used {
            let first = words.word(at).ok_or(Broken("a record is cut off"))?;
            let (kind, length) = (first & 0xff, (first >> 8) * 8);
            if length == 0 || length > used - at {
                return Err(Broken("a record has no sound length"));
            }
            let record = words.bytes(at, length).ok_or(Broken("a record is cut off"))?;
            process
                .record(kind, at, &Words(record), passes, &mut folds, &mut copies)
                .ok_or(Broken("a record is too short"))?;
            at += length;
        }
        for (at, mut fold) in folds {
            fold.copies = copies.remove(&at).unwrap_or_default();
            process.folds.push(fold);
        }
        Ok(process)
    }

    fn record(
        &mut self,
        kind: u64,
        at: u64,
        record: &Words<'_>,
        passes: u64,
        folds: &mut Vec<(u64, Fold)>,
        copies: &mut HashMap<u64, Vec<Copy>>,
    ) -> Option<()> {
        let word = |index: u64| record.word(index * 8);
        match kind {
            1 => {
                self.nodes.insert(at, (word(1)?, word(2)?));
            }
            2 => {
                self.lineages.insert(at, (word(1)?, word(2)?));
            }
            3 => {
                let object = Object {
                    base: word(1)?,
                    range: word(2)?..word(3)?,
                    path: String::from_utf8_lossy(record.bytes(40, word(4)?)?).into_owned(),
                };
                if !self.objects.contains(&object) {
                    self.objects.push(object);
                }
            }
            4 => folds.push((
                at,
                Fold {
                    allocated: word(1)?,
                    freed: word(2)?,
                    lineage: word(3)?,
                    complete: word(4)? != 0,
                    count: word(5)?,
                    copies: Vec::new(),
                },
            )),
            5 if word(1)? != 0 => {
                let (size, room, pass) = (word(4)?, word(5)?, word(7)?);
                let copy = (pass != 0)
                    .then(|| {
                        Some(Copy {
                            address: word(1)?,
                            age: passes.saturating_sub(pass),
                            bytes: record.bytes(80, size.min(room))?.to_vec(),
                        })
                    })
                    .flatten();
                self.live.push(Live {
                    allocated: word(2)?,
                    lineage: word(3)?,
                    complete: word(6)? != 0,
                    copy,
                });
            }
            6 => copies.entry(word(1)?).or_default().push(Copy {
                address: word(2)?,
                age: word(4)?,
                bytes: record.bytes(48, word(3)?.min(word(5)?))?.to_vec(),
            }),
            // Blocks that were freed, and kinds that a later version may add.
            _ => (),
        }
        Some(())
    }

    /// The return addresses of a stack, the innermost first.
    #[must_use]
    pub fn stack(&self, mut node: u64) -> Vec<u64> {
        let mut frames = Vec::new();
        while let Some((parent, address)) = self.nodes.get(&node) {
            frames.push(*address);
            // A node's parent was written before it. What points forward is broken, and would not end.
            if *parent >= node {
                break;
            }
            node = *parent;
        }
        frames
    }

    /// The stacks that created a thread, its creator's, and so on.
    #[must_use]
    pub fn creators(&self, mut lineage: u64) -> Vec<u64> {
        let mut stacks = Vec::new();
        while let Some((parent, stack)) = self.lineages.get(&lineage) {
            stacks.push(*stack);
            if *parent >= lineage {
                break;
            }
            lineage = *parent;
        }
        stacks
    }

    /// The file that an address is in.
    #[must_use]
    pub fn object(&self, address: u64) -> Option<&Object> {
        self.objects.iter().find(|object| object.range.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[&[u64]]) -> Vec<u8> {
        let mut words = vec![0_u64; HEADER / 8];
        words[0] = MAGIC;
        words[1] = 7;
        for record in records {
            words.push(record[0] | (record.len() as u64) << 8);
            words.extend(&record[1..]);
        }
        words[4] = words.len() as u64 * 8;
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn a_stack_is_read_from_its_leaf_to_its_root() {
        let first = HEADER as u64;
        let process = Process::parse(&file(&[&[1, 0, 0x30], &[1, first, 0x20], &[1, first + 24, 0x10]]));

        assert_eq!(process.expect("sound").stack(first + 48), [0x10, 0x20, 0x30]);
    }

    #[test]
    fn a_stack_that_points_forward_ends() {
        let first = HEADER as u64;
        let process = Process::parse(&file(&[&[1, first + 24, 0x30], &[1, first, 0x20]])).expect("sound");

        assert_eq!(process.stack(first), [0x30]);
        assert_eq!(process.stack(first + 24), [0x20, 0x30]);
    }

    #[test]
    fn a_file_cut_off_anywhere_is_broken_and_no_more() {
        let whole = file(&[&[1, 0, 0x30], &[4, 1, 2, 3, 0, 9, 0, 64]]);
        assert_eq!(Process::parse(&whole).expect("sound").folds[0].count, 9);

        for length in 0..whole.len() {
            assert!(Process::parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn bytes_that_make_no_sense_are_read_without_a_panic() {
        let mut random = 1_u64;
        let mut bytes = file(&[
            &[1, 0, 0x30],
            &[4, 1, 2, 3, 0, 9, 0, 64],
            &[5, 1, 2, 3, 64, 64, 0, 1, 0, 0],
        ]);
        for _ in 0..2000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = HEADER - 8192 + 24 + (random >> 33) as usize % (bytes.len() - 24);
            bytes[at] ^= (random >> 20) as u8;
            if let Ok(process) = Process::parse(&bytes) {
                process.live.iter().for_each(|live| drop(process.stack(live.allocated)));
                process
                    .folds
                    .iter()
                    .for_each(|fold| drop(process.creators(fold.lineage)));
            }
        }
    }
}

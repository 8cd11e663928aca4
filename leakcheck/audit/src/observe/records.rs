//! What the preloaded library wrote: one file a process, in words of eight bytes in the machine's order.
//!
//! A header of fixed size, then records. A record's first word is its kind (lowest byte) and its length in words; records
//! name each other by their offset in the file, 0 for none. The library's source names every word.

use std::collections::HashMap;
use std::path::Path;

use crate::report::Lifetime;

mod kinds;

pub use kinds::*;

const MAGIC: u64 = u64::from_le_bytes(*b"LKOBSRV5");
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
    /// Records that were being written when the process was killed or became another program. They are left out.
    pub torn: u64,
    /// Files that were loaded.
    pub objects: Vec<Object>,
    /// Blocks that were freed, counted by where they came from and ended.
    pub folds: Vec<Fold>,
    /// Blocks that were not freed.
    pub live: Vec<Live>,
    /// Threads, by how they were created.
    pub threads: Vec<Threads>,
    /// When it came to `exit`, in nanoseconds from its beginning, as all times here. 0 where it did not.
    pub to_ns: u64,
    nodes: HashMap<u64, (u64, u64)>,
    lineages: HashMap<u64, (u64, u64)>,
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
            to_ns: header(9)?,
            ..Self::default()
        };
        let (used, passes) = (header(4)?, header(6)?);
        let mut linked = Linked {
            passes,
            ..Linked::default()
        };
        let mut at = HEADER as u64;
        while at < used {
            let first = words.word(at).ok_or(Broken("a record is cut off"))?;
            let (kind, length) = (first & 0xff, (first >> 8).saturating_mul(8));
            if length == 0 || length > used - at {
                return Err(Broken("a record has no sound length"));
            }
            let record = words.bytes(at, length).ok_or(Broken("a record is cut off"))?;
            match process.record(kind, at, &Words(record), &mut linked) {
                Some(()) => (),
                // Each thread of a process that is ended from outside may have been in the middle of one.
                None if !process.exited => process.torn += 1,
                None => return Err(Broken("a record is too short")),
            }
            at += length;
        }
        process.link(linked);
        Ok(process)
    }

    /// Brings together what records say of one another.
    fn link(&mut self, mut linked: Linked) {
        for (at, mut fold) in linked.folds {
            fold.copies = linked.copies.remove(&at).unwrap_or_default();
            fold.copies.iter_mut().for_each(|copy| copy.is_last = fold.seen.dying);
            fold.lifetimes = linked.lifetimes.remove(&at).unwrap_or_default();
            self.folds.push(fold);
        }
        for (boxes, mut live) in linked.live {
            if let Some(copy) = &mut live.copy {
                copy.more = linked.boxes.remove(&boxes).unwrap_or_default();
            }
            self.live.push(live);
        }
        for threads in &mut self.threads {
            (threads.lifetimes, threads.alive) = linked.threads.remove(&threads.lineage).unwrap_or_default();
        }
    }

    /// Reads one record.
    fn record(&mut self, kind: u64, at: u64, record: &Words<'_>, linked: &mut Linked) -> Option<()> {
        match kind {
            1 => {
                self.nodes.insert(at, (record.word(8)?, record.word(16)?));
                Some(())
            }
            2 | 8 => self.threads_record(kind, at, record, linked),
            3 | 10 | 11 => self.object_record(kind, at, record, linked),
            4..=7 | 9 => linked.block_record(kind, at, record),
            // Kinds that a later version may add.
            _ => Some(()),
        }
    }

    /// Reads a record of threads that were created alike, or of one that is alive.
    fn threads_record(&mut self, kind: u64, at: u64, record: &Words<'_>, linked: &mut Linked) -> Option<()> {
        let word = |index: u64| record.word(index * 8);
        match kind {
            2 => {
                self.lineages.insert(at, (word(1)?, word(2)?));
                self.threads.push(Threads {
                    created: word(2)?,
                    creator: word(1)?,
                    lineage: at,
                    count: word(3)?,
                    ended: word(4)?,
                    outlived: word(5)?,
                    lived: lifetime(word(6)?, word(7)?),
                    lifetimes: Vec::new(),
                    alive: Vec::new(),
                });
            }
            8 if word(1)? != 0 => {
                let threads = linked.threads.entry(word(1)?).or_default();
                threads.0.push(lifetime(word(2)?, word(3)?));
                if word(3)? == 0 {
                    threads.1.push(Alive {
                        from_ns: word(2)?,
                        outlived: word(5)? != 0 && word(8)? == 0,
                        blocked: Blocked::of(word(13)?),
                        stack: word(12)?,
                    });
                }
            }
            _ => (),
        }
        Some(())
    }

    /// Reads a record of a file that was loaded, or of which one it was.
    fn object_record(&mut self, kind: u64, at: u64, record: &Words<'_>, linked: &mut Linked) -> Option<()> {
        let word = |index: u64| record.word(index * 8);
        match kind {
            3 => {
                let object = Object {
                    base: word(1)?,
                    range: word(2)?..word(3)?,
                    path: String::from_utf8_lossy(record.bytes(40, word(4)?)?).into_owned(),
                    uuid: None,
                    file: None,
                };
                if !self.objects.contains(&object) {
                    linked.objects.insert(at, self.objects.len());
                    self.objects.push(object);
                }
            }
            10 => {
                let uuid = record.bytes(16, 16)?.try_into().ok();
                let object = linked.objects.get(&word(1)?);
                if let Some(object) = object.and_then(|at| self.objects.get_mut(*at)) {
                    object.uuid = uuid;
                }
            }
            11 => {
                let (inode, written_ns) = (word(2)?, word(3)?);
                let object = linked.objects.get(&word(1)?);
                if let Some(object) = object.and_then(|at| self.objects.get_mut(*at)) {
                    object.file = Some(FileId { inode, written_ns });
                }
            }
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

/// What is put together once all records are read: by the offset of what it belongs to.
#[derive(Default)]
struct Linked {
    passes: u64,
    folds: Vec<(u64, Fold)>,
    copies: HashMap<u64, Vec<Copy>>,
    lifetimes: HashMap<u64, Vec<Lifetime>>,
    /// With the offset of their regions.
    live: Vec<(u64, Live)>,
    boxes: HashMap<u64, Vec<Region>>,
    threads: HashMap<u64, (Vec<Lifetime>, Vec<Alive>)>,
    /// The place of each file among those that were loaded, by its record.
    objects: HashMap<u64, usize>,
}

impl Linked {
    /// Reads a record of a block, or of what belongs to one.
    fn block_record(&mut self, kind: u64, at: u64, record: &Words<'_>) -> Option<()> {
        let word = |index: u64| record.word(index * 8);
        match kind {
            4 => self.folds.push((
                at,
                Fold {
                    allocated: word(1)?,
                    freed: word(2)?,
                    lineage: word(3)?,
                    seen: Seen::of(word(4)?),
                    count: word(5)?,
                    lived: lifetime(word(8)?, word(9)?),
                    lifetimes: Vec::new(),
                    copies: Vec::new(),
                },
            )),
            5 if word(1)? != 0 => {
                let (size, room, pass) = (word(4)?, word(5)?, word(7)?);
                let copy = (pass != 0)
                    .then(|| {
                        Some(Copy {
                            address: word(1)?,
                            age: self.passes.saturating_sub(pass),
                            bytes: record.bytes(120, size.min(room))?.to_vec(),
                            end: Some(word(12)?).filter(|end| *end != 0),
                            more: Vec::new(),
                            // The pass at the process' end looks at all.
                            is_last: pass == self.passes,
                            still: Vec::new(),
                            quiet: Vec::new(),
                        })
                    })
                    .flatten();
                let live = Live {
                    allocated: word(2)?,
                    lineage: word(3)?,
                    seen: Seen::of(word(6)?),
                    from_ns: word(10)?,
                    copy,
                };
                self.live.push((word(11)?, live));
            }
            6 => {
                let length = word(5)?;
                let regions_at = 10_u64.checked_add(length / 8)?;
                let still_at = regions_at.checked_add(word(6)?)?;
                let quiet_at = still_at.checked_add(word(8)?)?;
                let copy = Copy {
                    address: word(2)?,
                    age: word(4)?,
                    bytes: record.bytes(80, word(3)?.min(length))?.to_vec(),
                    end: Some(word(7)?).filter(|end| *end != 0),
                    more: regions(record, regions_at, word(6)?)?,
                    is_last: false,
                    still: words_of(record, still_at, word(8)?)?,
                    quiet: words_of(record, quiet_at, word(9)?)?,
                };
                self.copies.entry(word(1)?).or_default().push(copy);
            }
            7 => {
                self.boxes.insert(at, regions(record, 4, word(1)?)?);
            }
            9 => {
                let lifetimes = self.lifetimes.entry(word(1)?).or_default();
                for pair in 0..word(2)?.min(8) {
                    lifetimes.push(lifetime(word(3 + pair * 2)?, word(4 + pair * 2)?));
                }
            }
            // Blocks that were freed.
            _ => (),
        }
        Some(())
    }
}

fn lifetime(from_ns: u64, to_ns: u64) -> Lifetime {
    Lifetime { from_ns, to_ns }
}

/// So many words from there on.
fn words_of(record: &Words<'_>, from: u64, count: u64) -> Option<Vec<u64>> {
    let bytes = record.bytes(from.checked_mul(8)?, count.checked_mul(8)?)?;
    Some(
        bytes
            .chunks_exact(8)
            .filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?)))
            .collect(),
    )
}

/// Regions one behind the other, in so many words. What is cut off ends them.
fn regions(record: &Words<'_>, from: u64, words: u64) -> Option<Vec<Region>> {
    let mut regions = Vec::new();
    let mut at = from.checked_mul(8)?;
    let end = from.checked_add(words)?.checked_mul(8)?;
    while at < end {
        let (address, length) = (record.word(at)?, record.word(at.checked_add(8)?)?);
        let bytes = record.bytes(at.checked_add(16)?, length)?.to_vec();
        regions.push(Region { address, bytes });
        at = at.checked_add(16)?.checked_add(length.checked_next_multiple_of(8)?)?;
    }
    Some(regions)
}

#[cfg(test)]
mod tests;

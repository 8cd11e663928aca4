//! What the preloaded library wrote: one file a process, in words of eight bytes in the machine's order.
//!
//! A header of fixed size, then records. A record's first word is its kind (lowest byte) and its length in words; records
//! name each other by their offset in the file, 0 for none. The library's source names every word.

use std::collections::HashMap;
use std::path::Path;

use crate::report::Lifetime;

const MAGIC: u64 = u64::from_le_bytes(*b"LKOBSRV4");
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

/// A file loaded into a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What its own addresses are shifted by.
    pub base: u64,
    /// The addresses it takes up.
    pub range: std::ops::Range<u64>,
    /// Empty for the executable.
    pub path: String,
    /// Which build of the file it was, where the records say so: a Mach-O image's UUID.
    pub uuid: Option<[u8; 16]>,
    /// Which file it was, where the records say so.
    pub file: Option<FileId>,
}

/// Which file a path led to, so that another one that has its name by now is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// Its number in its file system.
    pub inode: u64,
    /// When it was last written to, in nanoseconds of the clock.
    pub written_ns: u64,
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
    /// What each of them was seen to be.
    pub seen: Seen,
    /// How many.
    pub count: u64,
    /// When the first was allocated, and the last was freed.
    pub lived: Lifetime,
    /// When some of them lived: the first 64.
    pub lifetimes: Vec<Lifetime>,
    /// Copies of the bytes of some, from before they were freed.
    pub copies: Vec<Copy>,
}

/// What a block was seen to be before its end, where it was looked at in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Done when a runtime parked, well before it was freed.
    pub complete: bool,
    /// Not aborted, with nobody holding its `JoinHandle`, by which it could have been aborted later.
    pub detached: bool,
    /// Aborted, and not ended yet.
    pub aborted: bool,
    /// Done by itself: it returned or panicked, and nothing had aborted it or shut it down before.
    pub returned: bool,
    /// Copied while its future was being dropped.
    pub dying: bool,
}

impl Seen {
    fn of(bits: u64) -> Self {
        Self {
            complete: bits & 1 != 0,
            detached: bits & 2 != 0,
            aborted: bits & 4 != 0,
            returned: bits & 8 != 0,
            dying: bits & 16 != 0,
        }
    }
}

/// A block that was not freed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// The stack that allocated it.
    pub allocated: u64,
    /// The thread it was allocated on.
    pub lineage: u64,
    /// What it was seen to be.
    pub seen: Seen,
    /// When it was allocated.
    pub from_ns: u64,
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
    /// The first word of the block when it was freed or the process ended, where that was seen.
    pub end: Option<u64>,
    /// What its boxes pointed to at the same time, as far as that was found, and what schedules it, as of its end.
    pub more: Vec<Region>,
    /// It is of the block's end: nothing can have become of it since.
    pub is_last: bool,
    /// A bit for each descriptor, from the lowest bit of the first word on, whose poller was not asked for events since the block was
    /// allocated: see the library's `waits.rs`.
    pub quiet: Vec<u64>,
}

impl Copy {
    /// Whether the poller that this descriptor is registered with is known, and was not asked for events since the block was allocated.
    #[must_use]
    pub fn is_quiet(&self, descriptor: u64) -> bool {
        let word = usize::try_from(descriptor / 64)
            .ok()
            .and_then(|word| self.quiet.get(word));
        word.is_some_and(|word| word & 1 << (descriptor % 64) != 0)
    }
}

/// A piece of memory that a block pointed to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Region {
    /// Where it was.
    pub address: u64,
    /// What was there.
    pub bytes: Vec<u8>,
}

/// Threads that were created alike: by the same stack, on threads that were created alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Threads {
    /// The stack that created them.
    pub created: u64,
    /// The lineage of the thread that created them: see [`Process::creators`]. 0 is the first thread.
    pub creator: u64,
    /// Their own lineage, which [`Fold::lineage`] names.
    pub lineage: u64,
    /// How many were created, and how many of those ended.
    pub count: u64,
    /// How many ended. A thread ends once the values it owns are dropped: one whose end a scope has waited for may still be on its way.
    pub ended: u64,
    /// How many were alive when the thread that created them ended.
    pub outlived: u64,
    /// When the first was created, and the last ended. The end is 0 where none did.
    pub lived: Lifetime,
    /// When those lived that are alive, and some that outlived their creator. The end is 0 for who is alive.
    pub lifetimes: Vec<Lifetime>,
    /// Those that are alive.
    pub alive: Vec<Alive>,
}

/// A thread that had not ended when its process did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alive {
    /// When it was created.
    pub from_ns: u64,
    /// The thread that created it has ended, that thread's creator too, and so on up to the process' first thread.
    pub outlived: bool,
    /// Why it could not end by itself, where that is certain.
    pub blocked: Option<Blocked>,
    /// The stack with which it waits, where it is known to wait: see [`Blocked::Waits`].
    pub stack: u64,
}

/// What a thread was blocked in when its process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blocked {
    /// It waits for another thread: for a mutex, a channel, a condition, or to be unparked.
    Waits,
    /// It reads from what has nothing to read.
    Reads,
    /// It waits for a connection.
    Accepts,
    /// It waits for a file descriptor to be ready.
    Polls,
    /// It waits for a child process to end.
    AwaitsChild,
}

impl Blocked {
    fn of(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::Waits),
            2 => Some(Self::Reads),
            3 => Some(Self::Accepts),
            4 => Some(Self::Polls),
            5 => Some(Self::AwaitsChild),
            _ => None,
        }
    }
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

    fn record(&mut self, kind: u64, at: u64, record: &Words<'_>, linked: &mut Linked) -> Option<()> {
        let word = |index: u64| record.word(index * 8);
        match kind {
            1 => {
                self.nodes.insert(at, (word(1)?, word(2)?));
            }
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
            4 => linked.folds.push((
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
                            age: linked.passes.saturating_sub(pass),
                            bytes: record.bytes(112, size.min(room))?.to_vec(),
                            end: Some(word(12)?).filter(|end| *end != 0),
                            more: Vec::new(),
                            // The pass at the process' end looks at all.
                            is_last: pass == linked.passes,
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
                linked.live.push((word(11)?, live));
            }
            6 => {
                let length = word(5)?;
                let regions_at = 9_u64.checked_add(length / 8)?;
                let quiet_at = regions_at.checked_add(word(6)?)?;
                let copy = Copy {
                    address: word(2)?,
                    age: word(4)?,
                    bytes: record.bytes(72, word(3)?.min(length))?.to_vec(),
                    end: Some(word(7)?).filter(|end| *end != 0),
                    more: regions(record, regions_at, word(6)?)?,
                    is_last: false,
                    quiet: words_of(record, quiet_at, word(8)?)?,
                };
                linked.copies.entry(word(1)?).or_default().push(copy);
            }
            7 => {
                linked.boxes.insert(at, regions(record, 4, word(1)?)?);
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
            9 => {
                let lifetimes = linked.lifetimes.entry(word(1)?).or_default();
                for pair in 0..word(2)?.min(8) {
                    lifetimes.push(lifetime(word(3 + pair * 2)?, word(4 + pair * 2)?));
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
    fn a_file_that_was_loaded_has_its_uuid() {
        let first = HEADER as u64;
        let name = u64::from_ne_bytes(*b"/a/b/c/d");
        let process = Process::parse(&file(&[
            &[3, 0x4000, 0x1_0000_4000, 0x1_0000_8000, 0],
            &[
                10,
                first,
                u64::from_ne_bytes(*b"01234567"),
                u64::from_ne_bytes(*b"89abcdef"),
            ],
            &[3, 0, 0x2000, 0x3000, 8, name],
            &[10, first + 8, 1, 2],
        ]))
        .expect("sound");

        let uuids: Vec<_> = process.objects.iter().map(|object| object.uuid).collect();
        assert_eq!(uuids, [Some(*b"0123456789abcdef"), None]);
        assert_eq!(process.objects.iter().find_map(|object| object.file), None);
        assert_eq!(process.objects[1].path, "/a/b/c/d");
    }

    #[test]
    fn a_file_that_was_loaded_is_told_from_its_successor() {
        let first = HEADER as u64;
        let process = Process::parse(&file(&[&[3, 0, 0x2000, 0x3000, 0], &[11, first, 5, 6]])).expect("sound");
        let id = FileId {
            inode: 5,
            written_ns: 6,
        };
        assert_eq!((process.objects[0].file, process.objects[0].uuid), (Some(id), None));
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
        let whole = file(&[&[1, 0, 0x30], &[4, 1, 2, 3, 0, 9, 0, 64, 1, 2, 0]]);
        assert_eq!(Process::parse(&whole).expect("sound").folds[0].count, 9);

        for length in 0..whole.len() {
            assert!(Process::parse(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_record_that_a_killed_process_was_writing_is_left_out_and_counted() {
        let fold = HEADER as u64;
        // A region that claims more bytes than its record has.
        let torn = [6, fold, 0x1000, 8, 0, 8, 3, 0, 0, 5, 0x2000, 800, 6];
        let mut killed = file(&[&[4, 1, 2, 3, 0, 9, 0, 64, 10, 30, 0], &torn, &[1, 0, 0x30]]);
        let process = Process::parse(&killed).expect("what else there is");
        assert_eq!(
            (process.torn, process.folds[0].count, process.folds[0].copies.len()),
            (1, 9, 0)
        );
        assert_eq!(process.stack(fold + 8 * (11 + 13)), [0x30]);

        killed[24..32].copy_from_slice(&1_u64.to_ne_bytes());
        let refused = Process::parse(&killed).expect_err("nothing ended it");
        assert_eq!(refused.to_string(), "a record is too short");
    }

    #[test]
    fn a_copy_comes_with_what_its_boxes_pointed_to_and_with_its_lifetime() {
        let fold = HEADER as u64;
        let process = Process::parse(&file(&[
            &[4, 1, 2, 3, 0, 9, 0, 64, 10, 30, 0],
            &[6, fold, 0x1000, 8, 0, 8, 3, 0xcc, 2, 5, 0x2000, 8, 6, 1 << 7, 1 << 63],
            &[9, fold, 1, 10, 20],
        ]))
        .expect("sound");

        let fold = &process.folds[0];
        let region = Region {
            address: 0x2000,
            bytes: 6_u64.to_ne_bytes().to_vec(),
        };
        assert_eq!(fold.copies[0].bytes, 5_u64.to_ne_bytes());
        assert_eq!((fold.copies[0].end, &*fold.copies[0].more), (Some(0xcc), &[region][..]));
        let quiet: Vec<_> = (0..200).filter(|fd| fold.copies[0].is_quiet(*fd)).collect();
        assert_eq!((quiet, fold.copies[0].is_last), (vec![7, 127], false));
        assert_eq!(
            (fold.lived, &*fold.lifetimes),
            (lifetime(10, 30), &[lifetime(10, 20)][..])
        );
    }

    #[test]
    fn a_thread_that_is_alive_is_told_of_with_what_blocks_it() {
        let (lineage, stack) = (HEADER as u64, 9);
        let thread = |to, outlived, ancestor, blocked| {
            [
                8, lineage, 10, to, 0, outlived, 0, 0, ancestor, 77, 0, 0, stack, blocked,
            ]
        };
        let process = Process::parse(&file(&[
            &[2, 0, 7, 4, 1, 3, 10, 30, 0, 0],
            &thread(20, 1, 0, 0),
            &thread(0, 1, 0, 1),
            &thread(0, 1, 5, 3),
            &thread(0, 0, 0, 9),
        ]))
        .expect("sound");

        let threads = &process.threads[0];
        assert_eq!(threads.lifetimes[..2], [lifetime(10, 20), lifetime(10, 0)]);
        let alive: Vec<_> = threads
            .alive
            .iter()
            .map(|alive| (alive.outlived, alive.blocked))
            .collect();
        assert_eq!(
            alive,
            [
                (true, Some(Blocked::Waits)),
                (false, Some(Blocked::Accepts)),
                (false, None)
            ]
        );
        assert_eq!((threads.alive[0].from_ns, threads.alive[0].stack), (10, stack));
    }

    #[test]
    fn bytes_that_make_no_sense_are_read_without_a_panic() {
        let mut random = 1_u64;
        let mut bytes = file(&[
            &[1, 0, 0x30],
            &[4, 1, 2, 3, 0, 9, 0, 64, 1, 2, 0],
            &[5, 1, 2, 3, 8, 8, 0, 1, 0, 0, 7, 0, 1, 0, 5],
            &[6, 1, 0x1000, 8, 0, 8, 3, 0, 1, 5, 0x2000, 8, 6, 1],
            &[7, 3, 0, 0, 0x2000, 8, 6],
            &[8, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[9, 1, 1, 2, 3],
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

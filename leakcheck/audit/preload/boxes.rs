//! What the boxes in a cell point to: a future in a `Box<dyn Future>` lies in another block, and so do the elements of a `Vec`.
//!
//! Which words are pointers is not known here, and need not be: the audit knows the types, and looks only where they say. So
//! what is copied in vain costs room, and is never taken for something else. Memory is read so that it fails where nothing is
//! mapped: a word may be what is left of a pointer to memory that was given back.

use std::ffi::c_int;

use super::events::may_be_cell;
use super::libc::anonymous;
use super::memory::{block_sizes, read, read_parts, Part};

/// Words that the regions of one cell take up, at most.
pub(super) const SCRATCH: usize = 8192;
/// Boxes in boxes, and the regions of one cell.
const DEPTH: usize = 6;
pub(super) const REGIONS: usize = 48;
/// How deep plain pointers are followed, and the bytes behind one. Most lead to what tasks share.
const PLAIN_DEPTH: usize = 2;
pub(super) const PLAIN_REGIONS: usize = 16;
const PLAIN: u64 = 2048;
/// tokio puts a future that is larger than 2 KiB, or 16 KiB in optimised programs, into a box of its own, without a vtable: the cell is a small
/// one then, and that box is the first block that it points to. So many words is a small cell, and so many bytes are copied of the block.
const SMALL_CELL: usize = 48;
const BOXED: u64 = 48 * 1024;
/// A vtable that says more is none.
pub(super) const LARGEST: u64 = 64 * 1024;
const MOST_ALIGNED: u64 = 4096;
const VTABLES: usize = 1024;

/// Address ranges, as many as there is room for.
pub(super) struct Ranges {
    list: [(u64, u64); 256],
    count: usize,
}

impl Ranges {
    const NONE: Self = Self {
        list: [(0, 0); 256],
        count: 0,
    };

    pub(super) fn add(&mut self, range: (u64, u64)) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = range;
            self.count += 1;
        }
    }

    fn contain(&self, address: u64) -> bool {
        self.list[..self.count]
            .iter()
            .any(|(from, to)| (*from..*to).contains(&address))
    }
}

/// What the loaded files say of memory.
pub(super) struct Segments {
    pub(super) loaded: Ranges,
    constant: Ranges,
    pub(super) code: Ranges,
    /// A bit for each [`BLOCK`] that has constants, by the lower bits of its number: most words are let through at once.
    blocks: [u64; BLOCKS / 64],
}

const BLOCK: u64 = 1 << 16;
const BLOCKS: usize = 8192;

impl Segments {
    pub(super) const NONE: Self = Self {
        loaded: Ranges::NONE,
        constant: Ranges::NONE,
        code: Ranges::NONE,
        blocks: [0; BLOCKS / 64],
    };

    pub(super) fn constants(&mut self, range: (u64, u64)) {
        self.constant.add(range);
        for block in (range.0 / BLOCK..range.1.div_ceil(BLOCK)).take(BLOCKS) {
            let bit = block as usize % BLOCKS;
            self.blocks[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Whether a word may point to constants. Nearly all words are told by this alone that do not.
    #[inline]
    fn may_be_constant(&self, address: u64) -> bool {
        let bit = (address / BLOCK) as usize % BLOCKS;
        address % 8 == 0 && self.blocks[bit / 64] & 1 << (bit % 64) != 0
    }

    /// Whether a word points to constants, of the files that were loaded at the first cell.
    pub(super) fn is_constant(&self, address: u64) -> bool {
        self.may_be_constant(address) && self.constant.contain(address)
    }
}

/// Memory that is to be copied.
#[derive(Clone, Copy)]
struct Wanted {
    address: u64,
    bytes: u64,
}

/// What is to be copied next, and where what was copied lies.
struct Search {
    wanted: [Wanted; REGIONS],
    count: usize,
    /// Words of the scratch that are in use, and the regions and plain pointers so far.
    used: usize,
    regions: usize,
    plain: usize,
}

impl Search {
    /// Without `follows_plain`, as if there had been as many plain pointers as are followed.
    fn new(follows_plain: bool) -> Self {
        Self {
            wanted: [Wanted { address: 0, bytes: 0 }; REGIONS],
            count: 0,
            used: 0,
            regions: 0,
            plain: if follows_plain { 0 } else { PLAIN_REGIONS },
        }
    }
}

/// Follows boxes. One for the process, used under its lock.
pub(super) struct Boxes {
    pub(super) segments: Segments,
    pid: c_int,
    scratch: *mut u64,
    /// Pairs of an address and what it says as a vtable: size and alignment, or 0.
    vtables: *mut [u64; 2],
}

impl Boxes {
    pub(super) const NONE: Self = Self {
        segments: Segments::NONE,
        pid: 0,
        scratch: std::ptr::null_mut(),
        vtables: std::ptr::null_mut(),
    };

    pub(super) fn begin(&mut self, pid: c_int) -> Option<()> {
        self.vtables = anonymous(VTABLES * 16)?.cast();
        self.scratch = anonymous(SCRATCH * 8)?.cast();
        self.pid = pid;
        Some(())
    }

    /// What [`Boxes::collect`] has collected: regions one behind the other, each its address, its length in bytes, and its bytes.
    pub(super) fn word(&self, index: usize) -> u64 {
        debug_assert!(index < SCRATCH);
        // SAFETY: within the scratch.
        unsafe { self.scratch.add(index).read() }
    }

    fn set(&mut self, index: usize, value: u64) {
        debug_assert!(index < SCRATCH);
        // SAFETY: within the scratch.
        unsafe { self.scratch.add(index).write(value) }
    }

    /// Collects what a cell's words point to, as far as that may be boxes. Says how many words that takes up.
    ///
    /// Without `plain`, only pointers with a vtable are followed, of which next to none are in vain.
    pub(super) fn collect(&mut self, words: &[u64], plain: bool) -> usize {
        let mut search = Search::new(plain);
        self.look(&mut search, words.len(), 0, |_, index| words[index]);
        for depth in 1..DEPTH {
            if search.count == 0 {
                break;
            }
            let begin = search.used;
            self.fetch(&mut search);
            let mut at = begin;
            while at < search.used {
                let words = self.word(at + 1).div_ceil(8) as usize;
                let whole = self.word(at + 1) as usize / 8;
                self.look(&mut search, whole, depth, |boxes, index| boxes.word(at + 2 + index));
                at += 2 + words;
            }
        }
        search.used
    }

    /// Collects these blocks, each an address and a length, and nothing of what they point to. Says how many words that takes up.
    pub(super) fn collect_blocks(&mut self, blocks: &[(u64, u64)]) -> usize {
        let mut search = Search::new(false);
        for (address, bytes) in blocks {
            self.want(&mut search, *address, *bytes);
        }
        self.fetch(&mut search);
        search.used
    }

    /// Whether regions that were collected before are as they were. They are read with one call, and over what was collected last.
    pub(super) fn are_as_before(&mut self, regions: &[u64]) -> bool {
        let mut parts = [Part::NONE; REGIONS];
        let (mut count, mut at) = (0, 0);
        while at < regions.len() {
            let bytes = regions[at + 1] as usize;
            // SAFETY: regions are no longer than the scratch.
            let to = unsafe { self.scratch.add(at + 2) };
            parts[count] = Part::of(to.cast(), regions[at], bytes);
            count += 1;
            at += 2 + bytes.div_ceil(8);
            // The bytes that fill up the last word.
            self.set(at - 1, 0);
        }
        read_parts(self.pid, &mut parts[..count]);
        let mut at = 0;
        parts[..count].iter().all(|part| {
            let (from, to) = (at + 2, at + 2 + part.len().div_ceil(8));
            at = to;
            part.is_read && (from..to).all(|index| self.word(index) == regions[index])
        })
    }

    /// Looks for pointers among words.
    fn look(&mut self, search: &mut Search, count: usize, depth: usize, word: impl Fn(&Self, usize) -> u64) {
        for index in 1..count {
            let vtable = word(self, index);
            if !self.segments.may_be_constant(vtable) {
                continue;
            }
            let Some((size, align)) = self.vtable(vtable) else {
                continue;
            };
            let data = word(self, index - 1);
            if size != 0 && data >= 4096 && data % align == 0 {
                self.want(search, data, size);
            }
        }
        if depth < PLAIN_DEPTH {
            let mut blocks = [0; PLAIN_REGIONS];
            let mut index = 0;
            // As many at once as may be followed: not each word that may be a pointer is one.
            while index < count && search.plain < PLAIN_REGIONS {
                let mut found = 0;
                while index < count && found < PLAIN_REGIONS - search.plain {
                    let data = word(self, index);
                    index += 1;
                    if self.may_be_block(data) && !blocks[..found].contains(&data) && !self.known(search, data) {
                        blocks[found] = data;
                        found += 1;
                    }
                }
                let first = if depth == 0 && count <= SMALL_CELL && search.plain == 0 { BOXED } else { PLAIN };
                self.want_blocks(search, &blocks[..found], first);
            }
        }
    }

    fn may_be_block(&self, address: u64) -> bool {
        address % 16 == 0
            && (1 << 16..1 << 47).contains(&address)
            && !self.segments.loaded.contain(address)
            && !(address % 128 == 0 && may_be_cell(address as usize))
    }

    /// Wants those of the addresses that are blocks of the heap's: of the first of them no more than `most` bytes.
    fn want_blocks(&self, search: &mut Search, blocks: &[u64], mut most: u64) {
        let mut sizes = [0_u64; PLAIN_REGIONS];
        block_sizes(self.pid, blocks, &mut sizes);
        for (size, address) in sizes.iter().zip(blocks) {
            if (1..=LARGEST).contains(size) {
                search.plain += 1;
                self.want(search, *address, (*size).min(most));
                most = PLAIN;
            }
        }
    }

    fn known(&self, search: &Search, address: u64) -> bool {
        if search.wanted[..search.count]
            .iter()
            .any(|wanted| wanted.address == address)
        {
            return true;
        }
        let mut at = 0;
        while at < search.used {
            if self.word(at) == address {
                return true;
            }
            at += 2 + self.word(at + 1).div_ceil(8) as usize;
        }
        false
    }

    fn want(&self, search: &mut Search, address: u64, bytes: u64) {
        if search.regions < REGIONS && search.count < REGIONS && !self.known(search, address) {
            search.wanted[search.count] = Wanted { address, bytes };
            search.count += 1;
            search.regions += 1;
        }
    }

    /// Copies what is wanted behind what was copied.
    fn fetch(&mut self, search: &mut Search) {
        let wanted = search.wanted;
        let mut parts = [Part::NONE; REGIONS];
        let (mut count, mut end) = (0, search.used);
        for wanted in &wanted[..std::mem::take(&mut search.count)] {
            let words = wanted.bytes.div_ceil(8) as usize;
            if words == 0 || end + 2 + words > SCRATCH {
                continue;
            }
            self.set(end, wanted.address);
            self.set(end + 1, wanted.bytes);
            self.set(end + 2 + words - 1, 0);
            // SAFETY: within the scratch, as checked.
            let to = unsafe { self.scratch.add(end + 2) };
            parts[count] = Part::of(to.cast(), wanted.address, wanted.bytes as usize);
            count += 1;
            end += 2 + words;
        }
        read_parts(self.pid, &mut parts[..count]);
        // What could not be read is left out, and what comes behind it moves up.
        let mut from = search.used;
        for part in &parts[..count] {
            let words = 2 + part.len().div_ceil(8);
            if part.is_read {
                if from != search.used {
                    // SAFETY: both within the scratch; a region is moved towards its beginning.
                    unsafe { std::ptr::copy(self.scratch.add(from), self.scratch.add(search.used), words) };
                }
                search.used += words;
            }
            from += words;
        }
    }

    /// What a vtable says of its type: the size and the alignment. Of what may be constants, by its address.
    fn vtable(&mut self, address: u64) -> Option<(u64, u64)> {
        // SAFETY: below their number.
        let place = unsafe { &mut *self.vtables.add((address >> 3) as usize % VTABLES) };
        if place[0] != address {
            // Not remembered: a file that is loaded later may have its constants there.
            if !self.segments.constant.contain(address) {
                return None;
            }
            let mut words = [0; 4];
            let said = self.read(address, &mut words).then(|| self.said(words)).flatten();
            *place = [address, said.map_or(0, |(size, align)| size | align << 32)];
        }
        (place[1] != 0).then(|| (place[1] & 0xffff_ffff, place[1] >> 32))
    }

    /// A vtable begins with its type's destructor, size and alignment, and then its methods.
    fn said(&self, [drop, size, align, method]: [u64; 4]) -> Option<(u64, u64)> {
        let sound = (drop == 0 || self.segments.code.contain(drop))
            && size <= LARGEST
            && align.is_power_of_two()
            && align <= MOST_ALIGNED
            && self.segments.code.contain(method);
        sound.then_some((size, align))
    }

    fn read(&self, address: u64, to: &mut [u64]) -> bool {
        read(self.pid, address, to.as_mut_ptr().cast(), to.len() * 8)
    }
}

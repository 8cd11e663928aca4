//! The unwind tables: `.eh_frame_hdr` and `.eh_frame`, as the Linux Standard Base describes them.

use std::ffi::{c_int, c_void};

use super::libc::{dl_iterate_phdr, DlPhdrInfo, PT_GNU_EH_FRAME, PT_LOAD};
use super::walk::{register, Rule};

/// Reads the unwind tables: `.eh_frame_hdr` and `.eh_frame`, as the Linux Standard Base describes them.
#[cold]
#[inline(never)]
pub(super) fn read_rule(pc: u64) -> Option<Rule> {
    struct Search {
        pc: u64,
        header: u64,
    }
    extern "C" fn object(info: *const DlPhdrInfo, _: usize, data: *mut c_void) -> c_int {
        // SAFETY: the search below, and what the loader hands out.
        let (search, info) = unsafe { (&mut *data.cast::<Search>(), &*info) };
        let (mut here, mut found) = (false, 0);
        for index in 0..info.count {
            // SAFETY: as many as the loader says.
            let header = unsafe { &*info.headers.add(usize::from(index)) };
            let start = (info.address as u64).wrapping_add(header.address);
            match header.kind {
                PT_LOAD => here |= (start..start.wrapping_add(header.memory_size)).contains(&search.pc),
                PT_GNU_EH_FRAME => found = start,
                _ => (),
            }
        }
        if here {
            search.header = found;
        }
        c_int::from(here)
    }
    let mut search = Search { pc, header: 0 };
    // SAFETY: the callback has the type that libc asks for.
    unsafe { dl_iterate_phdr(object, std::ptr::from_mut(&mut search).cast()) };
    if search.header == 0 {
        return None;
    }
    // SAFETY: a loaded file's unwind tables, which the linker made, and which stay mapped while its code is on the stack.
    unsafe { frame_description(search.header, pc).and_then(|description| description.rule(pc)) }
}

/// A position in the unwind tables.
#[derive(Clone, Copy)]
pub(super) struct Reader(u64);

impl Reader {
    pub(super) unsafe fn take<T>(&mut self) -> T {
        // SAFETY: within a table, by its own lengths.
        let value = unsafe { (self.0 as *const T).read_unaligned() };
        self.0 += std::mem::size_of::<T>() as u64;
        value
    }

    pub(super) unsafe fn unsigned(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            // SAFETY: as above.
            let byte = unsafe { self.take::<u8>() };
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    pub(super) unsafe fn signed(&mut self) -> i64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            // SAFETY: as above.
            let byte = unsafe { self.take::<u8>() };
            if shift < 64 {
                value |= i64::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                return if byte & 0x40 != 0 && shift < 64 {
                    value | -1 << shift
                } else {
                    value
                };
            }
        }
    }

    /// A pointer in one of the encodings that linkers use. `base` is what offsets from the section's header are from.
    pub(super) unsafe fn pointer(&mut self, encoding: u8, base: u64) -> Option<u64> {
        let at = self.0;
        // SAFETY: as above.
        let value = unsafe {
            match encoding & 0xf {
                0x0 | 0x4 | 0xc => self.take::<u64>(),
                0x2 => u64::from(self.take::<u16>()),
                0x3 => u64::from(self.take::<u32>()),
                0xa => i64::from(self.take::<i16>()) as u64,
                0xb => i64::from(self.take::<i32>()) as u64,
                _ => return None,
            }
        };
        match encoding & 0x70 {
            0x00 => Some(value),
            0x10 => Some(value.wrapping_add(at)),
            0x30 => Some(value.wrapping_add(base)),
            _ => None,
        }
    }
}

/// What the tables say of one function.
pub(super) struct Description {
    pub(super) start: u64,
    pub(super) code_step: u64,
    pub(super) data_step: i64,
    /// The instructions that all functions of its kind begin with, and its own.
    pub(super) common: (u64, u64),
    pub(super) own: (u64, u64),
}

/// Finds a function's description by the sorted table in the header.
pub(super) unsafe fn frame_description(header: u64, pc: u64) -> Option<Description> {
    let mut at = Reader(header);
    // SAFETY: our caller's tables.
    unsafe {
        let [version, frame, count, table] = at.take::<[u8; 4]>();
        if version != 1 || table != 0x3b {
            return None;
        }
        at.pointer(frame, header)?;
        let count = at.pointer(count, header)?;
        let entry = |index: u64| (at.0 + index * 8) as *const [i32; 2];
        let start = |index: u64| header.wrapping_add_signed(i64::from(entry(index).read_unaligned()[0]));
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if start(middle) <= pc {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let found = entry(low.checked_sub(1)?).read_unaligned()[1];
        function(header.wrapping_add_signed(i64::from(found)), pc)
    }
}

pub(super) unsafe fn function(at: u64, pc: u64) -> Option<Description> {
    let mut own = Reader(at);
    // SAFETY: our caller's tables.
    unsafe {
        let length = own.take::<u32>();
        if length == u32::MAX {
            return None;
        }
        let own_end = own.0 + u64::from(length);
        let common_at = own.0 - u64::from(own.take::<u32>());

        let mut common = Reader(common_at);
        let length = common.take::<u32>();
        if length == u32::MAX {
            return None;
        }
        let common_end = common.0 + u64::from(length);
        common.take::<u32>();
        let version = common.take::<u8>();
        let mut letters = [0; 8];
        let mut count = 0;
        loop {
            match common.take::<u8>() {
                0 => break,
                letter => *letters.get_mut(count)? = letter,
            }
            count += 1;
        }
        let code_step = common.unsigned();
        let data_step = common.signed();
        let returns = if version == 1 {
            u64::from(common.take::<u8>())
        } else {
            common.unsigned()
        };
        if returns != register::RETURN {
            return None;
        }
        let mut encoding = 0;
        let has_data = letters[0] == b'z';
        if has_data {
            let length = common.unsigned();
            let data_end = common.0 + length;
            for letter in &letters[1..count] {
                match letter {
                    b'R' => encoding = common.take::<u8>(),
                    b'L' => drop(common.take::<u8>()),
                    b'P' => {
                        let encoding = common.take::<u8>();
                        common.pointer(encoding & 0x0f, 0)?;
                    }
                    // `S` is a signal's frame, which is not entered by a call; `B` signs return addresses.
                    _ => return None,
                }
            }
            common.0 = data_end;
        } else if count != 0 {
            return None;
        }

        let start = own.pointer(encoding, 0)?;
        let length = own.pointer(encoding & 0x0f, 0)?;
        if !(start..start.wrapping_add(length)).contains(&pc) {
            return None;
        }
        if has_data {
            let length = own.unsigned();
            own.0 += length;
        }
        Some(Description {
            start,
            code_step,
            data_step,
            common: (common.0, common_end),
            own: (own.0, own_end),
        })
    }
}

/// Where the tables' instructions have come to: offsets in bytes.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) register: u64,
    pub(super) cfa: i64,
    pub(super) frame: Saved,
    pub(super) returns: Saved,
}

#[derive(Clone, Copy)]
pub(super) enum Saved {
    Not,
    At(i64),
    /// It has none: the last frame.
    Undefined,
    /// By a rule that is not understood.
    Otherwise,
}

impl Row {
    pub(super) fn save(&mut self, register: u64, saved: Saved) {
        match register {
            register::FRAME => self.frame = saved,
            register::RETURN => self.returns = saved,
            _ => (),
        }
    }
}

impl Description {
    pub(super) unsafe fn rule(&self, pc: u64) -> Option<Rule> {
        let mut row = Row {
            register: u64::MAX,
            cfa: 0,
            frame: Saved::Not,
            returns: Saved::Not,
        };
        // SAFETY: our caller's tables.
        unsafe {
            let none = row;
            self.run(self.common, &mut row, none, pc)?;
            let first = row;
            self.run(self.own, &mut row, first, pc)?;
        }
        let words = |bytes: i64| (bytes % 8 == 0).then_some(bytes / 8);
        let returns = match row.returns {
            Saved::At(at) => i16::try_from(words(at)?).ok()?,
            Saved::Undefined => return Some(Rule::only(Rule::END)),
            Saved::Not | Saved::Otherwise => return None,
        };
        let frame = match row.frame {
            Saved::Not => Rule::SAME,
            Saved::At(at) => i16::try_from(words(at)?).ok().filter(|at| *at != Rule::SAME)?,
            // Nobody's: not needed, or the next frame's rule will be by the stack pointer.
            Saved::Undefined => Rule::SAME,
            Saved::Otherwise => return None,
        };
        let cfa = i32::try_from(words(row.cfa)?).ok().filter(|cfa| cfa.abs() < 1 << 22)?;
        let kind = match row.register {
            register::STACK => Rule::BY_STACK,
            register::FRAME => Rule::BY_FRAME,
            _ => return None,
        };
        Some(Rule {
            kind,
            cfa,
            frame,
            returns,
        })
    }

    /// Runs instructions up to `pc`. `None` where one is not understood.
    pub(super) unsafe fn run(&self, (from, to): (u64, u64), row: &mut Row, first: Row, pc: u64) -> Option<()> {
        let mut at = Reader(from);
        let mut place = self.start;
        let mut kept = [*row; 8];
        let mut depth = 0;
        // SAFETY: our caller's tables, as long as they say.
        unsafe {
            while at.0 < to {
                let instruction = at.take::<u8>();
                let low = u64::from(instruction & 0x3f);
                match (instruction >> 6, low) {
                    (1, step) => place += step * self.code_step,
                    (2, register) => {
                        let offset = at.unsigned() as i64 * self.data_step;
                        row.save(register, Saved::At(offset));
                    }
                    (3, register) => restore(row, register, first),
                    (_, 0x00) => (),
                    (_, 0x02) => place += u64::from(at.take::<u8>()) * self.code_step,
                    (_, 0x03) => place += u64::from(at.take::<u16>()) * self.code_step,
                    (_, 0x04) => place += u64::from(at.take::<u32>()) * self.code_step,
                    (_, 0x05) => {
                        let register = at.unsigned();
                        let offset = at.unsigned() as i64 * self.data_step;
                        row.save(register, Saved::At(offset));
                    }
                    (_, 0x06) => restore(row, at.unsigned(), first),
                    (_, 0x07) => row.save(at.unsigned(), Saved::Undefined),
                    (_, 0x08) => row.save(at.unsigned(), Saved::Not),
                    (_, 0x09) => {
                        row.save(at.unsigned(), Saved::Otherwise);
                        at.unsigned();
                    }
                    (_, 0x0a) => {
                        *kept.get_mut(depth)? = *row;
                        depth += 1;
                    }
                    (_, 0x0b) => {
                        depth = depth.checked_sub(1)?;
                        *row = kept[depth];
                    }
                    (_, 0x0c) => (row.register, row.cfa) = (at.unsigned(), at.unsigned() as i64),
                    (_, 0x0d) => row.register = at.unsigned(),
                    (_, 0x0e) => row.cfa = at.unsigned() as i64,
                    (_, 0x0f) => {
                        row.register = u64::MAX;
                        let length = at.unsigned();
                        at.0 += length;
                    }
                    (_, 0x10 | 0x16) => {
                        row.save(at.unsigned(), Saved::Otherwise);
                        let length = at.unsigned();
                        at.0 += length;
                    }
                    (_, 0x11) => {
                        let register = at.unsigned();
                        let offset = at.signed() * self.data_step;
                        row.save(register, Saved::At(offset));
                    }
                    (_, 0x12) => (row.register, row.cfa) = (at.unsigned(), at.signed() * self.data_step),
                    (_, 0x13) => row.cfa = at.signed() * self.data_step,
                    (_, 0x14) => {
                        row.save(at.unsigned(), Saved::Otherwise);
                        at.unsigned();
                    }
                    (_, 0x2e) => drop(at.unsigned()),
                    _ => return None,
                }
                if place > pc {
                    return Some(());
                }
            }
        }
        Some(())
    }
}

pub(super) fn restore(row: &mut Row, register: u64, first: Row) {
    match register {
        register::FRAME => row.frame = first.frame,
        register::RETURN => row.returns = first.returns,
        _ => (),
    }
}

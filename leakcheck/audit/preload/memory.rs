//! Reads memory that may not be mapped: by `process_vm_readv(2)`, which fails there.

use std::ffi::{c_int, c_ulong, c_void};

use super::boxes::{LARGEST, PLAIN_REGIONS, REGIONS};
use super::libc::getpid;

#[repr(C)]
#[derive(Clone, Copy)]
struct IoVec {
    base: *mut c_void,
    len: usize,
}

extern "C" {
    fn process_vm_readv(
        pid: c_int,
        local: *const IoVec,
        locals: c_ulong,
        remote: *const IoVec,
        remotes: c_ulong,
        flags: c_ulong,
    ) -> isize;
}

/// Memory that is to be read, and where to.
#[derive(Clone, Copy)]
pub(super) struct Part {
    local: IoVec,
    remote: IoVec,
    pub(super) is_read: bool,
}

impl Part {
    pub(super) const NONE: Self = Self::of(std::ptr::null_mut(), 0, 0);

    pub(super) const fn of(to: *mut c_void, address: u64, len: usize) -> Self {
        Self {
            local: IoVec { base: to, len },
            remote: IoVec {
                base: address as *mut c_void,
                len,
            },
            is_read: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.local.len
    }
}

/// Reads many parts with few calls: one stops at the first that is not mapped.
pub(super) fn read_parts(pid: c_int, parts: &mut [Part]) {
    let none = IoVec {
        base: std::ptr::null_mut(),
        len: 0,
    };
    let mut next = 0;
    while next < parts.len() {
        let (mut locals, mut remotes) = ([none; REGIONS], [none; REGIONS]);
        let left = &mut parts[next..];
        let count = left.len().min(REGIONS);
        for (index, part) in left[..count].iter().enumerate() {
            (locals[index], remotes[index]) = (part.local, part.remote);
        }
        let many = count as c_ulong;
        // SAFETY: the kernel writes to the local parts, which our callers own, and checks the other addresses itself.
        let read = unsafe { process_vm_readv(pid, locals.as_ptr(), many, remotes.as_ptr(), many, 0) };
        let mut bytes = usize::try_from(read).unwrap_or(0);
        let mut done = 0;
        for part in &mut left[..count] {
            if bytes < part.local.len {
                break;
            }
            bytes -= part.local.len;
            part.is_read = true;
            done += 1;
        }
        // The one that could not be read is not tried again.
        next += (done + 1).min(count);
    }
}

/// Reads words of this process' memory, where it is mapped.
pub(super) fn read_words(address: u64, to: &mut [u64]) -> bool {
    // SAFETY: no arguments.
    let pid = unsafe { getpid() };
    read(pid, address, to.as_mut_ptr().cast(), to.len() * 8)
}

pub(super) fn read(pid: c_int, address: u64, to: *mut c_void, len: usize) -> bool {
    let local = IoVec { base: to, len };
    let remote = IoVec {
        base: address as *mut c_void,
        len,
    };
    // SAFETY: the kernel writes to `to`, which our callers own, and checks the other address itself.
    unsafe { process_vm_readv(pid, &local, 1, &remote, 1, 0) == len as isize }
}

/// The sizes of those of the addresses that are blocks of glibc's, and 0 for the others: the word before one is its size
/// (`malloc/malloc.c`, `mchunk_size`). Where another allocator made it, the word says nothing, and what is copied is of no use.
pub(super) fn block_sizes(pid: c_int, blocks: &[u64], sizes: &mut [u64; PLAIN_REGIONS]) {
    let mut parts = [Part::NONE; PLAIN_REGIONS];
    for ((part, size), address) in parts.iter_mut().zip(sizes.iter_mut()).zip(blocks) {
        *part = Part::of(std::ptr::from_mut(size).cast(), address - 8, 8);
    }
    let parts = &mut parts[..blocks.len()];
    read_parts(pid, parts);
    for (part, size) in parts.iter().zip(sizes) {
        // SAFETY: what `read_parts` has written to, if anything.
        let chunk = unsafe { part.local.base.cast::<u64>().read() } & !7;
        let is_block = part.is_read && chunk % 16 == 0 && (32..=LARGEST).contains(&chunk);
        *size = if is_block { chunk - 8 } else { 0 };
    }
}

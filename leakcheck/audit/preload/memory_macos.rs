//! Reads memory that may not be mapped: by `mach_vm_read_overwrite`, which fails there.

use std::ffi::{c_int, c_void};

use super::boxes::PLAIN_REGIONS;

extern "C" {
    /// This process' own port.
    static mach_task_self_: u32;
    fn mach_vm_read_overwrite(task: u32, address: u64, size: u64, to: u64, read: *mut u64) -> c_int;
    fn malloc_size(block: *const c_void) -> usize;
}

/// Memory that is to be read, and where to.
#[derive(Clone, Copy)]
pub(super) struct Part {
    to: *mut c_void,
    address: u64,
    len: usize,
    pub(super) is_read: bool,
}

impl Part {
    pub(super) const NONE: Self = Self::of(std::ptr::null_mut(), 0, 0);

    pub(super) const fn of(to: *mut c_void, address: u64, len: usize) -> Self {
        Self {
            to,
            address,
            len,
            is_read: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// Reads many parts, each by a call of its own.
pub(super) fn read_parts(pid: c_int, parts: &mut [Part]) {
    for part in parts {
        part.is_read = read(pid, part.address, part.to, part.len);
    }
}

/// Reads this process' own memory, where it is mapped.
pub(super) fn read(_pid: c_int, address: u64, to: *mut c_void, len: usize) -> bool {
    let mut read = 0;
    // SAFETY: the kernel writes to `to`, which our callers own, and checks the other address itself.
    let result = unsafe { mach_vm_read_overwrite(mach_task_self_, address, len as u64, to as u64, &mut read) };
    result == 0 && read == len as u64
}

/// The sizes of those of the addresses that are blocks of the heap's, and 0 for the others. The zones of `malloc` know their own
/// blocks by the address; another allocator's are none.
pub(super) fn block_sizes(_pid: c_int, blocks: &[u64], sizes: &mut [u64; PLAIN_REGIONS]) {
    for (size, address) in sizes.iter_mut().zip(blocks) {
        // SAFETY: any address may be asked about.
        *size = unsafe { malloc_size(*address as *const c_void) } as u64;
    }
}

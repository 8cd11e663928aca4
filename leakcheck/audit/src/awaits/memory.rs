//! The bytes that a decoder looks at.

/// Memory of a program, as far as it is known: a copy of a task's cell, a core file, or a live process.
pub trait Memory {
    /// Fills `buffer` with what stands at `address` in the program's memory. `false`, whatever is in the buffer then, where
    /// not all of it is known.
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool;

    /// What an address in the program's memory is in its object file, which is where the debug info knows it: the address
    /// without the load bias. `None`, as here, where that is not known. The concrete type of a `Box<dyn Future>` stays unknown then.
    fn in_object(&self, address: u64) -> Option<u64> {
        let _ = address;
        None
    }
}

/// One piece of memory, and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Copied<'a> {
    /// Where its first byte stood.
    pub address: u64,
    /// What was there.
    pub bytes: &'a [u8],
    /// By how much the program's addresses are above those in its object file.
    pub bias: u64,
}

impl Memory for Copied<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let known = address
            .checked_sub(self.address)
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| self.bytes.get(start..)?.get(..buffer.len()));
        known.map(|known| buffer.copy_from_slice(known)).is_some()
    }

    fn in_object(&self, address: u64) -> Option<u64> {
        address.checked_sub(self.bias)
    }
}

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

/// Several pieces of memory: a task's cell, and what its boxes point to.
///
/// ```
/// use leakcheck_audit::awaits::{Memory, Regions};
///
/// let mut memory = Regions::new(0x5000);
/// memory.add(0x7000, &[1, 2, 3, 4]);
/// memory.add(0x9000, &[5, 6]);
///
/// let mut read = [0; 2];
/// assert!(memory.read(0x7002, &mut read) && read == [3, 4]);
/// assert!(!memory.read(0x7003, &mut read), "it does not reach beyond what was copied");
/// assert_eq!(memory.in_object(0x5123), Some(0x123));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Regions<'a> {
    bias: u64,
    /// Sorted by where they begin.
    pieces: Vec<(u64, &'a [u8])>,
}

impl<'a> Regions<'a> {
    /// No memory yet, of a program whose addresses are above those in its object file by `bias`.
    #[must_use]
    pub fn new(bias: u64) -> Self {
        Regions {
            bias,
            pieces: Vec::new(),
        }
    }

    /// Adds what stood at an address. Where pieces overlap, the one that begins last is read.
    pub fn add(&mut self, address: u64, bytes: &'a [u8]) {
        let at = self.pieces.partition_point(|(begin, _)| *begin <= address);
        self.pieces.insert(at, (address, bytes));
    }
}

impl Memory for Regions<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let end = self.pieces.partition_point(|(begin, _)| *begin <= address);
        let known = self.pieces[..end].iter().rev().find_map(|(begin, bytes)| {
            let start = usize::try_from(address - begin).ok()?;
            bytes.get(start..)?.get(..buffer.len())
        });
        known.map(|known| buffer.copy_from_slice(known)).is_some()
    }

    fn in_object(&self, address: u64) -> Option<u64> {
        address.checked_sub(self.bias)
    }
}

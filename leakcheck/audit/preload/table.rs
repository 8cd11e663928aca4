//! A hash table that allocates nothing but pages.

use super::libc::{anonymous, munmap};

pub(super) fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

/// Offsets by their hash: open addressing in memory of its own, which no other process sees.
pub(super) struct Table {
    /// Pairs of hash and offset. An offset of 0 is a free place, 1 one that was given up.
    pub(super) places: *mut [u64; 2],
    pub(super) capacity: usize,
    pub(super) taken: usize,
    pub(super) given_up: usize,
}

pub(super) const GIVEN_UP: u64 = 1;

impl Table {
    pub(super) const fn new() -> Self {
        Self {
            places: std::ptr::null_mut(),
            capacity: 0,
            taken: 0,
            given_up: 0,
        }
    }

    pub(super) fn find(&self, hash: u64, same: impl Fn(u64) -> bool) -> u64 {
        if self.capacity == 0 {
            return 0;
        }
        let mut at = hash as usize & (self.capacity - 1);
        loop {
            // SAFETY: below the capacity.
            let [found, offset] = unsafe { self.places.add(at).read() };
            if offset == 0 || (found == hash && offset != GIVEN_UP && same(offset)) {
                return offset;
            }
            at = (at + 1) & (self.capacity - 1);
        }
    }

    pub(super) fn insert(&mut self, hash: u64, offset: u64) {
        if (self.taken + self.given_up + 1) * 2 > self.capacity && !self.rebuild() {
            return;
        }
        let mut at = hash as usize & (self.capacity - 1);
        loop {
            // SAFETY: below the capacity.
            let place = unsafe { &mut *self.places.add(at) };
            if place[1] == 0 {
                *place = [hash, offset];
                self.taken += 1;
                return;
            }
            at = (at + 1) & (self.capacity - 1);
        }
    }

    pub(super) fn remove(&mut self, hash: u64, offset: u64) {
        if self.capacity == 0 {
            return;
        }
        let mut at = hash as usize & (self.capacity - 1);
        loop {
            // SAFETY: below the capacity.
            let place = unsafe { &mut *self.places.add(at) };
            match place[1] {
                0 => return,
                found if found == offset => {
                    place[1] = GIVEN_UP;
                    self.taken -= 1;
                    self.given_up += 1;
                    return;
                }
                _ => at = (at + 1) & (self.capacity - 1),
            }
        }
    }

    /// Makes room, and lets go of places that were given up. On failure nothing changes, and there is still a free place.
    pub(super) fn rebuild(&mut self) -> bool {
        let capacity = (self.taken * 4).next_power_of_two().max(1024);
        let Some(places) = anonymous(capacity * 16) else {
            return (self.taken + self.given_up + 2) < self.capacity;
        };
        let old = std::mem::replace(
            self,
            Self {
                places: places.cast(),
                capacity,
                taken: 0,
                given_up: 0,
            },
        );
        for at in 0..old.capacity {
            // SAFETY: below the capacity.
            let [hash, offset] = unsafe { old.places.add(at).read() };
            if offset > GIVEN_UP {
                self.insert(hash, offset);
            }
        }
        if old.capacity != 0 {
            // SAFETY: mapped with this length, and not used any more.
            unsafe { munmap(old.places.cast(), old.capacity * 16) };
        }
        true
    }
}

//! Whether a thread that is left at the end is blocked, and in what.

use std::ffi::{c_int, c_uint, c_void};

use super::libc::{close, open, read, O_RDONLY_CLOEXEC};
use super::memory;
use super::start::digits;
use super::threads::{blocked, Left};

extern "C" {
    fn getsockopt(socket: c_int, level: c_int, name: c_int, value: *mut c_void, length: *mut c_uint) -> c_int;
}

impl Left {
    /// Finds out whether it is blocked, so that it ends only if somebody else lets it. A thread that has just been woken, or that
    /// wakes by itself, is not.
    pub(super) fn examine(&mut self) {
        let mut text = [0; 256];
        let state = stat(self.number, &mut text);
        self.blocked = if self.waits != 0 {
            let mut word = [0_u64];
            let at = self.waits & !7;
            let value = memory::read_words(at, &mut word).then(|| word[0] >> ((self.waits & 4) * 8) & 0xffff_ffff);
            let sleeps = matches!(state, None | Some(b'S'));
            if sleeps && value == Some(self.value) { blocked::WAITS } else { 0 }
        } else if state == Some(b'S') {
            call(self.number, &mut text)
        } else {
            0
        };
    }
}

/// Whether a thread runs, would if it had a processor, or waits for a disk.
pub(super) fn is_at_work(number: u64) -> bool {
    matches!(stat(number, &mut [0; 256]), Some(b'R' | b'D'))
}

/// The beginning of a file of `/proc/self/task`.
fn task_file<'a>(number: u64, name: &[u8], text: &'a mut [u8; 256]) -> &'a [u8] {
    let mut path = [0_u8; 64];
    let parts: [&[u8]; 3] = [b"/proc/self/task/", &digits(number), name];
    let bytes = parts.into_iter().flatten().filter(|byte| **byte != 0);
    path[..63].iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    // SAFETY: a path that ends with a zero byte, a file that is ours, and as many bytes as there are.
    unsafe {
        let file = open(path.as_ptr().cast(), O_RDONLY_CLOEXEC);
        if file < 0 {
            return &[];
        }
        let length = read(file, text.as_mut_ptr().cast(), text.len());
        close(file);
        &text[..usize::try_from(length).unwrap_or(0)]
    }
}

/// The letter of a thread's state: `proc_pid_stat(5)`. It follows the name, which may have any letters.
fn stat(number: u64, text: &mut [u8; 256]) -> Option<u8> {
    let stat = task_file(number, b"/stat", text);
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).copied()
}

/// Why a thread is blocked in its call of the kernel's: `proc_pid_syscall(5)`. 0 where it may end by itself.
fn call(number: u64, text: &mut [u8; 256]) -> u64 {
    let text = task_file(number, b"/syscall", text);
    let mut words = text.split(|byte| byte.is_ascii_whitespace()).map(parsed);
    let Some(Some(number)) = words.next() else { return 0 };
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        let Some(Some(word)) = words.next() else { return 0 };
        *argument = word;
    }
    let for_ever = |index: usize| arguments[index] as i32 == -1;
    let no_deadline = !has_deadline(arguments[0] as c_int);
    #[cfg(target_arch = "x86_64")]
    return match number {
        // read, readv, recvfrom, recvmsg
        0 | 19 | 45 | 47 if no_deadline => blocked::READS,
        // accept, accept4
        43 | 288 if no_deadline => blocked::ACCEPTS,
        // poll, epoll_wait, epoll_pwait: with a time-out; select, pselect6, ppoll: with a pointer to one
        7 if for_ever(2) => blocked::POLLS,
        232 | 281 if for_ever(3) => blocked::POLLS,
        23 | 270 if arguments[4] == 0 => blocked::POLLS,
        271 if arguments[2] == 0 => blocked::POLLS,
        // wait4, waitid
        61 | 247 => blocked::AWAITS_CHILD,
        _ => 0,
    };
    #[cfg(target_arch = "aarch64")]
    match number {
        63 | 65 | 207 | 212 if no_deadline => blocked::READS,
        202 | 242 if no_deadline => blocked::ACCEPTS,
        22 if for_ever(3) => blocked::POLLS,
        72 if arguments[4] == 0 => blocked::POLLS,
        73 if arguments[2] == 0 => blocked::POLLS,
        260 | 95 => blocked::AWAITS_CHILD,
        _ => 0,
    }
}

/// Whether a descriptor is a socket that reads and accepts with a time-out of its own: `socket(7)`, `SO_RCVTIMEO`.
fn has_deadline(socket: c_int) -> bool {
    const SOL_SOCKET: c_int = 1;
    const SO_RCVTIMEO: c_int = 20;
    let (mut time, mut length) = ([0_i64; 2], 16);
    // SAFETY: the kernel writes as many bytes as there are, and knows itself what is no socket.
    let result = unsafe { getsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, time.as_mut_ptr().cast(), &mut length) };
    result == 0 && time != [0; 2]
}

/// A number as these files have it: decimal, or hexadecimal with its mark. `None` for words, as `running`.
fn parsed(word: &[u8]) -> Option<u64> {
    let (digits, base) = word.strip_prefix(b"0x").map_or((word, 10), |digits| (digits, 16));
    let mut number = (!digits.is_empty()).then_some(0_u64)?;
    for digit in digits {
        let digit = (*digit as char).to_digit(base)?;
        number = number.checked_mul(u64::from(base))?.checked_add(u64::from(digit))?;
    }
    Some(number)
}

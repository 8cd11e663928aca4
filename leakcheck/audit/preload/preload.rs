//! What is preloaded into an observed process: it notes where tokio's task cells are allocated and freed.
//!
//! A library of its own, with nothing but std, so that the user's own `rustc` can build it from these few files. It knows no
//! symbol and resolves no address; the audit does both, after the process has ended.
//!
//! tokio's task cells are the heap blocks of one alignment ([`CELL_ALIGN`], tokio's `runtime/task/core.rs`), and Rust asks
//! libc's `posix_memalign` for those. Of every other allocation and free, nothing but its address' alignment is looked at.
//! Records lie in a file that is mapped and shared, so what was written survives an abort. Ended cells are counted by where
//! they were allocated and freed: memory grows with the code paths, not with the tasks.
//!
//! Rules: no allocation in a hook but from the mapped file, no lock held while a real function is called, `errno` is left
//! alone, a hook that is entered again on its own thread does nothing, and a forked child records nothing.
//!
//! The layout of the file is described in `observe/records.rs`, which reads it.

mod boxes;
mod programs;
mod threads;

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_char, c_int, c_void, CStr};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use boxes::{Boxes, Segments, SCRATCH};

/// The alignment of a task cell on x86_64 and aarch64.
const CELL_ALIGN: usize = 128;
/// The directory for the records.
const DIRECTORY: &CStr = c"LEAK_AUDIT_OBSERVE";
const MAGIC: u64 = u64::from_le_bytes(*b"LKOBSRV2");

/// Frames of a stack that are kept, from the innermost on.
const FRAMES: usize = 192;
/// Address space for the records: 1 GiB. The file itself grows as it is needed.
const SPACE: usize = 1 << 30;
const HEADER: usize = 8192;
const CHUNK: usize = 256 * 1024;
/// Bytes of live cells' copies, and of those that are kept of freed cells.
const LIVE_COPIES: usize = 64 << 20;
const KEPT_COPIES: usize = 32 << 20;
/// The largest part of one cell that is copied.
const COPY: usize = 64 * 1024;
/// Bytes that one pass over the live cells copies, and cells that it looks at.
const PASS_BYTES: usize = 32 * 1024;
const PASS_CELLS: usize = 64;
/// Copies kept of cells that were allocated and freed alike.
const KEPT_EACH: u64 = 4;
/// Live cells that have room for a copy.
const COPYABLE: usize = 1 << 15;

/// The lowest bits of the first word of a cell, tokio's `runtime/task/state.rs`: being polled, and done. Only used to decide
/// when a copy is worth taking.
const RUNNING: u64 = 1;
const COMPLETE: u64 = 2;

mod kind {
    pub const NODE: u64 = 1;
    pub const LINEAGE: u64 = 2;
    pub const OBJECT: u64 = 3;
    pub const FOLD: u64 = 4;
    pub const LIVE: u64 = 5;
    pub const KEPT: u64 = 6;
    pub const BOXES: u64 = 7;
    pub const THREAD: u64 = 8;
    pub const LIFETIMES: u64 = 9;
}

/// Words of the header.
mod header {
    pub const MAGIC: usize = 0;
    pub const PID: usize = 1;
    pub const PARENT: usize = 2;
    /// 0 while it runs, 1 once it has come to `exit`.
    pub const ENDED: usize = 3;
    pub const USED: usize = 4;
    /// What there was no room for.
    pub const DROPPED: usize = 5;
    pub const PASSES: usize = 6;
    pub const EXECUTABLE: usize = 7;
    pub const ARGUMENTS: usize = 8;
    /// Nanoseconds from the beginning to the end, once it is there. All times are from the beginning on.
    pub const TO: usize = 9;
    /// Where the two texts begin, and the longest that fits.
    pub const TEXT: usize = 128;
    pub const EXECUTABLE_MAX: usize = 4000;
    pub const ARGUMENTS_MAX: usize = 3900;
}

// ---------------------------------------------------------------------------------------------------------------- libc

#[repr(C)]
struct DlPhdrInfo {
    address: usize,
    name: *const c_char,
    headers: *const ProgramHeader,
    count: u16,
}

#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dl_iterate_phdr(f: extern "C" fn(*const DlPhdrInfo, usize, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    fn mmap(at: *mut c_void, len: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn munmap(at: *mut c_void, len: usize) -> c_int;
    fn madvise(at: *mut c_void, len: usize, advice: c_int) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn read(fd: c_int, to: *mut c_void, len: usize) -> isize;
    fn readlink(path: *const c_char, to: *mut c_char, len: usize) -> isize;
    fn posix_fallocate(fd: c_int, offset: i64, len: i64) -> c_int;
    fn getpid() -> c_int;
    fn getppid() -> c_int;
    fn getenv(name: *const c_char) -> *const c_char;
    fn atexit(f: extern "C" fn()) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut [i64; 2]) -> c_int;
    fn __errno_location() -> *mut c_int;
}

const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
const CLOCK_MONOTONIC: c_int = 1;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;
const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
const MADV_DONTDUMP: c_int = 16;
const MADV_WIPEONFORK: c_int = 18;
const O_RDONLY_CLOEXEC: c_int = 0o2000000;
const O_RDWR_CLOEXEC: c_int = 0o2000002;
const O_CREATE_NEW: c_int = 0o300;
/// `futex(2)`: its number, and which of its operations wait. The flags beside an operation are private memory and the clock.
#[cfg(target_arch = "x86_64")]
const SYS_FUTEX: i64 = 202;
#[cfg(target_arch = "aarch64")]
const SYS_FUTEX: i64 = 98;
const FUTEX_OPERATION: usize = !(128 | 256);
const FUTEX_WAIT: usize = 0;
const FUTEX_WAIT_BITSET: usize = 9;
const PT_LOAD: u32 = 1;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;

/// The next definition of a function behind ours. Resolved once; `dlsym` is never called with our lock held.
struct Real(AtomicUsize, &'static CStr);

impl Real {
    const fn new(name: &'static CStr) -> Self {
        Self(AtomicUsize::new(0), name)
    }

    fn address(&self) -> usize {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                // SAFETY: a name that ends with a zero byte.
                let address = unsafe { dlsym(RTLD_NEXT, self.1.as_ptr()) } as usize;
                self.0.store(address, Ordering::Relaxed);
                address
            }
            address => address,
        }
    }
}

static POSIX_MEMALIGN: Real = Real::new(c"posix_memalign");
static ALIGNED_ALLOC: Real = Real::new(c"aligned_alloc");
static MEMALIGN: Real = Real::new(c"memalign");
static FREE: Real = Real::new(c"free");
static EPOLL_WAIT: Real = Real::new(c"epoll_wait");
static SYSCALL: Real = Real::new(c"syscall");
static PTHREAD_CREATE: Real = Real::new(c"pthread_create");

// --------------------------------------------------------------------------------------------------------------- hooks

type PosixMemalign = unsafe extern "C" fn(*mut *mut c_void, usize, usize) -> c_int;
type Memalign = unsafe extern "C" fn(usize, usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type EpollWait = unsafe extern "C" fn(c_int, *mut c_void, c_int, c_int) -> c_int;
type Syscall = unsafe extern "C" fn(i64, usize, usize, usize, usize, usize, usize) -> i64;
type Start = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;
type PthreadCreate = unsafe extern "C" fn(*mut c_void, *const c_void, Start, *mut c_void) -> c_int;

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, PosixMemalign>(POSIX_MEMALIGN.address())(out, align, size) };
    if align == CELL_ALIGN && result == 0 {
        // SAFETY: it succeeded, so `out` was written.
        allocated(unsafe { *out } as usize, size);
    }
    result
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, Memalign>(ALIGNED_ALLOC.address())(align, size) };
    if align == CELL_ALIGN && !result.is_null() {
        allocated(result as usize, size);
    }
    result
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, Memalign>(MEMALIGN.address())(align, size) };
    if align == CELL_ALIGN && !result.is_null() {
        allocated(result as usize, size);
    }
    result
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn free(block: *mut c_void) {
    if block as usize & (CELL_ALIGN - 1) == 0 && may_be_cell(block as usize) {
        freed(block as usize);
    }
    let real = FREE.address();
    if real != 0 {
        // SAFETY: the function of this name has this type, and our caller keeps its contract.
        unsafe { std::mem::transmute::<usize, Free>(real)(block) }
    }
}

/// A runtime parks here, and so its tasks hold still.
///
/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut c_void, count: c_int, timeout: c_int) -> c_int {
    parking(timeout);
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, EpollWait>(EPOLL_WAIT.address())(epoll, events, count, timeout) }
}

/// A runtime without a driver of I/O parks here: its thread waits for a futex, which std and parking_lot ask for by number.
///
/// libc's takes as many arguments as the call has, and passes six on whatever they are. So does this one.
///
/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn syscall(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> i64 {
    if number == SYS_FUTEX && matches!(b & FUTEX_OPERATION, FUTEX_WAIT | FUTEX_WAIT_BITSET) {
        parking(-1);
    }
    // SAFETY: the function of this name takes these, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, Syscall>(SYSCALL.address())(number, a, b, c, d, e, f) }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the function of this name has this type.
    let real = unsafe { std::mem::transmute::<usize, PthreadCreate>(PTHREAD_CREATE.address()) };
    let (lineage, record) = thread_created();
    if lineage == 0 {
        // SAFETY: our caller keeps the contract.
        return unsafe { real(thread, attributes, start, argument) };
    }
    let Some(place) = BEGIN.iter().find(|place| place.taken.swap(1, Ordering::Acquire) == 0) else {
        thread_failed(record);
        // SAFETY: our caller keeps the contract.
        return unsafe { real(thread, attributes, start, argument) };
    };
    // SAFETY: the place is ours; the new thread takes it over, unless there is none.
    unsafe {
        place.begin.get().write(Some(Begin {
            start,
            argument,
            lineage,
            record,
        }));
        let result = real(
            thread,
            attributes,
            run_thread,
            std::ptr::from_ref(place).cast_mut().cast(),
        );
        if result != 0 {
            place.taken.store(0, Ordering::Release);
            thread_failed(record);
        }
        result
    }
}

/// What a new thread is to do, and who created it.
struct Begin {
    start: Start,
    argument: *mut c_void,
    lineage: u64,
    record: u64,
}

/// Where it is until the thread has begun. Not on the heap: a program's `malloc` may be another's than our `free` is.
struct Place {
    taken: AtomicUsize,
    begin: UnsafeCell<Option<Begin>>,
}

// SAFETY: only who has taken a place touches what is in it.
unsafe impl Sync for Place {}

/// Where all are in use, a thread's lineage is not known.
static BEGIN: [Place; 128] = [const {
    Place {
        taken: AtomicUsize::new(0),
        begin: UnsafeCell::new(None),
    }
}; 128];

/// A thread that leaves by `pthread_exit`, or is cancelled, is unwound through this: the library must not be built to abort then.
unsafe extern "C-unwind" fn run_thread(place: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` above filled it for this one call.
    let begin = unsafe {
        let place = &*place.cast::<Place>();
        let begin = (*place.begin.get()).take();
        place.taken.store(0, Ordering::Release);
        begin
    };
    let Some(Begin {
        start,
        argument,
        lineage,
        record,
    }) = begin
    else {
        return std::ptr::null_mut();
    };
    LINEAGE.with(|own| own.set(lineage));
    threads::began(record);
    // SAFETY: what our caller's caller asked `pthread_create` to do.
    unsafe { start(argument) }
}

// -------------------------------------------------------------------------------------------------------------- events

thread_local! {
    /// A hook is at work on this thread.
    static BUSY: Cell<bool> = const { Cell::new(false) };
    /// Which threads created this one.
    static LINEAGE: Cell<u64> = const { Cell::new(0) };
    /// Parks that did not wait.
    static YIELDS: Cell<u8> = const { Cell::new(0) };
}

/// Not null where this process records. What it points to is 1, and 0 in a forked child: the kernel wipes it.
static ACTIVE: AtomicPtr<u64> = AtomicPtr::new(std::ptr::null_mut());

/// How many live cells have an address with this hash, so that other frees are let through at once.
static FILTER: [AtomicU16; 1 << 16] = [const { AtomicU16::new(0) }; 1 << 16];

fn filter(address: usize) -> &'static AtomicU16 {
    &FILTER[(address as u64 >> 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> 48]
}

fn may_be_cell(address: usize) -> bool {
    filter(address).load(Ordering::Relaxed) != 0
}

/// A hook's turn on its thread: while it lasts, hooks on the same thread do nothing.
struct Turn {
    errno: c_int,
}

impl Turn {
    fn begin() -> Option<Self> {
        let active = ACTIVE.load(Ordering::Relaxed);
        // SAFETY: a page that stays mapped for as long as the process lives.
        if active.is_null() || unsafe { active.read_volatile() } == 0 {
            return None;
        }
        if BUSY.try_with(|busy| busy.replace(true)).unwrap_or(true) {
            return None;
        }
        // SAFETY: this thread's own errno.
        Some(Self {
            errno: unsafe { *__errno_location() },
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // SAFETY: this thread's own errno.
        unsafe { *__errno_location() = self.errno };
        let _ = BUSY.try_with(|busy| busy.set(false));
    }
}

/// The loaded files were written down.
static LISTED: AtomicBool = AtomicBool::new(false);

fn lineage() -> u64 {
    LINEAGE.try_with(Cell::get).unwrap_or(0)
}

#[inline(never)]
fn allocated(address: usize, size: usize) {
    let Some(_turn) = Turn::begin() else { return };
    // What is in it is left from whatever was there before, and another thread may look at it before its owner has written
    // to it. As a cell that is being polled it is left alone until then.
    if size >= std::mem::size_of::<u64>() {
        // SAFETY: a block of that size at least, which was allocated just now and is nobody else's yet.
        unsafe { (address as *mut u64).write_volatile(RUNNING) };
    }
    let mut frames = [0; FRAMES];
    let count = walk(&mut frames);
    // Once at the first cell, for a process that will not come to its end.
    if !LISTED.swap(true, Ordering::Relaxed) {
        list();
    }
    let mut state = lock();
    let node = state.stack(&frames[..count]);
    state.insert(address, size, node, lineage());
}

/// Writes down what is loaded.
#[cold]
#[inline(never)]
fn list() {
    let (objects, segments) = (Objects::loaded(), Segments::loaded());
    let mut state = lock();
    state.objects(&objects);
    state.boxes.segments = segments;
}

#[inline(never)]
fn freed(address: usize) {
    let Some(_turn) = Turn::begin() else { return };
    if !lock().knows(address) {
        return;
    }
    let mut frames = [0; FRAMES];
    let count = walk(&mut frames);
    let mut state = lock();
    let node = state.stack(&frames[..count]);
    state.remove(address, node);
    // What this cell's end leaves alone holds still for now, and is about to end with its runtime, perhaps.
    state.pass(false);
}

fn parking(timeout: c_int) {
    if timeout == 0 {
        // A runtime that only looks for events does so often.
        let yields = YIELDS
            .try_with(|yields| yields.replace(yields.get().wrapping_add(1)))
            .unwrap_or(1);
        if yields % 16 != 0 {
            return;
        }
    }
    let Some(_turn) = Turn::begin() else { return };
    let mut state = lock();
    state.park();
    state.pass(true);
}

/// The lineage and the record of a thread that this one is about to create.
fn thread_created() -> (u64, u64) {
    let Some(_turn) = Turn::begin() else { return (0, 0) };
    let mut frames = [0; FRAMES];
    let count = walk(&mut frames);
    let mut state = lock();
    let node = state.stack(&frames[..count]);
    let lineage = state.lineage(lineage(), node);
    let now = state.now();
    (lineage, state.thread_created(lineage, threads::own(), now))
}

fn thread_failed(record: u64) {
    if record != 0 {
        if let Some(_turn) = Turn::begin() {
            lock().thread_failed(record);
        }
    }
}

extern "C" fn exiting() {
    let Some(_turn) = Turn::begin() else { return };
    // More may be loaded than at the first cell.
    let objects = LISTED.load(Ordering::Relaxed).then(Objects::loaded);
    let mut state = lock();
    state.park();
    state.ending = true;
    state.last_pass();
    if let Some(objects) = objects {
        state.objects(&objects);
    }
    let now = state.now();
    state.set_header(header::TO, now);
    state.set_header(header::ENDED, 1);
    drop(state);
    stop();
}

/// Records nothing from here on.
fn stop() {
    let active = ACTIVE.load(Ordering::Relaxed);
    if !active.is_null() {
        // SAFETY: as in `Turn::begin`.
        unsafe { active.write_volatile(0) };
    }
}

// --------------------------------------------------------------------------------------------------------------- stack

/// The return addresses of this thread's stack, the innermost first.
///
/// libgcc takes some 200 ns a frame. Here each return address is looked up in the unwind tables once, and what they say of
/// it is remembered: a frame is then a few loads. Where the tables say what is not understood, libgcc walks that stack.
#[inline(never)]
fn walk(frames: &mut [u64; FRAMES]) -> usize {
    let fast = walk_remembered(frames);
    #[cfg(leak_audit_verify)]
    verify(&frames[..fast.unwrap_or(0)]);
    fast.unwrap_or_else(|| walk_slowly(frames))
}

/// Ends the process where the two walks differ. Only in the library that the tests build.
#[cfg(leak_audit_verify)]
fn verify(fast: &[u64]) {
    let mut slow = [0; FRAMES];
    let count = walk_slowly(&mut slow);
    let slow = &slow[..count];
    let Some(own) = fast.get(1).and_then(|own| slow.iter().position(|frame| frame == own)) else {
        eprintln!("leak-audit: no remembered walk {fast:x?} {slow:x?}");
        std::process::abort();
    };
    // libgcc also names what is below the last frame, where that is not marked as the last.
    let slow = &slow[own..];
    let fast = &fast[1..];
    if !slow.starts_with(fast) || slow.len() > fast.len() + 1 {
        eprintln!("leak-audit: the walks differ: {fast:x?} {slow:x?}");
        std::process::abort();
    }
}

#[repr(C)]
struct UnwindContext([u8; 0]);

extern "C" {
    fn _Unwind_Backtrace(f: extern "C" fn(*mut UnwindContext, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut UnwindContext) -> usize;
}

struct Trace<'a> {
    frames: &'a mut [u64; FRAMES],
    count: usize,
}

#[cold]
#[inline(never)]
fn walk_slowly(frames: &mut [u64; FRAMES]) -> usize {
    extern "C" fn frame(context: *mut UnwindContext, data: *mut c_void) -> c_int {
        // SAFETY: the trace below, which `_Unwind_Backtrace` hands through.
        let trace = unsafe { &mut *data.cast::<Trace<'_>>() };
        if trace.count == FRAMES {
            return 5; // _URC_END_OF_STACK
        }
        // SAFETY: the unwinder's own context.
        trace.frames[trace.count] = unsafe { _Unwind_GetIP(context) } as u64;
        trace.count += 1;
        0
    }
    let mut trace = Trace { frames, count: 0 };
    // SAFETY: the callback has the type that the unwinder asks for, and does not unwind.
    unsafe { _Unwind_Backtrace(frame, std::ptr::from_mut(&mut trace).cast()) };
    trace.count
}

/// The registers that a frame is found by, in DWARF's numbers.
#[cfg(target_arch = "x86_64")]
mod register {
    pub const FRAME: u64 = 6;
    pub const STACK: u64 = 7;
    pub const RETURN: u64 = 16;
}
#[cfg(target_arch = "aarch64")]
mod register {
    pub const FRAME: u64 = 29;
    pub const STACK: u64 = 31;
    pub const RETURN: u64 = 30;
}

/// `None` where the tables say what is not understood.
#[inline(always)]
fn walk_remembered(frames: &mut [u64; FRAMES]) -> Option<usize> {
    let (mut pc, mut sp, mut fp): (u64, u64, u64);
    // SAFETY: reads three registers.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) pc, out(reg) sp, out(reg) fp,
            options(nomem, nostack, preserves_flags));
    }
    // SAFETY: reads three registers.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("adr {}, .", "mov {}, sp", "mov {}, x29", out(reg) pc, out(reg) sp, out(reg) fp,
            options(nomem, nostack, preserves_flags));
    }
    let mut count = 0;
    loop {
        let rule = rule_at(pc)?;
        let from = match rule.kind {
            Rule::END => return Some(count),
            Rule::BY_STACK => sp,
            Rule::BY_FRAME => fp,
            _ => return None,
        };
        let cfa = from.wrapping_add_signed(i64::from(rule.cfa) * 8);
        // Frames lie one behind the other. Anything else is no stack.
        if cfa <= sp || cfa % 8 != 0 || cfa - sp > 1 << 30 {
            return None;
        }
        // SAFETY: the unwind tables say that the frame's registers are saved there.
        unsafe {
            let saved = |at: i16| (cfa.wrapping_add_signed(i64::from(at) * 8) as *const u64).read();
            pc = saved(rule.returns);
            if rule.frame != Rule::SAME {
                fp = saved(rule.frame);
            }
        }
        sp = cfa;
        if pc == 0 || count == FRAMES {
            return Some(count);
        }
        frames[count] = pc;
        count += 1;
        // A return address is behind its call, and may be behind the function too.
        pc -= 1;
    }
}

/// How to get from a frame to its caller's: offsets in words of eight bytes.
#[derive(Clone, Copy)]
struct Rule {
    kind: u8,
    /// From the register to the end of the frame.
    cfa: i32,
    /// From there to the saved frame pointer and return address.
    frame: i16,
    returns: i16,
}

impl Rule {
    const UNKNOWN: u8 = 1;
    const END: u8 = 2;
    const BY_STACK: u8 = 3;
    const BY_FRAME: u8 = 4;
    /// The frame pointer is the caller's.
    const SAME: i16 = i16::MIN;

    const fn only(kind: u8) -> Self {
        Self {
            kind,
            cfa: 0,
            frame: Self::SAME,
            returns: 0,
        }
    }

    fn packed(self) -> u64 {
        u64::from(self.kind)
            | (self.cfa as u64 & 0xff_ffff) << 8
            | (self.frame as u64 & 0xffff) << 32
            | (self.returns as u64 & 0xffff) << 48
    }

    fn unpacked(packed: u64) -> Self {
        Self {
            kind: packed as u8,
            cfa: packed as i32 >> 8,
            frame: (packed >> 32) as i16,
            returns: (packed >> 48) as i16,
        }
    }
}

const REMEMBERED: usize = 1 << 14;

/// Pairs of an address mixed into its rule, and the rule. A pair that two threads wrote at once does not match any address.
static RULES: [[AtomicU64; 2]; REMEMBERED] = [const { [AtomicU64::new(0), AtomicU64::new(0)] }; REMEMBERED];

#[inline]
fn rule_at(pc: u64) -> Option<Rule> {
    let place = &RULES[(pc.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50) as usize];
    let packed = place[1].load(Ordering::Relaxed);
    if packed != 0 && place[0].load(Ordering::Relaxed) ^ packed == pc {
        return Some(Rule::unpacked(packed));
    }
    let rule = read_rule(pc).unwrap_or(const { Rule::only(Rule::UNKNOWN) });
    place[0].store(pc ^ rule.packed(), Ordering::Relaxed);
    place[1].store(rule.packed(), Ordering::Relaxed);
    Some(rule)
}

/// Reads the unwind tables: `.eh_frame_hdr` and `.eh_frame`, as the Linux Standard Base describes them.
#[cold]
#[inline(never)]
fn read_rule(pc: u64) -> Option<Rule> {
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
struct Reader(u64);

impl Reader {
    unsafe fn take<T>(&mut self) -> T {
        // SAFETY: within a table, by its own lengths.
        let value = unsafe { (self.0 as *const T).read_unaligned() };
        self.0 += std::mem::size_of::<T>() as u64;
        value
    }

    unsafe fn unsigned(&mut self) -> u64 {
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

    unsafe fn signed(&mut self) -> i64 {
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
    unsafe fn pointer(&mut self, encoding: u8, base: u64) -> Option<u64> {
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
struct Description {
    start: u64,
    code_step: u64,
    data_step: i64,
    /// The instructions that all functions of its kind begin with, and its own.
    common: (u64, u64),
    own: (u64, u64),
}

/// Finds a function's description by the sorted table in the header.
unsafe fn frame_description(header: u64, pc: u64) -> Option<Description> {
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

unsafe fn function(at: u64, pc: u64) -> Option<Description> {
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
struct Row {
    register: u64,
    cfa: i64,
    frame: Saved,
    returns: Saved,
}

#[derive(Clone, Copy)]
enum Saved {
    Not,
    At(i64),
    /// It has none: the last frame.
    Undefined,
    /// By a rule that is not understood.
    Otherwise,
}

impl Row {
    fn save(&mut self, register: u64, saved: Saved) {
        match register {
            register::FRAME => self.frame = saved,
            register::RETURN => self.returns = saved,
            _ => (),
        }
    }
}

impl Description {
    unsafe fn rule(&self, pc: u64) -> Option<Rule> {
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
    unsafe fn run(&self, (from, to): (u64, u64), row: &mut Row, first: Row, pc: u64) -> Option<()> {
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

fn restore(row: &mut Row, register: u64, first: Row) {
    match register {
        register::FRAME => row.frame = first.frame,
        register::RETURN => row.returns = first.returns,
        _ => (),
    }
}

// --------------------------------------------------------------------------------------------------------------- state

/// Where things are in the mapped file, by their offset; 0 is none.
struct State {
    base: *mut u64,
    /// Bytes of the file that exist, and that are written.
    size: usize,
    used: usize,
    live_copies: usize,
    kept_copies: usize,
    passes: u64,
    /// The last pass that was made because a cell died, and how many cells such passes have looked at since a runtime parked.
    death_pass: u64,
    swept: usize,
    cursor: usize,
    copyable: usize,
    /// Offsets of the live cells that have room for a copy.
    cells: *mut u64,
    nodes: Table,
    stacks: Table,
    lineages: Table,
    folds: Table,
    live: Table,
    /// Free records of live cells, by the room they have in units of [`ROOM`].
    spare: [u64; COPY / ROOM + 1],
    path: [u8; 512],
    boxes: Boxes,
    /// Where a cell's bytes are until it is known that they belong together.
    scratch: [u64; COPY / 8],
    /// Free records of regions, by [`BOXES`].
    spare_boxes: [u64; BOXES.len()],
    /// Nanoseconds that were spent on following plain pointers.
    followed: u64,
    ending: bool,
    began: u64,
    /// Threads that are alive: their number, and their records' offsets.
    alive: usize,
    threads: *mut u64,
    spare_threads: u64,
}

/// Rooms for the regions of a cell, in words.
const BOXES: [usize; 4] = [128, 512, 2048, SCRATCH];
/// The part of the time that has passed, and the nanoseconds, that may be spent on following plain pointers.
const FOLLOWED: u64 = 50;
const FOLLOWED_FREELY: u64 = 5_000_000;

const ROOM: usize = 512;

/// Words of a live cell's record.
mod live {
    pub const ADDRESS: usize = 1;
    pub const STACK: usize = 2;
    pub const LINEAGE: usize = 3;
    pub const SIZE: usize = 4;
    pub const ROOM: usize = 5;
    /// 1 once it was seen complete while a runtime parked.
    pub const COMPLETE: usize = 6;
    /// The pass that copied it, or 0.
    pub const PASS: usize = 7;
    pub const INDEX: usize = 8;
    /// The next free record of the same room.
    pub const NEXT: usize = 9;
    /// When it was allocated.
    pub const FROM: usize = 10;
    /// What its boxes pointed to, as of the same copy.
    pub const BOXES: usize = 11;
    pub const BYTES: usize = 12;
}

/// Words of a cell's regions: each is its address, its length in bytes, and its bytes.
mod regions {
    pub const USED: usize = 1;
    pub const CLASS: usize = 2;
    /// The next free record of the same room.
    pub const NEXT: usize = 3;
    pub const LIST: usize = 4;
}

/// Words of lifetimes of a fold: pairs of begin and end.
mod lifetimes {
    pub const FOLD: usize = 1;
    pub const COUNT: usize = 2;
    pub const LIST: usize = 3;
    pub const EACH: u64 = 8;
    pub const MOST: u64 = 64;
}

/// Words of a fold: cells that were allocated and freed alike.
mod fold {
    pub const ALLOCATED: usize = 1;
    pub const FREED: usize = 2;
    pub const LINEAGE: usize = 3;
    pub const COMPLETE: usize = 4;
    pub const COUNT: usize = 5;
    pub const KEPT: usize = 6;
    pub const SIZE: usize = 7;
    /// When the first was allocated and the last was freed.
    pub const FROM: usize = 8;
    pub const TO: usize = 9;
    /// The lifetimes that are being filled.
    pub const LIFETIMES: usize = 10;
    pub const WORDS: usize = 11;
}

/// Words of a kept copy.
mod kept {
    pub const FOLD: usize = 1;
    pub const ADDRESS: usize = 2;
    pub const SIZE: usize = 3;
    /// Passes between the copy and the end of the cell.
    pub const AGE: usize = 4;
    pub const LENGTH: usize = 5;
    /// Words of regions behind the bytes.
    pub const BOXES: usize = 6;
    pub const BYTES: usize = 7;
}

// SAFETY: the pointers are to memory that the state alone uses, and a lock is around it.
unsafe impl Send for State {}

static STATE: Mutex<State> = Mutex::new(State {
    base: std::ptr::null_mut(),
    size: 0,
    used: 0,
    live_copies: 0,
    kept_copies: 0,
    passes: 0,
    death_pass: 0,
    swept: 0,
    cursor: 0,
    copyable: 0,
    cells: std::ptr::null_mut(),
    nodes: Table::new(),
    stacks: Table::new(),
    lineages: Table::new(),
    folds: Table::new(),
    live: Table::new(),
    spare: [0; COPY / ROOM + 1],
    path: [0; 512],
    boxes: Boxes::NONE,
    scratch: [0; COPY / 8],
    spare_boxes: [0; BOXES.len()],
    followed: 0,
    ending: false,
    began: 0,
    alive: 0,
    threads: std::ptr::null_mut(),
    spare_threads: 0,
});

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl State {
    fn word(&self, record: u64, word: usize) -> u64 {
        debug_assert!(record as usize + word * 8 < self.used);
        // SAFETY: records lie in the written part of the mapped file, and are as long as their words.
        unsafe { self.base.add(record as usize / 8 + word).read() }
    }

    fn set(&mut self, record: u64, word: usize, value: u64) {
        // SAFETY: as above.
        unsafe { self.base.add(record as usize / 8 + word).write(value) }
    }

    fn set_header(&mut self, word: usize, value: u64) {
        self.set(0, word, value);
    }

    fn dropped(&mut self) {
        let dropped = self.word(0, header::DROPPED);
        self.set_header(header::DROPPED, dropped + 1);
    }

    /// Room for a record, zeroed, with its first word written. 0 where there is none.
    fn record(&mut self, kind: u64, words: usize) -> u64 {
        let (at, len) = (self.used, words * 8);
        if at + len > self.size && !self.grow(at + len) {
            self.dropped();
            return 0;
        }
        self.used = at + len;
        self.set(at as u64, 0, kind | (words as u64) << 8);
        self.set_header(header::USED, self.used as u64);
        at as u64
    }

    /// Makes the file longer. The blocks are taken at once: a write to the mapping must not meet a full disk.
    fn grow(&mut self, needed: usize) -> bool {
        let size = (needed + needed / 2).next_multiple_of(CHUNK);
        if size > SPACE {
            return false;
        }
        // SAFETY: the path ends with a zero byte. The file is not kept open: a program may close what it did not open.
        let done = unsafe {
            let fd = open(self.path.as_ptr().cast(), O_RDWR_CLOEXEC);
            if fd < 0 {
                return false;
            }
            let done = posix_fallocate(fd, 0, size as i64) == 0;
            close(fd);
            done
        };
        if done {
            self.size = size;
        }
        done
    }

    /// The leaf of this stack in the tree of all of them. A node's parent is its caller.
    fn stack(&mut self, frames: &[u64]) -> u64 {
        let mut hash = 0;
        for frame in frames {
            hash = mix(hash, *frame);
        }
        let known = self.stacks.find(hash, |leaf| {
            let mut node = leaf;
            frames.iter().all(|frame| {
                let same = node != 0 && self.word(node, 2) == *frame;
                node = if same { self.word(node, 1) } else { 0 };
                same
            }) && node == 0
        });
        if known != 0 {
            return known;
        }
        let mut parent = 0;
        for frame in frames.iter().rev() {
            let hash = mix(mix(1, parent), *frame);
            let mut node = self.nodes.find(hash, |node| {
                self.word(node, 1) == parent && self.word(node, 2) == *frame
            });
            if node == 0 {
                node = self.record(kind::NODE, 3);
                if node == 0 {
                    return 0;
                }
                self.set(node, 1, parent);
                self.set(node, 2, *frame);
                self.nodes.insert(hash, node);
            }
            parent = node;
        }
        self.stacks.insert(hash, parent);
        parent
    }

    /// Nanoseconds since the process began.
    fn now(&self) -> u64 {
        monotonic().saturating_sub(self.began)
    }

    fn knows(&self, address: usize) -> bool {
        self.live.find(mix(3, address as u64), |cell| {
            self.word(cell, live::ADDRESS) == address as u64
        }) != 0
    }

    fn insert(&mut self, address: usize, size: usize, stack: u64, lineage: u64) {
        if self.knows(address) {
            // Its free was not seen: it fell into another hook's turn.
            self.remove(address, 0);
        }
        let mut room = size.min(COPY).next_multiple_of(ROOM);
        if self.copyable == COPYABLE || (self.spare[room / ROOM] == 0 && self.live_copies + room > LIVE_COPIES) {
            room = 0;
        }
        let mut cell = self.spare[room / ROOM];
        if cell == 0 {
            cell = self.record(kind::LIVE, live::BYTES + room / 8);
            if cell == 0 {
                return;
            }
            self.live_copies += room;
            self.set(cell, live::ROOM, room as u64);
        } else {
            self.spare[room / ROOM] = self.word(cell, live::NEXT);
        }
        self.set(cell, live::STACK, stack);
        self.set(cell, live::LINEAGE, lineage);
        self.set(cell, live::SIZE, size as u64);
        self.set(cell, live::COMPLETE, 0);
        self.set(cell, live::PASS, 0);
        self.set(cell, live::FROM, self.now());
        self.set(cell, live::BOXES, 0);
        if room != 0 {
            self.set(cell, live::INDEX, self.copyable as u64);
            // SAFETY: `cells` has room for `COPYABLE`, checked above.
            unsafe { self.cells.add(self.copyable).write(cell) };
            self.copyable += 1;
        }
        self.set(cell, live::ADDRESS, address as u64);
        self.live.insert(mix(3, address as u64), cell);
        filter(address).fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&mut self, address: usize, stack: u64) {
        let hash = mix(3, address as u64);
        let cell = self
            .live
            .find(hash, |cell| self.word(cell, live::ADDRESS) == address as u64);
        if cell == 0 {
            return;
        }
        self.live.remove(hash, cell);
        filter(address).fetch_sub(1, Ordering::Relaxed);
        self.count(cell, stack);
        self.release_boxes(cell);
        let room = self.word(cell, live::ROOM) as usize;
        if room != 0 {
            self.copyable -= 1;
            let index = self.word(cell, live::INDEX) as usize;
            // SAFETY: both indices are below the number of cells listed.
            unsafe {
                let last = self.cells.add(self.copyable).read();
                self.cells.add(index).write(last);
                self.set(last, live::INDEX, index as u64);
            }
        }
        self.set(cell, live::ADDRESS, 0);
        self.set(cell, live::NEXT, self.spare[room / ROOM]);
        self.spare[room / ROOM] = cell;
    }

    /// One more cell that ended so.
    fn count(&mut self, cell: u64, freed: u64) {
        let (allocated, lineage) = (self.word(cell, live::STACK), self.word(cell, live::LINEAGE));
        let complete = self.word(cell, live::COMPLETE);
        let hash = mix(mix(mix(mix(4, allocated), freed), lineage), complete);
        let mut entry = self.folds.find(hash, |entry| {
            self.word(entry, fold::ALLOCATED) == allocated
                && self.word(entry, fold::FREED) == freed
                && self.word(entry, fold::LINEAGE) == lineage
                && self.word(entry, fold::COMPLETE) == complete
        });
        if entry == 0 {
            entry = self.record(kind::FOLD, fold::WORDS);
            if entry == 0 {
                return;
            }
            self.set(entry, fold::ALLOCATED, allocated);
            self.set(entry, fold::FREED, freed);
            self.set(entry, fold::LINEAGE, lineage);
            self.set(entry, fold::COMPLETE, complete);
            self.set(entry, fold::SIZE, self.word(cell, live::SIZE));
            self.set(entry, fold::FROM, self.word(cell, live::FROM));
            self.folds.insert(hash, entry);
        }
        self.set(entry, fold::COUNT, self.word(entry, fold::COUNT) + 1);
        self.lived(entry, self.word(cell, live::FROM));

        let length = (self.word(cell, live::SIZE) as usize)
            .min(self.word(cell, live::ROOM) as usize)
            .next_multiple_of(8);
        let pass = self.word(cell, live::PASS);
        let boxes = self.word(cell, live::BOXES);
        let more = if boxes == 0 { 0 } else { self.word(boxes, regions::USED) as usize };
        let taken = length + more * 8;
        let room = self.kept_copies + taken <= KEPT_COPIES;
        if pass != 0 && self.word(entry, fold::KEPT) < KEPT_EACH && room {
            let copy = self.record(kind::KEPT, kept::BYTES + taken / 8);
            if copy != 0 {
                self.kept_copies += taken;
                self.set(entry, fold::KEPT, self.word(entry, fold::KEPT) + 1);
                self.set(copy, kept::FOLD, entry);
                self.set(copy, kept::ADDRESS, self.word(cell, live::ADDRESS));
                self.set(copy, kept::SIZE, self.word(cell, live::SIZE));
                self.set(copy, kept::AGE, self.passes - pass);
                self.set(copy, kept::LENGTH, length as u64);
                for word in 0..length / 8 {
                    self.set(copy, kept::BYTES + word, self.word(cell, live::BYTES + word));
                }
                self.set(copy, kept::BOXES, more as u64);
                for word in 0..more {
                    let value = self.word(boxes, regions::LIST + word);
                    self.set(copy, kept::BYTES + length / 8 + word, value);
                }
            }
        }
    }

    /// Writes down when a cell lived, of as many as are kept.
    fn lived(&mut self, entry: u64, from: u64) {
        let to = self.now();
        self.set(entry, fold::FROM, self.word(entry, fold::FROM).min(from));
        self.set(entry, fold::TO, to);
        let before = self.word(entry, fold::COUNT) - 1;
        if before >= lifetimes::MOST {
            return;
        }
        let place = (before % lifetimes::EACH) as usize;
        if place == 0 {
            let list = self.record(kind::LIFETIMES, lifetimes::LIST + lifetimes::EACH as usize * 2);
            self.set(entry, fold::LIFETIMES, list);
            if list != 0 {
                self.set(list, lifetimes::FOLD, entry);
            }
        }
        let list = self.word(entry, fold::LIFETIMES);
        if list != 0 {
            self.set(list, lifetimes::LIST + place * 2, from);
            self.set(list, lifetimes::LIST + place * 2 + 1, to);
            self.set(list, lifetimes::COUNT, place as u64 + 1);
        }
    }

    /// Follows the boxes in so many words of the scratch, and gives how many words they are.
    fn follow(&mut self, words: usize) -> usize {
        // To follow every pointer each time would cost a busy runtime too much.
        let begin = self.now();
        let plain = self.ending || self.followed <= FOLLOWED_FREELY + begin / FOLLOWED;
        let used = self.boxes.collect(&self.scratch[..words], plain);
        if plain {
            self.followed += self.now() - begin;
        }
        used
    }

    /// Keeps the boxes that were followed last.
    fn keep_boxes(&mut self, cell: u64, used: usize) -> usize {
        let mut boxes = self.word(cell, live::BOXES);
        if boxes != 0 && BOXES[self.word(boxes, regions::CLASS) as usize] < used {
            self.release_boxes(cell);
            boxes = 0;
        }
        if boxes == 0 && used != 0 {
            boxes = self.take_boxes(used);
            self.set(cell, live::BOXES, boxes);
        }
        if boxes == 0 {
            return 0;
        }
        for word in 0..used {
            self.set(boxes, regions::LIST + word, self.boxes.word(word));
        }
        self.set(boxes, regions::USED, used as u64);
        used * 8
    }

    /// Room for regions. 0 where there is none.
    fn take_boxes(&mut self, words: usize) -> u64 {
        let Some(class) = BOXES.iter().position(|room| words <= *room) else {
            return 0;
        };
        let spare = self.spare_boxes[class];
        if spare != 0 {
            self.spare_boxes[class] = self.word(spare, regions::NEXT);
            return spare;
        }
        if self.live_copies + BOXES[class] * 8 > LIVE_COPIES {
            return 0;
        }
        let boxes = self.record(kind::BOXES, regions::LIST + BOXES[class]);
        if boxes != 0 {
            self.live_copies += BOXES[class] * 8;
            self.set(boxes, regions::CLASS, class as u64);
        }
        boxes
    }

    fn release_boxes(&mut self, cell: u64) {
        let boxes = self.word(cell, live::BOXES);
        if boxes != 0 {
            let class = self.word(boxes, regions::CLASS) as usize;
            self.set(boxes, regions::USED, 0);
            self.set(boxes, regions::NEXT, self.spare_boxes[class]);
            self.spare_boxes[class] = boxes;
            self.set(cell, live::BOXES, 0);
        }
    }

    fn park(&mut self) {
        self.passes += 1;
        self.set_header(header::PASSES, self.passes);
    }

    /// Copies live cells, as many as one pass may, from where the last one stopped.
    fn pass(&mut self, parked: bool) {
        if !parked {
            if self.death_pass != self.passes {
                self.death_pass = self.passes;
                self.swept = 0;
            }
            if self.swept >= self.copyable {
                return; // Nothing has run since all were looked at, or not for long.
            }
        }
        let mut bytes = 0;
        for _ in 0..self.copyable.min(PASS_CELLS) {
            if self.cursor >= self.copyable {
                self.cursor = 0;
            }
            // SAFETY: below the number of cells listed.
            let cell = unsafe { self.cells.add(self.cursor).read() };
            self.cursor += 1;
            self.swept += usize::from(!parked);
            bytes += self.copy(cell, parked);
            if bytes > PASS_BYTES {
                break;
            }
        }
    }

    fn last_pass(&mut self) {
        for index in 0..self.copyable {
            // SAFETY: below the number of cells listed.
            let cell = unsafe { self.cells.add(index).read() };
            self.copy(cell, true);
        }
    }

    /// Copies one live cell, unless it is being polled or has ended, and says how much that was.
    fn copy(&mut self, cell: u64, parked: bool) -> usize {
        let from = self.word(cell, live::ADDRESS) as *const u64;
        // SAFETY: a live cell is not freed before it is taken off our table, which is locked, and is at least as large as its
        // header's first word. Another thread may write to it meanwhile: every word is read once, on its own, and what
        // changed while it was copied is copied again by a later pass.
        let before = unsafe { from.read_volatile() };
        if before & COMPLETE != 0 {
            if parked {
                self.set(cell, live::COMPLETE, 1);
            }
            return 0;
        }
        if before & RUNNING != 0 {
            return 0;
        }
        let length = (self.word(cell, live::SIZE) as usize).min(self.word(cell, live::ROOM) as usize);
        let words = (length / 8).min(self.scratch.len());
        for (word, value) in self.scratch[..words].iter_mut().enumerate() {
            // SAFETY: as above, and within the cell.
            *value = unsafe { from.add(word).read_volatile() };
        }
        let used = self.follow(words);
        // What a runtime's end does to a task meanwhile, on another thread, must not take the place of an earlier copy.
        // SAFETY: as above.
        if unsafe { from.read_volatile() } != before {
            return length + used * 8;
        }
        for word in 0..words {
            self.set(cell, live::BYTES + word, self.scratch[word]);
        }
        let more = self.keep_boxes(cell, used);
        self.set(cell, live::PASS, self.passes);
        length + more
    }

    /// Writes down which file is loaded where.
    fn objects(&mut self, objects: &Objects) {
        for object in &objects.list[..objects.count] {
            let name = object.name.to_bytes();
            let record = self.record(kind::OBJECT, 5 + name.len().div_ceil(8));
            if record != 0 {
                self.set(record, 1, object.base);
                self.set(record, 2, object.range.0);
                self.set(record, 3, object.range.1);
                self.set(record, 4, name.len() as u64);
                self.text(record as usize + 40, name, name.len());
            }
        }
    }

    /// Writes bytes into the file, as many as fit, and says how many those were.
    fn text(&mut self, at: usize, bytes: &[u8], most: usize) -> u64 {
        let length = bytes.len().min(most);
        // SAFETY: our callers made room for `most` bytes there.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.cast::<u8>().add(at), length) };
        length as u64
    }
}

/// A loaded file.
#[derive(Clone, Copy)]
struct Object {
    base: u64,
    range: (u64, u64),
    /// Empty for the executable.
    name: &'static CStr,
}

struct Objects {
    list: [Object; 256],
    count: usize,
}

impl Objects {
    /// What is loaded. The loader has a lock of its own, so ours must not be held.
    fn loaded() -> Self {
        extern "C" fn object(info: *const DlPhdrInfo, _: usize, data: *mut c_void) -> c_int {
            // SAFETY: the list below, and what the loader hands out.
            let (objects, info) = unsafe { (&mut *data.cast::<Objects>(), &*info) };
            let mut range = (u64::MAX, 0);
            for index in 0..info.count {
                // SAFETY: as many as the loader says.
                let header = unsafe { &*info.headers.add(usize::from(index)) };
                if header.kind == PT_LOAD {
                    range.0 = range.0.min(header.address);
                    range.1 = range.1.max(header.address + header.memory_size);
                }
            }
            let Some(place) = objects.list.get_mut(objects.count) else {
                return 1;
            };
            let base = info.address as u64;
            *place = Object {
                base,
                range: (base.wrapping_add(range.0), base.wrapping_add(range.1)),
                // SAFETY: a name that ends with a zero byte, and lives until the file is unloaded.
                name: if info.name.is_null() {
                    c""
                } else {
                    unsafe { CStr::from_ptr(info.name) }
                },
            };
            objects.count += 1;
            0
        }
        let mut objects = Self {
            list: [Object {
                base: 0,
                range: (0, 0),
                name: c"",
            }; 256],
            count: 0,
        };
        // SAFETY: the callback has the type that libc asks for.
        unsafe { dl_iterate_phdr(object, std::ptr::from_mut(&mut objects).cast()) };
        objects
    }
}

fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

/// Offsets by their hash: open addressing in memory of its own, which no other process sees.
struct Table {
    /// Pairs of hash and offset. An offset of 0 is a free place, 1 one that was given up.
    places: *mut [u64; 2],
    capacity: usize,
    taken: usize,
    given_up: usize,
}

const GIVEN_UP: u64 = 1;

impl Table {
    const fn new() -> Self {
        Self {
            places: std::ptr::null_mut(),
            capacity: 0,
            taken: 0,
            given_up: 0,
        }
    }

    fn find(&self, hash: u64, same: impl Fn(u64) -> bool) -> u64 {
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

    fn insert(&mut self, hash: u64, offset: u64) {
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

    fn remove(&mut self, hash: u64, offset: u64) {
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
    fn rebuild(&mut self) -> bool {
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

/// Nanoseconds of a clock that is never put back.
fn monotonic() -> u64 {
    let mut time = [0; 2];
    // SAFETY: a `timespec` on 64 bits is two words.
    unsafe { clock_gettime(CLOCK_MONOTONIC, &mut time) };
    time[0] as u64 * 1_000_000_000 + time[1] as u64
}

fn anonymous(len: usize) -> Option<*mut c_void> {
    // SAFETY: fresh memory.
    let memory = unsafe { mmap(std::ptr::null_mut(), len, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0) };
    (memory as isize != -1).then_some(memory)
}

// --------------------------------------------------------------------------------------------------------------- start

#[used]
#[link_section = ".init_array"]
static START: extern "C" fn() = {
    extern "C" fn start() {
        for real in [
            &POSIX_MEMALIGN,
            &ALIGNED_ALLOC,
            &MEMALIGN,
            &FREE,
            &EPOLL_WAIT,
            &SYSCALL,
            &PTHREAD_CREATE,
        ] {
            real.address();
        }
        programs::resolve();
        BUSY.with(|busy| busy.set(true));
        if begin().is_none() {
            ACTIVE.store(std::ptr::null_mut(), Ordering::Relaxed);
        }
        BUSY.with(|busy| busy.set(false));
    }
    start
};

/// Makes this process' file. `None` where it cannot be, and nothing is recorded.
fn begin() -> Option<()> {
    // SAFETY: names that end with a zero byte; the environment does not change before `main`.
    let directory = unsafe {
        let directory = getenv(DIRECTORY.as_ptr());
        if directory.is_null() {
            return None;
        }
        CStr::from_ptr(directory)
    };
    programs::begin(directory.to_bytes());
    let mut state = lock();
    let state = &mut *state;
    // SAFETY: no arguments.
    let pid = unsafe { getpid() } as u64;
    // A process that became another program has the same number: the first name that is free.
    for turn in 0..1000 {
        let mut path = [0; 512];
        let mut end = 0;
        for part in [directory.to_bytes(), b"/", &digits(pid), b".", &digits(turn)] {
            for byte in part.iter().filter(|byte| **byte != 0) {
                *path.get_mut(end)? = *byte;
                end += 1;
            }
        }
        *path.get_mut(end)? = 0;
        // SAFETY: a path that ends with a zero byte, and a file that is ours once it is created.
        unsafe {
            let fd = open(path.as_ptr().cast(), O_RDWR_CLOEXEC | O_CREATE_NEW, 0o600);
            if fd < 0 {
                continue;
            }
            let made = posix_fallocate(fd, 0, HEADER as i64) == 0;
            let base = mmap(std::ptr::null_mut(), SPACE, PROT_READ_WRITE, MAP_SHARED, fd, 0);
            close(fd);
            if !made || base as isize == -1 {
                return None;
            }
            madvise(base, SPACE, MADV_DONTDUMP);
            state.base = base.cast();
        }
        state.path = path;
        break;
    }
    if state.base.is_null() {
        return None;
    }
    (state.size, state.used) = (HEADER, HEADER);
    state.set_header(header::PID, pid);
    // SAFETY: no arguments.
    state.set_header(header::PARENT, unsafe { getppid() } as u64);
    state.set_header(header::USED, HEADER as u64);
    let mut text = [0; header::EXECUTABLE_MAX];
    // SAFETY: a path that ends with a zero byte, and as many bytes as there are.
    let length = unsafe { readlink(c"/proc/self/exe".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    let length = state.text(
        header::TEXT,
        &text[..usize::try_from(length).unwrap_or(0)],
        header::EXECUTABLE_MAX,
    );
    state.set_header(header::EXECUTABLE, length);
    // SAFETY: as above.
    let length = unsafe {
        let fd = open(c"/proc/self/cmdline".as_ptr(), O_RDONLY_CLOEXEC);
        let length = if fd < 0 {
            0
        } else {
            read(fd, text.as_mut_ptr().cast(), header::ARGUMENTS_MAX)
        };
        if fd >= 0 {
            close(fd);
        }
        length
    };
    let at = header::TEXT + header::EXECUTABLE_MAX;
    let length = state.text(at, &text[..usize::try_from(length).unwrap_or(0)], header::ARGUMENTS_MAX);
    state.set_header(header::ARGUMENTS, length);
    state.set_header(header::MAGIC, MAGIC);

    state.cells = anonymous(COPYABLE * 8)?.cast();
    state.threads = anonymous(COPYABLE * 8)?.cast();
    state.began = monotonic();
    state.boxes.begin(pid as c_int)?;
    threads::begin();
    let active = anonymous(4096)?.cast::<u64>();
    // SAFETY: a page of its own; the function has the type that libc asks for.
    unsafe {
        if madvise(active.cast(), 4096, MADV_WIPEONFORK) != 0 {
            return None;
        }
        active.write(1);
        ACTIVE.store(active, Ordering::Relaxed);
        atexit(exiting);
    }
    Some(())
}

/// A number's digits. Zero bytes are none.
fn digits(mut number: u64) -> [u8; 20] {
    let mut digits = [0; 20];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits
}

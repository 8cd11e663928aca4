//! What a live task costs in memory, by an allocator that counts: bare tokio, tokio-util's tracker, leakcheck's.
//!
//! `cargo bench -p leakcheck --bench memory` measures it with the feature `track`, with `--no-default-features` without.
//! What counts is what was asked of the allocator. tokio rounds a task up to 128 bytes, so that eight bytes more may cost
//! nothing or 128: the mean over futures of sixteen sizes evens that out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::pending;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;

/// So many that what grows by doubling does not show, or shows as it is on average.
const TASKS: usize = 24_576;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is this function's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is this function's own.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A task that waits, and holds `SIZE` bytes meanwhile.
async fn waits<const SIZE: usize>() {
    let held = [0_u8; SIZE];
    pending::<()>().await;
    black_box(&held);
}

/// Something that spawns futures of any kind.
trait Spawns {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> JoinHandle<()>;
}

struct Tokio;

impl Spawns for Tokio {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> JoinHandle<()> {
        tokio::spawn(future)
    }
}

impl Spawns for tokio_util::task::TaskTracker {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> JoinHandle<()> {
        self.spawn(future)
    }
}

impl Spawns for leakcheck::TaskTracker {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> JoinHandle<()> {
        self.spawn(future)
    }
}

/// `leakcheck::TaskTracker::spawn_named` with a name that is not made anew.
struct Named(leakcheck::TaskTracker);

impl Spawns for Named {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) -> JoinHandle<()> {
        self.0.spawn_named("connection", future)
    }
}

/// Spawns a sixteenth of the tasks with futures of each size, and lets them run until they wait.
async fn spawn_all(spawns: &impl Spawns) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::with_capacity(TASKS);
    macro_rules! of_sizes {
        ($($size:literal)*) => {$(
            tasks.extend((0..TASKS / 16).map(|_| spawns.spawn(waits::<$size>())));
        )*};
    }
    of_sizes!(0 8 16 24 32 40 48 56 64 72 80 88 96 104 112 120);
    for _ in 0..TASKS {
        tokio::task::yield_now().await;
    }
    tasks
}

/// Bytes a live task. To be called once a process: what grows with the tasks, and stays, is theirs too.
fn measure(spawns: &impl Spawns) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let before = LIVE.load(Ordering::Relaxed);
        let tasks = spawn_all(spawns).await;
        let used = LIVE.load(Ordering::Relaxed) - before - TASKS * size_of::<JoinHandle<()>>();
        drop(tasks);
        used as f64 / TASKS as f64
    })
}

const SUBJECTS: [&str; 6] = [
    "bare tokio",
    "tokio-util",
    "leakcheck",
    "leakcheck in a group",
    "leakcheck in a deep group",
    "leakcheck with names",
];

fn measure_subject(subject: &str) -> f64 {
    let ours = leakcheck::TaskTracker::named("server");
    match SUBJECTS.iter().position(|name| *name == subject) {
        Some(0) => measure(&Tokio),
        Some(1) => measure(&tokio_util::task::TaskTracker::new()),
        Some(2) => measure(&ours),
        Some(3) => measure(&ours.group("connection")),
        Some(4) => measure(&ours.group("outer").group("inner")),
        _ => measure(&Named(ours)),
    }
}

/// Says to a process which subject it is to measure.
const SUBJECT: &str = "LEAKCHECK_BENCH_SUBJECT";

/// Measures one subject in a process of its own.
fn measured_alone(subject: &str) -> f64 {
    let this = std::env::current_exe().expect("this program's path");
    let output = std::process::Command::new(this)
        .env(SUBJECT, subject)
        .output()
        .expect("this program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("a number of bytes")
}

fn main() {
    if let Ok(subject) = std::env::var(SUBJECT) {
        println!("{}", measure_subject(&subject));
        return;
    }
    let track = if cfg!(feature = "track") { "on" } else { "off" };
    let theirs = measured_alone("tokio-util");
    println!("bytes a live task, with the feature track {track}");
    for subject in SUBJECTS {
        let bytes = measured_alone(subject);
        println!("{subject:<26} {bytes:6.1}  {:+6.1} against tokio-util", bytes - theirs);
    }
}

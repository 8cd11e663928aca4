//! The file descriptors of this process.

use std::collections::BTreeMap;
use std::fs;

use super::sockets::{self, Sockets};
use crate::report::{Resource, ResourceKind};

/// Descriptors by their numbers, with what each points to: `/a/file`, `socket:[123]`, `anon_inode:[eventpoll]`.
pub(super) type Open = BTreeMap<u32, String>;

/// What libraries open once a process, and never close. Each with its reason.
const EXPECTED: [(&str, &str); 5] = [
    ("/dev/urandom", "the source of randomness of older systems"),
    ("/dev/random", "read once to see that there is randomness"),
    (
        "/var/lib/sss/",
        "the C library's cache of names, mapped by the first look-up",
    ),
    (
        "/run/nscd/",
        "the C library's cache of names, mapped by the first look-up",
    ),
    (
        "/var/run/nscd/",
        "the C library's cache of names, mapped by the first look-up",
    ),
];

/// The descriptors that are open.
pub(super) fn open() -> std::io::Result<Open> {
    let mut open = Open::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        // One that was closed meanwhile points nowhere.
        if let (Some(number), Ok(target)) = (number, fs::read_link(entry.path())) {
            open.insert(number, target.to_string_lossy().into_owned());
        }
    }
    // The directory that was being read is closed now.
    let own = format!("/proc/{}/fd", std::process::id());
    open.retain(|_, target| *target != own);
    Ok(open)
}

/// Those that are open now and were not in any of `before`.
pub(super) fn new_since(before: &[&Open]) -> std::io::Result<Open> {
    let mut new = open()?;
    new.retain(|number, target| {
        let known = before.iter().any(|open| open.get(number) == Some(target));
        !known && !EXPECTED.iter().any(|(expected, _)| target.starts_with(expected))
    });
    Ok(new)
}

/// What each of them is.
pub(super) fn describe(open: &Open) -> Vec<Resource> {
    if open.is_empty() {
        return Vec::new();
    }
    let sockets = sockets::read();
    open.iter()
        .map(|(number, target)| {
            let (kind, description, help) = one(*number, target, &sockets);
            Resource {
                kind,
                description,
                target: target.clone(),
                number: *number,
                alive: None,
                with_runtime: false,
                help: vec![help.to_owned()],
            }
        })
        .collect()
}

const CLOSE: &str = "close it: something still holds it";

fn one(number: u32, target: &str, sockets: &Sockets) -> (ResourceKind, String, &'static str) {
    if let Some(inode) = inode(target, "socket:[") {
        return match sockets.get(&inode) {
            Some((kind, description)) => (*kind, description.clone(), CLOSE),
            None => (
                ResourceKind::Other,
                "a socket that is bound to nothing".to_owned(),
                CLOSE,
            ),
        };
    }
    if inode(target, "pipe:[").is_some() {
        let end = match access(number) {
            Some(0) => "read end of a pipe",
            Some(1) => "write end of a pipe",
            _ => "pipe",
        };
        return (ResourceKind::Pipe, format!("{end}, {target}"), CLOSE);
    }
    let Some(kind) = target.strip_prefix("anon_inode:") else {
        let how = match access(number) {
            Some(0) => " (read)",
            Some(1) => " (write)",
            Some(2) => " (read and write)",
            _ => "",
        };
        return (ResourceKind::File, format!("file {target}{how}"), CLOSE);
    };
    let (words, help) = match kind.trim_matches(['[', ']']) {
        "eventpoll" => (
            "an epoll instance",
            "a runtime was not shut down, or a handle of it is kept",
        ),
        "eventfd" => ("an eventfd", "a runtime was not shut down, or a handle of it is kept"),
        "pidfd" => ("a child process's pidfd", "wait for the child"),
        kind => return (ResourceKind::Other, kind.to_owned(), CLOSE),
    };
    (ResourceKind::Other, words.to_owned(), help)
}

fn inode(target: &str, kind: &str) -> Option<u64> {
    target.strip_prefix(kind)?.strip_suffix(']')?.parse().ok()
}

/// 0 to read, 1 to write, 2 for both: the low bits of the flags it was opened with.
fn access(number: u32) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    Some(u32::from_str_radix(flags.trim(), 8).ok()? & 3)
}

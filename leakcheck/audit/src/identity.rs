//! What a finding is known by across runs: the calls that led to its spawn, and the future that was spawned.
//!
//! Line numbers, closures' numbers, the version and place of a dependency and the test's own name are not part of it, so that
//! edits elsewhere, an update and another machine change nothing. Where it waited is no part of it either: that depends on
//! the moment, and an identity that changes from run to run would accept nothing.
//!
//! Lines that spawn alike (two `async` blocks in one function) are counted in the order of the source: an entry that accepts one of them
//! does not accept a second that is added. Which of them is the first may change by an edit, how many there are does not.

use std::collections::{BTreeMap, BTreeSet};

use crate::owners::portable;
use crate::report::{Finding, Kind, Place};

/// A hash that stays the same for good: FNV-1a, <https://www.rfc-editor.org/rfc/rfc9923>.
struct Fnv(u64);

impl Fnv {
    fn text(&mut self, text: &str) {
        // The end is part of it: two texts are not one.
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// A hash of texts that is the same on every machine and in every version.
pub(crate) fn stable_hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    texts.into_iter().for_each(|text| hash.text(text));
    hash.0
}

/// The line that spawned it.
type Line = (String, Option<u32>);

fn line(finding: &Finding) -> Line {
    let place = finding.spawned.first();
    let file = place.and_then(|place| place.file.as_deref());
    let line = place.and_then(|place| place.line);
    (file.map(portable).unwrap_or_default(), line)
}

/// Gives each finding of these reports its identity: 16 hexadecimal digits. Roots stay the findings that they are.
pub(crate) fn identify(reports: &mut [&mut [Finding]]) {
    let all = reports.iter().flat_map(|findings| findings.iter());
    let spawns: Vec<(String, Line)> = all.map(|finding| (shared(finding), line(finding))).collect();
    let mut lines: BTreeMap<String, BTreeSet<Line>> = BTreeMap::new();
    for (shared, line) in &spawns {
        lines.entry(shared.clone()).or_default().insert(line.clone());
    }
    let mut spawns = spawns.into_iter();
    for findings in reports {
        let mut renamed = BTreeMap::new();
        for (finding, (shared, line)) in findings.iter_mut().zip(&mut spawns) {
            let before = lines.get(&shared).map_or(0, |lines| lines.range(..line).count());
            let id = match before {
                0 => shared,
                before => format!("{:016x}", stable_hash([&*shared, &*before.to_string()])),
            };
            renamed.insert(std::mem::replace(&mut finding.id, id.clone()), id);
        }
        for root in findings.iter_mut().filter_map(|finding| finding.root.as_mut()) {
            if let Some(id) = renamed.get(root) {
                root.clone_from(id);
            }
        }
    }
}

/// What findings have in common that were spawned alike, be it on several lines: the first one's identity.
///
/// A finding that leakcheck alone saw has no stack: its group is part of it then.
fn shared(finding: &Finding) -> String {
    let kind = match finding.kind {
        Kind::Task => "task",
        Kind::Blocking => "blocking",
        Kind::Thread => "thread",
        Kind::Descriptor => "descriptor",
    };
    let mut texts = vec![kind.to_owned()];
    for place in &finding.spawned {
        texts.extend(shape(place));
    }
    texts.extend(finding.future.as_deref().map(without_numbers));
    if finding.seen == crate::report::Seen::Tracked {
        texts.extend(finding.tracked.as_ref().map(|tracked| tracked.group.clone()));
        if finding.spawned.is_empty() {
            texts.push(finding.how.clone());
        }
    }
    format!("{:016x}", stable_hash(texts.iter().map(String::as_str)))
}

fn shape(place: &Place) -> [String; 2] {
    [
        place.file.as_deref().map(portable).unwrap_or_default(),
        without_numbers(&place.function),
    ]
}

/// `{closure#3}` and `{impl#0}` without their numbers, which count what comes before them in the source.
fn without_numbers(function: &str) -> String {
    let mut plain = String::with_capacity(function.len());
    let mut rest = function;
    while let Some(at) = rest.find('#') {
        let end = rest[at + 1..]
            .find(|letter: char| !letter.is_ascii_digit())
            .map_or(rest.len(), |end| at + 1 + end);
        plain.push_str(&rest[..at]);
        rest = &rest[end..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Await, Seen};

    fn finding(function: &str, line: u32) -> Finding {
        Finding {
            spawned: vec![Place {
                function: function.to_owned(),
                file: Some("src/server.rs".to_owned()),
                line: Some(line),
            }],
            ..Finding::default()
        }
    }

    #[test]
    fn what_is_elsewhere_in_a_file_changes_nothing() {
        let id = shared(&finding("shop::run::{closure#1}", 7));

        assert_eq!(id.len(), 16);
        assert_eq!(id, shared(&finding("shop::run::{closure#12}", 90)));
        assert_ne!(id, shared(&finding("shop::walk::{closure#1}", 7)));
    }

    #[test]
    fn where_and_when_it_waited_changes_nothing() {
        let one = finding("shop::run", 7);
        let other = Finding {
            awaits: Some(Await::default()),
            count: 3,
            test: Some("another".to_owned()),
            how: "it was due to run".to_owned(),
            ..one.clone()
        };

        assert_eq!(shared(&one), shared(&other));
    }

    #[test]
    fn what_and_who_differs_is_told_apart() {
        let task = finding("shop::run", 7);
        let thread = Finding {
            kind: Kind::Thread,
            ..task.clone()
        };
        let mut twice = task.clone();
        twice.spawned.extend(task.spawned.clone());
        let tracked = Finding {
            seen: Seen::Tracked,
            tracked: Some(crate::report::Tracked {
                group: "orders".to_owned(),
                ..Default::default()
            }),
            ..task.clone()
        };

        let future = Finding {
            future: Some("shop::orders".to_owned()),
            ..task.clone()
        };

        let ids: BTreeSet<_> = [&task, &thread, &twice, &tracked, &future].map(shared).into();
        assert_eq!(ids.len(), 5);
    }

    fn ids(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn lines_that_spawn_alike_are_counted_and_what_they_are_on_does_not_matter() {
        let mut findings = [
            finding("shop::run", 7),
            finding("shop::run", 30),
            finding("shop::run", 7),
        ];
        identify(&mut [&mut findings]);
        let [first, second, again] = ids(&findings)[..] else {
            unreachable!("three")
        };
        assert_eq!(first, again);
        assert_ne!(first, second);
        assert_eq!(first, shared(&findings[0]), "one alone has the same");

        let mut moved = [finding("shop::run", 31), finding("shop::run", 9)];
        identify(&mut [&mut moved]);
        assert_eq!(ids(&moved), [second, first]);
    }

    #[test]
    fn what_several_reports_have_is_counted_once_and_roots_stay_what_they_are() {
        let waits = Finding {
            root: Some("r".to_owned()),
            ..finding("shop::waits", 2)
        };
        let root = Finding {
            id: "r".to_owned(),
            ..finding("shop::run", 30)
        };
        let mut one = [waits, root];
        let mut other = [finding("shop::run", 7)];
        identify(&mut [&mut one, &mut other]);

        assert_eq!(one[0].root.as_deref(), Some(&*one[1].id));
        assert_eq!(other[0].id, shared(&other[0]));
        assert_ne!(one[1].id, other[0].id);
    }

    #[test]
    fn it_stays_what_it_was_in_earlier_versions() {
        assert_eq!(shared(&finding("shop::run", 7)), shared(&finding("shop::run", 8)));
        // The hash's own reference: FNV-1a of no text, and of "a" and its end.
        assert_eq!(stable_hash([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(
            stable_hash([""]),
            (0xcbf2_9ce4_8422_2325_u64 ^ 0xff).wrapping_mul(0x0100_0000_01b3)
        );
    }
}

//! What a finding is known by across runs: its spawn site and the shape of its stack.
//!
//! Line numbers, closures' numbers, the version and place of a dependency and the test's own name are not part of it, so that
//! edits elsewhere, an update and another machine change nothing. Where it waited is no part of it either: that depends on
//! the moment, and an identity that changes from run to run would accept nothing. The function that was spawned is told by the
//! calls that led to the spawn.

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

/// The identity of a finding: 16 hexadecimal digits.
///
/// A finding that leakcheck alone saw has no stack: its group is part of it then.
pub(crate) fn identity(finding: &Finding) -> String {
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
        let id = identity(&finding("shop::run::{closure#1}", 7));

        assert_eq!(id.len(), 16);
        assert_eq!(id, identity(&finding("shop::run::{closure#12}", 90)));
        assert_ne!(id, identity(&finding("shop::walk::{closure#1}", 7)));
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

        assert_eq!(identity(&one), identity(&other));
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

        let ids: std::collections::BTreeSet<_> = [&task, &thread, &twice, &tracked].map(identity).into();
        assert_eq!(ids.len(), 4);
    }

    #[test]
    fn it_stays_what_it_was_in_earlier_versions() {
        assert_eq!(identity(&finding("shop::run", 7)), identity(&finding("shop::run", 8)));
        // The hash's own reference: FNV-1a of no text, and of "a" and its end.
        assert_eq!(stable_hash([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(
            stable_hash([""]),
            (0xcbf2_9ce4_8422_2325_u64 ^ 0xff).wrapping_mul(0x0100_0000_01b3)
        );
    }
}

//! Leaks as they are shown: each below the one that spawned it, and those that are alike as one.

use std::collections::HashMap;

use super::{Frame, Leak, LeakState, Place};

/// So deep the tree goes. What is below that is counted.
const DEEPEST: usize = 6;

/// Leaks that are alike: one line spawned them, and they wait at the same lines.
pub(super) struct Kind<'a> {
    /// In the order in which they were spawned; at least one.
    pub(super) leaks: Vec<&'a Leak>,
    /// How many of them were not asked where they wait.
    pub(super) unasked: usize,
    /// Those that they spawned.
    pub(super) below: Vec<Kind<'a>>,
    /// How many are deeper than a tree goes.
    pub(super) deeper: usize,
}

impl Kind<'_> {
    /// How many leaks it has, with those below.
    pub(super) fn size(&self) -> usize {
        self.leaks.len() + self.deeper + self.below.iter().map(Kind::size).sum::<usize>()
    }

    /// How many kinds it has, with itself.
    pub(super) fn kinds(&self) -> usize {
        1 + self.below.iter().map(Kind::kinds).sum::<usize>()
    }

    /// A leak that stands for all of them: one that was asked, when any was.
    pub(super) fn example(&self) -> &Leak {
        let asked = self.leaks.iter().find(|leak| leak.state != LeakState::Unasked);
        asked.unwrap_or(&self.leaks[0])
    }
}

/// The leaks whose parents are not among them, each with its descendants.
pub(super) fn of(leaks: &[Leak]) -> Vec<Kind<'_>> {
    let numbers: HashMap<u64, usize> = leaks
        .iter()
        .zip(0..)
        .map(|(leak, number)| (leak.task, number))
        .collect();
    let mut tree = Tree {
        leaks,
        children: HashMap::new(),
    };
    let mut roots = Vec::new();
    for (number, leak) in leaks.iter().enumerate() {
        match leak.parent.as_ref().and_then(|parent| numbers.get(&parent.id)) {
            // A task is spawned before its children, so that nothing is its own ancestor.
            Some(parent) if leaks[*parent].task < leak.task => {
                tree.children.entry(*parent).or_default().push(number);
            }
            _ => roots.push(number),
        }
    }
    tree.kinds(roots, 1)
}

struct Tree<'a> {
    leaks: &'a [Leak],
    children: HashMap<usize, Vec<usize>>,
}

/// What alike leaks have in common.
type Likeness<'a> = (&'a Place, LeakState, Option<&'a Frame>, Option<usize>, Vec<Waits<'a>>);

/// A branch, by its leaf and its lines.
type Waits<'a> = (&'a str, Option<u32>, Option<&'a Frame>);

fn likeness(leak: &Leak) -> Likeness<'_> {
    let waits = leak
        .waiting
        .iter()
        .map(|wait| (wait.leaf.as_str(), wait.line, wait.at()));
    (
        &leak.spawned_at,
        leak.state,
        leak.waiting_at.as_ref(),
        leak.select,
        waits.collect(),
    )
}

impl<'a> Tree<'a> {
    fn kinds(&self, numbers: Vec<usize>, depth: usize) -> Vec<Kind<'a>> {
        let mut of_likeness: HashMap<Likeness<'a>, usize> = HashMap::new();
        let mut alike: Vec<Vec<usize>> = Vec::new();
        for number in numbers {
            let kind = *of_likeness.entry(likeness(&self.leaks[number])).or_insert(alike.len());
            match alike.get_mut(kind) {
                Some(members) => members.push(number),
                None => alike.push(vec![number]),
            }
        }
        self.with_unasked(alike)
            .into_iter()
            .map(|(members, unasked)| self.kind(members, unasked, depth))
            .collect()
    }

    /// Puts those that were not asked to those of their line that were, if these all wait alike. Says of each kind how many
    /// of it were not asked.
    fn with_unasked(&self, alike: Vec<Vec<usize>>) -> Vec<(Vec<usize>, usize)> {
        let of_line = |members: &Vec<usize>| &self.leaks[members[0]].spawned_at;
        let (unasked, mut kinds): (Vec<_>, Vec<_>) = alike
            .into_iter()
            .map(|members| (members, 0))
            .partition(|(members, _)| self.leaks[members[0]].state == LeakState::Unasked);
        for (members, _) in unasked {
            let mut asked = kinds.iter_mut().filter(|(kind, _)| of_line(kind) == of_line(&members));
            match (asked.next(), asked.next()) {
                (Some((kind, unasked)), None) => {
                    *unasked = members.len();
                    kind.extend(members);
                    kind.sort_unstable();
                }
                _ => {
                    let number = members.len();
                    kinds.push((members, number));
                }
            }
        }
        kinds.sort_by_key(|(members, _)| members[0]);
        kinds
    }

    fn kind(&self, members: Vec<usize>, unasked: usize, depth: usize) -> Kind<'a> {
        let leaks = members.iter().map(|number| &self.leaks[*number]).collect();
        let below = self.children_of(&members);
        let (below, deeper) = if depth < DEEPEST {
            (self.kinds(below, depth + 1), 0)
        } else {
            (Vec::new(), self.count(below))
        };
        Kind {
            leaks,
            unasked,
            below,
            deeper,
        }
    }

    fn children_of(&self, numbers: &[usize]) -> Vec<usize> {
        let children = numbers.iter().filter_map(|number| self.children.get(number));
        let mut children: Vec<usize> = children.flatten().copied().collect();
        children.sort_unstable();
        children
    }

    /// How many there are with their descendants: a chain may be as long as there are leaks.
    fn count(&self, mut numbers: Vec<usize>) -> usize {
        let mut count = 0;
        while !numbers.is_empty() {
            count += numbers.len();
            numbers = self.children_of(&numbers);
        }
        count
    }
}

/// What texts have in common, with a `*` for where they differ: the pattern of an ignore rule for all of them.
pub(super) fn pattern<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut texts = texts.into_iter();
    let Some(first) = texts.next() else {
        return String::new();
    };
    let (mut start, mut end, mut differ) = (first.len(), first.len(), false);
    for text in texts {
        if text == first {
            continue;
        }
        differ = true;
        start = start.min(common(first.chars(), text.chars()));
        // What belongs to the start of either cannot belong to its end too.
        let rest = first[start..].chars().rev();
        end = end.min(common(rest, text[start.min(text.len())..].chars().rev()));
    }
    match differ {
        false => first.to_owned(),
        true => {
            let end = end.min(first.len() - start);
            format!("{}*{}", &first[..start], &first[first.len() - end..])
        }
    }
}

/// How many bytes two texts begin with that are the same.
fn common(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn a_pattern_is_what_texts_have_in_common() {
        for (texts, expected) in [
            (&["a › b"][..], "a › b"),
            (&["a › b", "a › b"], "a › b"),
            (&["group:0 › manage", "group:17 › manage"], "group:* › manage"),
            (&["aa", "aaa", "aaaa"], "aa*"),
            (&["x", "y"], "*"),
            (&["é1", "è1"], "*1"),
            (&["abc", "abXbc", "abc"], "ab*c"),
            (&["abc", "abd", "xbc"], "*"),
        ] {
            assert_eq!(pattern(texts.iter().copied()), expected, "{texts:?}");
        }
    }
}

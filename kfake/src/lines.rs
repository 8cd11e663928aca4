//! A table in a text, one row a line. A line is read when its row is first asked for: a process that starts needs a few of
//! hundreds, and reading them all took most of its time. Where the lines are is found out when kfake is compiled.

use std::cmp::Ordering;

use once_cell::race::OnceBox;

/// Where a line begins, where its first two columns end, between tabs, and where it ends itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    begin: u32,
    head: u32,
    end: u32,
}

/// The lines of a text: those that are empty or begin with `#` are none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    pub text: &'static str,
    pub places: &'static [Place],
}

impl Text {
    fn line(&self, at: usize) -> &'static str {
        let Place { begin, end, .. } = self.places[at];
        &self.text[begin as usize..end as usize]
    }

    /// The line's first two columns.
    fn head(&self, at: usize) -> &'static str {
        let Place { begin, head, .. } = self.places[at];
        &self.text[begin as usize..head as usize]
    }
}

/// How many lines a text has.
pub(crate) const fn count(text: &str) -> usize {
    let (text, mut at, mut lines) = (text.as_bytes(), 0, 0);
    while at < text.len() {
        let end = end_of_line(text, at);
        if is_line(text, at, end) {
            lines += 1;
        }
        at = end + 1;
    }
    lines
}

/// Where they are.
pub(crate) const fn places<const LINES: usize>(text: &str) -> [Place; LINES] {
    let nowhere = Place {
        begin: 0,
        head: 0,
        end: 0,
    };
    let mut places = [nowhere; LINES];
    let (text, mut at, mut lines) = (text.as_bytes(), 0, 0);
    assert!(text.len() < u32::MAX as usize, "offsets are of 32 bits");
    while at < text.len() {
        let end = end_of_line(text, at);
        if is_line(text, at, end) {
            places[lines] = Place {
                begin: at as u32,
                head: end_of_head(text, at, end) as u32,
                end: end as u32,
            };
            lines += 1;
        }
        at = end + 1;
    }
    places
}

const fn end_of_line(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at] != b'\n' {
        at += 1;
    }
    at
}

const fn end_of_head(text: &[u8], mut at: usize, end: usize) -> usize {
    let mut columns = 0;
    while at < end {
        if text[at] == b'\t' {
            columns += 1;
        }
        if columns == 2 {
            return at;
        }
        at += 1;
    }
    end
}

const fn is_line(text: &[u8], begin: usize, end: usize) -> bool {
    begin < end && text[begin] != b'#'
}

/// The lines of a text that is known when kfake is compiled.
macro_rules! text {
    ($text:expr) => {{
        const TEXT: &str = $text;
        static PLACES: [$crate::lines::Place; $crate::lines::count(TEXT)] = $crate::lines::places(TEXT);
        $crate::lines::Text {
            text: TEXT,
            places: &PLACES,
        }
    }};
}
pub(crate) use text;

/// Rows in the order of their keys, which is that of the text.
#[derive(Debug)]
pub(crate) struct Lines<K, V: 'static> {
    text: Text,
    rows: Vec<OnceBox<Option<V>>>,
    key: fn(&'static str) -> K,
    read: fn(&'static str) -> Option<V>,
}

impl<K: Ord, V> Lines<K, V> {
    /// The lines of a text, which are in the order of their keys. `key` reads one out of a line's first two columns, `read` makes a
    /// row of a line; what it does not understand is no row.
    pub fn new(text: Text, key: fn(&'static str) -> K, read: fn(&'static str) -> Option<V>) -> Self {
        Self {
            text,
            rows: text.places.iter().map(|_| OnceBox::new()).collect(),
            key,
            read,
        }
    }

    /// The row of a line, which are counted from 0.
    pub fn row(&self, at: usize) -> Option<&V> {
        let read = || Box::new((self.read)(self.text.line(at)));
        self.rows[at].get_or_init(read).as_ref()
    }

    fn key(&self, at: usize) -> K {
        (self.key)(self.text.head(at))
    }

    /// The first line that is behind those for which this holds.
    fn behind(&self, holds: impl Fn(&K) -> bool) -> usize {
        let (mut least, mut most) = (0, self.rows.len());
        while least < most {
            let middle = least.midpoint(most);
            match holds(&self.key(middle)) {
                true => least = middle + 1,
                false => most = middle,
            }
        }
        least
    }

    /// The row of the key that `which` says is the one; of the others it says whether they are before or behind it.
    pub fn get(&self, which: impl Fn(&K) -> Ordering) -> Option<&V> {
        let at = self.behind(|key| which(key).is_lt());
        let is_it = at < self.rows.len() && which(&self.key(at)).is_eq();
        is_it.then(|| self.row(at))?
    }

    /// The rows of the keys that `which` says are wanted; of the others it says whether they are before or behind those.
    pub fn within(&self, which: impl Fn(&K) -> Ordering) -> impl Iterator<Item = &V> {
        let start = self.behind(|key| which(key).is_lt());
        let end = self.behind(|key| which(key).is_le());
        (start..end).filter_map(|at| self.row(at))
    }

    /// Every key.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = K> {
        (0..self.rows.len()).map(|at| self.key(at))
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = &V> {
        self.within(|_| Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    static READ: AtomicUsize = AtomicUsize::new(0);

    fn number(line: &'static str) -> Option<u32> {
        READ.fetch_add(1, Relaxed);
        line.split_once(' ')?.1.parse().ok()
    }

    #[test]
    fn lines_and_their_heads_are_found_when_compiling() {
        let text = text!("#\na\tb\tc\td\na\tb\t\n\na\tb\na\n\n");
        let found: Vec<_> = (0..text.places.len())
            .map(|at| (text.line(at), text.head(at)))
            .collect();
        assert_eq!(
            found,
            [("a\tb\tc\td", "a\tb"), ("a\tb\t", "a\tb"), ("a\tb", "a\tb"), ("a", "a")]
        );
        assert!(text!("# nothing").places.is_empty() && text!("").places.is_empty());
    }

    #[test]
    fn a_line_is_read_once_when_its_row_is_asked_for() {
        let key = |line: &'static str| &line[..1];
        let lines = Lines::new(text!("# nothing\na 1\nb two\n\nc 3\nd 4"), key, number);
        assert_eq!(lines.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(READ.load(Relaxed), 0);
        let get = |which: &str| lines.get(|key| (*key).cmp(which));
        assert_eq!((get("c"), get("c"), get("x")), (Some(&3), Some(&3), None));
        assert_eq!(READ.load(Relaxed), 1);
        assert_eq!((get("b"), get("d")), (None, Some(&4)));
        assert_eq!(READ.load(Relaxed), 3);
        let middle = lines.within(|key| match *key {
            "a" => Ordering::Less,
            "d" => Ordering::Greater,
            _ => Ordering::Equal,
        });
        assert_eq!(middle.collect::<Vec<_>>(), [&3]);
        assert_eq!(READ.load(Relaxed), 3);
    }
}

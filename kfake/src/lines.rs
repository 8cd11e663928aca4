//! A table in a text, one row a line. A line is read when its row is first asked for: a process that starts needs a few of
//! hundreds, and reading them all took most of its time.

use std::cmp::Ordering;

use once_cell::race::OnceBox;

/// Rows in the order of their keys.
#[derive(Debug)]
pub(crate) struct Lines<K, V: 'static> {
    rows: Vec<Line<K, V>>,
    read: fn(&'static str) -> Option<V>,
}

#[derive(Debug)]
struct Line<K, V: 'static> {
    key: K,
    text: &'static str,
    row: OnceBox<Option<V>>,
}

impl<K: Ord, V> Lines<K, V> {
    /// The lines that have a key. `read` makes a row of one; what it does not understand is no row.
    pub fn new(text: &'static str, key: fn(&'static str) -> Option<K>, read: fn(&'static str) -> Option<V>) -> Self {
        let lines = text.lines().filter_map(|text| {
            Some(Line {
                key: key(text)?,
                text,
                row: OnceBox::new(),
            })
        });
        let mut rows: Vec<_> = lines.collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        Self { rows, read }
    }

    fn row<'a>(&'a self, line: &'a Line<K, V>) -> Option<&'a V> {
        line.row.get_or_init(|| Box::new((self.read)(line.text))).as_ref()
    }

    /// The row of the key that `which` says is the one; of the others it says whether they are before or behind it.
    pub fn get(&self, which: impl Fn(&K) -> Ordering) -> Option<&V> {
        let found = self.rows.binary_search_by(|line| which(&line.key)).ok()?;
        self.row(&self.rows[found])
    }

    /// The rows of the keys that `which` says are wanted; of the others it says whether they are before or behind those.
    pub fn within(&self, which: impl Fn(&K) -> Ordering) -> impl Iterator<Item = &V> {
        let start = self.rows.partition_point(|line| which(&line.key).is_lt());
        let end = self.rows.partition_point(|line| which(&line.key).is_le());
        self.rows[start..end].iter().filter_map(|line| self.row(line))
    }

    /// Every key.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.rows.iter().map(|line| &line.key)
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
    fn a_line_is_read_once_when_its_row_is_asked_for() {
        let key = |line: &'static str| line.split(' ').next().filter(|key| *key != "#");
        let lines = Lines::new("c 3\n# nothing\na 1\nb two\nd 4\n", key, number);
        assert_eq!(lines.keys().copied().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
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

//! Lines with columns, as wide as they may be.

use std::fmt;

use super::style::{Role, Style};

/// Where an entry's first line begins, and the values below it.
const ENTRY: usize = 2;
const FIELD: usize = 4;
const VALUE: usize = 17;
const ROW: usize = 19;
/// How wide the column of tasks is, and that of what they wait in.
const TASKS: usize = 42;
const LEAVES: usize = 25;

/// A report as it is being written. It also takes any text, as it is.
pub(super) struct Page<'a> {
    text: String,
    style: &'a Style,
    /// How far everything is moved to the right: what stands below something else.
    pub(super) indent: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(style: &'a Style) -> Self {
        Self {
            text: String::new(),
            style,
            indent: 0,
        }
    }

    pub(super) fn style(&self) -> &'a Style {
        self.style
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.text.matches('\n').count()
    }

    /// A task, and what there is to say of it in the column beside. A long name has a line of its own, and one that no
    /// line has room for loses its middle.
    pub(super) fn entry(&mut self, mark: &str, task: &str, aside: &str) {
        let start = self.indent + ENTRY;
        let room = self.columns().saturating_sub(start + width(mark));
        let task = cut(task, room);
        let used = width(mark) + width(&task);
        let beside = start + TASKS + 1;
        self.pad(start);
        self.text.push_str(mark);
        self.painted(Role::Task, &task);
        if used > TASKS || beside + width(aside) > self.columns() {
            self.text.push('\n');
            self.pad(
                beside
                    .min(self.columns().saturating_sub(width(aside)))
                    .max(start + FIELD),
            );
        } else {
            self.pad(TASKS + 1 - used);
        }
        self.text.push_str(aside);
        self.text.push('\n');
    }

    /// `label   value  aside`, the last of which goes below the value where the line has no room for it.
    pub(super) fn field(&mut self, label: &str, (role, value): (Role, &str), gap: usize, aside: &str) {
        self.label(label);
        self.painted(role, value);
        if !aside.is_empty() {
            let end = self.indent + VALUE + width(value);
            self.aside(end, self.indent + VALUE, gap, aside);
        }
        self.text.push('\n');
    }

    /// `label   a sentence`, on as many lines as it needs.
    pub(super) fn sentence(&mut self, label: &str, role: Role, sentence: &str) {
        self.label(label);
        let (start, mut end) = (self.indent + VALUE, self.indent + VALUE);
        for (number, word) in sentence.split(' ').enumerate() {
            if number > 0 && end + 1 + width(word) > self.columns() {
                self.text.push('\n');
                self.pad(start);
                end = start;
            } else if number > 0 {
                self.text.push(' ');
                end += 1;
            }
            self.painted(role, word);
            end += width(word);
        }
        self.text.push('\n');
    }

    /// One of several things that are waited for: the thing, and its place in the column beside, which is as wide as the
    /// widest of them.
    pub(super) fn row(&mut self, leaf: &str, widest: usize, place: Option<&str>) {
        let start = self.indent + ROW;
        self.pad(start);
        self.text.push_str(leaf);
        if let Some(place) = place {
            let beside = widest.max(LEAVES) + 1;
            let gap = beside.saturating_sub(width(leaf)).max(1);
            let end = start + width(leaf);
            if end + gap + width(place) > self.columns() {
                self.text.push('\n');
                self.pad(start + ENTRY);
            } else {
                self.pad(gap);
            }
            self.painted(Role::Place, place);
        }
        self.text.push('\n');
    }

    fn label(&mut self, label: &str) {
        self.pad(self.indent + FIELD);
        self.painted(Role::Label, label);
        self.pad((VALUE - FIELD).saturating_sub(width(label)));
    }

    fn aside(&mut self, end: usize, below: usize, gap: usize, aside: &str) {
        if end + gap + width(aside) > self.columns() {
            self.text.push('\n');
            self.pad(below);
            let room = self.columns().saturating_sub(below);
            self.text.push_str(&cut(aside, room));
        } else {
            self.pad(gap);
            self.text.push_str(aside);
        }
    }

    fn columns(&self) -> usize {
        self.style.columns()
    }

    fn pad(&mut self, columns: usize) {
        self.text.extend(std::iter::repeat_n(' ', columns));
    }

    pub(super) fn painted(&mut self, role: Role, text: &str) {
        self.text.push_str(&self.style.paint(role, text));
    }
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        Ok(())
    }
}

/// As the standard library's padding counts: a column a character.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// `text` without its middle, where it has no room.
fn cut(text: &str, room: usize) -> String {
    let room = room.max(3);
    let length = width(text);
    if length <= room {
        return text.to_owned();
    }
    let end = room / 2;
    let start = room - 1 - end;
    let head: String = text.chars().take(start).collect();
    let tail: String = text.chars().skip(length - end).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_room_loses_its_middle() {
        assert_eq!(cut("abcdefgh", 8), "abcdefgh");
        assert_eq!(cut("abcdefgh", 5), "ab…gh");
        assert_eq!(cut("ä›ö", 2), "ä›ö", "three characters always have room");
    }

    #[test]
    fn columns_hold_whatever_is_in_them() {
        let style = Style::plain().width(60);
        let mut page = Page::new(&style);
        page.entry("", &"group:".repeat(20), "alive 1.02 s, polled once");
        page.field(
            "spawned at",
            (Role::Place, "a/very/long/path/to/some/source.rs:12"),
            3,
            "by connection",
        );
        page.sentence(
            "help",
            Role::Help,
            "a sentence that is longer than one line of sixty has room for",
        );
        page.row("mpsc::Receiver::recv", 20, Some("a/long/path/source.rs:7"));
        let expected = "  \
  group:group:group:group:grou…roup:group:group:group:group:
                                   alive 1.02 s, polled once
    spawned at   a/very/long/path/to/some/source.rs:12
                 by connection
    help         a sentence that is longer than one line of
                 sixty has room for
                   mpsc::Receiver::recv
                     a/long/path/source.rs:7
";
        assert_eq!(page.finish(), expected);
    }
}

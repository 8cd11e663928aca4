//! JSON whose outer arrays and objects have a line for each member, and whose inner ones are one line.

use std::io;

use serde_json::ser::Formatter;

/// Breaks lines in what is nested at most so deep.
#[derive(Debug)]
pub(super) struct Lines {
    broken: usize,
    depth: usize,
    is_empty: bool,
}

impl Lines {
    /// The outermost object or array is at depth 1, and its members' at 2.
    pub(super) fn until(broken: usize) -> Self {
        Self {
            broken,
            depth: 0,
            is_empty: true,
        }
    }

    fn open(&mut self, writer: &mut (impl io::Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        writer.write_all(bracket)
    }

    fn next(&mut self, writer: &mut (impl io::Write + ?Sized), first: bool) -> io::Result<()> {
        self.is_empty = false;
        if !first {
            writer.write_all(b",")?;
        }
        match (self.depth <= self.broken, first) {
            (true, _) => newline(writer, self.depth),
            (false, true) => Ok(()),
            (false, false) => writer.write_all(b" "),
        }
    }

    fn close(&mut self, writer: &mut (impl io::Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        let is_broken = self.depth <= self.broken && !self.is_empty;
        self.depth -= 1;
        self.is_empty = false;
        if is_broken {
            newline(writer, self.depth)?;
        }
        writer.write_all(bracket)
    }
}

fn newline(writer: &mut (impl io::Write + ?Sized), depth: usize) -> io::Result<()> {
    writer.write_all(b"\n")?;
    (0..depth).try_for_each(|_| writer.write_all(b"  "))
}

impl Formatter for Lines {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::json;
    use serde_json::ser::Serializer;

    use super::Lines;

    #[test]
    fn what_is_inside_is_one_line() {
        let value = json!({ "a": [], "b": [{ "c": [1, 2] }, {}] });
        let mut text = Vec::new();
        value
            .serialize(&mut Serializer::with_formatter(&mut text, Lines::until(2)))
            .expect("a vector takes all");

        let text = String::from_utf8(text).expect("JSON is UTF-8");
        assert_eq!(
            text,
            "{\n  \"a\": [],\n  \"b\": [\n    {\"c\": [1, 2]},\n    {}\n  ]\n}"
        );
    }
}

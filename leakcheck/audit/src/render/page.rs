//! Lines of text: colours, a column of labels, wrapping.

use super::options::Options;

/// Where a block's values begin, behind its labels.
pub(super) const VALUE: usize = 17;

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Something that fails the audit.
    Bad,
    /// Something to know of.
    Warn,
    /// All is well.
    Good,
    /// A heading.
    Strong,
    /// A file with its line.
    Where,
    /// A label, or what matters less.
    Faint,
}

/// Text that grows line by line.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) options: &'a Options,
    pub(super) text: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self {
            options,
            text: String::new(),
        }
    }

    /// The text in its role's colour, by ECMA-48's SGR, in the sixteen colours that a terminal's owner chooses.
    pub(super) fn paint(&self, role: Role, text: &str) -> String {
        if !self.options.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match role {
            Role::Bad => "1;31",
            Role::Warn => "33",
            Role::Good => "32",
            Role::Strong => "1",
            Role::Where => "36",
            Role::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A line, without spaces at its end.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// An empty line, unless the page is empty or ends with one.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A label and its value, wrapped at the page's width with its lines below one another.
    pub(super) fn field(&mut self, label: &str, value: &str) {
        let mut label = self.label(label);
        for line in wrapped(value, self.room(VALUE)) {
            self.line(&format!("{label}{line}"));
            label = " ".repeat(VALUE);
        }
    }

    /// A label that ends where values begin.
    pub(super) fn label(&self, label: &str) -> String {
        let padding = VALUE.saturating_sub(4 + label.chars().count()).max(1);
        format!("    {}{:padding$}", self.paint(Role::Faint, label), "")
    }

    /// How many columns are left behind the first `used`; as many as one likes where the page has no width.
    pub(super) fn room(&self, used: usize) -> usize {
        // Narrower than this nothing is readable, cut or not.
        self.options
            .width
            .map_or(usize::MAX, |width| width.max(40).saturating_sub(used).max(20))
    }
}

/// The text in lines of at most `width` characters, broken at spaces. A word that is longer has a line of its own.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0_usize;
    for word in text.split_whitespace() {
        let word_length = word.chars().count();
        if length > 0 && length.saturating_add(1 + word_length) > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word_length;
    }
    lines.push(line);
    lines
}

/// A path of at most `width` characters: what its beginning lacks is `…`, since a path's end tells most.
pub(super) fn cut(path: &str, width: usize) -> String {
    let length = path.chars().count();
    if length <= width {
        return path.to_owned();
    }
    let kept: String = path.chars().skip(length - width.saturating_sub(1)).collect();
    format!("…{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_only() {
        assert_eq!(
            wrapped("no branch waits for 取消 here", 10),
            ["no branch", "waits for", "取消 here"]
        );
        assert_eq!(wrapped("a/very/long/path.rs:1 is", 5), ["a/very/long/path.rs:1", "is"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn the_end_of_a_path_is_kept() {
        assert_eq!(cut("shop::größe::run", 10), "…röße::run");
        assert_eq!(cut("run", 3), "run");
    }
}

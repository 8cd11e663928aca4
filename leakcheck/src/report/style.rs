//! How a report is laid out: its width, and whether it has colours.

use std::env;
use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};

/// The width of a report that no terminal shows.
const WIDE: usize = 120;

/// Narrower than this no line of a report makes sense.
const NARROWEST: usize = 40;

/// How a text is laid out. See [`Report::render`](super::Report::render).
///
/// `Display` has no colours and is 120 columns wide, wherever it goes.
///
/// ```
/// use leakcheck::report::Style;
///
/// let report = leakcheck::find();
/// print!("{}", report.render(&Style::plain().width(80)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    width: usize,
    color: bool,
}

impl Style {
    /// No colours, and 120 columns: what `Display` has.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            width: WIDE,
            color: false,
        }
    }

    /// As is right for what is written to stderr at once.
    ///
    /// Colours are on when stderr is a terminal. `NO_COLOR` turns them off; if it is not set, `CLICOLOR_FORCE` and
    /// `FORCE_COLOR` turn them on wherever stderr goes, unless their value is `0`; `CLICOLOR=0` and `TERM=dumb` turn
    /// them off. The width is that of `COLUMNS`, or else of the terminal, or else 120.
    #[must_use]
    pub fn of_stderr() -> Self {
        Self::of(stderr().is_terminal())
    }

    /// As is right for what a test prints, by the same rules as [`of_stderr`](Self::of_stderr): a test harness may keep
    /// that, and print it to stdout. So colours are on when both are terminals.
    #[must_use]
    pub fn of_a_test() -> Self {
        Self::of(stderr().is_terminal() && stdout().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        let style = Self {
            width: WIDE,
            color: has_color(|name| env::var_os(name), is_terminal),
        };
        let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        match columns.or_else(|| is_terminal.then(width_of_terminal).flatten()) {
            Some(width) => style.width(width),
            None => style,
        }
    }

    /// Lines of at most so many columns, 40 at least. A source file's path is never cut: it would not be found by that.
    #[must_use]
    pub fn width(self, columns: usize) -> Self {
        Self {
            width: columns.max(NARROWEST),
            ..self
        }
    }

    /// With the colours that every terminal has, or without.
    #[must_use]
    pub fn color(self, color: bool) -> Self {
        Self { color, ..self }
    }

    pub(super) fn columns(&self) -> usize {
        self.width
    }

    /// `text` in the colours of its role.
    pub(super) fn paint(&self, role: Role, text: &str) -> String {
        match role.code().filter(|_| self.color && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

impl Default for Style {
    fn default() -> Self {
        Self::plain()
    }
}

/// What a part of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Leaked,
    Clean,
    Task,
    Label,
    Place,
    Help,
    Plain,
}

impl Role {
    /// Of SGR. The eight colours that a terminal's user has chosen, so that they can be read on any background.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Leaked => Some("1;31"),
            Self::Clean => Some("32"),
            Self::Task => Some("1"),
            Self::Label => Some("2"),
            Self::Place => Some("36"),
            Self::Help => Some("33"),
            Self::Plain => None,
        }
    }
}

fn has_color(variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is_on = |name| is_set(name) && variable(name).is_some_and(|value| value != "0");
    if is_set("NO_COLOR") {
        false
    } else if is_on("CLICOLOR_FORCE") || is_on("FORCE_COLOR") {
        true
    } else {
        let off = variable("CLICOLOR").is_some_and(|value| value == "0");
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        is_terminal && !off && !dumb
    }
}

#[cfg(all(unix, feature = "track"))]
fn width_of_terminal() -> Option<usize> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: this request writes one `winsize` to where its argument points, which is a place for one.
    let failed = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (failed == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(all(unix, feature = "track")))]
fn width_of_terminal() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_the_user_says_otherwise() {
        for (variables, terminal, expected) in [
            (&[][..], true, true),
            (&[], false, false),
            (&[("NO_COLOR", "1")], true, false),
            (&[("NO_COLOR", "")], true, true),
            (&[("CLICOLOR_FORCE", "1")], false, true),
            (&[("CLICOLOR_FORCE", "0")], false, false),
            (&[("FORCE_COLOR", "1")], false, true),
            (&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false, false),
            (&[("CLICOLOR", "0")], true, false),
            (&[("CLICOLOR", "0"), ("FORCE_COLOR", "3")], true, true),
            (&[("TERM", "dumb")], true, false),
            (&[("TERM", "xterm")], true, true),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(has_color(variable, terminal), expected, "{variables:?}, {terminal}");
        }
    }

    #[test]
    fn a_width_is_never_too_narrow_to_be_read() {
        assert_eq!(Style::plain().width(3).columns(), NARROWEST);
    }
}

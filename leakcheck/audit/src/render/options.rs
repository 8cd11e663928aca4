//! How a report is to be shown.

/// How a report is to be shown. Each output takes what concerns it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Escape sequences for colours. The caller decides, by its terminal and `NO_COLOR`.
    pub colour: bool,
    /// The columns of the terminal. Without it no line is wrapped or cut.
    pub width: Option<usize>,
    /// How many findings, and how many rows of each table, people are shown. What is left out is counted. JSON, JUnit and SARIF
    /// have everything.
    pub limit: usize,
    /// How many calls of one stack people are shown.
    pub calls: usize,
    /// The table of tests lists every test, not only those that left something behind, failed, or were aborted.
    pub by_test: bool,
    /// Adds a table of the lines that spawned.
    pub by_site: bool,
    /// Where the workspace lies in its repository, with `/` at its end, or empty: what GitHub and SARIF put in front of a file.
    pub prefix: String,
    /// How many bytes a Markdown document may have: [`Options::SUMMARY`] or [`Options::COMMENT`].
    pub markdown_bytes: usize,
}

impl Options {
    /// The bytes of a GitHub job summary: 1 MiB a step.
    /// <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits>
    pub const SUMMARY: usize = 1024 * 1024;
    /// The characters of a comment on GitHub, taken as bytes: its API answers `body is too long (maximum is 65536 characters)`.
    pub const COMMENT: usize = 65_536;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            colour: false,
            width: None,
            limit: 50,
            calls: 12,
            by_test: false,
            by_site: false,
            prefix: String::new(),
            markdown_bytes: Self::SUMMARY,
        }
    }
}

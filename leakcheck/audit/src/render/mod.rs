//! Every output of an audit.
//!
//! Of a [`Report`](crate::report::Report), each with a function `render` that takes it and [`Options`]:
//!
//! - [`people`]: text for people. [`markdown`]: the same for a job's summary or a comment.
//! - [`document`]: the report itself as JSON, which `merge` reads back.
//! - [`junit`], [`sarif`], [`github`]: for what reads test results, code scanners' results, and GitHub's workflow commands.
//! - [`html`]: one page with a flame graph and a timeline.
//!
//! Of a [`Verdict`](crate::judge::Verdict), what leakcheck itself saw: [`text`] and [`json`].

mod alike;
pub mod document;
mod frames;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
mod leak;
mod lines;
pub mod markdown;
mod options;
mod page;
pub mod people;
pub mod sarif;
mod table;
pub mod text;
mod unseen;
mod waits;
mod words;

pub use options::Options;

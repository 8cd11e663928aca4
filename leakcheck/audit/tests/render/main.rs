//! Every output of a report: exact for hand-made ones, and sound for whatever a report may hold.

mod browser;
mod formats;
mod golden;
mod many;
mod sample;

//! A verdict for people ([`text`]) and for programs ([`json`]).

pub mod json;
mod leak;
mod table;
pub mod text;
mod unseen;

//! The bug that this project exists for: a cluster that is closed leaves no task behind, whatever each was doing; and if one
//! of its waits forgot the shutdown, the report would name it.

mod closing;
mod connections;
mod explored;
mod planted;
mod quotas;
mod scenario;
mod topology;
mod transactions;

//! What the cluster answers, request by request, over memory and under a paused clock.

mod frames;
mod groups;
mod static_members;
mod topics;
mod topology;
mod versions;

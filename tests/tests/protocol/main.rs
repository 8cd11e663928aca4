//! What the cluster answers, request by request, over memory and under a paused clock.

mod configs;
mod connections;
mod frames;
mod groups;
mod moves;
mod offsets;
mod quotas;
mod releases;
mod replicas;
mod retention;
mod static_members;
mod topics;
mod topology;
mod transactions;
mod versions;
mod warnings;

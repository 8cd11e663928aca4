//! Real clients, rskafka and librdkafka, against a cluster over TCP.

mod closing;
mod given;
mod groups;
mod librdkafka;
mod rdkafka;
mod rskafka;

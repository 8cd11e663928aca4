//! Real clients, rskafka and librdkafka, against a cluster over TCP.

mod closing;
mod given;
mod groups;
mod killed;
mod librdkafka;
mod planted;
mod rdkafka;
mod rskafka;
mod topology;

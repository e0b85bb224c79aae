//! Doors for the fuzzer, and only for it: decoders of what comes from outside that are private
//! otherwise. A module for each target: `check` must end without a panic whatever the bytes, and
//! `seeds` are real encodings to begin with. fuzz/README.md says what holds for each.

pub use crate::{
    frontend::grpc::fuzzing as client_requests,
    node::fuzzing::{peer_messages, snapshots},
    state::fuzzing::log_entries,
};

use prost::Message;

/// A message after the byte that says which one it is.
pub fn seed(kind: u8, message: &impl Message) -> Vec<u8> {
    let mut bytes = vec![kind];
    message
        .encode(&mut bytes)
        .expect("a vector has room for any message");
    bytes
}

/// Messages that follow each other, each after its length; up to the first that is none.
pub fn sequence<M: Message + Default>(mut bytes: &[u8]) -> Vec<M> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let Ok(message) = M::decode_length_delimited(&mut bytes) else {
            break;
        };
        messages.push(message);
    }
    messages
}

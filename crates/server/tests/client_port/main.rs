//! The client port of a whole server, as seen from the wire: TLS, gRPC, HTTP.

mod access;
mod bad_input;
mod certificates;
mod retries;
mod services;
mod support;

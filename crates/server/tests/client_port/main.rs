//! The client port of a whole server, as seen from the wire: TLS, gRPC, HTTP.

mod accounts;
mod bad_input;
mod certificates;
mod changes;
mod exchange;
mod rights;
mod services;
mod stories;
mod support;

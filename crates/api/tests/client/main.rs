//! The client library against fake servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod exchange;
mod fake;
mod leader;
mod network;
mod retries;
mod sessions;
mod trust;

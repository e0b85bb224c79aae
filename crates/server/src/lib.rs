//! The Quorid server: everything behind `quorid serve`, and the certificates and settings that
//! the command line shares with it.

pub mod access;
pub mod certs;
pub mod check;
pub mod config;
pub mod frontend;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod logging;
mod methods;
pub mod metrics;
pub mod named_server;
pub mod node;
pub mod passwords;
pub mod ports;
pub mod seams;
pub mod serve;
pub mod service;
pub mod state;
pub mod tls;

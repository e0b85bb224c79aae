//! The Quorid server: everything behind `quorid serve`, and what the rest of the command
//! line shares with it.

pub mod access;
pub mod certs;
#[cfg(fuzzing)]
#[allow(dead_code, reason = "the program's: here only what it reads is of use")]
mod cli;
pub mod config;
pub mod frontend;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod passwords;
pub mod seams;
pub mod serve;
pub mod service;
pub mod storage;
pub mod testbed;
pub mod tls;

// As the program names this library.
#[cfg(fuzzing)]
extern crate self as quorid;

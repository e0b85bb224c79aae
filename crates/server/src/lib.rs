//! The Quorid server: everything behind `quorid serve`, and what the rest of the command
//! line shares with it.

pub mod access;
pub mod certs;
pub mod config;
pub mod frontend;
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

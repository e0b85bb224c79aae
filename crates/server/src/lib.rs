//! The Quorid server.

pub mod certs;
pub mod frontend;
pub mod node;
pub mod seams;
pub mod storage;
pub mod tls;

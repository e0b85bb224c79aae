//! The Quorid server.
pub mod certs;

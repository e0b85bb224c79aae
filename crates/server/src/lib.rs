//! The Quorid server.

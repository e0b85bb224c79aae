//! `quorid`: server, client and operator's tool in one binary.

fn main() {}

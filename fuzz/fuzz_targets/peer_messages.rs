//! See `quorid_server::fuzzing::peer_messages`.
#![no_main]

use quorid_server::fuzzing::peer_messages::{check, seeds};

libfuzzer_sys::fuzz_target!(
    init: quorid_fuzz::write_seeds(seeds),
    |data: &[u8]| check(data)
);

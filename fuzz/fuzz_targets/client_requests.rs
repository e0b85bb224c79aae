//! See `quorid_server::fuzzing::client_requests`.
#![no_main]

use quorid_server::fuzzing::client_requests::{check, seeds};

libfuzzer_sys::fuzz_target!(
    init: quorid_fuzz::write_seeds(seeds),
    |data: &[u8]| check(data)
);

//! See `quorid_server::fuzzing::log_entries`.
#![no_main]

use quorid_server::fuzzing::log_entries::{check, seeds};

libfuzzer_sys::fuzz_target!(
    init: quorid_fuzz::write_seeds(seeds),
    |data: &[u8]| check(data)
);

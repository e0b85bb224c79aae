//! See `quorid_cli::fuzzing::operator_files`.
#![no_main]

use quorid_cli::fuzzing::operator_files::{check, seeds};

libfuzzer_sys::fuzz_target!(
    init: quorid_fuzz::write_seeds(seeds),
    |data: &[u8]| check(data)
);

//! See `quorid_fuzz::names`.
#![no_main]

use quorid_fuzz::names::{check, seeds};

libfuzzer_sys::fuzz_target!(
    init: quorid_fuzz::write_seeds(seeds),
    |data: &[u8]| check(data)
);

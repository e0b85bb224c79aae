//! What the fuzz targets share. README.md says what is fuzzed, and how.

pub mod names;

use std::{env, fs, path::PathBuf, process};

/// Asks a target to write its seeds to this directory and to end.
const SEEDS_VARIABLE: &str = "QUORID_FUZZ_SEEDS";

/// Writes the seeds and ends the process, where that was asked for.
pub fn write_seeds(seeds: fn() -> Vec<Vec<u8>>) {
    let Some(folder) = env::var_os(SEEDS_VARIABLE).map(PathBuf::from) else {
        return;
    };
    for (number, seed) in seeds().iter().enumerate() {
        let file = folder.join(format!("seed-{number}"));
        fs::write(&file, seed).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    process::exit(0);
}

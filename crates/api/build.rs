//! Generates the types and services of `proto/`, without a `protoc` on the machine.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(
        [
            "quorid/v1/accounts.proto",
            "quorid/v1/changes.proto",
            "quorid/v1/cluster.proto",
            "quorid/v1/deleted.proto",
            "quorid/v1/groups.proto",
            "quorid/v1/requests.proto",
            "quorid/v1/schema.proto",
        ],
        ["proto"],
    )?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}

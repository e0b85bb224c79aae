//! Generates what servers say to each other and what they keep on disk from `proto/`,
//! without a `protoc` on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["state.proto", "peer.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".quorid.peer.v1.SnapshotChunk")
        .bytes(".quorid.state.v1.Entry.command")
        .compile_fds(files)?;
    Ok(())
}

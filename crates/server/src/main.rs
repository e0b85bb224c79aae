//! `quorid`: server, client and operator's tool in one binary.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}

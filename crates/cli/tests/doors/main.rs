//! Objects through the doors of the command line, on a real server.

mod attributes;
mod bench;
mod changes;
mod deleted;
mod directory;
mod groups;
mod import;
mod level;
mod password_hashes;
mod rights;

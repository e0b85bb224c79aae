//! The rules of the directory, seen from outside: a file for each kind.

mod accounts;
mod attributes;
mod invariants;
mod requests;
mod samples;
mod support;
mod values;

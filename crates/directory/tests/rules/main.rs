//! The rules of the directory, seen from outside: a file for each kind.

mod accounts;
mod attributes;
mod deleted;
mod filters;
mod groups;
mod history;
mod invariants;
mod levels;
mod numbers;
mod references;
mod requests;
mod revert;
mod rights;
mod samples;
mod services;
mod settings;
mod site_attributes;
mod support;
mod values;

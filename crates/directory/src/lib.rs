//! The rules of the Quorid directory, pure: no I/O, no clock, no randomness.

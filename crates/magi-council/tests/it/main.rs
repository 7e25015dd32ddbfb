//! The tests of the council, in one binary.

mod votes;
mod votes_split;

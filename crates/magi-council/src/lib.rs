//! placeholder

pub mod vote;

//! Whole processes over real sockets: the binary, fake vendors, cuts, kills.

#![cfg(test)]

mod cli;
#[cfg(feature = "bedrock")]
mod cloud;
mod cuts;
#[cfg(feature = "bedrock")]
mod direct;
mod kill;
mod lockstep;
mod original;
mod readme;
mod support;

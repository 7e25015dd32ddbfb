//! Whole processes over real sockets: the binary, fake vendors, cuts, kills.

#![cfg(test)]

mod cli;
mod cuts;
mod kill;
mod lockstep;
mod original;
mod readme;
mod support;

//! The server's tests over real sockets, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests: a panic is how they fail"
)]

mod asks;
mod bad;
mod cuts;
mod deadline;
mod doors;
mod faulty;
mod house;
mod invocations;
mod lockstep;
mod model;
mod presets;
mod shutdown;
mod silence;
mod sockets;
mod stores;
mod verbs;
mod wire;

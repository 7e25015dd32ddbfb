//! The vendors' rooms from outside: bytes in, chunks out; a socket, and what travels over it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail the test by panicking, as the tests do"
)]

mod fixtures;
mod rehearsal;
mod server;
mod wire;

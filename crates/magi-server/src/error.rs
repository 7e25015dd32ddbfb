//! Why the server does not start or serve.

use std::net::SocketAddr;

/// Why the server does not start or serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address can be reached from other machines, and everybody there would be let in.
    #[error(
        "refusing to listen on {0} with trust `local`, which lets everybody in who can reach it: \
         use 127.0.0.1, or `--trust token` with MAGI_TOKEN set"
    )]
    OpenToAll(SocketAddr),
    /// The listening socket does not tell its address.
    #[error("failed to read the listening address: {0}")]
    Address(#[source] std::io::Error),
    /// An origin of the settings is not an origin.
    #[error(
        "`{0}` in `cors_origins` is not an origin: write it as browsers do, such as \
         `https://magi.example`"
    )]
    Origin(String),
}

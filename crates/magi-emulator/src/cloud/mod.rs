//! The parts of AWS that MAGI's cloud paths cross, on loopback.

pub mod account;
pub mod sigv4;

pub use account::{Account, CognitoIdentity, Credentials, Principal};
pub use sigv4::{Refusal, verify};

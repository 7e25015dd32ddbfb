//! The client against a small server of its own: over TCP, and in process on a paused clock.

#[cfg(test)]
mod cuts;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod invocations;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod verbs;

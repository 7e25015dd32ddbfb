//! The log as its users see it, on every store.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod faulty;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod read_only;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod world;

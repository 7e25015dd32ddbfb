//! What a person sees: plain blocks, three live lanes, the verdict.

pub(crate) mod lanes;
pub(crate) mod plain;
pub(crate) mod verdict;
pub(crate) mod words;
mod wrap;

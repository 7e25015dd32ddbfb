//! Why something failed, below the words of those who only passed it on.

use std::error::Error;

/// Walks an error and its causes, those inside `io::Error` too, which its own `source` passes over.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let io = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        let inner: Option<&(dyn Error + 'static)> = io.map(|inner| inner as _);
        inner.or_else(|| error.source())
    })
}

/// Returns the words of the innermost cause: the outer ones repeat an address, or say only that
/// something failed.
#[must_use]
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

//! The digest of an attempt's text: what `text_bytes` and `text_sha256` say.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Counts and hashes the chunks of one attempt as they come.
///
/// Source: FIPS 180-4, SHA-256.
#[derive(Clone, Debug, Default)]
pub struct TextDigest {
    bytes: u64,
    hasher: Sha256,
}

impl TextDigest {
    /// Makes the digest of no text.
    #[must_use]
    pub fn new() -> Self {
        TextDigest::default()
    }

    /// Adds the next chunk's text.
    pub fn update(&mut self, text: &str) {
        // A usize has at most 64 bits on every target Rust knows.
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        self.hasher.update(text.as_bytes());
    }

    /// Returns the bytes added so far: `text_bytes`.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the SHA-256 of what was added so far, 64 lower-case hex digits: `text_sha256`.
    #[must_use]
    pub fn sha256(&self) -> String {
        let digest = self.hasher.clone().finalize();
        digest.iter().fold(String::with_capacity(64), |mut hex, b| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{b:02x}");
            hex
        })
    }
}

/// Returns the SHA-256 of a text, 64 lower-case hex digits.
#[must_use]
pub fn text_sha256(text: &str) -> String {
    let mut digest = TextDigest::new();
    digest.update(text);
    digest.sha256()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_examples() {
        // FIPS 180-4's example "abc", and the empty text.
        assert_eq!(
            text_sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            TextDigest::new().sha256(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn pieces_and_whole_are_the_same() {
        let mut digest = TextDigest::new();
        for piece in ["可", "", "決", " because"] {
            digest.update(piece);
        }
        assert_eq!(digest.bytes(), 14);
        assert_eq!(digest.sha256(), text_sha256("可決 because"));
        digest.update("!");
        assert_eq!(digest.sha256(), text_sha256("可決 because!"));
    }
}

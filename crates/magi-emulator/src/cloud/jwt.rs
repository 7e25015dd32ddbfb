//! Tokens of an OpenID Connect provider, signed with HS256.
//!
//! The providers of AWS sign with RS256 and publish their keys; here one process is provider and
//! service, so a shared key says the same: who made the token, for whom, and until when.
//!
//! Source: RFC 7515 (signature), RFC 7519 (claims).

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A provider of tokens, as a user pool is; clones are the same provider.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    url: String,
    key: Vec<u8>,
}

/// What a token says; times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Claims {
    /// The provider's address.
    pub iss: String,
    /// The user.
    pub sub: String,
    /// For whom an id token is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Which client an access token was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// When it ends.
    pub exp: i64,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not three parts of base64url around JSON, or another algorithm than HS256.
    #[error("Failed to parse token")]
    Malformed,
    /// Signed with another key.
    #[error("Token signature invalid")]
    Signature,
    /// Of another provider.
    #[error("Claim 'iss' value mismatch with configuration.")]
    Issuer,
    /// Past its end.
    #[error("Token has expired")]
    Expired,
    /// Before its beginning.
    #[error("Token is not valid yet")]
    TooEarly,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// Makes a provider with an address and a key of its own.
    #[must_use]
    pub fn new(url: &str, key: &[u8]) -> Self {
        Issuer(Arc::new(Inner {
            url: url.to_owned(),
            key: key.to_vec(),
        }))
    }

    /// Returns the provider's address, as in `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Makes the token that a signed-in user of a client gets, valid for `seconds` from `now`.
    ///
    /// It carries the client both as `aud` and as `client_id`, as id and access tokens do one each.
    #[must_use]
    pub fn token(&self, user: &str, client: &str, now: Timestamp, seconds: i64) -> String {
        self.sign(&Claims {
            iss: self.0.url.clone(),
            sub: user.to_owned(),
            aud: Some(client.to_owned()),
            client_id: Some(client.to_owned()),
            exp: now.as_second() + seconds,
            nbf: None,
        })
    }

    /// Signs claims of any kind, wrong ones too.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        // Claims are strings and numbers, which JSON always has a form for.
        let body = serde_json::to_vec(claims).unwrap_or_default();
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(body));
        let mut mac = self.mac();
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// Checks a token and returns what it says; for whom it was made is the caller's to check.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if it is malformed, signed by somebody else, or outside its time.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Claims, Fault> {
        #[derive(Deserialize)]
        struct Head {
            alg: String,
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (head, body) = signed.split_once('.').ok_or(Fault::Malformed)?;
        let plain = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Malformed);
        let head: Head = serde_json::from_slice(&plain(head)?).map_err(|_| Fault::Malformed)?;
        if head.alg != "HS256" {
            return Err(Fault::Malformed);
        }
        let mut mac = self.mac();
        mac.update(signed.as_bytes());
        mac.verify_slice(&plain(signature)?)
            .map_err(|_| Fault::Signature)?;
        let claims: Claims = serde_json::from_slice(&plain(body)?).map_err(|_| Fault::Malformed)?;
        if claims.iss != self.0.url {
            return Err(Fault::Issuer);
        }
        if claims.exp <= now.as_second() {
            return Err(Fault::Expired);
        }
        if claims.nbf.is_some_and(|begin| begin > now.as_second()) {
            return Err(Fault::TooEarly);
        }
        Ok(claims)
    }

    fn mac(&self) -> Hmac<Sha256> {
        // HMAC takes keys of every length, so the zero key is never used.
        Hmac::new_from_slice(&self.0.key).unwrap_or_else(|_| Hmac::new(&Default::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: RFC 7515, appendix A.1 (its key and token).
    #[test]
    fn the_published_token_verifies() {
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let mut mac: Hmac<Sha256> = Issuer::new("joe", &key).mac();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        mac.update(signed.as_bytes());
        assert!(
            mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap())
                .is_ok()
        );
    }

    #[test]
    fn every_wrong_token_is_told_apart() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ours = Issuer::new("https://idp.example/pool", b"one");
        let token = ours.token("ada", "page", now, 60);
        assert_eq!(ours.check(&token, now).unwrap().sub, "ada");

        let theirs = Issuer::new("https://idp.example/pool", b"two");
        assert_eq!(theirs.check(&token, now), Err(Fault::Signature));
        let elsewhere = Issuer::new("https://other.example", b"one");
        assert_eq!(elsewhere.check(&token, now), Err(Fault::Issuer));
        let late = Timestamp::from_second(1_800_000_060).unwrap();
        assert_eq!(ours.check(&token, late), Err(Fault::Expired));
        let early = ours.sign(&Claims {
            iss: ours.url().to_owned(),
            exp: 1_800_000_060,
            nbf: Some(1_800_000_030),
            ..Claims::default()
        });
        assert_eq!(ours.check(&early, now), Err(Fault::TooEarly));
        let body = token.split('.').nth(1).unwrap();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#);
        for bad in ["", "a.b", "a.b.c", &format!("{none}.{body}."), &token[1..]] {
            assert_eq!(ours.check(bad, now), Err(Fault::Malformed), "{bad}");
        }
    }
}

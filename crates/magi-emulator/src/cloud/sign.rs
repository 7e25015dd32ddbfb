//! Signature Version 4, the signing side, for the callers that the emulator itself plays.
//!
//! It shares nothing with the verifying side, which is tested against the vendor's own signer.
//!
//! Source: AWS General Reference, "Create a signed AWS API request".

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use sha2::{Digest, Sha256};

use super::account::Account;

/// Who signs, for which service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) service: &'a str,
}

/// Signs a request that has its `Host`; host and date are signed, the path is escaped once more.
pub(crate) fn sign(
    request: &mut Request<Full<Bytes>>,
    body: &Bytes,
    keys: &Keys<'_>,
    account: &Account,
) {
    let now = account.now();
    let (stamp, day) = (
        now.strftime("%Y%m%dT%H%M%SZ").to_string(),
        now.strftime("%Y%m%d").to_string(),
    );
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path: Vec<_> = request.uri().path().split('/').map(escaped).collect();
    let canonical = format!(
        "{}\n{}\n{}\nhost:{host}\nx-amz-date:{stamp}\n\nhost;x-amz-date\n{}",
        Method::as_str(request.method()),
        path.join("/"),
        request.uri().query().unwrap_or_default(),
        hex(&Sha256::digest(body)),
    );
    let scope = format!("{day}/{}/{}/aws4_request", account.region(), keys.service);
    let text = format!(
        "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let parts = [
        day.as_str(),
        account.region(),
        keys.service,
        "aws4_request",
        &text,
    ];
    let first = format!("AWS4{}", keys.secret).into_bytes();
    let signature = parts.iter().fold(first, |key, part| mac(&key, part));
    let said = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-date, Signature={}",
        keys.id,
        hex(&signature)
    );
    let headers = [
        (HeaderName::from_static("x-amz-date"), stamp),
        (AUTHORIZATION, said),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers_mut().insert(name, value);
        }
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            all.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(all, "%{byte:02X}");
        }
        all
    })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut all, byte| {
        // Writing to a string cannot fail.
        let _ = write!(all, "{byte:02x}");
        all
    })
}

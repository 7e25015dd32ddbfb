//! Signature Version 4, the verifying side, written from its specification.
//!
//! A service that receives a request builds the canonical request from what arrived, never from what
//! the client meant, so a proxy that changes a signed byte is seen. Nothing here is shared with a
//! signer: the tests hold it against AWS's published examples and against `aws-sigv4`.
//!
//! Source: AWS General Reference, "Create a signed AWS API request" and "Signature Version 4 signing
//! process: elements of a request signature".

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::account::{Account, Principal};

/// How far a request's date may be from the service's, in seconds, either way.
///
/// Source: AWS General Reference, "Troubleshoot Signature Version 4 signed requests" (15 minutes).
pub const SKEW: i64 = 15 * 60;

/// The longest life of a presigned URL, in seconds.
///
/// Source: AWS General Reference, "Add the signature to the request" (`X-Amz-Expires`, seven days).
const LONGEST_PRESIGNED: i64 = 604_800;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SHA256_HEADER: &str = "x-amz-content-sha256";
const DATE_HEADER: &str = "x-amz-date";
const TOKEN_HEADER: &str = "x-amz-security-token";

type HmacSha256 = Hmac<Sha256>;

/// Why a service refused a request before it looked at what it asks for, in AWS's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
#[non_exhaustive]
pub struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// The exception's name, as in the header `x-amzn-ErrorType`.
    pub kind: &'static str,
    /// What the body's `message` says.
    pub message: String,
}

impl Refusal {
    /// A refusal of a service's own, in the shape all services of AWS's JSON protocols share.
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            status,
            kind,
            message: message.into(),
        }
    }

    /// What a principal without a permission gets.
    #[must_use]
    pub fn denied(principal: &Principal, action: &str, resource: &str) -> Self {
        Refusal::forbidden("AccessDeniedException", principal.denial(action, resource))
    }

    fn forbidden(kind: &'static str, message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, kind, message)
    }

    fn invalid(message: impl Into<String>) -> Self {
        Refusal::forbidden("InvalidSignatureException", message)
    }

    fn incomplete(message: impl Into<String>) -> Self {
        Refusal::forbidden("IncompleteSignatureException", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "message": self.message });
        let mut response = (self.status, axum::Json(body)).into_response();
        response
            .headers_mut()
            .insert("x-amzn-errortype", HeaderValue::from_static(self.kind));
        response
    }
}

/// Verifies a request's signature, in its `Authorization` header or presigned in its query, and tells who signed.
///
/// `parts.uri` must be what stood on the wire: behind a nested router take the original one. `service`
/// is the signing name (`lambda`, `bedrock`, `bedrock-agentcore`), `body` the whole body.
///
/// # Errors
///
/// A [`Refusal`] with AWS's status, exception and words: nothing signed, an incomplete signature, keys
/// nobody has, an expired session, another date, region or service, unsigned headers that must be
/// signed, or a signature over something else than what arrived.
pub fn verify(
    account: &Account,
    parts: &Parts,
    body: &[u8],
    service: &str,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    let signed = read(parts)?;
    check_scope(&signed, account, service)?;
    check_date(&signed, now)?;
    let key = account.key(&signed.credential.access_key).ok_or_else(|| {
        Refusal::forbidden(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    })?;
    if key.token != signed.token {
        return Err(Refusal::forbidden(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    }
    if key.expires.is_some_and(|expires| expires <= now) {
        return Err(Refusal::forbidden(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ));
    }
    check_headers(&signed, &parts.headers)?;
    let hash = hex(&Sha256::digest(body));
    if let Some(said) = header(&parts.headers, SHA256_HEADER)
        && said != hash
    {
        // The services of this account take no unsigned and no chunk-signed payload: only S3 does.
        return Err(Refusal::invalid(MISMATCH));
    }
    let canonical = canonical_request(parts, &signed, &hash)?;
    let scope = signed.credential.scope();
    let to_sign = format!(
        "{ALGORITHM}\n{}\n{scope}\n{}",
        signed.date,
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let expected = unhex(&signed.signature).unwrap_or_default();
    let mut mac = mac(&signing_key(&key.secret, &signed.credential));
    mac.update(to_sign.as_bytes());
    // Compared in constant time, as everything that is compared with a secret.
    if mac.verify_slice(&expected).is_err() {
        return Err(Refusal::invalid(format!(
            "{MISMATCH}\n\nThe Canonical String for this request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
        )));
    }
    Ok(key.principal)
}

/// Tells whether a request says it is signed at all, in its header or its query.
#[must_use]
pub fn is_signed(parts: &Parts) -> bool {
    header(&parts.headers, AUTHORIZATION.as_str()).is_some_and(|value| value.starts_with(ALGORITHM))
        || query_value(parts, "X-Amz-Signature").is_some()
}

/// Returns how long a presigned request says its URL lives, in seconds; `None` if it is not presigned.
#[must_use]
pub fn presigned_for(parts: &Parts) -> Option<i64> {
    query_value(parts, "X-Amz-Signature")?;
    query_value(parts, "X-Amz-Expires")?.parse().ok()
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

/// What a request says about its own signature.
#[derive(Debug)]
struct Signed {
    credential: Credential,
    /// `YYYYMMDD'T'HHMMSS'Z'`, as sent.
    date: String,
    at: Timestamp,
    /// How long a presigned URL lives; `None` for a signature in the header.
    expires: Option<i64>,
    /// Lower case, as sent: their order is part of what is signed.
    headers: Vec<String>,
    signature: String,
    token: Option<String>,
}

#[derive(Debug)]
struct Credential {
    access_key: String,
    date: String,
    region: String,
    service: String,
}

impl Credential {
    fn read(text: &str) -> Option<Self> {
        // An access key holds no slash; the scope behind it has exactly four parts.
        let mut parts = text.split('/');
        let credential = Credential {
            access_key: parts.next()?.to_owned(),
            date: parts.next()?.to_owned(),
            region: parts.next()?.to_owned(),
            service: parts.next()?.to_owned(),
        };
        (parts.next() == Some("aws4_request") && parts.next().is_none()).then_some(credential)
    }

    fn scope(&self) -> String {
        format!(
            "{}/{}/{}/aws4_request",
            self.date, self.region, self.service
        )
    }
}

fn read(parts: &Parts) -> Result<Signed, Refusal> {
    let authorization = header(&parts.headers, AUTHORIZATION.as_str());
    let presigned = query_value(parts, "X-Amz-Signature").is_some()
        || query_value(parts, "X-Amz-Algorithm").is_some();
    match (authorization, presigned) {
        (Some(_), true) => Err(Refusal::incomplete(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified",
        )),
        (Some(value), false) => read_header(parts, value),
        (None, true) => read_query(parts),
        (None, false) => Err(Refusal::forbidden(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )),
    }
}

fn read_header(parts: &Parts, value: &str) -> Result<Signed, Refusal> {
    let Some(fields) = value
        .strip_prefix(ALGORITHM)
        .filter(|rest| rest.starts_with(char::is_whitespace))
    else {
        return Err(Refusal::incomplete(format!(
            "Unsupported AWS 'algorithm' in the Authorization header: only {ALGORITHM} is taken."
        )));
    };
    let field = |name: &str| {
        fields
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let date = header(&parts.headers, DATE_HEADER);
    let mut missing = String::new();
    for name in ["Credential", "Signature", "SignedHeaders"] {
        if field(name).is_none() {
            let _ = write!(
                missing,
                "Authorization header requires '{name}' parameter. "
            );
        }
    }
    if date.is_none() {
        missing.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    let (Some(credential), Some(signature), Some(headers), Some(date)) = (
        field("Credential"),
        field("Signature"),
        field("SignedHeaders"),
        date,
    ) else {
        // What the client sent is named by its digest only: a header may hold a secret.
        let digest = hex(&Sha256::digest(value.as_bytes()));
        return Err(Refusal::incomplete(format!(
            "{missing}(Hashed with SHA-256 and encoded with Base16) Authorization={digest}"
        )));
    };
    Ok(Signed {
        credential: credential_of(credential)?,
        date: date.to_owned(),
        at: instant(date)?,
        expires: None,
        headers: headers.split(';').map(str::to_owned).collect(),
        signature: signature.to_owned(),
        token: header(&parts.headers, TOKEN_HEADER).map(str::to_owned),
    })
}

fn read_query(parts: &Parts) -> Result<Signed, Refusal> {
    let value = |name: &str| {
        query_value(parts, name).ok_or_else(|| {
            Refusal::incomplete(format!(
                "AWS query-string parameters must include '{name}'. Re-examine the query-string parameters."
            ))
        })
    };
    if value("X-Amz-Algorithm")? != ALGORITHM {
        return Err(Refusal::incomplete(format!(
            "Unsupported AWS 'algorithm' in X-Amz-Algorithm: only {ALGORITHM} is taken."
        )));
    }
    let date = value("X-Amz-Date")?;
    let expires = value("X-Amz-Expires")?;
    let expires = expires
        .parse()
        .ok()
        .filter(|seconds| (1..=LONGEST_PRESIGNED).contains(seconds))
        .ok_or_else(|| {
            Refusal::incomplete(format!(
                "'X-Amz-Expires' must be a number of seconds between 1 and {LONGEST_PRESIGNED}."
            ))
        })?;
    Ok(Signed {
        credential: credential_of(&value("X-Amz-Credential")?)?,
        at: instant(&date)?,
        date,
        expires: Some(expires),
        headers: value("X-Amz-SignedHeaders")?
            .split(';')
            .map(str::to_owned)
            .collect(),
        signature: value("X-Amz-Signature")?,
        token: query_value(parts, "X-Amz-Security-Token"),
    })
}

fn credential_of(text: &str) -> Result<Credential, Refusal> {
    Credential::read(text).ok_or_else(|| {
        Refusal::incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
        )
    })
}

fn instant(text: &str) -> Result<Timestamp, Refusal> {
    DateTime::strptime("%Y%m%dT%H%M%SZ", text)
        .and_then(|date| TimeZone::UTC.to_timestamp(date))
        .map_err(|_| {
            Refusal::incomplete("Date must be in ISO-8601 'basic format', as in 20150830T123600Z.")
        })
}

fn basic(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn check_scope(signed: &Signed, account: &Account, service: &str) -> Result<(), Refusal> {
    let mut wrong = String::new();
    if signed.credential.region != account.region() {
        let _ = write!(
            wrong,
            "Credential should be scoped to a valid region, not '{}'. ",
            signed.credential.region
        );
    }
    if signed.credential.service != service {
        let _ = write!(
            wrong,
            "Credential should be scoped to correct service: '{service}'. "
        );
    }
    if !signed.date.starts_with(&signed.credential.date) || signed.credential.date.len() != 8 {
        let _ = write!(
            wrong,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from '{}'. ",
            signed.credential.date,
            signed.date.get(..8).unwrap_or_default(),
            signed.date
        );
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(wrong))
}

fn check_date(signed: &Signed, now: Timestamp) -> Result<(), Refusal> {
    let age = now.duration_since(signed.at).as_secs();
    let longest = signed.expires.unwrap_or(SKEW);
    if age > longest {
        let edge = now - SignedDuration::from_secs(longest);
        let span = match signed.expires {
            Some(seconds) => format!("{seconds} sec."),
            None => format!("{} min.", SKEW / 60),
        };
        return Err(Refusal::invalid(format!(
            "Signature expired: {} is now earlier than {} ({} - {span})",
            signed.date,
            basic(edge),
            basic(now)
        )));
    }
    if -age > SKEW {
        let edge = now + SignedDuration::from_secs(SKEW);
        return Err(Refusal::invalid(format!(
            "Signature not yet current: {} is still later than {} ({} + {} min.)",
            signed.date,
            basic(edge),
            basic(now),
            SKEW / 60
        )));
    }
    Ok(())
}

/// The host and every `x-amz-*` header that came must be signed, and every signed header must have come.
fn check_headers(signed: &Signed, headers: &HeaderMap) -> Result<(), Refusal> {
    let is_signed = |name: &str| signed.headers.iter().any(|said| said == name);
    if !is_signed(HOST.as_str()) {
        return Err(Refusal::invalid(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    let unsigned = headers
        .keys()
        .map(http::HeaderName::as_str)
        .find(|name| name.starts_with("x-amz-") && !is_signed(name));
    if let Some(name) = unsigned {
        return Err(Refusal::invalid(format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        )));
    }
    let sorted = signed.headers.is_sorted()
        && signed.headers.iter().all(|name| {
            !name.is_empty() && !name.contains(|letter: char| letter.is_ascii_uppercase())
        });
    if !sorted {
        return Err(Refusal::incomplete(
            "'SignedHeaders' must be lower case, sorted and separated by ';'.",
        ));
    }
    Ok(())
}

fn canonical_request(parts: &Parts, signed: &Signed, hash: &str) -> Result<String, Refusal> {
    let mut canonical = format!(
        "{}\n{}\n{}\n",
        parts.method,
        canonical_path(parts.uri.path()),
        canonical_query(
            parts.uri.query().unwrap_or_default(),
            signed.expires.is_some()
        )
    );
    for name in &signed.headers {
        let value = canonical_value(parts, name).ok_or_else(|| Refusal::invalid(MISMATCH))?;
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let _ = write!(canonical, "\n{}\n{hash}", signed.headers.join(";"));
    Ok(canonical)
}

/// The path as it stood on the wire, without dot segments and empty ones, each segment escaped once more.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut canonical = String::from("/");
    for (index, segment) in kept.iter().enumerate() {
        if index > 0 {
            canonical.push('/');
        }
        escape(segment.as_bytes(), &mut canonical);
    }
    let is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if is_folder && !kept.is_empty() {
        canonical.push('/');
    }
    canonical
}

fn canonical_query(query: &str, is_presigned: bool) -> String {
    let mut pairs: Vec<(String, String)> = pairs(query)
        .filter(|(name, _)| !(is_presigned && name == b"X-Amz-Signature"))
        .map(|(name, value)| (escaped(&name), escaped(&value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// A header's values, each trimmed and with runs of spaces made one, joined by commas.
fn canonical_value(parts: &Parts, name: &str) -> Option<String> {
    let mut values: Vec<String> = parts
        .headers
        .get_all(name)
        .iter()
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let words = text.trim().split(' ').filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    if values.is_empty() && name == HOST.as_str() {
        values.extend(parts.uri.authority().map(|host| host.as_str().to_owned()));
    }
    (!values.is_empty()).then(|| values.join(","))
}

/// A query's names and values, unescaped; `+` is a space, as the services read it.
fn pairs(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name, true), unescape(value, true))
        })
}

/// Returns a query parameter's value, unescaped.
pub(crate) fn query_value(parts: &Parts, name: &str) -> Option<String> {
    pairs(parts.uri.query().unwrap_or_default())
        .find(|(key, _)| key == name.as_bytes())
        .map(|(_, value)| String::from_utf8_lossy(&value).into_owned())
}

/// Takes percent escapes out; what is not an escape stays as it is.
pub(crate) fn unescape(text: &str, plus_is_space: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], escape) {
            (_, Some(byte)) => {
                plain.push(byte);
                at += 2;
            }
            (b'+', None) if plus_is_space => plain.push(b' '),
            (byte, None) => plain.push(byte),
        }
        at += 1;
    }
    plain
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    escape(bytes, &mut text);
    text
}

/// Escapes everything but letters, digits, `-`, `.`, `_` and `~`, with capital hex digits.
fn escape(bytes: &[u8], text: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

fn signing_key(secret: &str, credential: &Credential) -> Vec<u8> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [
        credential.date.as_str(),
        &credential.region,
        &credential.service,
        "aws4_request",
    ] {
        let mut mac = mac(&key);
        mac.update(part.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    key
}

fn mac(key: &[u8]) -> HmacSha256 {
    // HMAC takes keys of every length, so the zero key is never used.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&Default::default()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    // Lower case only: a signature in capitals is another string.
    let is_hex = text.len().is_multiple_of(2)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_hex.then(|| {
        (0..text.len())
            .step_by(2)
            .filter_map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
            .collect()
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

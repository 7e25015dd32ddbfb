//! One request of the doctor's, and what its answer says about the way there.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request};
use magi_client::{Transport, TransportError};
use magi_log::Env;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use super::faults::{self, Found};
use super::page::origin_of;
use crate::way::{self, Kind, Sign, Way};

/// How long an answer is waited for: a cold start fits in.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most of an answer that is read, in bytes.
const MOST: usize = 4 << 20;

/// An answer in one piece.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Option<Map<String, Value>> {
        // A door that must answer 200 may say so as one server-sent event.
        let text = self.body.strip_prefix(b"data: ").unwrap_or(&self.body);
        serde_json::from_slice(text).ok()
    }

    /// Returns the name of AWS's refusal, if it is one.
    fn refusal(&self) -> Option<String> {
        let kind = self.header("x-amzn-errortype");
        let kind = kind.split(':').next().unwrap_or_default();
        (!kind.is_empty()).then(|| kind.to_owned())
    }

    /// Returns what the answer says, in a few words.
    pub(crate) fn words(&self) -> String {
        let json = self.json().unwrap_or_default();
        let said = ["detail", "message", "Message", "error"]
            .iter()
            .find_map(|name| json.get(*name)?.as_str())
            .map(|text| text.lines().next().unwrap_or_default().to_owned());
        let kind = self.header(CONTENT_TYPE.as_str());
        let kind = kind.split(';').next().unwrap_or_default();
        match said.or_else(|| (!kind.is_empty()).then(|| kind.to_owned())) {
            Some(said) => format!("{}, {said}", self.status),
            None => self.status.to_string(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoReply {
    Transport(TransportError),
    Silent,
}

/// Sends a request and reads its answer to the end.
pub(crate) async fn exchange(
    transport: &Arc<dyn Transport>,
    request: Request<Bytes>,
) -> Result<Reply, NoReply> {
    let began = Instant::now();
    let whole = async {
        let (head, mut body) = transport.send(request).await?.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() > MOST {
                break;
            }
        }
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: bytes.freeze(),
            took: began.elapsed(),
        })
    };
    match timeout(PATIENCE, whole).await {
        Ok(reply) => reply.map_err(NoReply::Transport),
        Err(_) => Err(NoReply::Silent),
    }
}

/// Says what a missing answer means.
pub(crate) fn no_reply(why: &NoReply, host: &str) -> Box<Found> {
    let NoReply::Transport(error) = why else {
        let seconds = PATIENCE.as_secs().to_string();
        return faults::SILENT.found(&[("seconds", &seconds), ("host", host)]);
    };
    let why = error.to_string();
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&[way::NO_CREDENTIALS]) {
        faults::NO_CREDENTIALS.found(&[("why", &why)])
    } else if has(&["certificate", "UnknownIssuer", "NotValidForName"]) {
        faults::TLS_CERTIFICATE.found(&[("host", host), ("why", &why)])
    } else if has(&[
        "corrupt message",
        "InvalidContentType",
        "received fatal alert",
        "handshake",
    ]) {
        faults::TLS_NONE.found(&[("host", host), ("why", &why)])
    } else {
        faults::CUT.found(&[("host", host), ("why", &why)])
    }
}

/// Makes a request without a body.
pub(crate) fn plain(method: Method, url: &str) -> Option<Request<Bytes>> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().ok()?;
    Some(request)
}

/// Makes the request of an action.
pub(crate) fn action(way: &Way, url: &str, body: &Value) -> Option<Request<Bytes>> {
    let mut request = plain(Method::POST, url)?;
    *request.body_mut() = Bytes::from(body.to_string());
    *request.headers_mut() = way.headers();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Some(request)
}

/// What the doctor asks a door first: it costs nothing and begins nothing.
pub(crate) fn capabilities() -> Value {
    json!({ "action": "capabilities" })
}

/// What an answer to `capabilities` is.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A door of MAGI, and what it can do.
    Door(Map<String, Value>),
    /// Something else answers at this path.
    Elsewhere(String),
    /// Something is wrong, at the door or behind it.
    Wrong(Box<Found>),
}

/// Says what an answer to `capabilities` means.
pub(crate) fn judge(reply: &Reply, way: &Way, sent: &Request<Bytes>) -> Verdict {
    use Verdict::{Door, Elsewhere, Wrong};
    if let Some(kind) = reply.refusal() {
        return match kind.as_str() {
            "UnknownOperationException" => Elsewhere(reply.words()),
            _ => Wrong(refused(&kind, reply, way, sent)),
        };
    }
    if let Some(found) = redirect(reply, &sent.uri().to_string(), "") {
        return Wrong(found);
    }
    let json = reply.json();
    if let Some(found) = json.as_ref().and_then(door_frame) {
        return Wrong(found);
    }
    match (reply.status, json) {
        (200, Some(json)) if json.contains_key("protocol") => Door(json),
        (401, _) => Wrong(token(reply, way)),
        (403, None) => Wrong(faults::PROXY_DENIES.found(&[])),
        (502, None) if reply.headers.contains_key("x-amzn-requestid") => {
            Wrong(faults::FUNCTION.found(&[]))
        }
        (504, _) => {
            let seconds = format!("{:.0}", reply.took.as_secs_f64());
            Wrong(faults::TIME_LIMIT.found(&[("seconds", &seconds)]))
        }
        (status @ (502 | 503), None) => {
            Wrong(faults::PROXY_FAILED.found(&[("status", &status.to_string())]))
        }
        (status, Some(json)) if status >= 400 && status != 404 && status != 405 => {
            Wrong(refuses(&json, &reply.words()))
        }
        _ => Elsewhere(reply.words()),
    }
}

/// Says that an answer sends its caller elsewhere; `tail` of the new address is left out of the fix.
pub(crate) fn redirect(reply: &Reply, url: &str, tail: &str) -> Option<Box<Found>> {
    let location = reply.header(LOCATION.as_str());
    if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) || location.is_empty() {
        return None;
    }
    let location = match location.strip_prefix("//") {
        Some(rest) => format!("{}://{rest}", url.split(':').next().unwrap_or("https")),
        None if location.starts_with('/') => format!("{}{location}", origin_of(url)),
        None => location.to_owned(),
    };
    let location = location.strip_suffix(tail).unwrap_or(&location);
    Some(faults::REDIRECT.found(&[
        ("url", url),
        ("location", location),
        ("status", &reply.status.to_string()),
    ]))
}

/// A refusal of MAGI's own, which brings its fix.
fn refuses(json: &Map<String, Value>, words: &str) -> Box<Found> {
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let message = text("detail").or(text("message")).unwrap_or(words);
    match text("fix") {
        Some(fix) => faults::REFUSES.found(&[("message", message), ("fix", fix)]),
        None => faults::REFUSES.found(&[("message", message)]).in_words(
            "fix",
            [
                "read the log of what answers there",
                "そこで応答しているもののログを見てください",
            ],
        ),
    }
}

/// Reads an error that a door must tell with a 200.
fn door_frame(json: &Map<String, Value>) -> Option<Box<Found>> {
    if json.get("type")? != "error" || json.contains_key("seq") {
        return None;
    }
    let data = json.get("data")?.as_object()?;
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let message = &[("message", text("message"))];
    Some(match text("code") {
        "upstream_forbidden" => faults::GATEWAY_PERMISSION.found(message),
        "upstream_not_found" | "upstream_unreachable" => faults::GATEWAY_TARGET.found(message),
        "upstream_failed" => faults::CONTAINER.found(&[]),
        "upstream_throttled" => faults::THROTTLED.found(&[("what", text("message"))]),
        "upstream_conflict" => faults::STARTING.found(&[("seconds", "6")]),
        _ => refuses(data, text("message")),
    })
}

/// Says what one of AWS's refusals means.
///
/// Source: Amazon Bedrock AgentCore API reference, `InvokeAgentRuntime`, errors; AWS Lambda Developer
/// Guide, "Control access to Lambda function URLs"; AWS General Reference, "Troubleshoot Signature
/// Version 4 signed requests".
fn refused(kind: &str, reply: &Reply, way: &Way, sent: &Request<Bytes>) -> Box<Found> {
    let words = reply.words();
    let what = &[("what", words.as_str())];
    let message = reply.json().unwrap_or_default();
    let message = message.get("message").or(message.get("Message"));
    let message = message.and_then(Value::as_str).unwrap_or_default();
    let is_signed = matches!(way.sign, Sign::SigV4(..));
    match kind {
        "MissingAuthenticationTokenException" => faults::UNSIGNED.found(what),
        "UnrecognizedClientException" | "InvalidClientTokenId" => faults::KEYS_UNKNOWN.found(what),
        "ExpiredTokenException" => faults::KEYS_EXPIRED.found(what),
        "InvalidSignatureException" | "IncompleteSignatureException" | "SignatureDoesNotMatch" => {
            signature(message, way, sent)
        }
        "AccessDeniedException" if message.contains("method mismatch") => match way.sign {
            Sign::Bearer(_) => faults::WANTS_SIGNATURE.found(what),
            Sign::SigV4(..) | Sign::None | Sign::ContentHash => faults::WANTS_TOKEN.found(what),
        },
        "AccessDeniedException" => match denied(message) {
            Some((who, action, resource)) => faults::PERMISSION.found(&[
                ("who", who),
                ("action", action),
                ("resource", resource),
            ]),
            None if is_signed => faults::PERMISSIONS_URL.found(&[]),
            None => faults::UNSIGNED.found(what),
        },
        "UnauthorizedException" => token(reply, way),
        "ResourceNotFoundException" => faults::RUNTIME_UNKNOWN.found(what),
        "RetryableConflictException" | "ConflictException" => {
            let seconds = format!("{:.0}", reply.took.as_secs_f64());
            faults::STARTING.found(&[("seconds", &seconds)])
        }
        "RuntimeClientError" | "FailedDependencyException" => faults::CONTAINER.found(&[]),
        _ => match reply.status {
            402 | 429 => faults::THROTTLED.found(what),
            424 => faults::CONTAINER.found(&[]),
            504 => {
                let seconds = format!("{:.0}", reply.took.as_secs_f64());
                faults::TIME_LIMIT.found(&[("seconds", &seconds)])
            }
            _ => refuses(&Map::new(), &format!("{kind}: {words}")),
        },
    }
}

/// Reads who may not do what on what.
fn denied(message: &str) -> Option<(&str, &str, &str)> {
    let who = message.strip_prefix("User: ")?;
    let (who, rest) = who.split_once(" is not authorized to perform: ")?;
    let (action, rest) = rest.split_once(" on resource: ")?;
    let resource = rest.split(" because").next()?;
    Some((who, action, resource))
}

/// Says why a signature was refused, from the request that AWS says it got.
fn signature(message: &str, way: &Way, sent: &Request<Bytes>) -> Box<Found> {
    let first = message.lines().next().unwrap_or_default();
    if message.contains("Signature expired") || message.contains("not yet current") {
        return faults::CLOCK.found(&[("what", first)]);
    }
    if let Sign::SigV4(scope, _) = &way.sign {
        if message.contains("scoped to a valid region") {
            return faults::REGION.found(&[("region", &scope.region)]);
        }
        if let Some((_, rest)) = message.split_once("scoped to correct service: '") {
            let wanted = rest.split('\'').next().unwrap_or_default();
            return faults::SERVICE.found(&[("service", &scope.service), ("wanted", wanted)]);
        }
    }
    let Some(arrived) = Arrived::read(message) else {
        return faults::SIGNATURE.found(&[("what", first)]);
    };
    let host = sent
        .uri()
        .authority()
        .map_or("", http::uri::Authority::as_str);
    if !arrived.host.eq_ignore_ascii_case(host) {
        return faults::HOST_REWRITTEN.found(&[("sent", host), ("arrived", arrived.host)]);
    }
    if arrived.hash != way::hex_digest(sent.body()) {
        return faults::BODY_REWRITTEN.found(&[]);
    }
    if arrived.method != sent.method().as_str() {
        return faults::SIGNATURE.found(&[("what", first)]);
    }
    faults::SECRET.found(&[])
}

/// The request as AWS says it got it.
///
/// Source: AWS General Reference, "Create a signed AWS API request", step 1: the canonical request.
struct Arrived<'a> {
    method: &'a str,
    host: &'a str,
    hash: &'a str,
}

impl Arrived<'_> {
    fn read(message: &str) -> Option<Arrived<'_>> {
        let (_, rest) =
            message.split_once("The Canonical String for this request should have been\n'")?;
        let canonical = rest.split('\'').next()?;
        Some(Arrived {
            method: canonical.lines().next()?,
            host: canonical
                .lines()
                .find_map(|line| line.strip_prefix("host:"))?,
            hash: canonical.lines().last()?,
        })
    }
}

/// Says what a 401 means.
fn token(reply: &Reply, way: &Way) -> Box<Found> {
    let words = reply.words();
    let what = &[("what", words.as_str())];
    let is_runtime = way.kind == Kind::AgentCore;
    match &way.sign {
        Sign::Bearer(token) => {
            let now = Env::system().clock.now().as_millis() / 1000;
            match expires(token).filter(|until| *until <= now) {
                Some(until) => {
                    faults::TOKEN_EXPIRED.found(&[("seconds", &(now - until).to_string())])
                }
                None => faults::TOKEN_REFUSED.found(what),
            }
        }
        Sign::None | Sign::ContentHash | Sign::SigV4(..) if is_runtime => {
            faults::WANTS_TOKEN.found(what)
        }
        Sign::None | Sign::ContentHash | Sign::SigV4(..) => faults::NO_TOKEN.found(&[]),
    }
}

/// Reads when a JWT expires, in seconds; nothing is checked, that is the door's to do.
///
/// Source: RFC 7519, section 4.1.4.
fn expires(token: &str) -> Option<i64> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("exp")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something that takes a request and never answers.
    struct Mute;

    impl Transport for Mute {
        fn send(&self, _: Request<Bytes>) -> magi_client::Sending {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_answers_is_silent_after_a_minute() {
        let mute: Arc<dyn Transport> = Arc::new(Mute);
        let began = Instant::now();
        let request = plain(Method::GET, "http://magi.example/config.json").unwrap();
        let Err(why) = exchange(&mute, request).await else {
            panic!("it answered")
        };
        assert_eq!(began.elapsed(), PATIENCE);
        assert_eq!(no_reply(&why, "magi.example").fault.name, "silent");
    }

    fn way(sign: Sign) -> Way {
        Way::new(
            "https://magi.example/invocations".to_owned(),
            Kind::Server,
            sign,
        )
    }

    fn fault(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> &'static str {
        let headers = headers.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let reply = Reply {
            status,
            headers: headers.collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            took: Duration::from_secs(30),
        };
        let way = way(Sign::None);
        let sent = action(&way, &way.address, &capabilities()).unwrap();
        match judge(&reply, &way, &sent) {
            Verdict::Door(_) => "door",
            Verdict::Elsewhere(_) => "elsewhere",
            Verdict::Wrong(found) => found.fault.name,
        }
    }

    #[test]
    fn an_answer_tells_who_gave_it() {
        assert_eq!(fault(200, &[], r#"{"protocol":1}"#), "door");
        assert_eq!(
            fault(200, &[("content-type", "text/html")], "<html>"),
            "elsewhere"
        );
        assert_eq!(fault(405, &[], "{}"), "elsewhere");
        assert_eq!(
            fault(504, &[("content-type", "text/html")], "<html>"),
            "time-limit"
        );
        assert_eq!(fault(503, &[], "<html>"), "proxy-failed");
        assert_eq!(
            fault(502, &[("x-amzn-requestid", "x")], "Internal Server Error"),
            "function"
        );
        assert_eq!(
            fault(424, &[("x-amzn-errortype", "RuntimeClientError")], "{}"),
            "container"
        );
        let told = r#"{"type":"error","data":{"code":"upstream_failed","message":"m"}}"#;
        assert_eq!(fault(200, &[], told), "container");
        let problem = r#"{"code":"forbidden_origin","detail":"d","fix":"f"}"#;
        assert_eq!(fault(403, &[], problem), "refuses");
        assert_eq!(fault(403, &[], "<html>"), "proxy-denies");
        for status in [301, 302, 303, 307, 308] {
            let to = [("location", "https://other.example/invocations")];
            assert_eq!(fault(status, &to, ""), "redirect");
        }
        assert_eq!(fault(304, &[("location", "/x")], ""), "elsewhere");
    }

    #[test]
    fn a_denial_names_who_what_and_where() {
        let said = "User: arn:aws:iam::1:user/a is not authorized to perform: lambda:X on resource: arn:r because no policy";
        assert_eq!(
            denied(said),
            Some(("arn:aws:iam::1:user/a", "lambda:X", "arn:r"))
        );
        assert_eq!(denied("Forbidden"), None);
    }

    #[test]
    fn a_token_tells_when_it_ends() {
        let token = format!("h.{}.s", URL_SAFE_NO_PAD.encode(r#"{"exp":12}"#));
        assert_eq!(expires(&token), Some(12));
        assert_eq!(expires("opaque"), None);
    }
}

//! Who may come in. Trust is a property of the door: `local`, `token` or `platform`.
//!
//! - `local` is open to the programs of this machine and closed to web pages: `Host` must be a
//!   loopback name (so that a foreign name rebound to this address does not reach us), `Origin` and
//!   `Sec-Fetch-Site` must be our own page's or a configured one's, and bodies must be declared JSON
//!   (which a foreign page cannot do without a preflight, and preflights are refused).
//! - `token` asks for `Authorization: Bearer`, compared in constant time; never in an address, where
//!   logs would keep it. The page's own files hold no secret and are open.
//! - `platform` leaves identity to AWS, which has checked it before the request comes here.

mod called;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Uri, header};
use sha2::{Digest, Sha256};
use tracing::Instrument;

use crate::page;
use crate::problem::{Code, Problem};

/// AgentCore's session header: its value is the conversation.
///
/// Source: AgentCore Runtime service contract, "HTTP protocol contract".
pub const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// AgentCore's header for the user on whose behalf the runtime is called.
const USER_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-user-id";

/// The WebSocket subprotocol that carries a token, because a browser cannot set headers there.
///
/// Source: AgentCore Developer Guide, "Get started with WebSocket", browsers with OAuth.
const TOKEN_PROTOCOL: &str = "base64UrlBearerAuthorization.";

/// How a door knows who may come in.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// This machine's own programs and our own page.
    #[default]
    Local,
    /// Whoever knows the token.
    Token(Token),
    /// Whoever the platform in front has let in.
    Platform,
}

impl Trust {
    /// Returns the setting's word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Trust::Local => "local",
            Trust::Token(_) => "token",
            Trust::Platform => "platform",
        }
    }
}

/// A secret that lets its bearer in. Only its hash is kept, so that it cannot be printed.
#[derive(Clone)]
pub struct Token {
    plain: [u8; 32],
    encoded: [u8; 32],
}

/// The token is too short to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token must have at least 16 characters, none of them a space")]
pub struct WeakToken;

impl Token {
    /// Takes a token of at least 16 visible ASCII characters.
    ///
    /// # Errors
    ///
    /// When it is shorter or could not stand in a header.
    pub fn new(secret: &str) -> Result<Token, WeakToken> {
        if secret.len() < 16 || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WeakToken);
        }
        Ok(Token {
            plain: hash(secret.as_bytes()),
            encoded: hash(URL_SAFE_NO_PAD.encode(secret).as_bytes()),
        })
    }

    fn is(&self, given: &str) -> bool {
        same(&self.plain, &hash(given.as_bytes()))
    }

    fn is_encoded(&self, given: &str) -> bool {
        same(&self.encoded, &hash(given.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Compares hashes to the end whatever they hold, so that the time tells nothing.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left
        .iter()
        .zip(right)
        .fold(0, |all, (left, right)| all | (left ^ right));
    std::hint::black_box(difference) == 0
}

/// Who calls, as far as the door knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose idempotency keys these are.
    pub identity: String,
    /// AgentCore's session, which is the conversation.
    pub session: Option<String>,
    /// The ids by which the platform in front knows this call, by our names for them; none elsewhere.
    pub called: BTreeMap<String, String>,
}

/// Who calls, as a platform's own record of the request says: it goes before every header, which a
/// caller may have written. A request extension, put by the door in front of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(pub String);

/// What the door lets in: the trust, and the other origins whose pages may call.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) trust: Trust,
    pub(crate) origins: Vec<String>,
}

/// Lets a request in with its [`Caller`], or answers why not.
pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let mut caller = guard.admit(request.method(), request.uri(), request.headers())?;
    if let Some(Identity(identity)) = request.extensions().get() {
        caller.identity.clone_from(identity);
    }
    let span = called::span(&caller.called);
    request.extensions_mut().insert(caller);
    Ok(next.run(request).instrument(span).await)
}

impl Guard {
    /// Decides about one request.
    pub(crate) fn admit(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Caller, Problem> {
        let path = uri.path();
        let session = single(headers, SESSION_HEADER)?.map(str::to_owned);
        let ping = matches!(path, "/ping" | "/api/ping");
        let identity = match &self.trust {
            Trust::Local => {
                if !ping {
                    self.local(method, uri, headers)?;
                }
                "local".to_owned()
            }
            Trust::Token(token) => {
                let open = ping || path == "/healthz" || page::has(path);
                if !open {
                    bearer(token, headers)?;
                }
                "token".to_owned()
            }
            Trust::Platform => single(headers, USER_HEADER)?
                .map(|user| format!("user:{user}"))
                .or_else(|| session.as_ref().map(|session| format!("session:{session}")))
                .unwrap_or_else(|| "platform".to_owned()),
        };
        let called = match &self.trust {
            Trust::Platform => called::read(headers),
            Trust::Local | Trust::Token(_) => BTreeMap::new(),
        };
        Ok(Caller {
            identity,
            session,
            called,
        })
    }

    fn local(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = single(headers, header::HOST.as_str())?.unwrap_or_default();
        let authority = uri.authority().map(http::uri::Authority::as_str);
        if !is_loopback(host) || !authority.is_none_or(is_loopback) {
            return Err(Problem::new(
                Code::ForbiddenHost,
                "this server answers to `localhost`, `127.0.0.1` and `[::1]` alone",
            )
            .at("Host")
            .fix("open it under one of these names, or start it with `--trust token`"));
        }
        let origin = single(headers, header::ORIGIN.as_str())?;
        if origin.is_some_and(|origin| !self.is_ours(origin, host)) {
            return Err(foreign("Origin"));
        }
        let site = single(headers, "sec-fetch-site")?;
        let known = matches!(site, None | Some("same-origin" | "none")) || origin.is_some();
        if known || is_visit(method, uri.path(), headers) {
            Ok(())
        } else {
            Err(foreign("Sec-Fetch-Site"))
        }
    }

    fn is_ours(&self, origin: &str, host: &str) -> bool {
        let own = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .is_some_and(|rest| rest.eq_ignore_ascii_case(host));
        own || self.origins.iter().any(|allowed| allowed == origin)
    }
}

fn foreign(header: &str) -> Problem {
    Problem::new(
        Code::ForbiddenOrigin,
        format!("`{header}` names another site than this server's own page"),
    )
    .at(header)
    .fix("name the page's origin in the setting `cors_origins`")
}

/// Tells whether somebody follows a link to our page, which is no call.
fn is_visit(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is = |name: &str, word: &str| headers.get(name).is_some_and(|value| value == word);
    method == Method::GET
        && page::has(path)
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

fn bearer(token: &Token, headers: &HeaderMap) -> Result<(), Problem> {
    let given = single(headers, header::AUTHORIZATION.as_str())?
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .is_some_and(|(_, secret)| token.is(secret.trim_start()));
    let by_protocol = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().strip_prefix(TOKEN_PROTOCOL))
        .any(|secret| token.is_encoded(secret));
    if given || by_protocol {
        return Ok(());
    }
    Err(
        Problem::new(Code::Unauthorised, "the token is missing or wrong")
            .at("Authorization")
            .fix("send `Authorization: Bearer TOKEN`"),
    )
}

/// Returns a header that may stand once: two of them could be read differently by two readers.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::field(
            name,
            format!("`{name}` stands more than once"),
        ));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| Problem::field(name, format!("`{name}` is not plain text")))
}

/// Tells whether `host[:port]` names this machine's loopback, exactly.
fn is_loopback(authority: &str) -> bool {
    let (name, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port),
            None => return false,
        },
        None => match authority.find(':') {
            Some(colon) => authority.split_at(colon),
            None => (authority, ""),
        },
    };
    let bracketed = authority.starts_with('[');
    let port_reads = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    };
    let loopback = if bracketed {
        name == "::1"
    } else {
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    };
    loopback && port_reads
}

#[cfg(test)]
mod tests;

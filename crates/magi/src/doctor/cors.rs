//! What a browser asks before a page of another origin may call.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use magi_client::Transport;

use super::faults::{self, Found, Words};
use super::reply::{Reply, action, capabilities, exchange, no_reply, plain};
use crate::way::{Kind, Sign, Way};

/// What a page sends with a request of this way.
fn sends(way: &Way) -> Vec<&'static str> {
    let mut headers = vec!["content-type"];
    match way.sign {
        Sign::None => {}
        Sign::Bearer(_) => headers.push("authorization"),
        Sign::ContentHash => headers.push("x-amz-content-sha256"),
        Sign::SigV4(..) => headers.extend(["authorization", "x-amz-date", "x-amz-security-token"]),
    }
    if !way.headers().is_empty() {
        headers.push("x-amzn-bedrock-agentcore-runtime-session-id");
    }
    headers
}

/// What a page has to read; AgentCore's own front cannot be told to show more than it does.
fn reads(way: &Way) -> &'static [&'static str] {
    match way.kind {
        Kind::FunctionUrl => &["x-amzn-errortype", "date", "retry-after"],
        Kind::Server => &["retry-after"],
        Kind::AgentCore => &[],
    }
}

fn setting(way: &Way) -> Words {
    match way.kind {
        Kind::FunctionUrl => ["`Cors` of the Function URL", "Function URL の `Cors` 設定"],
        Kind::AgentCore => [
            "what answers preflights before AgentCore",
            "AgentCore の手前でプリフライトに答える中継の設定",
        ],
        Kind::Server => [
            "`cors_origins` (MAGI_CORS_ORIGINS)",
            "サーバーの `cors_origins`（MAGI_CORS_ORIGINS）",
        ],
    }
}

/// Does the browser's preflight for a page of `origin`, and the request after it.
pub(crate) async fn check(
    bare: &Arc<dyn Transport>,
    signed: &Arc<dyn Transport>,
    way: &Way,
    origin: &str,
) -> Result<(), Box<Found>> {
    let url = way.invocations();
    let Ok(value) = HeaderValue::from_str(origin) else {
        let why = [
            "the origin is no text of one line",
            "オリジンが 1 行の文字列ではありません",
        ];
        return Err(faults::ADDRESS.found(&[]).in_words("why", why));
    };
    let asked = sends(way);
    let list = HeaderValue::from_str(&asked.join(","));
    let (Some(mut request), Ok(list)) = (plain(Method::OPTIONS, &url), list) else {
        return Ok(());
    };
    let headers = request.headers_mut();
    headers.insert(ORIGIN, value.clone());
    headers.insert(
        ACCESS_CONTROL_REQUEST_METHOD,
        HeaderValue::from_static("POST"),
    );
    headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, list);
    let reply = exchange(bare, request).await;
    let reply = reply.map_err(|why| no_reply(&why, &url))?;
    allows(&reply, way, origin)?;
    let allowed = words(&reply.headers, &ACCESS_CONTROL_ALLOW_METHODS);
    let may = |list: &[String], word: &str| {
        list.iter()
            .any(|one| one.eq_ignore_ascii_case(word) || one == "*")
    };
    // `POST` needs no leave by the Fetch standard, but a front that lists methods without it refuses it.
    if !allowed.is_empty() && !may(&allowed, "POST") {
        let found = faults::CORS_METHOD.found(&[("origin", origin), ("method", "POST")]);
        return Err(found.in_words("setting", setting(way)));
    }
    let allowed = words(&reply.headers, &ACCESS_CONTROL_ALLOW_HEADERS);
    for header in asked {
        // The star does not cover `authorization`. Source: Fetch, "CORS-preflight fetch".
        let is_named = allowed.iter().any(|one| one.eq_ignore_ascii_case(header));
        if !is_named && (header == "authorization" || !may(&allowed, header)) {
            let found = faults::CORS_HEADER.found(&[("origin", origin), ("header", header)]);
            return Err(found.in_words("setting", setting(way)));
        }
    }
    answered(signed, way, origin, value).await
}

/// Looks at the answer itself, which bears the same headers once more.
async fn answered(
    signed: &Arc<dyn Transport>,
    way: &Way,
    origin: &str,
    value: HeaderValue,
) -> Result<(), Box<Found>> {
    let url = way.invocations();
    let Some(mut request) = action(way, &url, &capabilities()) else {
        return Ok(());
    };
    request.headers_mut().insert(ORIGIN, value);
    let reply = exchange(signed, request).await;
    let reply = reply.map_err(|why| no_reply(&why, &url))?;
    allows(&reply, way, origin)?;
    let exposed = words(&reply.headers, &ACCESS_CONTROL_EXPOSE_HEADERS);
    for header in reads(way) {
        if !exposed
            .iter()
            .any(|one| one.eq_ignore_ascii_case(header) || one == "*")
        {
            let found = faults::CORS_EXPOSE.found(&[("origin", origin), ("header", *header)]);
            return Err(found.in_words("setting", setting(way)));
        }
    }
    Ok(())
}

fn allows(reply: &Reply, way: &Way, origin: &str) -> Result<(), Box<Found>> {
    let said: Vec<_> = reply
        .headers
        .get_all(ACCESS_CONTROL_ALLOW_ORIGIN)
        .iter()
        .collect();
    match said.as_slice() {
        [one] if *one == "*" || one.as_bytes() == origin.as_bytes() => Ok(()),
        [] | [_] => {
            let status = reply.status.to_string();
            let values = &[("origin", origin), ("status", status.as_str())];
            Err(faults::CORS_ORIGIN
                .found(values)
                .in_words("setting", setting(way)))
        }
        many => Err(faults::CORS_TWICE.found(&[("times", &many.len().to_string())])),
    }
}

fn words(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let words = lines.flat_map(|line| line.split(','));
    words
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::show::words::Lang;

    #[test]
    fn a_setting_is_named_in_the_language_of_its_sentence() {
        let silent = Reply {
            status: 403,
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            took: Duration::ZERO,
        };
        for (kind, en, ja) in [
            (
                Kind::FunctionUrl,
                "add https://page.example to `Cors` of the Function URL",
                "Function URL の `Cors` 設定に https://page.example を加えてください",
            ),
            (
                Kind::AgentCore,
                "add https://page.example to what answers preflights before AgentCore",
                "AgentCore の手前でプリフライトに答える中継の設定に https://page.example を加えてください",
            ),
            (
                Kind::Server,
                "add https://page.example to `cors_origins` (MAGI_CORS_ORIGINS)",
                "サーバーの `cors_origins`（MAGI_CORS_ORIGINS）に https://page.example を加えてください",
            ),
        ] {
            let way = Way::new("https://door.example".to_owned(), kind, Sign::None);
            let found = allows(&silent, &way, "https://page.example").unwrap_err();
            assert_eq!(found.fix(Lang::En), en);
            assert_eq!(found.fix(Lang::Ja), ja);
        }
    }
}

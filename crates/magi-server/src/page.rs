//! The built page, inside the program: looked up by exact key, never by path.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri, header};
use rust_embed::RustEmbed;

use crate::problem::{Code, Problem};

/// The committed output of `web/`.
#[derive(RustEmbed)]
#[folder = "page/"]
struct Files;

/// Lets the page load its own files and call its own server, and nothing else.
///
/// Nothing stands in elements: the page's styles are files, and what widgets move they move through
/// the CSS object model, which a policy does not touch. The page's browser tests hold this.
/// Source: CSP Level 3.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Tells whether the path is one of the page's.
pub(crate) fn has(path: &str) -> bool {
    key(path).is_some()
}

/// Returns the exact key of a path, if there is such a file.
fn key(path: &str) -> Option<&str> {
    let key = match path.strip_prefix('/')? {
        "" => "index.html",
        key => key,
    };
    Files::iter().any(|name| name == key).then_some(key)
}

/// Returns the built page's first file, which names all others by what they hold.
#[must_use]
pub fn index() -> Option<Bytes> {
    Files::get("index.html").map(|file| Bytes::from(file.data.into_owned()))
}

/// Answers with one of the page's files.
pub(crate) async fn serve(uri: Uri, known: Option<&HeaderValue>) -> Response {
    match key(uri.path()).and_then(|key| Files::get(key).map(|file| (key, file))) {
        Some((key, file)) => answer(key, file, known),
        None => Problem::new(Code::NotFound, "there is nothing at this address")
            .fix("see /openapi.json for what there is")
            .into_response(),
    }
}

/// Answers with a file, or with 304 to a browser that has it: `known` is its `If-None-Match`.
fn answer(key: &str, file: rust_embed::EmbeddedFile, known: Option<&HeaderValue>) -> Response {
    let tag = tag(&file);
    if known.is_some_and(|known| *known == tag) {
        let unchanged = [(header::ETAG, tag), (header::CACHE_CONTROL, caching(key))];
        return (StatusCode::NOT_MODIFIED, unchanged).into_response();
    }
    let body = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let kind = mime_guess::from_path(key).first_or_octet_stream();
    let kind = match kind.type_() {
        mime_guess::mime::TEXT => format!("{}; charset=utf-8", kind.essence_str()),
        _ => kind.essence_str().to_owned(),
    };
    let mut response = (StatusCode::OK, Body::from(body)).into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, caching(key));
    headers.insert(
        "cross-origin-opener-policy",
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    );
    response
}

/// The bundler puts a hash of the content into the names of the assets; the rest is asked for anew.
fn caching(key: &str) -> HeaderValue {
    HeaderValue::from_static(if key.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    })
}

/// Returns the content's own tag.
fn tag(file: &rust_embed::EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_keys_are_found() {
        assert!(has("/"));
        assert!(has("/index.html"));
        for path in [
            "",
            "index.html",
            "//index.html",
            "/./index.html",
            "/../page/index.html",
            "/..%2findex.html",
            "/%2e%2e/Cargo.toml",
            "/../Cargo.toml",
            "/index.html/",
            "/INDEX.HTML",
            "/assets",
            "/assets/",
            "/index.html%00",
            "/v1/deliberations",
        ] {
            assert!(!has(path), "{path}");
        }
    }

    #[tokio::test]
    async fn the_page_comes_with_its_policy_and_is_asked_for_anew() {
        let response = serve(Uri::from_static("/"), None).await;
        let headers = response.headers();
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["cache-control"], "no-cache");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && policy.contains("default-src 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let again = serve(Uri::from_static("/"), Some(&headers["etag"])).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn hashed_names_are_kept_for_ever_and_the_others_asked_for_anew() {
        assert!(Files::iter().any(|name| name == "index.html"));
        for name in Files::iter() {
            let kept = caching(&name) != "no-cache";
            assert_eq!(kept, name.starts_with("assets/"), "{name}");
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_a_problem() {
        let response = serve(Uri::from_static("/nothing"), None).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}

//! Whether a page's own content security policy lets it call its door.
//!
//! Source: W3C Content Security Policy Level 3, sections 6.1.2 `connect-src` and 6.7.2.8 "Does url match
//! expression in origin". Origins are compared; a path behind a source is not.

use http::Uri;

use super::page::origin_of;
use super::reply::Reply;
use crate::way;

/// The policies that came with a page: all of them hold.
pub(crate) struct Policies(Vec<String>);

impl Policies {
    /// Reads them from the headers and from the page itself.
    pub(crate) fn of(reply: &Reply) -> Self {
        let headers = reply.headers.get_all("content-security-policy");
        let headers = headers.iter().filter_map(|value| value.to_str().ok());
        // A comma divides policies; no source has one.
        let mut all: Vec<_> = headers
            .flat_map(|value| value.split(','))
            .map(str::to_owned)
            .collect();
        let text = String::from_utf8_lossy(&reply.body);
        all.extend(text.split("<meta ").skip(1).filter_map(of_meta));
        Policies(all)
    }

    /// Returns the origins of `urls` that the page at `page` may not call.
    pub(crate) fn refused(&self, page: &str, urls: &[&str]) -> Vec<String> {
        let refused = urls.iter().filter(|url| {
            let mut sources = self.0.iter().filter_map(|policy| sources(policy));
            !sources.all(|sources| sources.iter().any(|source| lets(source, page, url)))
        });
        refused.map(|url| origin_of(url)).collect()
    }
}

/// Reads a policy from what stands behind `<meta `.
fn of_meta(rest: &str) -> Option<String> {
    let tag = rest.split('>').next()?;
    let is_policy = tag
        .to_ascii_lowercase()
        .contains("http-equiv=\"content-security-policy\"");
    let (_, content) = tag.split_once("content=\"").filter(|_| is_policy)?;
    content.split('"').next().map(str::to_owned)
}

/// Returns what a policy lets the page call; `None` where it says nothing of that.
fn sources(policy: &str) -> Option<Vec<&str>> {
    let directive = |wanted: &str| {
        policy.split(';').find_map(|directive| {
            let mut words = directive.split_ascii_whitespace();
            let name = words.next()?;
            name.eq_ignore_ascii_case(wanted).then(|| words.collect())
        })
    };
    directive("connect-src").or_else(|| directive("default-src"))
}

/// Tells whether a source lets the page at `page` call `url`.
fn lets(source: &str, page: &str, url: &str) -> bool {
    let (Ok(target), Ok(own)) = (way::read_uri(url), way::read_uri(page)) else {
        return false;
    };
    if source == "*" {
        return true;
    }
    if source.eq_ignore_ascii_case("'self'") {
        return origin_of(page).eq_ignore_ascii_case(&origin_of(url));
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return is_scheme(scheme, &target);
    }
    let (scheme, rest) = match source.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => (own.scheme_str().unwrap_or_default(), source),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    is_scheme(scheme, &target) && is_host(host, &target) && is_port(port, &target)
}

/// A source for http is one for https too.
fn is_scheme(scheme: &str, target: &Uri) -> bool {
    let called = target.scheme_str().unwrap_or_default();
    scheme.eq_ignore_ascii_case(called)
        || (scheme.eq_ignore_ascii_case("http") && called == "https")
}

fn is_host(host: &str, target: &Uri) -> bool {
    let called = target.host().unwrap_or_default().to_ascii_lowercase();
    match host.to_ascii_lowercase().strip_prefix('*') {
        Some(suffix) => called.ends_with(suffix) && called.len() > suffix.len(),
        None => called == host.to_ascii_lowercase(),
    }
}

fn is_port(port: Option<&str>, target: &Uri) -> bool {
    let usual = if target.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let called = target.port_u16().unwrap_or(usual);
    match port {
        Some("*") => true,
        Some(port) => port.parse() == Ok(called),
        None => called == usual,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    const PAGE: &str = "https://page.example";

    fn refused(headers: &[&str], body: &'static str, url: &str) -> Vec<String> {
        let mut all = HeaderMap::new();
        for value in headers {
            all.append("content-security-policy", value.parse().unwrap());
        }
        let reply = Reply {
            status: 200,
            headers: all,
            body: Bytes::from_static(body.as_bytes()),
            took: Duration::ZERO,
        };
        Policies::of(&reply).refused(PAGE, &[url])
    }

    #[test]
    fn a_source_lets_what_a_browser_lets() {
        let door = "https://abc.lambda-url.us-east-1.on.aws/invocations";
        for (sources, is_let) in [
            ("*", true),
            ("https:", true),
            ("http:", true),
            ("wss:", false),
            ("'self'", false),
            ("'none'", false),
            ("", false),
            ("https://abc.lambda-url.us-east-1.on.aws", true),
            ("ABC.lambda-url.us-east-1.on.aws/", true),
            ("https://abc.lambda-url.us-east-1.on.aws:443", true),
            ("https://abc.lambda-url.us-east-1.on.aws:8443", false),
            ("https://abc.lambda-url.us-east-1.on.aws:*", true),
            ("'self' https://*.on.aws", true),
            ("https://*.lambda-url.us-west-2.on.aws", false),
        ] {
            let policy = format!("script-src 'self'; connect-src {sources}");
            assert_eq!(
                refused(&[&policy], "", door).is_empty(),
                is_let,
                "{sources}"
            );
        }
        let own = format!("{PAGE}/api/invocations");
        assert!(refused(&["connect-src 'self'"], "", &own).is_empty());
        assert!(refused(&[], "", door).is_empty());
        assert!(refused(&["script-src 'self'"], "", door).is_empty());
    }

    #[test]
    fn every_policy_holds_wherever_it_stands() {
        let door = "https://door.example/invocations";
        let origin = ["https://door.example".to_owned()];
        assert_eq!(refused(&["default-src 'self'"], "", door), origin);
        let two = ["connect-src *", "default-src 'none'"];
        assert_eq!(refused(&two, "", door), origin);
        assert_eq!(
            refused(&["connect-src *, connect-src 'self'"], "", door),
            origin
        );
        let meta = r#"<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="connect-src 'self'"></head>"#;
        assert_eq!(refused(&["connect-src *"], meta, door), origin);
    }
}

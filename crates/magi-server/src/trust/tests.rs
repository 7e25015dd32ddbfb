use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    map
}

fn admit(trust: Trust, path: &str, pairs: &[(&str, &str)]) -> Result<Caller, Code> {
    let guard = Guard {
        trust,
        origins: vec!["https://magi.example".to_owned()],
    };
    guard
        .admit(&Method::GET, &path.parse().unwrap(), &headers(pairs))
        .map_err(|problem| problem.code())
}

fn local(pairs: &[(&str, &str)]) -> Result<(), Code> {
    admit(Trust::Local, "/v1/deliberations", pairs).map(|_| ())
}

#[test]
fn the_loopback_names_are_let_in() {
    for host in [
        "localhost",
        "localhost:8717",
        "LOCALHOST:8717",
        "127.0.0.1",
        "127.0.0.1:8717",
        "127.1.2.3:1",
        "[::1]",
        "[::1]:8717",
    ] {
        assert_eq!(local(&[("host", host)]), Ok(()), "{host}");
    }
}

#[test]
fn every_other_host_is_turned_away() {
    for host in [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "127.0.0.1.nip.io",
        "127.0.0.1.",
        "localhost.",
        "localhost:",
        "localhost:port",
        "localhost:99999",
        "localhost:80:80",
        "localhost@evil.example",
        "user@localhost",
        "user:pw@127.0.0.1",
        "127.1",
        "127.0.0.01",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",
        "0.0.0.0:8717",
        "192.168.0.1",
        "169.254.169.254",
        "::1",
        "[::1",
        "[::1]x",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:2]",
        "[localhost]",
        " localhost",
        "localhost/",
        "localhost#",
        "localhost,evil.example",
    ] {
        assert_eq!(local(&[("host", host)]), Err(Code::ForbiddenHost), "{host}");
    }
    assert_eq!(local(&[]), Err(Code::ForbiddenHost));
    assert_eq!(
        local(&[("host", "localhost"), ("host", "evil.example")]),
        Err(Code::BadRequest)
    );
    let absolute = "http://evil.example/v1/deliberations";
    assert_eq!(
        admit(Trust::Local, absolute, &[("host", "localhost")]),
        Err(Code::ForbiddenHost)
    );
}

#[test]
fn a_page_that_is_not_ours_is_turned_away() {
    let host = ("host", "localhost:8717");
    for origin in [
        "null",
        "",
        "http://evil.example",
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:8717.evil.example",
        "http://localhost:8717/",
        "http://user@localhost:8717",
        "http://127.0.0.1:8717",
        "http://[::1]:8717",
        "ftp://localhost:8717",
        "localhost:8717",
        "https://magi.example.evil.example",
        "https://magi.example:444",
        "http://magi.example",
        "https://sub.magi.example",
        "https://magi.example, http://localhost:8717",
        "*",
    ] {
        let origin = ("origin", origin);
        assert_eq!(
            local(&[host, origin]),
            Err(Code::ForbiddenOrigin),
            "{origin:?}"
        );
    }
    for site in ["cross-site", "same-site", "somewhere"] {
        assert_eq!(
            local(&[host, ("sec-fetch-site", site)]),
            Err(Code::ForbiddenOrigin)
        );
    }
}

#[test]
fn our_own_page_a_configured_one_and_programs_are_let_in() {
    let host = ("host", "localhost:8717");
    assert_eq!(local(&[host]), Ok(()));
    assert_eq!(local(&[host, ("origin", "http://localhost:8717")]), Ok(()));
    assert_eq!(
        local(&[
            host,
            ("origin", "https://magi.example"),
            ("sec-fetch-site", "cross-site")
        ]),
        Ok(())
    );
    assert_eq!(local(&[host, ("sec-fetch-site", "none")]), Ok(()));
}

#[test]
fn a_link_to_the_page_works_and_a_link_into_the_interface_does_not() {
    let visit = [
        ("host", "localhost:8717"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert!(admit(Trust::Local, "/", &visit).is_ok());
    assert_eq!(local(&visit), Err(Code::ForbiddenOrigin));
    let framed = [visit[0], visit[1], visit[2], ("sec-fetch-dest", "iframe")];
    assert_eq!(
        admit(Trust::Local, "/", &framed),
        Err(Code::ForbiddenOrigin)
    );
}

#[test]
fn ping_answers_any_host() {
    for path in ["/ping", "/api/ping"] {
        assert!(admit(Trust::Local, path, &[("host", "10.0.0.7:8080")]).is_ok());
    }
}

const SECRET: &str = "correct-horse-battery";

fn token() -> Trust {
    Trust::Token(Token::new(SECRET).unwrap())
}

#[test]
fn the_token_is_asked_for_everywhere_but_at_the_page_and_the_probes() {
    for path in ["/", "/ping", "/healthz"] {
        assert!(admit(token(), path, &[]).is_ok(), "{path}");
    }
    for path in ["/v1/deliberations", "/metrics", "/ws", "/invocations", "/x"] {
        assert_eq!(admit(token(), path, &[]), Err(Code::Unauthorised), "{path}");
    }
}

#[test]
fn only_the_exact_token_opens() {
    let path = "/v1/deliberations";
    for value in [format!("Bearer {SECRET}"), format!("bearer  {SECRET}")] {
        assert!(admit(token(), path, &[("authorization", &value)]).is_ok());
    }
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer correct-horse-batter",
        "Bearer correct-horse-battery2",
        "Bearer CORRECT-HORSE-BATTERY",
        "Basic correct-horse-battery",
        "correct-horse-battery",
        "Bearer correct-horse-battery, Bearer x",
        "Token correct-horse-battery",
    ] {
        assert_eq!(
            admit(token(), path, &[("authorization", value)]),
            Err(Code::Unauthorised),
            "{value}"
        );
    }
    let in_address = format!("/v1/deliberations?token={SECRET}&access_token={SECRET}");
    assert_eq!(admit(token(), &in_address, &[]), Err(Code::Unauthorised));
}

#[test]
fn a_browser_socket_brings_the_token_as_a_subprotocol() {
    let encoded = URL_SAFE_NO_PAD.encode(SECRET);
    let value = format!("base64UrlBearerAuthorization.{encoded}, base64UrlBearerAuthorization");
    assert!(admit(token(), "/ws", &[("sec-websocket-protocol", &value)]).is_ok());
    let plain = format!("base64UrlBearerAuthorization.{SECRET}");
    assert_eq!(
        admit(token(), "/ws", &[("sec-websocket-protocol", &plain)]),
        Err(Code::Unauthorised)
    );
}

#[test]
fn a_weak_token_is_refused_and_no_token_is_ever_printed() {
    assert!(Token::new("short").is_err());
    assert!(Token::new("has a space in its middle").is_err());
    assert_eq!(format!("{:?}", token()), "Token(Token(..))");
}

#[test]
fn behind_the_platform_the_user_or_the_session_is_the_identity() {
    let session = (SESSION_HEADER, "session-0123456789-0123456789-0123456789");
    let caller = admit(Trust::Platform, "/invocations", &[session]).unwrap();
    assert_eq!(caller.session.as_deref(), Some(session.1));
    assert_eq!(caller.identity, format!("session:{}", session.1));
    let caller = admit(
        Trust::Platform,
        "/invocations",
        &[session, (USER_HEADER, "u")],
    );
    assert_eq!(caller.unwrap().identity, "user:u");
}

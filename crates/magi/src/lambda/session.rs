//! Which container a caller's conversation reaches: a session that only this caller can name.
//!
//! AgentCore checks who calls, not whose a session is. So the session that goes upstream is a hash of
//! who the caller is and of the id that the caller chose, and nobody names another's.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use magi_log::Entropy;
use magi_server::SESSION_HEADER;
use magi_server::problem::{Code, Problem};
use sha2::{Digest, Sha256};

/// The lengths that AgentCore takes.
///
/// Source: Amazon Bedrock AgentCore API reference, `InvokeAgentRuntime`, `runtimeSessionId`.
const LENGTHS: std::ops::RangeInclusive<usize> = 33..=256;

/// A conversation, as the caller and as the runtime know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The caller's own id, or the one made for it.
    pub(crate) client: String,
    /// 64 characters.
    pub(crate) upstream: String,
}

impl Session {
    /// Reads the session of a request, or makes one.
    ///
    /// # Errors
    ///
    /// When the header is not what AgentCore takes.
    pub(crate) fn of(request: &Request, entropy: &dyn Entropy) -> Result<Session, Problem> {
        let mut values = request.headers().get_all(SESSION_HEADER).iter();
        let client = match (values.next(), values.next()) {
            (None, _) => made(entropy),
            (Some(value), None) => value.to_str().map_err(|_| wrong())?.to_owned(),
            (Some(_), Some(_)) => return Err(wrong()),
        };
        let is_plain = client.bytes().all(|byte| byte.is_ascii_graphic());
        if !LENGTHS.contains(&client.len()) || !is_plain {
            return Err(wrong());
        }
        Ok(Session::bound(identity(request).as_deref(), client))
    }

    fn bound(identity: Option<&str>, client: String) -> Session {
        let bound = format!("{}\n{client}", identity.unwrap_or_default());
        Session {
            upstream: hex(&Sha256::digest(bound.as_bytes())),
            client,
        }
    }
}

fn made(entropy: &dyn Entropy) -> String {
    format!("magi-{:032x}", entropy.u128())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wrong() -> Problem {
    Problem::new(
        Code::BadRequest,
        "the session id must be 33 to 256 visible ASCII characters, once",
    )
    .at("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id")
    .fix("send a UUID, the same one for all calls about a conversation")
}

/// Returns who calls, as AWS has found by the request's signature; nobody where the URL asks for none.
pub(crate) fn identity(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => of_context(context),
        _ => None,
    }
}

fn of_context(context: &ApiGatewayV2httpRequestContext) -> Option<String> {
    let iam = context.authorizer.as_ref()?.iam.as_ref()?;
    iam.user_arn.clone().or_else(|| iam.caller_id.clone())
}

#[cfg(test)]
mod tests {
    use magi_log::SeededEntropy;

    use super::*;

    const CLIENT: &str = "0b6f7f0c-5f6a-4a3e-9d55-2f6f4d1c9a10";

    fn request(session: Option<&str>) -> Request {
        let mut request = Request::default();
        if let Some(session) = session {
            let value = session.parse().unwrap();
            request.headers_mut().insert(SESSION_HEADER, value);
        }
        request
    }

    #[test]
    fn the_same_id_of_another_caller_is_another_session() {
        let rei = Session::bound(Some("arn:aws:iam::123456789012:user/rei"), CLIENT.into());
        let asuka = Session::bound(Some("arn:aws:iam::123456789012:user/asuka"), CLIENT.into());
        assert_eq!(rei.client, CLIENT);
        assert_eq!(rei.upstream.len(), 64);
        assert_ne!(rei.upstream, asuka.upstream);
        // SHA-256 of "arn:aws:iam::123456789012:user/rei\n" and the id, by coreutils' sha256sum.
        assert_eq!(
            rei.upstream,
            "4a07026edf7dfeaa2d3946c1a8081ca72e826bfa05e7a0a42a7d59b49d32ee52"
        );
    }

    #[test]
    fn without_an_id_a_new_one_is_made_each_time() {
        let entropy = SeededEntropy::new(7);
        let first = Session::of(&request(None), &entropy).unwrap();
        let second = Session::of(&request(None), &entropy).unwrap();
        assert!(LENGTHS.contains(&first.client.len()));
        assert_ne!(first.client, second.client);
        let again = Session::of(&request(Some(&first.client)), &entropy).unwrap();
        assert_eq!(again, first);
    }

    #[test]
    fn an_id_that_agentcore_would_refuse_is_refused_by_name() {
        let entropy = SeededEntropy::new(7);
        for id in [
            "short",
            &"x".repeat(32),
            &"x".repeat(257),
            &format!("{CLIENT} x"),
        ] {
            let problem = Session::of(&request(Some(id)), &entropy).unwrap_err();
            assert_eq!(problem.code(), Code::BadRequest);
        }
        assert!(Session::of(&request(Some(&"x".repeat(33))), &entropy).is_ok());
        assert!(Session::of(&request(Some(&"x".repeat(256))), &entropy).is_ok());
    }
}

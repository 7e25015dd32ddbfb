//! What a Function URL tells its function: the event of payload format 2.0.
//!
//! Source: AWS Lambda Developer Guide, "Invoking Lambda function URLs" (request and response payloads).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::request::Parts;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::account::Principal;

/// Everything an event is made of beside the request itself.
#[derive(Debug)]
pub(crate) struct About<'a> {
    pub(crate) url_id: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) source_ip: String,
    pub(crate) now: Timestamp,
    /// Who signed; nobody where the URL asks for no signature.
    pub(crate) principal: Option<&'a Principal>,
}

/// Makes the event of one request.
pub(crate) fn event(parts: &Parts, body: &Bytes, about: &About<'_>) -> Bytes {
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let agent = parts.headers.get(USER_AGENT);
    let mut context = json!({
        "accountId": about.principal.map_or("anonymous", |_| about.account_id),
        "apiId": about.url_id,
        "domainName": about.domain,
        "domainPrefix": about.url_id,
        "http": {
            "method": parts.method.as_str(),
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": about.source_ip,
            "userAgent": agent.and_then(|agent| agent.to_str().ok()),
        },
        "requestId": about.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": about.now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
        "timeEpoch": about.now.as_millisecond(),
    });
    if let Some(principal) = about.principal {
        context["authorizer"] = json!({"iam": authorizer(principal)});
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(parts, about),
        "requestContext": context,
        "isBase64Encoded": false,
    });
    let cookies = cookies(parts);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = Value::Object(parameters(query));
    }
    if !body.is_empty() {
        match text(parts, body) {
            Some(text) => event["body"] = json!(text),
            None => {
                event["body"] = json!(STANDARD.encode(body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    Bytes::from(event.to_string())
}

fn authorizer(principal: &Principal) -> Value {
    let cognito = principal.cognito.as_ref().map(|identity| {
        json!({
            "amr": identity.amr,
            "identityId": identity.identity_id,
            "identityPoolId": identity.pool_id,
        })
    });
    json!({
        "accessKey": principal.access_key,
        "accountId": principal.account_id,
        "callerId": principal.user_id,
        "cognitoIdentity": cognito,
        "principalOrgId": null,
        "userArn": principal.arn,
        "userId": principal.user_id,
    })
}

/// Header names in lower case, several of one name joined with commas, and the front's own. A signature is
/// the front's business: the function does not get it.
fn headers(parts: &Parts, about: &About<'_>) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in parts.headers.keys() {
        if *name == HOST || (*name == AUTHORIZATION && about.principal.is_some()) {
            continue;
        }
        let values: Vec<_> = parts
            .headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let joint = if *name == COOKIE { "; " } else { "," };
        headers.insert(name.as_str().to_owned(), json!(values.join(joint)));
    }
    headers.insert("host".to_owned(), json!(about.domain));
    headers.insert("x-amzn-trace-id".to_owned(), json!(about.trace));
    headers.insert("x-forwarded-for".to_owned(), json!(about.source_ip));
    headers.insert("x-forwarded-port".to_owned(), json!("443"));
    headers.insert("x-forwarded-proto".to_owned(), json!("https"));
    headers
}

fn cookies(parts: &Parts) -> Vec<String> {
    let all = parts.headers.get_all(COOKIE).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

fn parameters(query: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let joined = match parameters.get(&name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value,
        };
        parameters.insert(name, json!(joined));
    }
    parameters
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail.get(..2).filter(|_| *first == b'%');
        let byte = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The body as text, if its type is one of text and its bytes are.
fn text<'a>(parts: &Parts, body: &'a Bytes) -> Option<&'a str> {
    let kind = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    let is_text = kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json" | "application/javascript" | "application/xml"
        );
    std::str::from_utf8(body).ok().filter(|_| is_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_joined() {
        let parameters = parameters("a=1&a=2&b=%E6%9D%B1+x&c&d=%zz");
        let expected = json!({"a": "1,2", "b": "東 x", "c": "", "d": "%zz"});
        assert_eq!(Value::Object(parameters), expected);
    }
}

//! Errors in the vendors' own words.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::ask::Vendor;
use super::words::{Reason, Refuse};
use super::{anthropic, bedrock, openai};

/// An answer that is a status and an error body.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) body: Value,
    retry_after: Option<String>,
    html: bool,
}

impl Refused {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Refused {
            status,
            body,
            retry_after: None,
            html: false,
        }
    }

    /// The refusal that a word of the model's name asks for.
    pub(crate) fn asked(vendor: Vendor, refuse: &Refuse, model: &str) -> Self {
        let body = error(vendor, refuse.status, refuse.reason, model);
        Refused {
            retry_after: refuse.retry_after.clone(),
            html: refuse.reason == Reason::Html,
            ..Refused::new(refuse.status, body)
        }
    }

    /// No such model: a word of its name means nothing here.
    pub(crate) fn unknown_model(vendor: Vendor, model: &str, word: &str) -> Self {
        let mut body = error(vendor, 404, Reason::Plain, model);
        if vendor == Vendor::Bedrock {
            let message = "The provided model identifier is invalid.";
            let message = format!("{message} (the fake does not know `{word}`)");
            return invalid(vendor, &message, None);
        }
        let message = body["error"]["message"].as_str().unwrap_or_default();
        body["error"]["message"] = json!(format!("{message} (the fake does not know `{word}`)"));
        Refused::new(404, body)
    }

    /// Returns the HTTP answer.
    pub(crate) fn response(&self, vendor: Vendor, id: u64) -> Response {
        let (kind, text) = if self.html {
            let text = format!(
                "<html><body><h1>{} from a proxy</h1></body></html>",
                self.status
            );
            ("text/html", text)
        } else {
            ("application/json", self.text(vendor))
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() =
            http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(when) = self
            .retry_after
            .as_deref()
            .and_then(|w| HeaderValue::from_str(w).ok())
        {
            headers.insert(http::header::RETRY_AFTER, when);
        }
        if let Some(word) = self.body.get("__type").and_then(Value::as_str)
            && let Ok(word) = HeaderValue::from_str(&format!("{word}:{CORAL}"))
        {
            headers.insert("x-amzn-errortype", word);
        }
        tag(headers, vendor, id);
        response
    }

    /// The body's text; Bedrock names the error in a header instead.
    fn text(&self, vendor: Vendor) -> String {
        let mut body = self.body.clone();
        if let (Vendor::Bedrock, Some(fields)) = (vendor, body.as_object_mut()) {
            fields.remove("__type");
        }
        body.to_string()
    }
}

/// What AWS's front writes behind an error's name; its SDKs cut it off.
const CORAL: &str = "http://internal.amazon.com/coral/com.amazon.bedrock/";

/// Adds the request id under the vendor's own header.
pub(crate) fn tag(headers: &mut http::HeaderMap, vendor: Vendor, id: u64) {
    let name = match vendor {
        Vendor::OpenAi => HeaderName::from_static("x-request-id"),
        Vendor::Anthropic => HeaderName::from_static("request-id"),
        Vendor::Bedrock => HeaderName::from_static("x-amzn-requestid"),
    };
    if let Ok(value) = HeaderValue::from_str(&format!("req_fake{id:08}")) {
        headers.insert(name, value);
    }
}

/// The error body that goes with a status, in the vendor's form.
pub(crate) fn error(vendor: Vendor, status: u16, reason: Reason, model: &str) -> Value {
    match vendor {
        Vendor::OpenAi => openai::error(status, reason, model),
        Vendor::Anthropic => anthropic::error(status, reason, model),
        Vendor::Bedrock => bedrock::error(status, reason, model),
    }
}

/// A request the vendor calls invalid.
pub(crate) fn invalid(vendor: Vendor, message: &str, param: Option<&str>) -> Refused {
    let mut body = error(vendor, 400, Reason::Plain, "");
    if vendor == Vendor::Bedrock {
        body["message"] = json!(message);
        return Refused::new(400, body);
    }
    body["error"]["message"] = json!(message);
    if vendor == Vendor::OpenAi {
        body["error"]["param"] = json!(param);
    }
    Refused::new(400, body)
}

/// Refuses a conversation that ends in the model's own words, as models that cannot go on from them do.
pub(crate) fn prefill(vendor: Vendor, body: &Value) -> Result<(), Refused> {
    let last = body["messages"].as_array().and_then(|all| all.last());
    if last.is_some_and(|message| message["role"] == "assistant") {
        let message = "This model does not support assistant message prefill. The conversation must end with a user message.";
        return Err(invalid(vendor, message, Some("messages")));
    }
    Ok(())
}

//! One request to the server, and the answer to one that is no stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use magi_event::{Cursor, DeliberationId};
use reqwest::Url;
use serde_json::{Map, Value};

use crate::client::Options;
use crate::{Body, Error, Http, Problem, Transport, Upgrade};

/// Which of a server's two ways in is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// `/v1`: everything.
    #[default]
    Api,
    /// `POST /invocations` alone, with actions: behind AgentCore and the Lambda gateway.
    Invocations,
    /// `/v1`, with questions, events and verbs over WebSockets: where the way to the server lets
    /// WebSockets through but holds an answer's body back.
    Socket,
}

/// `Last-Event-ID`, which no list of header names knows.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A request before it has an address and headers.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Map<String, Value>>,
    after: Option<Cursor>,
    accept: &'static str,
}

impl Call {
    pub(crate) fn new(method: Method, path: &[&str]) -> Self {
        Call {
            method,
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            query: Vec::new(),
            body: None,
            after: None,
            accept: "application/json",
        }
    }

    /// Makes a call about one deliberation.
    pub(crate) fn about(method: Method, id: DeliberationId, verb: &[&str]) -> Self {
        let id = id.to_string();
        let mut path = vec!["v1", "deliberations", &id];
        path.extend(verb);
        Call::new(method, &path)
    }

    pub(crate) fn query(mut self, pairs: Vec<(&'static str, String)>) -> Self {
        self.query = pairs;
        self
    }

    pub(crate) fn body(mut self, body: Map<String, Value>) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    pub(crate) fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    pub(crate) fn stream(self) -> Self {
        self.accept("text/event-stream")
    }
}

/// Where the server is and how it is spoken to.
pub(crate) struct Server {
    base: Url,
    headers: HeaderMap,
    transport: Arc<dyn Transport>,
    pub(crate) options: Options,
}

impl Server {
    pub(crate) fn new(address: &str, options: Options) -> Result<Self, Error> {
        let wrong = || Error::Address(address.chars().take(200).collect());
        let base = Url::parse(address.trim()).map_err(|_| wrong())?;
        let host = base.host_str().ok_or_else(wrong)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let is_here = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
        let mut headers = options.headers.clone();
        if let Some(token) = &options.token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut bearer = bearer.map_err(|_| Error::Address("a token of one line".into()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let transport = match &options.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::new(Http::new(is_here)?),
        };
        Ok(Server {
            base,
            headers,
            transport,
            options,
        })
    }

    fn request(&self, call: Call) -> Result<Request<Bytes>, Error> {
        let mut url = self.base.clone();
        let is_there = call.path == ["invocations"] && url.path().ends_with("/invocations");
        if let (false, Ok(mut path)) = (is_there, url.path_segments_mut()) {
            path.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let body = call.body.map(|body| Value::Object(body).to_string());
        let mut request = Request::new(Bytes::from(body.unwrap_or_default()));
        *request.method_mut() = call.method;
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| Error::Address(url.to_string()))?;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static(call.accept));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if request.method() != Method::GET {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
        }
        let after = call.after.map(|cursor| cursor.to_string());
        if let Some(Ok(after)) = after.as_deref().map(HeaderValue::from_str) {
            request.headers_mut().insert(LAST_EVENT_ID, after);
        }
        Ok(request)
    }

    /// Sends a call and waits for the head of its answer.
    pub(crate) async fn send(&self, call: Call) -> Result<Response<Body>, Error> {
        let sending = self.transport.send(self.request(call)?);
        let limit = self.options.answer_timeout;
        match tokio::time::timeout(limit, sending).await {
            Ok(answer) => answer.map_err(Error::Unreachable),
            Err(_) => Err(Error::Silent(limit)),
        }
    }

    /// Sends a call that asks for a WebSocket under a key, and waits for the head of its answer.
    pub(crate) async fn upgrade(&self, call: Call, key: &str) -> Result<Response<Upgrade>, Error> {
        let mut request = self.request(call)?;
        let fixed = [
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        let headers = request.headers_mut();
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(key) = HeaderValue::from_str(key) {
            headers.insert(header::SEC_WEBSOCKET_KEY, key);
        }
        let limit = self.options.answer_timeout;
        match tokio::time::timeout(limit, self.transport.upgrade(request)).await {
            Ok(answer) => answer.map_err(Error::Unreachable),
            Err(_) => Err(Error::Silent(limit)),
        }
    }

    /// Sends a call whose answer is a whole: its bytes, or why it was refused.
    pub(crate) async fn bytes(&self, call: Call) -> Result<Bytes, Error> {
        let (head, body) = self.send(call).await?.into_parts();
        let bytes = self.collect(body).await?;
        if head.status.is_success() {
            Ok(bytes)
        } else {
            Err(Problem::of_answer(head.status, &head.headers, &bytes).into())
        }
    }

    /// Sends a call whose answer is a JSON object, or nothing at all.
    pub(crate) async fn json(&self, call: Call) -> Result<Map<String, Value>, Error> {
        let bytes = self.bytes(call).await?;
        if bytes.is_empty() {
            return Ok(Map::new());
        }
        // A door that must answer 200 may say so as one server-sent event.
        let text = bytes.strip_prefix(b"data: ").unwrap_or(&bytes);
        let answer: Map<String, Value> = serde_json::from_slice(text)
            .map_err(|error| Error::Contract(format!("its answer is no JSON object: {error}")))?;
        match Problem::of_door_frame(&answer) {
            Some(problem) => Err(problem.into()),
            None => Ok(answer),
        }
    }

    /// Reads the rest of an answer, up to the bound.
    pub(crate) async fn collect(&self, mut body: Body) -> Result<Bytes, Error> {
        let limit = self.options.max_answer_bytes;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.next_chunk(&mut body, self.options.silence).await? {
            if bytes.len() + chunk.len() > limit {
                return Err(Error::Contract(format!(
                    "its answer is above {limit} bytes"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Returns the next bytes of a body, `None` at its end.
    pub(crate) async fn next_chunk(
        &self,
        body: &mut Body,
        silence: Duration,
    ) -> Result<Option<Bytes>, Error> {
        match tokio::time::timeout(silence, body.next()).await {
            Ok(chunk) => chunk.transpose().map_err(Error::Unreachable),
            Err(_) => Err(Error::Silent(silence)),
        }
    }
}

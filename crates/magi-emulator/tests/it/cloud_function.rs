//! The function these tests put behind a Function URL: `lambda_http`, in a process of its own.
//!
//! The process is this test binary again, told to run one ignored test: the real runtime client speaks to
//! the emulator's runtime API exactly as a deployed function does. Beside it functions that speak the
//! runtime API byte by byte, and a signer for who calls them.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use lambda_http::request::RequestContext;
use lambda_http::{Error, Request, RequestExt, Response, service_fn};
use magi_emulator::cloud::{Launch, Start};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Starts this function as the instances of a function.
pub(crate) fn start() -> Start {
    let mut launch = Launch::new(std::env::current_exe().unwrap())
        .arg("cloud_function::the_function")
        .arg("--exact")
        .arg("--ignored")
        .arg("--nocapture");
    launch.quiet = true;
    Start::Command(launch)
}

/// A function of this process, given the connection to its runtime API once it has an invocation.
pub(crate) fn scripted(answer: &'static str) -> Start {
    Start::Here(std::sync::Arc::new(move |api| {
        Box::pin(async move {
            let mut socket = TcpStream::connect(&api).await.unwrap();
            loop {
                let next = format!(
                    "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {api}\r\n\r\n"
                );
                socket.write_all(next.as_bytes()).await.unwrap();
                let Some(head) = head_of(&mut socket).await else {
                    return;
                };
                let id = head
                    .lines()
                    .find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: "))
                    .unwrap();
                let answer = answer.replace("ID", id);
                socket.write_all(answer.as_bytes()).await.unwrap();
                if head_of(&mut socket).await.is_none() {
                    return;
                }
            }
        })
    }))
}

/// Reads one message; returns its head.
async fn head_of(socket: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |digits| digits.parse().unwrap());
    while read.len() < end + length {
        socket.read_buf(&mut read).await.ok()?;
    }
    Some(head)
}

/// Signs a request as the SDKs do.
pub(crate) fn signed(
    client: &reqwest::Client,
    url: &str,
    body: &str,
    key: (&str, &str, Option<&str>),
    now: SystemTime,
) -> reqwest::Request {
    let (id, secret, token) = key;
    let identity = Credentials::new(id, secret, token.map(str::to_owned), None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("lambda")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = [("content-type", "application/json")];
    let request = SignableRequest::new(
        "POST",
        url,
        headers.into_iter(),
        SignableBody::Bytes(body.as_bytes()),
    );
    let (instructions, _) = sign(request.unwrap(), &params).unwrap().into_parts();
    let mut request = client
        .post(url)
        .header("content-type", "application/json")
        .body(body.to_owned());
    for (name, value) in instructions.headers() {
        request = request.header(name, value);
    }
    request.build().unwrap()
}

type Items = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Error>> + Send>>;

fn data(text: impl Into<Bytes>) -> Result<Frame<Bytes>, Error> {
    Ok(Frame::data(text.into()))
}

fn items(
    list: impl IntoIterator<Item = Result<Frame<Bytes>, Error>, IntoIter: Send + 'static>,
) -> Items {
    Box::pin(stream::iter(list))
}

/// One event for each byte that comes from the gate, until the gate closes.
async fn gated(gate: &str) -> Items {
    let gate = TcpStream::connect(gate).await.unwrap();
    Box::pin(stream::unfold((gate, 0), |(mut gate, number)| async move {
        let mut byte = [0];
        gate.read_exact(&mut byte).await.ok()?;
        Some((data(format!("data: {number}\n\n")), (gate, number + 1)))
    }))
}

/// Chunks of 4 KiB until so many bytes; how many it made is told to the meter, if there is one.
async fn big(bytes: usize, meter: Option<&str>) -> Items {
    let meter = match meter {
        Some(meter) => Some(TcpStream::connect(meter).await.unwrap()),
        None => None,
    };
    Box::pin(stream::unfold(
        (meter, bytes),
        |(mut meter, left)| async move {
            if left == 0 {
                return None;
            }
            let now = left.min(4_096);
            if let Some(meter) = &mut meter {
                meter.write_all(b"+").await.ok()?;
            }
            Some((data(vec![b'x'; now]), (meter, left - now)))
        },
    ))
}

async fn handle(request: Request) -> Result<Response<StreamBody<Items>>, Error> {
    let ask = |name: &str| {
        let parameters = request.query_string_parameters();
        parameters.first(name).map(str::to_owned)
    };
    let number = |name: &str| ask(name).and_then(|digits| digits.parse::<usize>().ok());
    let answer = Response::builder().header("content-type", "text/event-stream");
    let body = match request.uri().path() {
        "/echo" => return echo(request).await,
        "/gated" => gated(&ask("gate").unwrap()).await,
        "/big" => big(number("bytes").unwrap(), ask("meter").as_deref()).await,
        "/error" => return Err("the council is out".into()),
        "/broken" => items([data("data: 1\n\n"), Err("broke in the middle".into())]),
        "/exit" => std::process::abort(),
        "/exit-later" => Box::pin(
            gated(&ask("gate").unwrap())
                .await
                .chain(stream::once(async { std::process::abort() })),
        ),
        "/hang" => std::future::pending().await,
        "/hang-later" => Box::pin(items([data("data: 1\n\n")]).chain(stream::pending())),
        "/teapot" => {
            let answer = answer
                .status(418)
                .header("set-cookie", "a=1; Path=/")
                .header("set-cookie", "b=2")
                .header("x-own", "kettle")
                .header("access-control-allow-origin", "https://own.example");
            return Ok(answer.body(StreamBody::new(items([data("short and stout")])))?);
        }
        _ => items([]),
    };
    Ok(answer.body(StreamBody::new(body))?)
}

/// What arrived: the request as the function sees it, and the invocation's own context.
async fn echo(request: Request) -> Result<Response<StreamBody<Items>>, Error> {
    let context = request.lambda_context();
    let RequestContext::ApiGatewayV2(said) = request.request_context() else {
        return Err("not of format 2.0".into());
    };
    let headers: serde_json::Map<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or("?"))))
        .collect();
    let left = context.deadline().duration_since(std::time::UNIX_EPOCH)?;
    let told = json!({
        "uri": request.uri().to_string(),
        "headers": headers,
        "context": said,
        "deadline_ms": u64::try_from(left.as_millis())?,
        "request_id": context.request_id,
        "arn": context.invoked_function_arn,
        "trace": context.xray_trace_id,
        "text": matches!(request.body(), lambda_http::Body::Text(_)),
        "body": Bytes::copy_from_slice(request.body().as_ref()).to_vec(),
        "function": std::env::var("AWS_LAMBDA_FUNCTION_NAME")?,
        "process": std::process::id(),
        "leaked": std::env::var("CARGO_MANIFEST_DIR").is_ok(),
    });
    let answer = Response::builder().header("content-type", "application/json");
    Ok(answer.body(StreamBody::new(items([data(told.to_string())])))?)
}

#[tokio::test]
#[ignore = "this is the function itself: the tests start it in a process of its own"]
async fn the_function() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    if std::env::var_os("SLOW_START").is_some() {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    lambda_http::run_with_streaming_response(service_fn(handle))
        .await
        .unwrap();
}

//! Every address of the door, and what stands around them all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use tokio::time::Instant;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::answer::accepts_stream;
use crate::app::App;
use crate::problem::{Code, Problem};
use crate::trust::{self, Guard, SESSION_HEADER};
use crate::{
    Error, about, deadline, deliberations, elsewhere, history, invocations, page, presets, socket,
    verbs,
};

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// The addresses as they are added, so that the description can be held against them.
#[derive(Default)]
pub(crate) struct Table {
    router: Router<App>,
    /// Method and path of every address.
    pub(crate) rows: Vec<(&'static str, &'static str)>,
}

impl Table {
    fn add<H, T>(mut self, method: &'static str, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = match method {
            "POST" => MethodFilter::POST,
            "PATCH" => MethodFilter::PATCH,
            "PUT" => MethodFilter::PUT,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        self.router = self.router.route(path, on(filter, handler));
        self.rows.push((method, path));
        self
    }
}

/// Returns every address.
pub(crate) fn table() -> Table {
    const ONE: &str = "/v1/deliberations/{id}";
    const PRESET: &str = "/v1/presets/{name}";
    Table::default()
        .add("POST", "/v1/deliberations", deliberations::create)
        .add("GET", "/v1/deliberations", history::list)
        .add("GET", ONE, deliberations::snapshot)
        .add("PATCH", ONE, history::change)
        .add("DELETE", ONE, history::delete)
        .add(
            "GET",
            "/v1/deliberations/{id}/events",
            deliberations::events,
        )
        .add("POST", "/v1/deliberations/{id}/stop", verbs::stop)
        .add("POST", "/v1/deliberations/{id}/retry", verbs::retry)
        .add("POST", "/v1/deliberations/{id}/note", verbs::note)
        .add("POST", "/v1/deliberations/{id}/pause", verbs::pause)
        .add("POST", "/v1/deliberations/{id}/resume", verbs::resume)
        .add("POST", "/v1/deliberations/{id}/rejudge", verbs::rejudge)
        .add("POST", "/v1/deliberations/{id}/fork", verbs::fork)
        .add("GET", "/v1/deliberations/{id}/export", history::export)
        .add("GET", "/v1/deliberations/{id}/ws", socket::follow)
        .add("GET", "/ws", socket::open)
        .add("GET", "/v1/rehearsal", about::rehearsal)
        .add("GET", "/v1/presets", presets::list)
        .add("GET", PRESET, presets::show)
        .add("PUT", PRESET, presets::save)
        .add("DELETE", PRESET, presets::delete)
        .add("GET", "/v1/models", about::models)
        .add("GET", "/v1/usage", history::usage)
        .add("POST", "/invocations", invocations::invoke)
        .add("POST", "/api/invocations", invocations::invoke)
        .add("GET", "/ping", about::ping)
        .add("GET", "/api/ping", about::ping)
        .add("GET", "/healthz", about::healthz)
        .add("GET", "/metrics", about::figures)
        .add("GET", "/openapi.json", about::openapi)
}

/// Builds the router: the addresses, the page beside them, and the door around both.
pub(crate) fn router(app: &App) -> Result<Router, Error> {
    let guard = Arc::new(Guard {
        trust: app.config.trust.clone(),
        origins: app.config.cors_origins.clone(),
    });
    let router = table()
        .router
        .fallback(no_address)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app.clone())
        .layer(middleware::from_fn_with_state(app.clone(), deadline::keep))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            elsewhere::check,
        ))
        .layer(middleware::from_fn_with_state(guard, trust::check))
        .layer(middleware::from_fn(door_frames));
    let router = match cors(&app.config.cors_origins)? {
        Some(cors) => router.layer(cors),
        None => router,
    };
    Ok(router.layer(middleware::from_fn_with_state(app.clone(), note)))
}

/// Answers what is no address: with the page, or a problem.
async fn no_address(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let reads = method == Method::GET || method == Method::HEAD;
    if page::has(uri.path()) && !reads {
        return wrong_method().await.into_response();
    }
    page::serve(uri, headers.get(header::IF_NONE_MATCH)).await
}

async fn wrong_method() -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        "there is something at this address, but not for this method",
    )
    .fix("see /openapi.json for what there is")
}

/// Turns problems into door frames where the front would hide a status.
async fn door_frames(request: Request, next: Next) -> Response {
    let behind_a_front = request.headers().contains_key(SESSION_HEADER)
        && !request.headers().contains_key(header::UPGRADE);
    let stream = accepts_stream(request.headers());
    let mut response = next.run(request).await;
    if !behind_a_front {
        return response;
    }
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.into_door_frame(stream),
        None => response,
    }
}

/// Notes every request: never a query, a header or a body, which hold questions and secrets.
async fn note(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    app.metrics.answered(&method, status);
    let path: String = path.chars().take(200).collect();
    if matches!(
        path.as_str(),
        "/ping" | "/api/ping" | "/healthz" | "/metrics"
    ) {
        tracing::debug!(target: "magi::access", %method, %path, status, ms);
    } else {
        tracing::info!(target: "magi::access", %method, %path, status, ms);
    }
    response
}

/// Answers preflights of the configured origins; nothing where none is.
fn cors(origins: &[String]) -> Result<Option<CorsLayer>, Error> {
    if origins.is_empty() {
        return Ok(None);
    }
    let origins = origins
        .iter()
        .map(|origin| exact(origin))
        .collect::<Result<Vec<_>, _>>()?;
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PATCH,
            Method::PUT,
            Method::DELETE,
        ])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static(SESSION_HEADER),
        ])
        .expose_headers([
            header::CONTENT_DISPOSITION,
            header::LOCATION,
            header::RETRY_AFTER,
        ])
        .max_age(PREFLIGHT_AGE);
    Ok(Some(layer))
}

/// Takes an origin as browsers write it: scheme and host, perhaps a port, and nothing more.
fn exact(origin: &str) -> Result<HeaderValue, Error> {
    let wrong = || Error::Origin(origin.to_owned());
    let uri: Uri = origin.parse().map_err(|_| wrong())?;
    let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(wrong)?;
    if origin != format!("{scheme}://{authority}") || authority.as_str().contains('@') {
        return Err(wrong());
    }
    HeaderValue::from_str(origin).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_more() {
        for origin in ["https://magi.example", "http://localhost:5173"] {
            assert!(exact(origin).is_ok(), "{origin}");
        }
        for origin in [
            "*",
            "null",
            "magi.example",
            "https://magi.example/",
            "https://magi.example/page",
            "https://user@magi.example",
            "https://*.example/",
            "",
        ] {
            assert!(exact(origin).is_err(), "{origin}");
        }
    }
}

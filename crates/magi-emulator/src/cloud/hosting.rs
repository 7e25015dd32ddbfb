//! Static hosting: a folder with a `config.json` of the place put on top, as a deployer does with one build.
//!
//! With a [`Villain`] it has a server-side route `/api/*` as well.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::held::Held;
use super::villain::{Route, Villain};
use super::wire::{self, Answer, FRONT_BUFFER, Front, Out};
use crate::Error;

/// What a hosting is like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HostingConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The built page; without one there is only `config.json`.
    pub folder: Option<PathBuf>,
    /// What `config.json` says here, whatever the folder's own says.
    pub config: Value,
    /// The server-side route `/api/*`, if the hosting has one.
    pub villain: Option<Villain>,
}

impl HostingConfig {
    /// Hosts a folder with a `config.json`.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, config: Value) -> Self {
        HostingConfig {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
            config,
            villain: None,
        }
    }
}

/// A running hosting.
#[derive(Clone, Debug)]
pub struct Hosting {
    addr: SocketAddr,
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    folder: Option<PathBuf>,
    config: String,
    route: Option<Route>,
}

impl Hosting {
    /// Hosts a page; it serves on `tracker` until `stop`.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if the address cannot be listened on.
    pub async fn start(
        config: HostingConfig,
        stop: CancellationToken,
        tracker: &TaskTracker,
    ) -> Result<Hosting, Error> {
        let route = |villain| Route::new(villain, stop.clone(), tracker.clone());
        let place = Arc::new(Place {
            folder: config.folder,
            config: config.config.to_string(),
            route: config.villain.map(route),
        });
        let front = Arc::clone(&place);
        let addr = wire::listen(config.addr, front, FRONT_BUFFER, stop, tracker).await?;
        Ok(Hosting { addr, place })
    }

    /// Returns the page's origin.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns what the server-side route holds, if there is one.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        self.place.route.as_ref().map(|route| &route.held)
    }
}

impl Front for Place {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _peer: SocketAddr) -> Answer {
        let path = request.uri().path().to_owned();
        if let (Some(route), Some(rest)) = (&self.route, path.strip_prefix("/api"))
            && rest.starts_with('/')
        {
            return route.answer(rest, request).await;
        }
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
            let methods = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, methods);
            return answer;
        }
        if path == "/config.json" {
            return file(self.config.clone(), "application/json", "no-cache");
        }
        let Some(folder) = &self.folder else {
            return empty(StatusCode::NOT_FOUND);
        };
        let Some(found) = inside(folder, &path) else {
            return empty(StatusCode::NOT_FOUND);
        };
        // The page keeps its way in the fragment, so a path that is no file is nobody's.
        match tokio::fs::read(&found).await {
            Ok(bytes) => file(bytes, kind(&found), caching(&path)),
            Err(_) => empty(StatusCode::NOT_FOUND),
        }
    }
}

/// Returns the file a path names inside of the folder; a path that leaves it names none.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.trim_start_matches('/');
    let path = Path::new(if path.is_empty() { "index.html" } else { path });
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| folder.join(path))
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

fn caching(path: &str) -> &'static str {
    if path.starts_with("/assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn file(bytes: impl Into<bytes::Bytes>, kind: &'static str, caching: &'static str) -> Answer {
    let mut answer = Response::new(Out::own(bytes));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Out::Whole(None));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_the_folder() {
        let folder = Path::new("/page");
        let named = |path| inside(folder, path);
        assert_eq!(named("/"), Some(PathBuf::from("/page/index.html")));
        assert_eq!(
            named("/assets/a.js"),
            Some(PathBuf::from("/page/assets/a.js"))
        );
        assert_eq!(named("/../etc/passwd"), None);
        assert_eq!(named("/assets/../../x"), None);
        assert_eq!(
            named("//etc/passwd"),
            Some(PathBuf::from("/page/etc/passwd"))
        );
    }
}

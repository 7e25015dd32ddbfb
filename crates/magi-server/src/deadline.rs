//! A process that ends at a known time: what it streams is suspended before, and ends well.

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use magi_event::{DeliberationId, sse};
use tokio::time::{Instant, sleep_until};

use crate::app::App;
use crate::problem::Problem;

/// When a streamed deliberation is to be suspended, because what answers ends soon after. A request
/// extension, put by the door that knows its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// Whose events a response streams. A response extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams(pub(crate) DeliberationId);

/// Suspends what is streamed when the request's deadline comes.
pub(crate) async fn keep(State(app): State<App>, request: Request, next: Next) -> Response {
    let deadline = request.extensions().get::<Deadline>().copied();
    let response = next.run(request).await;
    let streams = response.extensions().get::<Streams>().copied();
    match (deadline, streams) {
        (Some(deadline), Some(Streams(id))) => {
            response.map(|body| Body::from_stream(bounded(app, id, deadline, body)))
        }
        _ => response,
    }
}

struct Bounded {
    body: BodyDataStream,
    suspend: BoxFuture<'static, Result<(), magi_council::Error>>,
    is_suspended: bool,
    is_over: bool,
}

fn bounded(
    app: App,
    id: DeliberationId,
    Deadline(at): Deadline,
    body: Body,
) -> impl futures_util::Stream<Item = Result<Bytes, axum::Error>> {
    let suspend = async move {
        sleep_until(at).await;
        app.engine.suspend(id).await
    };
    let bounded = Bounded {
        body: body.into_data_stream(),
        suspend: suspend.boxed(),
        is_suspended: false,
        is_over: false,
    };
    stream::unfold(bounded, |mut bounded| async move {
        let bytes = bounded.next().await?;
        Some((bytes, bounded))
    })
}

impl Bounded {
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        loop {
            if self.is_over {
                return None;
            }
            tokio::select! {
                biased;
                done = &mut self.suspend, if !self.is_suspended => {
                    self.is_suspended = true;
                    // `paused` is in the log now, and the log ends for its readers after it.
                    if let Err(error) = done {
                        self.is_over = true;
                        let problem = Problem::from(error);
                        return Some(Ok(sse::data_frame(&problem.door_json())));
                    }
                }
                bytes = self.body.next() => return bytes,
            }
        }
    }
}

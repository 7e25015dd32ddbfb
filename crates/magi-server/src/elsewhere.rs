//! What a door refuses whose next request may reach another process, such as a function's: nothing
//! that needs what an earlier request began, so that nothing works only now and then.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;

use crate::answer::accepts_stream;
use crate::app::App;
use crate::problem::{Code, Problem};

/// Returns why `what` is not to be had at such a door.
pub(crate) fn refusal(what: &str) -> Problem {
    Problem::new(
        Code::Unsupported,
        format!("this door keeps nothing between requests, and {what} needs what an earlier one began"),
    )
    .fix("ask with `action: ask` and read the answer to its end; one that was paused at the deadline goes on by `action: resume` with its `state`")
}

/// Refuses such addresses at such a door.
pub(crate) async fn check(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !app.config.finds_again
        && let Some(problem) = refused(&request)
    {
        return Err(problem);
    }
    Ok(next.run(request).await)
}

fn refused(request: &Request) -> Option<Problem> {
    let path = request.uri().path();
    match path {
        "/ws" => Some(refusal("a WebSocket")),
        "/v1/usage" => Some(refusal("the history")),
        "/v1/deliberations" if request.method() == Method::GET => Some(refusal("the history")),
        "/v1/deliberations" if !accepts_stream(request.headers()) => Some(
            Problem::new(
                Code::Unsupported,
                "at this door a deliberation lasts as long as its answer, so the answer is its stream",
            )
            .at("Accept")
            .fix("send `Accept: text/event-stream`"),
        ),
        _ if path.starts_with("/v1/deliberations/") => Some(refusal("a deliberation's address")),
        _ => None,
    }
}

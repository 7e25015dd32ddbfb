//! Counts what the deliberations asked for here do, for `/metrics`.

use std::time::Duration;

use magi_event::DeliberationId;
use magi_log::{After, Entry, Error};

use crate::app::App;

/// How often an observer looks: it wakes so often and no more, however many tokens come.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The heads of the events that tell nothing to count, and of which there are many.
const DELTAS: [&[u8]; 4] = [
    br#"{"type":"agent_chunk""#,
    br#"{"type":"agent_thinking""#,
    br#"{"type":"judge_chunk""#,
    br#"{"type":"judge_thinking""#,
];

/// Follows a deliberation to its end in a task of its own.
pub(crate) fn observe(app: &App, id: DeliberationId) {
    let observer = follow(app.clone(), id);
    app.tracker.spawn(async move {
        if let Err(error) = observer.await {
            tracing::debug!(%id, %error, "a deliberation is not counted to its end");
        }
    });
}

async fn follow(app: App, id: DeliberationId) -> Result<(), Error> {
    let mut reader = app.logs.read(After::Start(id)).await?;
    loop {
        let page = tokio::select! {
            () = app.stop.cancelled() => return Ok(()),
            page = reader.next() => page?,
        };
        page.entries.iter().for_each(|entry| count(&app, entry));
        if page.end {
            return Ok(());
        }
        tokio::select! {
            () = app.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn count(app: &App, entry: &Entry) {
    let json = entry.json();
    if DELTAS.iter().any(|head| json.starts_with(head)) {
        return;
    }
    if let Ok(event) = entry.event() {
        app.metrics.observe(&event);
    }
}

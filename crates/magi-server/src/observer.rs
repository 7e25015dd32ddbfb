//! Counts what the deliberations asked for here do, for `/metrics` and for lines of metrics.

use std::time::Duration;

use magi_event::DeliberationId;
use magi_log::{After, Entry, Error};
use tokio::sync::watch;

use crate::app::App;
use crate::emf::{self, Ending};

/// How often an observer looks: it wakes so often and no more, however many tokens come.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The heads of the events that tell nothing to count, and of which there are many.
const DELTAS: [&[u8]; 4] = [
    br#"{"type":"agent_chunk""#,
    br#"{"type":"agent_thinking""#,
    br#"{"type":"judge_chunk""#,
    br#"{"type":"judge_thinking""#,
];

/// Those who observe now, and the bell that makes them look at once.
#[derive(Debug)]
pub(crate) struct Observers {
    running: watch::Sender<usize>,
    bell: watch::Sender<()>,
}

impl Observers {
    pub(crate) fn new() -> Self {
        Observers {
            running: watch::Sender::new(0),
            bell: watch::Sender::new(()),
        }
    }

    /// Makes every observer look now, and waits for those whose deliberation is over to be done:
    /// as long as one goes on, its observer does too.
    ///
    /// # Cancel safety
    ///
    /// Safe: the observers go on by themselves.
    pub(crate) async fn settled(&self) {
        self.bell.send_replace(());
        let mut running = self.running.subscribe();
        // The sender lives in `self`.
        let _ = running.wait_for(|n_running| *n_running == 0).await;
    }
}

/// One who observes, counted until dropped.
struct Observing(App);

impl Observing {
    fn new(app: &App) -> Self {
        app.observers
            .running
            .send_modify(|n_running| *n_running += 1);
        Observing(app.clone())
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        let running = &self.0.observers.running;
        running.send_modify(|n_running| *n_running -= 1);
    }
}

/// Follows a deliberation to its end in a task of its own.
pub(crate) fn observe(app: &App, id: DeliberationId) {
    let observing = Observing::new(app);
    // Now, not when the task begins: the bell may ring in between.
    let bell = app.observers.bell.subscribe();
    app.tracker.spawn(async move {
        if let Err(error) = follow(&observing.0, id, bell).await {
            tracing::debug!(%id, %error, "a deliberation is not counted to its end");
        }
    });
}

async fn follow(app: &App, id: DeliberationId, mut bell: watch::Receiver<()>) -> Result<(), Error> {
    let mut reader = app.logs.read(After::Start(id)).await?;
    let mut ending = Ending::default();
    let mut is_awaited = false;
    loop {
        let page = tokio::select! {
            () = app.stop.cancelled() => return Ok(()),
            page = reader.next() => page?,
        };
        for entry in &page.entries {
            if let Some(line) = count(app, entry, &mut ending) {
                emf::print(line).await;
            }
        }
        if page.end {
            return Ok(());
        }
        // A log may be over and yet have pages to read: who waits for the last one waits for all.
        if is_awaited {
            continue;
        }
        tokio::select! {
            () = app.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
            rung = bell.changed() => is_awaited = rung.is_ok(),
        }
    }
}

/// Counts an event; returns the line of metrics when the deliberation ended with it.
fn count(app: &App, entry: &Entry, ending: &mut Ending) -> Option<String> {
    let json = entry.json();
    let is_delta = DELTAS.iter().any(|head| json.starts_with(head));
    if is_delta && !(app.config.emf && ending.wants_delta()) {
        return None;
    }
    let event = entry.event().ok()?;
    app.metrics.observe(&event);
    if !app.config.emf {
        return None;
    }
    ending.see(&event, &app.config.deployment)
}

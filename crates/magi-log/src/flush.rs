//! The task that hands a log's events to the store: one per open log.

use std::sync::Arc;

use tokio::time::{Duration, Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::live::{Due, Live};
use crate::logs::Inner;
use crate::store::Write;
use crate::{Closed, Error};

/// The pause after the first failed commit; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two tries, so that the store's time is used to its end.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Stores what is appended until the log ends or closes. Cancelled, it stops where it is, as a
/// process that dies would.
pub(crate) async fn run(inner: Arc<Inner>, live: Arc<Live>, stop: CancellationToken) {
    let _watch = Watch(&inner, &live);
    tokio::select! {
        () = stop.cancelled() => {}
        () = flush(&inner, &live) => {}
    }
}

/// Closes a log whose task panics, so that nobody waits for ever for a commit that cannot come.
struct Watch<'a>(&'a Inner, &'a Arc<Live>);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.close(Closed::Unavailable);
            self.0.retire(self.1);
        }
    }
}

async fn flush(inner: &Inner, live: &Arc<Live>) {
    loop {
        match live.due() {
            Due::Now => {
                let Some(write) = live.take() else { continue };
                let (last, started) = (write.last_seq(), Instant::now());
                if let Err(closed) = commit(inner, write).await {
                    live.close(closed);
                    return inner.retire(live);
                }
                live.settle(last, started.elapsed());
                if live.is_stored_whole() {
                    return inner.finish(live);
                }
            }
            Due::At(at) => {
                tokio::select! {
                    () = sleep_until(at) => {}
                    () = live.work.notified() => {}
                }
            }
            Due::Nothing => live.work.notified().await,
            Due::Orphaned => {
                live.close(Closed::Released);
                give_up(inner, live, false).await;
                return inner.retire(live);
            }
            Due::Closed => return inner.retire(live),
        }
    }
}

/// Stores one write, trying again until the store's time is over.
async fn commit(inner: &Inner, write: Write) -> Result<(), Closed> {
    let deadline = Instant::now() + inner.options.store_limit;
    let write = Arc::new(write);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match timeout_at(deadline, inner.store.write(Arc::clone(&write))).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(Error::Closed(closed))) => return Err(closed),
            Ok(Err(error @ Error::Damaged { .. })) => {
                tracing::error!(id = %write.id, %error, "nothing more of it is stored");
                return Err(Closed::Damaged);
            }
            Ok(Err(error)) => error,
            Err(_) => Error::unavailable("no answer in time"),
        };
        let id = write.id;
        if Instant::now() + pause >= deadline {
            tracing::error!(%id, %error, "the store could not commit in time");
            return Err(Closed::Unavailable);
        }
        tracing::warn!(%id, %error, "the store did not commit, trying again");
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Tells the store that this process no longer writes the log; failing that, the lease lapses.
pub(crate) async fn give_up(inner: &Inner, live: &Live, alive: bool) {
    let released = inner.store.release(live.id, live.generation, alive);
    let deadline = Instant::now() + inner.options.store_limit;
    if let Ok(Err(error)) = timeout_at(deadline, released).await {
        tracing::warn!(id = %live.id, %error, "failed to give the deliberation up");
    }
}

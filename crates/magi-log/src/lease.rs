//! The task that keeps this process's lease while it has open logs, and sees when it lost one.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::logs::Inner;
use crate::{Closed, Error};

/// Renews the lease until no log is open or the process stops. A lease that could not be renewed until
/// it lapsed closes every log: from then on another owner may write, so this one writes no more, and
/// whoever calls models for it stops.
pub(crate) async fn run(inner: Arc<Inner>, stop: CancellationToken) {
    let lease = inner.options.lease;
    let mut lapses = Instant::now() + lease;
    loop {
        let next = lapses.min(Instant::now() + inner.options.renew);
        tokio::select! {
            () = stop.cancelled() => return,
            () = inner.closing.cancelled() => return,
            () = sleep_until(next) => {}
        }
        if inner.stop_renewing() {
            return;
        }
        let began = Instant::now();
        let is_renewed = tokio::select! {
            () = stop.cancelled() => return,
            is_renewed = renew(&inner, lapses) => is_renewed,
        };
        if is_renewed {
            lapses = began + lease;
        } else if Instant::now() >= lapses {
            close_all(&inner, Closed::Unavailable);
            lapses = Instant::now() + lease;
        }
    }
}

/// Renews once, before the lease lapses; tells whether it did. A failure alone is not an end.
async fn renew(inner: &Inner, lapses: Instant) -> bool {
    // Only a log known to be in the store can be missed there.
    let mut before = inner.open_logs();
    before.retain(|live| live.stored() > 0 && live.closed().is_none());
    let renewed = inner.store.renew(inner.lease_end());
    let limit = lapses.min(Instant::now() + inner.options.store_limit);
    let owned = match timeout_at(limit, renewed).await {
        Ok(Ok(owned)) => owned,
        Ok(Err(Error::Damaged { .. })) => {
            close_all(inner, Closed::Damaged);
            return false;
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "failed to renew the lease");
            return false;
        }
        Err(_) => {
            tracing::warn!("the lease was not renewed in time");
            return false;
        }
    };
    for live in before {
        let still = owned.contains(&(live.id, live.generation));
        // One that ends is no longer listed as soon as its last event is stored.
        if !still && !live.ended() {
            lost(inner, &live).await;
        }
    }
    true
}

/// Closes what this process may write no more: the lease lapsed, since the store could not be reached
/// in time, or the store is damaged.
fn close_all(inner: &Inner, closed: Closed) {
    for live in inner.open_logs() {
        if live.closed().is_none() {
            tracing::error!(id = %live.id, %closed, "the lease could not be kept");
            live.close(closed);
            inner.retire(&live);
        }
    }
}

async fn lost(inner: &Inner, live: &Arc<Live>) {
    let closed = match inner.store.head(live.id).await {
        Err(Error::Unknown(_)) => Closed::Deleted,
        _ => Closed::Fenced,
    };
    live.close(closed);
    inner.retire(live);
}

//! The task that keeps this process's lease while it has open logs, and sees when it lost one.

use std::sync::Arc;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::logs::Inner;
use crate::{Closed, Error};

/// Renews the lease until no log is open or the process stops.
pub(crate) async fn run(inner: Arc<Inner>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = inner.closing.cancelled() => return,
            () = sleep(inner.options.renew) => {}
        }
        if inner.stop_renewing() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = renew(&inner) => {}
        }
    }
}

/// Renews once. A failure is not an end: the lease lapses by itself, and a commit that cannot be
/// made closes the log sooner.
async fn renew(inner: &Inner) {
    // Only a log known to be in the store can be missed there.
    let mut before = inner.open_logs();
    before.retain(|live| live.stored() > 0 && live.closed().is_none());
    let renewed = inner.store.renew(inner.lease_end());
    let owned = match timeout(inner.options.store_limit, renewed).await {
        Ok(Ok(owned)) => owned,
        Ok(Err(error)) => return tracing::warn!(%error, "failed to renew the lease"),
        Err(_) => return tracing::warn!("the lease was not renewed in time"),
    };
    for live in before {
        let still = owned.contains(&(live.id, live.generation));
        // One that ends is no longer listed as soon as its last event is stored.
        if !still && !live.ended() {
            lost(inner, &live).await;
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

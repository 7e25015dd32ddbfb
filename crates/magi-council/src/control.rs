//! The hand on a running deliberation: who watches it, and who stops it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::order::Order;
use crate::pauses::Pauses;
use crate::{Deadlines, OnLeave};

/// The most orders that wait for the task.
const MOST_ORDERS: usize = 64;

/// The end of a deliberation before its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Halt {
    /// Who ends it: `user`, `unwatched`, `budget`, ...
    pub(crate) by: String,
    /// Why.
    pub(crate) why: Why,
}

/// Why a deliberation is ended before its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody asked for it.
    Asked,
    /// The time that the caller gave it ran out.
    OutOfTime,
    /// Nobody watched for so long.
    Alone(Duration),
    /// So much of the budget was spent.
    Budget(String),
    /// This process ends; the deliberation goes on elsewhere from its signed state.
    Suspended,
}

impl Halt {
    /// Makes the halt of a process that ends.
    pub(crate) fn suspended() -> Self {
        Halt {
            by: "magi".to_owned(),
            why: Why::Suspended,
        }
    }

    /// Makes the halt that somebody asked for; `timeout` is the caller's own time limit.
    pub(crate) fn asked(by: &str) -> Self {
        Halt {
            by: by.to_owned(),
            why: if by == "timeout" {
                Why::OutOfTime
            } else {
                Why::Asked
            },
        }
    }
}

/// One deliberation's control, shared by its task, its watchers and the verbs.
#[derive(Debug)]
pub(crate) struct Control {
    halt: CancellationToken,
    /// The first halt counts. A plain mutex: held to look or to set, never across an await.
    halted: Mutex<Option<Halt>>,
    watchers: watch::Sender<Watchers>,
    /// What is to be done and was not yet taken up. It outlives a failure of the store, unlike a task.
    /// A plain mutex: held to put in or take out, never across an await.
    orders: Mutex<VecDeque<Order>>,
    ordered: Notify,
    /// Whether it is paused.
    pub(crate) pauses: Pauses,
    /// Cancelled when the deliberation's task is over.
    pub(crate) done: CancellationToken,
    /// Cancelled when whoever asked was told that nothing was started.
    discarded: CancellationToken,
}

/// Who watches now.
#[derive(Clone, Copy, Debug)]
struct Watchers {
    count: usize,
    /// Whether anybody ever came.
    ever: bool,
    /// Since when nobody is there.
    alone_since: Instant,
}

impl Control {
    pub(crate) fn new() -> Arc<Self> {
        let watchers = Watchers {
            count: 0,
            ever: false,
            alone_since: Instant::now(),
        };
        Arc::new(Control {
            halt: CancellationToken::new(),
            halted: Mutex::new(None),
            watchers: watch::Sender::new(watchers),
            orders: Mutex::default(),
            ordered: Notify::new(),
            pauses: Pauses::new(),
            done: CancellationToken::new(),
            discarded: CancellationToken::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Halt>> {
        self.halted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the deliberation; a second halt changes nothing.
    pub(crate) fn halt(&self, halt: Halt) {
        self.lock().get_or_insert(halt);
        self.halt.cancel();
    }

    /// Tells whether it was suspended, and not ended.
    pub(crate) fn is_suspended(&self) -> bool {
        matches!(&*self.lock(), Some(halt) if halt.why == Why::Suspended)
    }

    /// Waits until somebody ends the deliberation.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub(crate) async fn halted(&self) -> Halt {
        self.halt.cancelled().await;
        self.lock().clone().unwrap_or_else(|| Halt::asked("user"))
    }

    /// Puts an order into the box; false when the box is full.
    pub(crate) fn order(&self, order: Order) -> bool {
        let mut orders = self.orders();
        if orders.len() >= MOST_ORDERS {
            return false;
        }
        orders.push_back(order);
        drop(orders);
        self.ordered.notify_one();
        true
    }

    /// Puts orders back that were taken and not obeyed, because the store failed in between.
    pub(crate) fn put_back(&self, untouched: Vec<Order>) {
        let mut orders = self.orders();
        for order in untouched.into_iter().rev() {
            orders.push_front(order);
        }
        drop(orders);
        self.ordered.notify_one();
    }

    fn orders(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next order and takes it.
    ///
    /// # Cancel safety
    ///
    /// Safe: an order is taken only when it is returned.
    pub(crate) async fn next_order(&self) -> Order {
        loop {
            if let Some(order) = self.orders().pop_front() {
                return order;
            }
            self.ordered.notified().await;
        }
    }

    /// Notes that whoever asked was told that nothing was started: it is not taken up again.
    pub(crate) fn discard(&self) {
        self.discarded.cancel();
    }

    /// Tells whether it was discarded.
    pub(crate) fn is_discarded(&self) -> bool {
        self.discarded.is_cancelled()
    }

    /// Tells whether nobody watches.
    pub(crate) fn is_alone(&self) -> bool {
        self.watchers.borrow().count == 0
    }

    /// Waits until the deliberation is to be ended because nobody watches: `on_leave` after the
    /// last watcher left, `unwatched` in any case; while it is paused, only after `paused`.
    ///
    /// # Cancel safety
    ///
    /// Safe: it changes nothing.
    pub(crate) async fn left_alone(&self, on_leave: OnLeave, deadlines: &Deadlines) -> Halt {
        let unwatched = deadlines.unwatched;
        let mut changes = self.watchers.subscribe();
        loop {
            let now = *changes.borrow_and_update();
            let limit = match on_leave {
                _ if self.pauses.is_paused() => deadlines.paused,
                OnLeave::StopAfter(after) if now.ever => after.min(unwatched),
                OnLeave::StopAfter(_) | OnLeave::Continue => unwatched,
            };
            if now.count > 0 {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let since = now.alone_since.max(self.pauses.changed_at());
            tokio::select! {
                () = self.pauses.change() => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                () = sleep_until(since + limit) => {
                    return Halt {
                        by: "unwatched".to_owned(),
                        why: Why::Alone(limit),
                    };
                }
            }
        }
    }

    /// Notes a watcher, who stays until the value is dropped.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        self.watchers.send_modify(|watchers| {
            watchers.count += 1;
            watchers.ever = true;
        });
        Watch {
            control: Some(Arc::clone(self)),
        }
    }
}

/// Somebody watches a deliberation, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    control: Option<Arc<Control>>,
}

impl Watch {
    /// Makes the watch of something that does not run here: it changes nothing.
    pub(crate) const fn of_nothing() -> Self {
        Watch { control: None }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(control) = &self.control {
            control.watchers.send_modify(|watchers| {
                watchers.count = watchers.count.saturating_sub(1);
                watchers.alone_since = Instant::now();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn deadlines() -> Deadlines {
        Deadlines::default()
    }

    #[tokio::test(start_paused = true)]
    async fn leaving_stops_only_after_the_time_and_only_once_somebody_came() {
        let control = Control::new();
        let leave = OnLeave::StopAfter(Duration::from_secs(30));
        let began = Instant::now();
        let first = control.watch();
        let at = deadlines();
        let left = tokio::join!(control.left_alone(leave, &at), async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            drop(first);
            tokio::time::sleep(Duration::from_secs(20)).await;
            let second = control.watch();
            tokio::time::sleep(Duration::from_secs(100)).await;
            assert!(!control.is_alone());
            drop(second);
        })
        .0;
        assert_eq!(left.by, "unwatched");
        assert_eq!(began.elapsed(), Duration::from_secs(250));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_ever_watched_goes_on_for_an_hour() {
        let control = Control::new();
        let began = Instant::now();
        control
            .left_alone(OnLeave::StopAfter(Duration::ZERO), &deadlines())
            .await;
        assert_eq!(began.elapsed(), HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_one_is_kept_for_a_day_and_then_counts_anew() {
        let control = Control::new();
        let began = Instant::now();
        control.pauses.pause();
        let leave = OnLeave::StopAfter(Duration::ZERO);
        let at = deadlines();
        let left = tokio::join!(control.left_alone(leave, &at), async {
            tokio::time::sleep(HOUR * 23).await;
            control.pauses.resume();
        })
        .0;
        assert_eq!(
            (left.by.as_str(), began.elapsed()),
            ("unwatched", HOUR * 24)
        );
        control.pauses.pause();
        control.left_alone(leave, &at).await;
        assert_eq!(began.elapsed(), HOUR * 48);
    }

    #[tokio::test]
    async fn the_first_halt_counts() {
        let control = Control::new();
        control.halt(Halt::asked("user"));
        control.halt(Halt::asked("budget"));
        assert_eq!(control.halted().await.by, "user");
    }
}

//! Following a deliberation: events in, something to see out, until its last event.

use std::io::{self, IsTerminal, Write};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;
use futures_util::{Stream, StreamExt};
use magi_event::{Event, Snapshot};
use magi_server::export::Record;
use tokio::time::Instant;

use crate::args::Output;
use crate::show::lanes::{Lanes, Look, NARROWEST};
use crate::show::words::Lang;
use crate::show::{plain, verdict};
use crate::signals::Signals;

/// What a follower hears.
pub(crate) enum Said {
    /// The next event.
    Event(Box<Event>),
    /// Everything up to here, where single events are no longer kept.
    Snapshot(Box<Snapshot>),
    /// The connection to a server was lost.
    Lost {
        /// Why.
        reason: String,
        /// How long it waits before it tries again.
        delay: Duration,
    },
}

/// One deliberation as it is heard, from wherever it comes.
pub(crate) type Feed = Pin<Box<dyn Stream<Item = Result<Said>> + Send>>;

/// How often live lanes are drawn: often enough to look live, seldom enough to cost nothing.
const FRAME: Duration = Duration::from_millis(50);

/// How a deliberation is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// What stands on stdout at the end.
    pub(crate) output: Output,
    /// Whether live lanes may be drawn at all.
    pub(crate) may_draw: bool,
    /// Whether progress is told.
    pub(crate) is_quiet: bool,
    /// The language of labels; `None` follows the question's.
    pub(crate) lang: Option<Lang>,
    /// Whether colours may be used.
    pub(crate) has_colour: bool,
}

/// Why following paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The last event was seen.
    Over,
    /// The events ended without a last one.
    Cut,
    /// Ctrl+C or a request to terminate.
    Interrupted,
    /// The time given ran out.
    TimedOut,
}

/// What is said while a lost connection is waited for.
fn lost(reason: &str, delay: Duration, lang: Lang) -> String {
    let seconds = delay.as_secs_f64();
    match lang {
        Lang::En => format!("connection lost ({reason}); trying again in {seconds:.1} s"),
        Lang::Ja => format!("接続が切れました（{reason}）。{seconds:.1}秒後に再接続します"),
    }
}

/// Somebody who follows one deliberation.
pub(crate) struct Follower {
    view: View,
    snapshot: Option<Snapshot>,
    lanes: Option<Lanes>,
    connection: String,
    deadline: Option<Instant>,
    began: Instant,
    signals: Signals,
}

impl Follower {
    /// Sets out to follow a deliberation, at most for `limit`.
    ///
    /// # Errors
    ///
    /// When the process may not listen to signals.
    pub(crate) fn new(view: View, limit: Option<Duration>) -> Result<Follower> {
        let began = Instant::now();
        Ok(Follower {
            view,
            snapshot: None,
            lanes: None,
            connection: String::new(),
            deadline: limit.map(|limit| began + limit),
            began,
            signals: Signals::listen()?,
        })
    }

    /// Returns what is known so far; nothing before the first event.
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Gives the terminal's first screen back and forgets the time limit, so that what comes next
    /// is told in lines.
    pub(crate) fn calm(&mut self) {
        // Who saw the lanes needs no second telling of what they showed.
        self.view.is_quiet |= self.lanes.take().is_some();
        self.deadline = None;
    }

    /// Shows events until there is a reason to pause; it may be called again to go on.
    ///
    /// # Errors
    ///
    /// When the feed or the terminal fails.
    pub(crate) async fn run(&mut self, feed: &mut Feed) -> Result<Pause> {
        let pause = self.until_pause(feed).await?;
        if pause == Pause::Over {
            self.lanes = None;
            self.result()?;
        }
        Ok(pause)
    }

    async fn until_pause(&mut self, feed: &mut Feed) -> Result<Pause> {
        let mut frames = tokio::time::interval(FRAME);
        frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let far = self.began + Duration::from_secs(365 * 86_400);
        loop {
            tokio::select! {
                said = feed.next() => match said {
                    None => return Ok(Pause::Cut),
                    Some(said) => {
                        if self.hear(said?)? {
                            return Ok(Pause::Over);
                        }
                    }
                },
                _ = frames.tick(), if self.lanes.is_some() => self.draw()?,
                () = self.signals.next() => return Ok(Pause::Interrupted),
                () = tokio::time::sleep_until(self.deadline.unwrap_or(far)) => {
                    return Ok(Pause::TimedOut);
                }
            }
        }
    }

    /// Takes in what was said; tells whether it was the last.
    fn hear(&mut self, said: Said) -> Result<bool> {
        match said {
            Said::Event(event) => self.take(&event),
            Said::Snapshot(snapshot) => {
                let is_over = snapshot.status.is_over();
                self.snapshot = Some(*snapshot);
                Ok(is_over)
            }
            Said::Lost { reason, delay } => {
                let text = lost(&reason, delay, self.lang());
                if self.lanes.is_none() && !self.view.is_quiet {
                    writeln!(io::stderr().lock(), "{text}")?;
                }
                self.connection = text;
                Ok(false)
            }
        }
    }

    fn take(&mut self, event: &Event) -> Result<bool> {
        self.snapshot
            .get_or_insert_with(|| Snapshot::new(event.trace_id))
            .apply(event);
        self.connection.clear();
        if self.view.output == Output::Ndjson {
            let mut out = io::stdout().lock();
            out.write_all(&event.to_json())?;
            out.write_all(b"\n")?;
            out.flush()?;
        } else {
            self.tell(event)?;
        }
        Ok(event.body.is_last())
    }

    fn tell(&mut self, event: &Event) -> Result<()> {
        if self.view.is_quiet {
            return Ok(());
        }
        if matches!(event.body, magi_event::Body::Start(_)) && self.has_room_for_lanes() {
            let look = Look {
                lang: self.lang(),
                has_colour: self.view.has_colour,
            };
            self.lanes = Lanes::open(look).ok();
        }
        if self.lanes.is_none()
            && let Some(snapshot) = &self.snapshot
            && let Some(text) = plain::progress(snapshot, event, self.lang())
        {
            writeln!(io::stderr().lock(), "{text}")?;
        }
        Ok(())
    }

    fn has_room_for_lanes(&self) -> bool {
        self.view.may_draw
            && self.view.output == Output::Text
            && io::stderr().is_terminal()
            && ratatui::crossterm::terminal::size()
                .is_ok_and(|(width, height)| width >= NARROWEST && height >= 18)
    }

    fn draw(&mut self) -> Result<()> {
        let lang = self.lang();
        let (Some(lanes), Some(snapshot)) = (&mut self.lanes, &self.snapshot) else {
            return Ok(());
        };
        let seconds = self.began.elapsed().as_secs();
        let hint = if self.connection.is_empty() {
            lang.pick(
                "Ctrl+C stops and keeps what was said",
                "Ctrl+C で中断（発言は保存されます）",
            )
        } else {
            self.connection.as_str()
        };
        Ok(lanes.draw(
            snapshot,
            &format!("{seconds} s   {}   {hint}", snapshot.trace_id),
        )?)
    }

    /// The language of labels: as set, else the question's.
    pub(crate) fn lang(&self) -> Lang {
        let asked = self
            .snapshot
            .as_ref()
            .and_then(|snapshot| Lang::from_code(&snapshot.lang));
        self.view.lang.or(asked).unwrap_or(Lang::En)
    }

    fn result(&self) -> Result<()> {
        let Some(snapshot) = &self.snapshot else {
            return Ok(());
        };
        let mut out = io::stdout().lock();
        match self.view.output {
            Output::Text => out.write_all(verdict::text(snapshot, self.lang()).as_bytes())?,
            Output::Json => writeln!(out, "{}", serde_json::to_string(snapshot)?)?,
            Output::Md => {
                out.write_all(Record::of(snapshot).markdown().as_bytes())?;
            }
            Output::Ndjson => {}
        }
        out.flush()?;
        Ok(())
    }
}

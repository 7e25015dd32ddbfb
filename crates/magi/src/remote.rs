//! `magi ask --server URL`: a server deliberates, this process follows.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::{StreamExt, TryStreamExt, future};
use magi_client::{State, Step};
use serde_json::{Map, Value};

use crate::ask::{ended, say_how_to_resume};
use crate::exit::{Exit, OrUsage};
use crate::follow::{Feed, Follower, Pause, Said, View};
use crate::settings::Settings;
use crate::way::Way;

/// Puts the question to a server and follows it to its end; a first Ctrl+C stops it there.
pub(crate) async fn ask(
    settings: &Settings,
    url: &str,
    body: Map<String, Value>,
    (view, limit, gate): (View, Option<Duration>, bool),
) -> Result<Exit> {
    let client = Way::read(url, settings).or_usage()?.client().await?;
    let mut has_begun = false;
    let mut feed: Feed = client
        .ask_body(body)
        .map_err(anyhow::Error::from)
        .try_filter_map(move |step| {
            has_begun |= matches!(step, Step::Entry(_) | Step::Snapshot(_));
            future::ready(said(step, has_begun))
        })
        .boxed();
    let mut follower = Follower::new(view, limit)?;
    let why = match follower.run(&mut feed).await? {
        Pause::Over => return Ok(ended(&follower, gate)),
        Pause::Cut => bail!("the server ended the stream before the verdict"),
        Pause::Interrupted => Exit::Interrupted,
        Pause::TimedOut => Exit::Timeout,
    };
    follower.calm();
    // Before the first event there is nothing to stop but our own waiting.
    let Some(id) = follower.snapshot().map(|snapshot| snapshot.trace_id) else {
        return Ok(why);
    };
    client.stop(id, None).await?;
    if follower.run(&mut feed).await? == Pause::Over {
        say_how_to_resume(id, follower.lang())?;
        writeln!(io::stderr().lock(), "(on the machine of {url})")?;
    }
    Ok(why)
}

/// Returns what a follower needs to hear of a step.
///
/// A deliberation that has begun is worth waiting for; a server that was never there is not.
pub(crate) fn said(step: Step, has_begun: bool) -> Result<Option<Said>> {
    match step {
        Step::Entry(entry) => Ok(Some(Said::Event(Box::new(entry.event)))),
        Step::Snapshot(snapshot) => Ok(Some(Said::Snapshot(snapshot))),
        Step::State(State::Waiting { delay, reason, .. }) => {
            let reason = reason.map_or("the stream ended".to_owned(), |why| why.to_string());
            if !has_begun {
                bail!("failed to ask the server: {reason}");
            }
            let seconds = delay.as_secs_f64();
            Ok(Some(Said::Connection(format!(
                "connection lost ({reason}); trying again in {seconds:.1} s"
            ))))
        }
        Step::State(
            State::Connecting { .. } | State::Live { .. } | State::Over | State::Paused,
        ) => Ok(None),
    }
}

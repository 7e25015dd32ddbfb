//! `magi ask --server URL`, `magi resume --server URL`: a server deliberates, this process follows.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures_util::{StreamExt, TryStreamExt, future};
use magi_client::{Client, State, Step};
use magi_event::DeliberationId;
use serde_json::{Map, Value};

use crate::ask::{ended, say_goes_on, say_how_to_resume};
use crate::exit::{Exit, OrUsage};
use crate::follow::{Feed, Follower, Pause, Said, View};
use crate::settings::Settings;
use crate::show::words::Lang;
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
    see_through((&client, url), &mut feed, &mut follower, gate).await
}

/// Lets a server go on with a deliberation and follows it to its end.
pub(crate) async fn resume(settings: &Settings, url: &str, id: &str, view: View) -> Result<Exit> {
    let (client, id) = about(settings, url, id).await?;
    let done = client.resume(id).await?;
    if done.id != id && !view.is_quiet {
        say_goes_on(id, done.id, Lang::of_terminal(settings.text("lang")))?;
    }
    let mut feed: Feed = client
        .events(done.id, None)
        .map_err(anyhow::Error::from)
        .try_filter_map(|step| future::ready(said(step, true)))
        .boxed();
    let mut follower = Follower::new(view, None)?;
    see_through((&client, url), &mut feed, &mut follower, false).await
}

/// Reads a server's address and a whole id.
pub(crate) async fn about(
    settings: &Settings,
    url: &str,
    id: &str,
) -> Result<(Client, DeliberationId)> {
    let lang = Lang::of_terminal(settings.text("lang"));
    let whole = id.parse().map_err(|_| match lang {
        Lang::En => anyhow!("`{id}` is no whole id: with --server all of it is needed"),
        Lang::Ja => anyhow!("`{id}` は ID の全体ではありません。--server には全体が必要です"),
    });
    let way = Way::read(url, settings).or_usage()?;
    Ok((way.client().await?, whole.or_usage()?))
}

/// Follows to the end; a first Ctrl+C stops it on the server.
async fn see_through(
    (client, url): (&Client, &str),
    feed: &mut Feed,
    follower: &mut Follower,
    gate: bool,
) -> Result<Exit> {
    let why = match follower.run(feed).await? {
        Pause::Over => return Ok(ended(follower, gate)),
        Pause::Cut => bail!(cut_short(follower.lang())),
        Pause::Interrupted => Exit::Interrupted,
        Pause::TimedOut => Exit::Timeout,
    };
    follower.calm();
    // Before the first event there is nothing to stop but our own waiting.
    let Some(id) = follower.snapshot().map(|snapshot| snapshot.trace_id) else {
        return Ok(why);
    };
    client.stop(id, None).await?;
    if follower.run(feed).await? == Pause::Over {
        say_how_to_resume(id, follower.lang(), Some(url))?;
    }
    Ok(why)
}

/// What is said of a stream that ended without a last event.
pub(crate) const fn cut_short(lang: Lang) -> &'static str {
    lang.pick(
        "the server ended the stream before the verdict",
        "評決の前に、サーバーがストリームを閉じました",
    )
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
            Ok(Some(Said::Lost { reason, delay }))
        }
        Step::State(
            State::Connecting { .. } | State::Live { .. } | State::Over | State::Paused,
        ) => Ok(None),
    }
}

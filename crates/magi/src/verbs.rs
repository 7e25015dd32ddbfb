//! `magi stop`, `retry`, `note`, `pause`, `rejudge`, `fork`: what may be done with a deliberation that
//! is there, in the data folder, whichever process runs it, or on a server.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anyhow::{Result, anyhow, bail};
use futures_util::{StreamExt, TryStreamExt, future};
use magi_client::{Client, Done, Fork, Rejudge, Step};
use magi_council::{CouncilPatch, Told};
use magi_event::{Agent, DeliberationId, FinalDecision, Snapshot};
use magi_log::After;
use serde_json::json;

use crate::args::{self, At, Verb};
use crate::ask::{self, ended};
use crate::exit::{Exit, OrUsage};
use crate::follow::{Feed, Follower, Pause, View};
use crate::house::{self, House};
use crate::remote;
use crate::settings::Settings;
use crate::show::words::Lang;
use crate::signals::Signals;
use crate::stability;

/// Where the deliberation is.
enum Place {
    /// In the data folder.
    Here(Box<House>),
    /// On a server.
    There(Client),
}

/// Runs a verb.
pub(crate) async fn run(settings: &Settings, verb: &Verb, view: View) -> Result<Exit> {
    let lang = Lang::of_terminal(settings.text("lang"));
    let (place, id) = Place::open(settings, verb.at()).await?;
    let mut signals = Signals::listen()?;
    let doing = async {
        let done = place.say(id, verb).await?;
        tell(id, verb, &done, lang)?;
        match verb {
            Verb::Rejudge(rejudge) if rejudge.stability.is_some() => {
                place.stability(id, &done, lang).await
            }
            _ if done.id != id => Ok(None),
            _ => Ok(Some(Exit::Done)),
        }
        .map(|exit| (exit, done.id))
    };
    let said = tokio::select! {
        said = doing => said,
        () = signals.next() => Ok((Some(Exit::Interrupted), id)),
    };
    drop(signals);
    let exit = match said {
        Ok((Some(exit), _)) => Ok(exit),
        // A linked one is followed to its verdict.
        Ok((None, linked)) => place.follow(linked, view).await,
        Err(error) => Err(error),
    };
    place.close().await;
    exit
}

/// Says on stderr what a verb did in place.
fn tell(id: DeliberationId, verb: &Verb, done: &Done, lang: Lang) -> Result<()> {
    let text = if done.id != id {
        match lang {
            Lang::En => format!("goes on as {}", done.id),
            Lang::Ja => format!("は {} として続きます", done.id),
        }
    } else if done.changed {
        verb.did(lang).to_owned()
    } else {
        lang.pick("stays as it is", "は変わりません").to_owned()
    };
    writeln!(io::stderr().lock(), "{id} {text}")?;
    Ok(())
}

fn agent(text: Option<&String>) -> Result<Option<Agent>> {
    text.map(|text| text.parse().map_err(|error| anyhow!("`--agent`: {error}")))
        .transpose()
        .or_usage()
}

fn patch(rejudge: &args::Rejudge) -> Option<serde_json::Value> {
    rejudge.rule.as_ref().map(|rule| json!({ "rule": rule }))
}

fn wish(rejudge: &args::Rejudge) -> Rejudge {
    Rejudge {
        preset: rejudge.preset.clone(),
        model: rejudge.model.clone(),
        council: patch(rejudge),
        order_seed: rejudge.seed,
        stability: rejudge.stability,
    }
}

fn fork_of(fork: &args::Fork) -> Result<Fork> {
    Ok(Fork {
        preset: fork.preset.clone(),
        agent: agent(fork.agent.as_ref())?,
        model: fork.model.clone(),
        council: None,
        note: fork.note.clone(),
    })
}

impl Place {
    async fn open(settings: &Settings, at: &At) -> Result<(Place, DeliberationId)> {
        let Some(url) = &at.server else {
            let house = house::open(settings)?;
            let id = house::find(&house.logs, &at.id, settings).await?;
            return Ok((Place::Here(Box::new(house)), id));
        };
        let (client, id) = remote::about(settings, url, &at.id).await?;
        Ok((Place::There(client), id))
    }

    async fn close(self) {
        if let Place::Here(house) = self {
            ask::close(*house).await;
        }
    }

    async fn say(&self, id: DeliberationId, verb: &Verb) -> Result<Done> {
        match self {
            Place::Here(house) => say_here(house, id, verb).await,
            Place::There(client) => say_there(client, id, verb).await,
        }
    }

    async fn follow(&self, id: DeliberationId, view: View) -> Result<Exit> {
        let mut follower = Follower::new(view, None)?;
        let client = match self {
            Place::Here(house) => {
                return ask::see_through(house, id, &mut follower, false).await;
            }
            Place::There(client) => client,
        };
        let mut feed: Feed = client
            .events(id, None)
            .map_err(anyhow::Error::from)
            .try_filter_map(|step| future::ready(remote::said(step, true)))
            .boxed();
        match follower.run(&mut feed).await? {
            Pause::Over => Ok(ended(&follower, false)),
            Pause::Cut => bail!(remote::cut_short(follower.lang())),
            // It belongs to the server: leaving is not stopping.
            Pause::Interrupted | Pause::TimedOut => Ok(Exit::Interrupted),
        }
    }

    /// Waits for re-judgements and says how many came to the same decision as the judgment before.
    async fn stability(&self, id: DeliberationId, done: &Done, lang: Lang) -> Result<Option<Exit>> {
        let before = self.end_of(id).await?;
        let Some(before) = judgment(&before) else {
            bail!(match lang {
                Lang::En => format!(
                    "{id} has no judgment to compare with: `magi rejudge` without --stability \
                     gives one"
                ),
                Lang::Ja => format!(
                    "{id} には比べる裁定がありません。--stability なしの `magi rejudge` で得られます"
                ),
            });
        };
        let ids = if done.ids.is_empty() {
            vec![done.id]
        } else {
            done.ids.clone()
        };
        let (mut judged, mut orders) = (Vec::new(), BTreeSet::new());
        for id in &ids {
            let now = self.end_of(*id).await?;
            let decision = judgment(&now);
            let line = match decision {
                Some(decision) => decision.word().to_owned(),
                None => stability::none(&now, lang),
            };
            writeln!(io::stderr().lock(), "{id} {line}")?;
            judged.push(decision);
            orders.insert(now.judge_order);
        }
        let told = stability::told(before, &judged, orders.len(), lang);
        writeln!(io::stdout().lock(), "{told}")?;
        let is_judged = judged.iter().any(Option::is_some);
        Ok(Some(if is_judged { Exit::Done } else { Exit::Failed }))
    }

    /// Waits for a deliberation's end and returns what is known of it.
    async fn end_of(&self, id: DeliberationId) -> Result<Snapshot> {
        match self {
            Place::Here(house) => {
                let mut reader = house.logs.read(After::Start(id)).await?;
                while !reader.next().await?.end {}
                Ok(house.logs.snapshot(id).await?.0)
            }
            Place::There(client) => {
                let mut reading = client.events(id, None);
                while let Some(step) = reading.next().await {
                    let _: Step = step?;
                }
                Ok(client.snapshot(id).await?)
            }
        }
    }
}

/// Returns what the judge decided, where it did.
fn judgment(snapshot: &Snapshot) -> Option<FinalDecision> {
    let verdict = snapshot.verdict.as_ref()?;
    verdict.judge_agrees?;
    Some(verdict.solomon_judgment.final_decision)
}

async fn say_here(house: &House, id: DeliberationId, verb: &Verb) -> Result<Done> {
    let (engine, told) = (&house.engine, Told::by("user"));
    let done = match verb {
        Verb::Stop(stop) => {
            let stopped = engine.stop(id, agent(stop.agent.as_ref())?, "user").await?;
            return Ok(same(id, stopped.changed));
        }
        Verb::Retry(retry) => {
            let agent = agent(retry.agent.as_ref())?;
            engine.retry(id, agent, retry.attempt, told).await?
        }
        Verb::Note(note) => {
            let agent = agent(note.agent.as_ref())?;
            engine.note(id, agent, &note.text, told).await?
        }
        Verb::Pause(_) => engine.pause(id, told).await?,
        Verb::Rejudge(rejudge) => {
            let mut council = match patch(rejudge) {
                Some(patch) => CouncilPatch::read(&patch, "council").map_err(anyhow::Error::from),
                None => Ok(CouncilPatch::default()),
            }
            .or_usage()?;
            if let Some(model) = &rejudge.model {
                council = council.with_role_model(Agent::Judge, model.parse()?);
            }
            let wish = magi_council::Rejudge {
                preset: rejudge.preset.clone(),
                council,
                order_seed: rejudge.seed,
                times: rejudge.stability.unwrap_or(1),
            };
            let started = engine.rejudge(id, &wish, None).await?;
            let ids: Vec<_> = started.iter().map(|asked| asked.id).collect();
            return Ok(Done {
                id: ids.first().copied().unwrap_or(id),
                changed: true,
                ids,
            });
        }
        Verb::Fork(fork) => {
            let fork = fork_of(fork)?;
            let mut wish = magi_council::Fork {
                preset: fork.preset,
                note: fork.note,
                ..magi_council::Fork::default()
            };
            wish.again.extend(fork.agent.and_then(Agent::sage));
            match (fork.agent, fork.model) {
                (Some(agent), Some(model)) => {
                    wish.council = wish.council.with_role_model(agent, model.parse()?);
                }
                (None, Some(_)) => return Err(anyhow!("--model needs --agent")).or_usage(),
                (_, None) => {}
            }
            let asked = engine.fork(id, &wish, None).await?;
            return Ok(same(asked.id, true));
        }
    };
    Ok(same(done.id, done.changed))
}

const fn same(id: DeliberationId, changed: bool) -> Done {
    Done {
        id,
        changed,
        ids: Vec::new(),
    }
}

async fn say_there(client: &Client, id: DeliberationId, verb: &Verb) -> Result<Done> {
    Ok(match verb {
        Verb::Stop(stop) => client.stop(id, agent(stop.agent.as_ref())?).await?,
        Verb::Retry(retry) => {
            let agent = agent(retry.agent.as_ref())?;
            client.retry(id, agent, retry.attempt).await?
        }
        Verb::Note(note) => {
            let agent = agent(note.agent.as_ref())?;
            client.note(id, agent, &note.text, None).await?
        }
        Verb::Pause(_) => client.pause(id).await?,
        Verb::Rejudge(rejudge) => client.rejudge(id, &wish(rejudge)).await?,
        Verb::Fork(fork) => client.fork(id, &fork_of(fork)?).await?,
    })
}

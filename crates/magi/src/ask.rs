//! `magi ask`, `magi resume`: a deliberation from the command line.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, TryStreamExt};
use magi_council::{Ask, Door, Told};
use magi_event::DeliberationId;
use magi_log::{After, Logs};
use serde_json::{Map, Value, json};

use crate::args;
use crate::exit::{self, Exit, OrUsage};
use crate::follow::{Feed, Follower, Pause, Said, View};
use crate::house::{self, House};
use crate::settings::{Settings, Source, read_duration};
use crate::show::words::Lang;

/// The most bytes read from stdin: what a question's context may hold, and one to see more.
const STDIN_LIMIT: u64 = 256 * 1024 + 1;

/// What this door can do, sent in `start`.
const CAPABILITIES: [&str; 9] = [
    "resume", "stop", "retry", "note", "pause", "rejudge", "fork", "history", "export",
];

/// Runs `magi ask`.
pub(crate) async fn ask(settings: &Settings, flags: &args::Ask, view: View) -> Result<Exit> {
    if flags.scene.as_deref() == Some("list") {
        return list_scenes().map(|()| Exit::Done);
    }
    let body = body(settings, flags).or_usage()?;
    let limit = flags.timeout.as_deref().map(limit).transpose().or_usage()?;
    if let Some(url) = &flags.server {
        return crate::remote::ask(settings, url, body, (view, limit, flags.gate)).await;
    }
    let body = with_said_models(settings, flags, body);
    let house = house::open(settings)?;
    if !view.is_quiet && flags.scene.is_none() {
        let lang = Lang::of_terminal(settings.text("lang"));
        writeln!(
            io::stderr().lock(),
            "{}: {}",
            lang.pick("answers", "回答"),
            house.choice.line(lang)
        )?;
    }
    let door = Door {
        identity: "local".to_owned(),
        capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
        ..Door::default()
    };
    let asked = house
        .engine
        .ask(Ask::read(&Value::Object(body), &door)?)
        .await?;
    let mut follower = Follower::new(view, limit)?;
    let exit = see_through(&house, asked.id, &mut follower, flags.gate).await;
    close(house).await;
    exit
}

/// A preset's own models win over the settings', but not over what is said with this very question:
/// `--model`, `--fallback` and `--rehearsal` are put into it where the preset may have models.
fn with_said_models(
    settings: &Settings,
    flags: &args::Ask,
    mut body: Map<String, Value>,
) -> Map<String, Value> {
    let said = |key: &str| {
        let value = settings.get(key)?;
        (value.source == Source::Flag).then(|| value.text.clone())
    };
    let is_builtin = magi_council::Preset::find(settings.text("preset")).is_some();
    let (model, fallback) = (said("model"), said("fallback"));
    if is_builtin || flags.scene.is_some() || (model.is_none() && fallback.is_none()) {
        return body;
    }
    let mut role = Map::new();
    if let Some(model) = model {
        role.insert("model".into(), json!(model));
    }
    if let Some(models) = fallback {
        let names = models.split(',').map(str::trim);
        let names: Vec<_> = names.filter(|name| !matches!(*name, "" | "none")).collect();
        role.insert("fallbacks".into(), json!(names));
    }
    let roles: Map<String, Value> = magi_event::Agent::ALL
        .iter()
        .map(|agent| (agent.name().to_owned(), Value::Object(role.clone())))
        .collect();
    body.insert("council".into(), json!({ "roles": roles }));
    body
}

fn limit(text: &str) -> Result<Duration> {
    read_duration(text).with_context(|| {
        format!("--timeout is `{text}`: expected a duration such as `90s` or `5m`")
    })
}

fn list_scenes() -> Result<()> {
    let mut out = io::stdout().lock();
    for scene in magi_model::rehearsal::scenes() {
        writeln!(
            out,
            "{:<28} {}  {}",
            scene.name,
            scene.lang.code(),
            scene.question
        )?;
    }
    Ok(())
}

/// Builds the question's body: the same one that the HTTP doors read.
fn body(settings: &Settings, flags: &args::Ask) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    body.insert("action".into(), json!("ask"));
    if let Some(name) = &flags.scene {
        let scene = magi_model::rehearsal::scenes()
            .iter()
            .find(|scene| scene.name == *name);
        let scene = scene.with_context(|| {
            format!("there is no scene `{name}`: `magi ask --scene list` names them all")
        })?;
        body.insert("question".into(), json!(scene.question));
        body.insert("preset".into(), json!(scene.preset));
        body.insert("lang".into(), json!(scene.lang.code()));
        let roles: Map<String, Value> = magi_event::Agent::ALL
            .iter()
            .map(|agent| (agent.name().to_owned(), json!({ "model": "rehearsal" })))
            .collect();
        body.insert("council".into(), json!({ "roles": roles }));
        return Ok(body);
    }
    let piped = read_stdin(flags.question.is_none())?;
    let (question, context) = match (&flags.question, piped) {
        (Some(question), context) => (question.clone(), context),
        (None, Some(question)) => (question, None),
        (None, None) => bail!("what is the question? magi ask \"Should we ship on Friday?\""),
    };
    body.insert("question".into(), json!(question));
    if let Some(context) = context {
        body.insert("context".into(), json!(context));
    }
    body.insert("preset".into(), json!(settings.text("preset")));
    body.insert("lang".into(), json!(settings.text("lang")));
    Ok(body)
}

/// Reads what is piped in; `None` on a terminal, or when nothing came.
fn read_stdin(is_question: bool) -> Result<Option<String>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    stdin.lock().take(STDIN_LIMIT).read_to_end(&mut bytes)?;
    let what = if is_question { "question" } else { "context" };
    let text = String::from_utf8(bytes)
        .with_context(|| format!("the {what} on stdin is not UTF-8 text"))?;
    Ok((!text.trim().is_empty()).then_some(text))
}

/// Follows a deliberation of this process to its end; a first Ctrl+C stops it, a second leaves.
pub(crate) async fn see_through(
    house: &House,
    id: DeliberationId,
    follower: &mut Follower,
    gate: bool,
) -> Result<Exit> {
    let _watch = house.engine.watch(id);
    let mut feed = feed(&house.logs, id).await?;
    let followed = follower.run(&mut feed).await;
    let lang = follower.lang();
    let kept = || match lang {
        Lang::En => format!("{id} was interrupted; what is stored goes on with: magi resume {id}"),
        Lang::Ja => {
            format!("{id} は途中で止まりました。保存された分から続けるには: magi resume {id}")
        }
    };
    let why = match followed.with_context(kept)? {
        Pause::Over => return Ok(ended(follower, gate)),
        Pause::Cut => bail!(kept()),
        Pause::Interrupted => Exit::Interrupted,
        Pause::TimedOut => Exit::Timeout,
    };
    follower.calm();
    house
        .engine
        .stop(
            id,
            None,
            if why == Exit::Timeout {
                "timeout"
            } else {
                "user"
            },
        )
        .await?;
    if follower.run(&mut feed).await? == Pause::Over {
        say_how_to_resume(id, follower.lang(), None)?;
    }
    Ok(why)
}

/// Reads the exit of what a follower has seen to its end.
pub(crate) fn ended(follower: &Follower, gate: bool) -> Exit {
    follower
        .snapshot()
        .map_or(Exit::Failed, |snapshot| exit::of(snapshot, gate))
}

/// Says that a deliberation was stopped, and how it goes on: here, or on a server.
pub(crate) fn say_how_to_resume(
    id: DeliberationId,
    lang: Lang,
    server: Option<&str>,
) -> io::Result<()> {
    let text = lang.pick(
        "stopped; what was said is kept. Go on with",
        "中断しました。それまでの発言は残っています。続けるには",
    );
    let at = server.map_or_else(String::new, |url| format!(" --server {url}"));
    writeln!(io::stderr().lock(), "{text}: magi resume {id}{at}")
}

/// Reads a deliberation's events from its log.
async fn feed(logs: &Logs, id: DeliberationId) -> Result<Feed> {
    let reader = logs.read(After::Start(id)).await?;
    let pages =
        futures_util::stream::try_unfold((reader, false), |(mut reader, is_over)| async move {
            if is_over {
                return anyhow::Ok(None);
            }
            let page = reader.next().await?;
            let events: Vec<_> = page
                .entries
                .iter()
                .map(|entry| Ok(Said::Event(Box::new(entry.event()?))))
                .collect();
            Ok(Some((
                futures_util::stream::iter(events),
                (reader, page.end),
            )))
        });
    Ok(pages.try_flatten().boxed())
}

/// Runs `magi resume`.
pub(crate) async fn resume(settings: &Settings, at: &args::At, view: View) -> Result<Exit> {
    if let Some(url) = &at.server {
        return crate::remote::resume(settings, url, &at.id, view).await;
    }
    let house = house::open(settings)?;
    let id = house::find(&house.logs, &at.id, settings).await?;
    let asked = house.engine.resume(id, Told::by("user")).await?;
    if asked.id != id && !view.is_quiet {
        say_goes_on(id, asked.id, Lang::of_terminal(settings.text("lang")))?;
    }
    let mut follower = Follower::new(view, None)?;
    let exit = see_through(&house, asked.id, &mut follower, false).await;
    close(house).await;
    exit
}

/// Says that another deliberation goes on from one that is over.
pub(crate) fn say_goes_on(id: DeliberationId, next: DeliberationId, lang: Lang) -> io::Result<()> {
    let text = match lang {
        Lang::En => format!("{id} is over; {next} goes on from its votes"),
        Lang::Ja => {
            format!("{id} は終了しています。{next} がその票を引き継いで審議します")
        }
    };
    writeln!(io::stderr().lock(), "{text}")
}

/// Hands over what runs here and closes the store.
pub(crate) async fn close(house: House) {
    house.engine.shutdown(Duration::from_secs(5)).await;
    house.logs.close().await;
}

//! `magi history`, `magi replay`, `magi export`: what was deliberated.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;
use magi_event::{DeliberationId, Event, FinalDecision, Snapshot, first_sentence};
use magi_log::{Expiry, Logs, Query, Row};
use magi_server::export::Record;
use serde_json::json;

use crate::args::{Format, HistoryCommand, HistoryList, Output};
use crate::exit::{self, Exit, OrUsage};
use crate::follow::{Feed, Follower, Pause, Said, View};
use crate::settings::Settings;
use crate::show::verdict;
use crate::show::words::{self, Lang};
use crate::{house, retention};

/// Runs `magi history`.
pub(crate) async fn run(
    settings: &Settings,
    command: &Option<HistoryCommand>,
    bare: &HistoryList,
) -> Result<Exit> {
    let logs = house::logs_to_read(settings)?;
    match command {
        None => list(&logs, bare, settings).await?,
        Some(HistoryCommand::List(flags)) => list(&logs, flags, settings).await?,
        Some(HistoryCommand::Show { id, output }) => {
            let id = house::find(&logs, id, settings).await?;
            show(&logs, id, *output, settings).await?;
        }
        Some(HistoryCommand::Rm {
            older_than: Some(age),
            all,
            ..
        }) => remove_old(&logs, age, *all).await?,
        Some(HistoryCommand::Rm { ids, .. }) => {
            for id in ids {
                let id = house::find(&logs, id, settings).await?;
                logs.catalogue().delete(id).await?;
                writeln!(io::stderr().lock(), "removed {id}")?;
            }
        }
    }
    logs.close().await;
    Ok(Exit::Done)
}

/// Removes what ended so long ago, and says what.
async fn remove_old(logs: &Logs, age: &str, all: bool) -> Result<()> {
    let wrong =
        || anyhow::anyhow!("--older-than is `{age}`: expected an age such as `90d` or `12h`");
    let age = retention::age(age).ok_or_else(wrong).or_usage()?;
    let expiry = Expiry {
        before: retention::before(&house::env(), age),
        spares_marked: !all,
        most: retention::AT_A_TIME,
    };
    let mut n_removed = 0;
    loop {
        let removed = logs.catalogue().expire(&expiry).await?;
        n_removed += removed.len();
        for id in &removed {
            writeln!(io::stderr().lock(), "removed {id}")?;
        }
        if removed.len() < expiry.most {
            break;
        }
    }
    writeln!(io::stdout().lock(), "removed {n_removed}")?;
    Ok(())
}

async fn list(logs: &Logs, flags: &HistoryList, settings: &Settings) -> Result<()> {
    let verdict = flags.verdict.as_deref().map(read_verdict).transpose()?;
    let query = Query {
        q: flags.search.clone(),
        verdict,
        limit: usize::try_from(flags.limit).unwrap_or(usize::MAX),
        ..Query::default()
    };
    let rows = logs.catalogue().list(query).await?.rows;
    let mut out = io::stdout().lock();
    for row in &rows {
        if flags.json {
            writeln!(out, "{}", as_json(row))?;
        } else {
            writeln!(out, "{}", line(row, label_lang(settings, &row.lang)))?;
        }
    }
    if rows.is_empty() && !flags.json {
        writeln!(
            io::stderr().lock(),
            "nothing yet: `magi ask \"...\"` puts a question to the council"
        )?;
    }
    Ok(())
}

fn read_verdict(text: &str) -> Result<FinalDecision> {
    match text.to_ascii_lowercase().as_str() {
        "approved" => Ok(FinalDecision::Approved),
        "rejected" => Ok(FinalDecision::Rejected),
        "undecided" => Ok(FinalDecision::Undecided),
        _ => anyhow::bail!("--verdict is `{text}`: expected approved, rejected or undecided"),
    }
}

fn line(row: &Row, lang: Lang) -> String {
    let seal = row.facts.verdict.map_or_else(
        || words::status(lang, row.facts.status).to_owned(),
        |verdict| words::final_seal(verdict).to_owned(),
    );
    let votes = row
        .facts
        .votes
        .map(|votes| votes.agreement())
        .unwrap_or_default();
    let day = row.created_at.to_string();
    let day = day.get(..16).unwrap_or(&day).replace('T', " ");
    let mark = if row.facts.mode == Some(magi_event::Mode::Rehearsal) {
        lang.pick(" [REHEARSAL]", " [リハーサル]")
    } else {
        ""
    };
    let title = first_sentence(&row.title);
    format!("{}  {day}  {seal}  {votes}{mark}  {title}", row.id)
}

fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "id": row.id,
        "created_at": row.created_at,
        "title": row.title,
        "question": row.question,
        "lang": row.lang,
        "preset": row.preset,
        "status": row.facts.status,
        "mode": row.facts.mode,
        "verdict": row.facts.verdict,
        "votes": row.facts.votes,
        "overruled": row.facts.overruled,
        "usage": row.facts.usage,
        "cost_usd": row.facts.cost_usd,
        "my_decision": row.my_decision,
        "outcome": row.outcome,
        "fork_of": row.fork_of,
    })
}

fn label_lang(settings: &Settings, row_lang: &str) -> Lang {
    Lang::from_code(settings.text("lang"))
        .or_else(|| Lang::from_code(row_lang))
        .unwrap_or(Lang::En)
}

async fn show(logs: &Logs, id: DeliberationId, output: Output, settings: &Settings) -> Result<()> {
    let (snapshot, _) = logs.snapshot(id).await?;
    let lang = label_lang(settings, &snapshot.lang);
    let mut out = io::stdout().lock();
    match output {
        Output::Text => {
            writeln!(out, "{}\n", snapshot.question.trim())?;
            for (sage, lane) in &snapshot.sages {
                let agent = (*sage).into();
                writeln!(
                    out,
                    "{} {}\n{}\n",
                    words::shape(agent),
                    words::name(agent),
                    lane.text.trim()
                )?;
            }
            out.write_all(verdict::text(&snapshot, lang).as_bytes())?;
        }
        Output::Json => writeln!(out, "{}", serde_json::to_string(&snapshot)?)?,
        Output::Md => out.write_all(Record::of(&snapshot).markdown().as_bytes())?,
        Output::Ndjson => {
            drop(out);
            lines(logs, id).await?;
        }
    }
    Ok(())
}

/// Prints every stored event of a deliberation, a line each.
async fn lines(logs: &Logs, id: DeliberationId) -> Result<()> {
    for event in logs.events(id).await? {
        let mut out = io::stdout().lock();
        out.write_all(&event.to_json())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Runs `magi export`.
pub(crate) async fn export(settings: &Settings, id: &str, format: Format) -> Result<Exit> {
    let logs = house::logs_to_read(settings)?;
    let id = house::find(&logs, id, settings).await?;
    let (snapshot, _) = logs.snapshot(id).await?;
    let row = logs.catalogue().get(id).await?;
    let record = Record {
        snapshot: &snapshot,
        title: Some(&row.title),
        my_decision: row.my_decision.as_deref(),
        outcome: row.outcome.as_deref(),
    };
    let text = match format {
        Format::Ndjson => {
            lines(&logs, id).await?;
            String::new()
        }
        Format::Json => record.json(),
        Format::Md => record.markdown(),
        Format::Html => record.html(),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    logs.close().await;
    Ok(Exit::Done)
}

/// How a replay is paced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How many times faster than it happened.
    pub(crate) speed: f64,
    /// All at once.
    pub(crate) is_instant: bool,
}

/// The longest silence a replay keeps: a deliberation that was down for a night is not.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// Runs `magi replay`: the stored events, in their own rhythm, from this machine alone.
pub(crate) async fn replay(settings: &Settings, id: &str, view: View, pace: Pace) -> Result<Exit> {
    anyhow::ensure!(
        pace.speed.is_finite() && pace.speed > 0.0,
        "--speed must be a number above 0, as in --speed 4"
    );
    let logs = house::logs_to_read(settings)?;
    let id = house::find(&logs, id, settings).await?;
    let events = logs.events(id).await?;
    logs.close().await;
    let over = Snapshot::fold(id, &events);
    let mut feed = paced(events, pace);
    let mut follower = Follower::new(view, None)?;
    Ok(match follower.run(&mut feed).await? {
        Pause::Interrupted => Exit::Interrupted,
        Pause::Cut if !over.status.is_over() => {
            follower.calm();
            writeln!(
                io::stderr().lock(),
                "it is not over yet: this is what is stored so far"
            )?;
            Exit::Done
        }
        Pause::Over | Pause::Cut | Pause::TimedOut => exit::of(&over, false),
    })
}

fn paced(events: Vec<Event>, pace: Pace) -> Feed {
    let mut previous = events.first().map(|event| event.timestamp);
    let stream = futures_util::stream::iter(events).then(move |event| {
        let gap = previous
            .replace(event.timestamp)
            .map_or(0, |at| event.timestamp.millis_since(at));
        let wait = Duration::from_millis(gap)
            .min(LONGEST_SILENCE)
            .div_f64(pace.speed);
        async move {
            if !pace.is_instant && !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            Ok(Said::Event(Box::new(event)))
        }
    });
    Box::pin(stream)
}

//! The table of a run.

use std::fmt::Write as _;

use super::{Outcome, Relay, Report, Taken, Way};

const HEAD: [&str; 6] = [
    "way",
    "first token",
    "end",
    "events",
    "held at most, from the council to the reader",
    "outcome",
];

/// Returns the run as a table of Markdown whose columns stand straight in a terminal, too.
pub(super) fn table(report: &Report) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(report.ways.iter().map(|taken| row(report, taken)));
    let widths = std::array::from_fn::<_, 6, _>(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    rows.insert(1, widths.map(|width| "-".repeat(width)));
    let mut table = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(table, "| {cell:width$} ");
        }
        table.push_str("|\n");
    }
    table
}

fn row(report: &Report, taken: &Taken) -> [String; 6] {
    let relays: Vec<_> = taken.relays.iter().map(relay).collect();
    [
        way(report, taken.way),
        taken.first_token_ms.map_or("-".to_owned(), seconds),
        seconds(taken.end_ms),
        taken.events.to_string(),
        relays.join(", "),
        outcome(taken),
    ]
}

fn way(report: &Report, way: Way) -> String {
    match way {
        Way::Villain => format!("{}, gives up at {}", way.title(), seconds(report.limit_ms)),
        _ => way.title().to_owned(),
    }
}

fn relay(relay: &Relay) -> String {
    let sign = if relay.is_bound { "≤ " } else { "" };
    format!("{} {sign}{}", relay.name, bytes(relay.most))
}

/// What became of the question, in a few words.
pub(super) fn outcome(taken: &Taken) -> String {
    match &taken.outcome {
        Outcome::Verdict {
            decision,
            agreement,
            ..
        } if taken.way.streams() => format!("{} {agreement}, live", decision.word()),
        Outcome::Verdict {
            decision,
            agreement,
            ..
        } => format!("{} {agreement}, all at the end", decision.word()),
        Outcome::Refused { status, title } => format!("{status} {title}, not a word"),
        Outcome::Broken { why } => why.clone(),
    }
}

pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..100_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{} kB", bytes / 1_000),
    }
}

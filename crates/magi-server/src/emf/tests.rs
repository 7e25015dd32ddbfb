//! Lines are checked against the rules of CloudWatch's specification, written down here.

use magi_event::{
    AgentStart, Body, Cancelled, Cursor, Event, Failure, Paused, Sage, Status, Usage, sample,
};
use serde_json::Value;

use super::*;

/// Units that a metric may have.
///
/// Source: Amazon CloudWatch API Reference, `MetricDatum`, "Unit".
const UNITS: &str = "Seconds Microseconds Milliseconds Bytes Kilobytes Megabytes Gigabytes Terabytes \
    Bits Kilobits Megabits Gigabits Terabits Percent Count Bytes/Second Kilobytes/Second \
    Megabytes/Second Gigabytes/Second Terabytes/Second Bits/Second Kilobits/Second Megabits/Second \
    Gigabits/Second Terabits/Second Count/Second None";

fn text_of(value: &Value, longest: usize, what: &str) -> Result<String, String> {
    let text = value.as_str().ok_or(format!("{what} is no text"))?;
    let is_short = (1..=longest).contains(&text.chars().count());
    (is_short && !text.trim().is_empty())
        .then(|| text.to_owned())
        .ok_or(format!("{what} is `{text}`"))
}

fn list_of<'a>(
    value: &'a Value,
    least: usize,
    most: usize,
    what: &str,
) -> Result<&'a [Value], String> {
    let list = value.as_array().ok_or(format!("{what} is no list"))?;
    (least..=most)
        .contains(&list.len())
        .then_some(list.as_slice())
        .ok_or(format!("{what} has {} members", list.len()))
}

fn only(value: &Value, names: &[&str], what: &str) -> Result<(), String> {
    let object = value.as_object().ok_or(format!("{what} is no object"))?;
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("{what} has a member `{key}`")),
        None => Ok(()),
    }
}

/// Checks a line against the specification's rules, and returns the names of its metrics.
fn check(line: &str) -> Result<Vec<String>, String> {
    if line.contains('\n') || line.len() > 256 * 1024 {
        return Err("not one line of at most 256 KiB".into());
    }
    let root: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let metadata = &root["_aws"];
    only(
        metadata,
        &["Timestamp", "CloudWatchMetrics", "LogGroupName"],
        "_aws",
    )?;
    metadata["Timestamp"]
        .as_u64()
        .ok_or("Timestamp is no whole number")?;
    let mut names = Vec::new();
    for directive in list_of(
        &metadata["CloudWatchMetrics"],
        1,
        usize::MAX,
        "CloudWatchMetrics",
    )? {
        only(
            directive,
            &["Namespace", "Dimensions", "Metrics"],
            "a directive",
        )?;
        text_of(&directive["Namespace"], 1024, "Namespace")?;
        for set in list_of(&directive["Dimensions"], 1, usize::MAX, "Dimensions")? {
            for dimension in list_of(set, 0, 30, "a dimension set")? {
                let name = text_of(dimension, 250, "a dimension")?;
                let value = text_of(&root[&name], 1024, "a dimension's value")?;
                if !value.is_ascii() || value.starts_with(':') {
                    return Err(format!("the dimension {name} is `{value}`"));
                }
            }
        }
        for metric in list_of(&directive["Metrics"], 1, 100, "Metrics")? {
            only(metric, &["Name", "Unit", "StorageResolution"], "a metric")?;
            let name = text_of(&metric["Name"], 1024, "Name")?;
            let unit = metric["Unit"].as_str().unwrap_or("None");
            if !UNITS.split_whitespace().any(|known| known == unit) {
                return Err(format!("{name} has the unit `{unit}`"));
            }
            if !root[&name].is_number() {
                return Err(format!("{name} has no number"));
            }
            names.push(name);
        }
    }
    Ok(names)
}

fn lines_of(events: &[Event]) -> Vec<Value> {
    let deployment = "shop/prod-1".parse().unwrap();
    let mut ending = Ending::default();
    let lines = events
        .iter()
        .filter_map(|event| ending.see(event, &deployment));
    lines
        .map(|line| {
            check(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
            serde_json::from_str(&line).unwrap()
        })
        .collect()
}

fn started() -> Vec<Event> {
    let id = sample::id(1);
    let mut events = Vec::new();
    let council = sample::council(&Sage::ALL, magi_event::Rule::Majority, 2);
    let start = AgentStart {
        attempt: 1,
        provider: "openai".into(),
        model: "m".into(),
    };
    let bodies = [
        (
            0,
            sample::start(id, "Is the secret question told?", council),
        ),
        (10, Body::AgentStart(Sage::Caspar, start)),
        (
            340,
            Body::AgentThinking(Sage::Caspar, sample::delta("secret thought")),
        ),
        (
            500,
            Body::AgentChunk(Sage::Caspar, sample::delta("secret answer")),
        ),
    ];
    for (at, body) in bodies {
        push(&mut events, at, body);
    }
    events
}

fn push(events: &mut Vec<Event>, at_ms: i64, body: Body) {
    let id = sample::id(1);
    events.push(Event {
        seq: Cursor::start(id).seq + events.len() as u64 + 1,
        timestamp: id.created_at().plus_millis(at_ms),
        trace_id: id,
        body,
    });
}

#[test]
fn every_made_up_deliberation_ends_with_one_valid_line() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let events: Vec<_> = sample::log(seed)
            .into_iter()
            .map(|(_, event)| event)
            .collect();
        let is_over = events.last().is_some_and(|event| event.body.is_last());
        let lines: Vec<_> = lines_of(&events)
            .into_iter()
            .filter(|line| line["status"] != "suspended")
            .collect();
        assert_eq!(lines.len(), usize::from(is_over), "seed {seed}");
        for line in lines {
            assert_eq!(line["Deliberations"], 1);
            assert_eq!(line[DIMENSION], "shop/prod-1");
            seen.insert(line["status"].as_str().unwrap().to_owned());
        }
    }
    for status in [
        Status::Completed,
        Status::Degraded,
        Status::Cancelled,
        Status::Failed,
    ] {
        assert!(
            seen.contains(status.word()),
            "no sample was {}",
            status.word()
        );
    }
}

#[test]
fn the_first_token_is_counted_from_the_start_and_no_word_is_told() {
    let mut events = started();
    let failure = Failure {
        code: "no_votes".into(),
        message: "secret message".into(),
        missing: vec![],
        usage: Some(Usage {
            input_tokens: 7,
            output_tokens: 3,
            ..Usage::default()
        }),
        cost_usd: None,
    };
    push(&mut events, 900, Body::Error(failure));
    let lines = lines_of(&events);
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (line["FirstToken"].as_u64(), line["Duration"].as_u64()),
        (Some(340), Some(900))
    );
    assert_eq!(
        (line["InputTokens"].as_u64(), line["OutputTokens"].as_u64()),
        (Some(7), Some(3))
    );
    assert_eq!(
        (line["Failed"].as_u64(), line["Degraded"].as_u64()),
        (Some(1), Some(0))
    );
    assert_eq!(line["code"], "no_votes");
    assert!(
        line.get("Cost").is_none(),
        "an unknown cost is told as a number"
    );
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[test]
fn a_suspended_deliberation_is_no_ended_one() {
    let mut events = started();
    let paused = Paused {
        by: "magi".into(),
        reason: "deadline".into(),
        state: Some("secret.state".into()),
        usage: Some(Usage {
            input_tokens: 80,
            output_tokens: 41,
            ..Usage::default()
        }),
        cost_usd: Some(0.5),
    };
    push(&mut events, 800, Body::Paused(paused));
    let lines = lines_of(&events);
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (line["Suspended"].as_u64(), line.get("Deliberations")),
        (Some(1), None)
    );
    // What its calls cost until then is told here, and by nothing that goes on from it.
    assert_eq!(
        (&line["InputTokens"], &line["OutputTokens"], &line["Cost"]),
        (&80.into(), &41.into(), &0.5.into())
    );
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[test]
fn an_unknown_cost_or_usage_names_no_metric() {
    let mut events = started();
    let cancelled = Cancelled {
        by: "user".into(),
        reason: "enough".into(),
        usage: None,
        cost_usd: Some(0.25),
    };
    push(&mut events, 800, Body::Cancelled(cancelled));
    let lines = lines_of(&events);
    let names = check(&lines[0].to_string()).unwrap();
    let expected = [
        "Deliberations",
        "Degraded",
        "Cancelled",
        "Failed",
        "FirstToken",
        "Duration",
        "Cost",
    ];
    assert_eq!(names, expected);
    assert_eq!(lines[0]["Cancelled"], 1);
}

#[test]
fn the_checker_refuses_what_the_specification_refuses() {
    let mut events = started();
    push(
        &mut events,
        800,
        Body::Cancelled(Cancelled {
            by: "user".into(),
            reason: "enough".into(),
            usage: None,
            cost_usd: None,
        }),
    );
    let good = lines_of(&events).remove(0);
    let directive = "/_aws/CloudWatchMetrics/0";
    let wrong: [(&str, Value); 8] = [
        ("/_aws/Timestamp", "now".into()),
        ("/_aws/CloudWatchMetrics", Value::Array(vec![])),
        (&format!("{directive}/Namespace"), "".into()),
        (&format!("{directive}/Dimensions"), Value::Array(vec![])),
        (&format!("{directive}/Metrics/0/Unit"), "Dollars".into()),
        (&format!("{directive}/Metrics/0/Name"), "Absent".into()),
        ("/Deliberations", "one".into()),
        ("/Deployment", "帳場".into()),
    ];
    for (path, value) in wrong {
        let mut bad = good.clone();
        *bad.pointer_mut(path).unwrap() = value;
        assert!(check(&bad.to_string()).is_err(), "{path} in {bad}");
    }
}

#[test]
fn a_deployment_has_a_name_that_a_dimension_may_have() {
    assert_eq!(
        "shop/prod-1".parse::<Deployment>().unwrap().to_string(),
        "shop/prod-1"
    );
    for text in ["", "a b", ":a", "帳場", "a\n", &"x".repeat(129)] {
        assert_eq!(text.parse::<Deployment>(), Err(BadDeployment), "{text:?}");
    }
}

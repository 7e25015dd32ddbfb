//! The command line as a person and as a script use it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use magi_emulator::{Config, Emulator, Running};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::support::{PATIENCE, Served, magi, signal};

pub(crate) async fn run(folder: &Path, args: &[&str]) -> Output {
    tokio::time::timeout(PATIENCE, magi(folder).args(args).output())
        .await
        .unwrap()
        .unwrap()
}

async fn run_with(folder: &Path, vendors: &Running, model: &str, args: &[&str]) -> Output {
    let mut command = magi(folder);
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", format!("openai:{model}"))
        .args(args);
    tokio::time::timeout(PATIENCE, command.output())
        .await
        .unwrap()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", out(output), err(output)))
}

/// Without the feature a model of Bedrock's is no silence and no rehearsal.
#[cfg(not(feature = "bedrock"))]
#[tokio::test]
async fn a_build_without_bedrock_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("MAGI_MODEL", "bedrock:x"),
        ("AWS_BEARER_TOKEN_BEDROCK", "k"),
    ] {
        for verb in [vec!["ask", "--plain", "Q?"], vec!["doctor"]] {
            let mut command = magi(folder.path());
            let output = command.env(name, value).args(&verb).output().await.unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!output.status.success(), "{verb:?}: {text}");
            assert!(text.contains("Bedrock is not in this build"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_question_without_a_model_is_answered_honestly() {
    let folder = tempfile::tempdir().unwrap();
    let asked = run(folder.path(), &["ask", "Should we ship on Friday?"]).await;
    assert_eq!(asked.status.code(), Some(0), "{}", err(&asked));
    assert!(out(&asked).contains("REHEARSAL"), "{}", out(&asked));
    assert!(out(&asked).contains("NO DECISION"), "{}", out(&asked));
    assert!(
        out(&asked).contains("MAGI_MODEL"),
        "the way to a model is not named: {}",
        out(&asked)
    );
    let asked = run(
        folder.path(),
        &["ask", "金曜日にリリースすべきか？", "-o", "json"],
    )
    .await;
    let snapshot = json(&asked);
    assert_eq!(snapshot["mode"], "rehearsal");
    assert_eq!(snapshot["verdict"]["final_decision"], "UNDECIDED");
    for sage in ["caspar", "balthasar", "melchior"] {
        assert_eq!(snapshot["sages"][sage]["complete"]["cause"], "rehearsal");
    }
}

#[tokio::test]
async fn every_scene_plays_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let list = out(&run(folder.path(), &["ask", "--scene", "list"]).await);
    let names: Vec<_> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() >= 6, "{list}");
    let mut decisions = Vec::new();
    for name in names {
        let asked = run(folder.path(), &["ask", "--scene", name, "--output", "json"]).await;
        assert_eq!(asked.status.code(), Some(0), "{name}: {}", err(&asked));
        let snapshot = json(&asked);
        assert_eq!(snapshot["mode"], "rehearsal", "{name}");
        assert_eq!(snapshot["status"], "completed", "{name}");
        decisions.push(
            snapshot["verdict"]["final_decision"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert!(
        decisions.contains(&"APPROVED".to_owned()) && decisions.contains(&"REJECTED".to_owned())
    );
}

#[tokio::test]
async fn with_a_model_the_verdict_is_on_stdout_and_the_gate_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    for (model, gate, seal) in [
        ("fake+approve", 0, "可決 APPROVED"),
        ("fake+reject", 10, "否決 REJECTED"),
        ("fake+abstain", 11, "NO DECISION"),
    ] {
        let question = "Should we ship on Friday?";
        let plain = run_with(folder.path(), &vendors, model, &["ask", question]).await;
        assert_eq!(plain.status.code(), Some(0), "{}", err(&plain));
        assert!(out(&plain).contains(seal), "{model}: {}", out(&plain));
        assert!(!out(&plain).contains("REHEARSAL"), "{}", out(&plain));
        assert!(
            err(&plain).contains("CASPAR"),
            "no progress on stderr: {}",
            err(&plain)
        );
        let gated = run_with(
            folder.path(),
            &vendors,
            model,
            &["ask", "-q", "--gate", question],
        )
        .await;
        assert_eq!(gated.status.code(), Some(gate), "{model}: {}", err(&gated));
        assert_eq!(err(&gated), "", "quiet means quiet");
    }
    vendors.stop().await;
}

#[tokio::test]
async fn a_refused_key_is_told_as_one_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.key = Some("the-right-key".to_owned());
    let vendors = Emulator::start(config).await.unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-0123456789")
        .env("MAGI_MODEL", "openai:fake")
        .args(["-vv", "ask", "Should we ship on Friday?"]);
    let asked = command.output().await.unwrap();
    assert_eq!(asked.status.code(), Some(21), "{}", err(&asked));
    assert!(
        !err(&asked).contains("canary") && !out(&asked).contains("canary"),
        "the key is shown"
    );
    let shown = {
        let mut command = magi(folder.path());
        command
            .env("OPENAI_API_KEY", "sk-canary-0123456789")
            .args(["config", "show"]);
        command.output().await.unwrap()
    };
    assert!(out(&shown).contains("openai.api_key") && !out(&shown).contains("canary"));
    vendors.stop().await;
}

#[tokio::test]
async fn stdin_is_context_beside_a_question_and_the_question_without_one() {
    let folder = tempfile::tempdir().unwrap();
    for (args, expected_question, expected_context) in [
        (
            vec!["ask", "-o", "json", "Is this safe?"],
            "Is this safe?",
            Some("piped in\n"),
        ),
        (vec!["ask", "-o", "json"], "piped in", None),
    ] {
        let mut command = magi(folder.path());
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"piped in\n").await.unwrap();
        drop(stdin);
        let snapshot = json(&child.wait_with_output().await.unwrap());
        assert_eq!(
            snapshot["question"].as_str().unwrap().trim(),
            expected_question
        );
        assert_eq!(snapshot["context"].as_str(), expected_context);
    }
}

#[tokio::test]
async fn ctrl_c_stops_and_keeps_and_resume_reuses_the_votes() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+approve+len-20")
        // CASPAR is done at once, the others fall silent the first time.
        .env(
            "MAGI_BALTHASAR_MODEL",
            "openai:fake-b+reject+len-20+stall-after-5-once",
        )
        .env(
            "MAGI_MELCHIOR_MODEL",
            "openai:fake-m+reject+len-20+stall-after-5-once",
        )
        .args(["ask", "-o", "ndjson", "Should we ship on Friday?"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let vote = async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["type"] == "agent_complete" {
                return event;
            }
        }
    };
    let vote = tokio::time::timeout(PATIENCE, vote).await.unwrap();
    signal(child.id().unwrap(), "INT").await;
    let rest = async { while lines.next_line().await.unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, rest).await.unwrap();
    let stopped = child.wait_with_output().await.unwrap();
    assert_eq!(stopped.status.code(), Some(130));
    let id = vote["trace_id"].as_str().unwrap().to_owned();
    assert!(
        err(&stopped).contains(&format!("magi resume {id}")),
        "{}",
        err(&stopped)
    );
    assert!(
        vendors
            .ledger()
            .entries()
            .iter()
            .all(|entry| entry.end.is_some()),
        "a call goes on"
    );

    let before = vendors.ledger().requests();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+approve+len-20")
        .args(["resume", &id, "-o", "json"]);
    let resumed = tokio::time::timeout(PATIENCE, command.output())
        .await
        .unwrap()
        .unwrap();
    let snapshot = json(&resumed);
    assert_eq!(snapshot["fork_of"].as_str(), Some(id.as_str()));
    let caspar = &snapshot["sages"]["caspar"]["complete"];
    assert_eq!(
        caspar["reasoning"], vote["data"]["reasoning"],
        "the vote was not kept"
    );
    assert_eq!(caspar["decision"], "APPROVED");
    assert!(snapshot["verdict"].is_object(), "{snapshot}");
    assert_eq!(
        vendors.ledger().requests() - before,
        3,
        "two sages and the judge are called"
    );
    vendors.stop().await;
}

#[tokio::test]
async fn another_process_stops_what_the_server_runs_and_reads_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+approve+len-4000+tps-50");
    let served = Served::start(&mut command, 0).await;
    let client = super::support::http();
    let id = super::support::ask(&client, &served.address, "データ移行を始めるべきか？").await;
    let stopped = run(folder.path(), &["stop", &id.to_string()]).await;
    assert_eq!(stopped.status.code(), Some(0), "{}", err(&stopped));
    let mut seen = super::support::Seen::default();
    seen.read_to_the_end(&served.address, id).await;
    assert_eq!(seen.entries.last().unwrap().1.body.name(), "cancelled");
    let found = run(folder.path(), &["history", "--search", "移行", "--json"]).await;
    assert!(out(&found).contains(&id.to_string()), "{}", out(&found));
    let none = run(folder.path(), &["history", "--search", "契約", "--json"]).await;
    assert_eq!(out(&none), "");
    assert!(
        served.terminate().await.success(),
        "a graceful end is a success"
    );
    vendors.stop().await;
}

#[tokio::test]
async fn a_server_is_asked_from_the_command_line_and_by_the_same_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+reject");
    let served = Served::start(&mut command, 0).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let args = [
        "ask",
        "--gate",
        "-o",
        "json",
        "--server",
        &served.address,
        "Ship on Friday?",
    ];
    let asked = run(elsewhere.path(), &args).await;
    assert_eq!(asked.status.code(), Some(10), "{}", err(&asked));
    assert_eq!(json(&asked)["verdict"]["final_decision"], "REJECTED");
    assert!(
        !elsewhere.path().join("data").exists(),
        "asking a server needs no store"
    );
    served.kill().await;
    vendors.stop().await;
}

#[tokio::test]
async fn history_replay_export_and_rm_agree() {
    let folder = tempfile::tempdir().unwrap();
    let asked = json(
        &run(
            folder.path(),
            &["ask", "-o", "json", "--rehearsal", "Ship it?"],
        )
        .await,
    );
    let id = asked["trace_id"].as_str().unwrap();
    let front = &id[..24];
    let shown = json(&run(folder.path(), &["history", "show", front, "-o", "json"]).await);
    assert_eq!(shown, asked, "what was shown live and what is kept differ");
    let lines = out(&run(folder.path(), &["export", front, "--format", "ndjson"]).await);
    let replayed = out(&run(
        folder.path(),
        &["replay", front, "--instant", "-o", "ndjson"],
    )
    .await);
    assert_eq!(lines, replayed);
    let fast = run(
        folder.path(),
        &["replay", front, "--speed", "1000", "-o", "json"],
    )
    .await;
    assert_eq!(json(&fast), asked);
    let record = out(&run(folder.path(), &["export", front]).await);
    assert!(
        record.contains("Ship it?") && record.contains("## "),
        "{record}"
    );
    let page = out(&run(folder.path(), &["export", front, "--format", "html"]).await);
    assert!(
        page.contains("Ship it?") && !page.contains("<script"),
        "{page}"
    );
    assert!(
        run(folder.path(), &["history", "rm", front])
            .await
            .status
            .success()
    );
    let gone = run(folder.path(), &["history", "show", id]).await;
    assert_eq!(gone.status.code(), Some(1));
    assert!(err(&gone).contains("deleted"), "{}", err(&gone));
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_fix() {
    let folder = tempfile::tempdir().unwrap();
    for (args, code, words) in [
        (vec!["ask"], 2, "what is the question"),
        (vec!["ask", "  "], 2, "question"),
        (vec!["ask", "--preset", "nope", "Ship?"], 2, "preset"),
        (vec!["ask", "--model", "gpt5", "Ship?"], 2, "provider:model"),
        (
            vec!["ask", "--timeout", "abc", "Ship?"],
            2,
            "--timeout is `abc`",
        ),
        (
            vec!["ask", "--model", "foo:bar", "Ship?"],
            2,
            "no provider `foo`",
        ),
        (vec!["serve", "--port", "99999"], 2, "`port` is `99999`"),
        (vec!["ask", "--scene", "nope"], 2, "--scene list"),
        (
            vec!["resume", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
            1,
            "no such deliberation",
        ),
        (
            vec!["ask", "-q", "--server", "http://127.0.0.1:9", "Ship?"],
            1,
            "failed to ask the server",
        ),
        (vec!["replay", "zz"], 1, "magi history"),
        (
            vec!["serve", "--host", "0.0.0.0", "--port", "0"],
            2,
            "MAGI_TOKEN",
        ),
        (vec!["frobnicate"], 2, "frobnicate"),
    ] {
        let run = run(folder.path(), &args).await;
        assert_eq!(run.status.code(), Some(code), "{args:?}: {}", err(&run));
        assert!(err(&run).contains(words), "{args:?}: {}", err(&run));
        assert_eq!(out(&run), "", "{args:?}");
    }
}

#[tokio::test]
async fn doctor_names_the_fix_for_each_planted_fault() {
    let folder = tempfile::tempdir().unwrap();
    let healthy = run(folder.path(), &["doctor"]).await;
    assert_eq!(healthy.status.code(), Some(0), "{}", out(&healthy));
    assert!(
        out(&healthy).contains("ANTHROPIC_API_KEY"),
        "{}",
        out(&healthy)
    );
    let mut config = Config::default();
    config.key = Some("the-right-key".to_owned());
    let vendors = Emulator::start(config).await.unwrap();
    let closed = "http://127.0.0.1:9/v1".to_owned();
    for (address, key, model, words) in [
        (
            vendors.openai_url(),
            "the-right-key",
            "fake+no-such-word",
            "magi models",
        ),
        (
            vendors.openai_url(),
            "a-wrong-key",
            "fake",
            "OPENAI_API_KEY",
        ),
        (closed, "the-right-key", "fake", "OPENAI_BASE_URL"),
        (
            vendors.openai_url() + "/wrong",
            "the-right-key",
            "fake",
            "OPENAI_BASE_URL",
        ),
    ] {
        let mut command = magi(folder.path());
        command
            .env("OPENAI_BASE_URL", address)
            .env("OPENAI_API_KEY", key)
            .env("MAGI_MODEL", format!("openai:{model}"))
            .args(["doctor", "--json"]);
        let report = json(&command.output().await.unwrap());
        let checks = report["checks"].as_array().unwrap();
        let provider = checks
            .iter()
            .find(|check| check["name"] == "provider")
            .unwrap();
        assert_ne!(provider["outcome"], "ok", "{report}");
        assert!(
            provider["fix"].as_str().unwrap().contains(words),
            "{provider}"
        );
    }
    vendors.stop().await;
}

#[tokio::test]
async fn a_run_out_of_time_is_stopped_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let args = ["ask", "--timeout", "500ms", "Ship on Friday?"];
    let asked = run_with(folder.path(), &vendors, "fake+no-answer", &args).await;
    assert_eq!(asked.status.code(), Some(124), "{}", err(&asked));
    assert!(err(&asked).contains("magi resume"), "{}", err(&asked));
    assert!(
        out(&asked).contains("the time given to it ran out"),
        "{}",
        out(&asked)
    );
    vendors
        .ledger()
        .until(Duration::from_secs(10), |all| {
            all.iter().all(|e| e.end.is_some())
        })
        .await;
    vendors.stop().await;
}

#[tokio::test]
async fn completions_are_printed_for_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let printed = run(folder.path(), &["completions", shell]).await;
        assert!(out(&printed).contains("history"), "{shell}");
    }
}

#[tokio::test]
async fn the_verbs_reach_another_process_a_server_and_what_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+approve+len-4000+tps-50");
    let served = Served::start(&mut command, 0).await;
    let client = super::support::http();
    let id = super::support::ask(&client, &served.address, "Should we migrate?").await;
    let text = id.to_string();
    let url = served.address.clone();
    for (args, said) in [
        (vec!["pause", &text], "is paused"),
        (vec!["pause", &text, "--server", &url], "stays as it is"),
        (vec!["note", &text, "It is Friday."], "was told"),
        (
            vec!["note", &text, "It rains.", "--server", &url],
            "was told",
        ),
        (
            vec!["retry", &text, "--agent", "caspar", "--attempt", "1"],
            "another attempt",
        ),
        (
            vec!["retry", &text, "--agent", "caspar", "--attempt", "1"],
            "stays as it is",
        ),
        (vec!["stop", &text, "--agent", "judge"], "stopped"),
        (vec!["stop", &text, "--server", &url], "stopped"),
    ] {
        let done = run(folder.path(), &args).await;
        assert_eq!(done.status.code(), Some(0), "{args:?}: {}", err(&done));
        assert!(err(&done).contains(said), "{args:?}: {}", err(&done));
    }
    let mut seen = super::support::Seen::default();
    seen.read_to_the_end(&served.address, id).await;
    let names: Vec<&str> = seen
        .entries
        .iter()
        .map(|entry| entry.1.body.name())
        .collect();
    for name in ["paused", "note", "judge_error", "cancelled"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let late = run(folder.path(), &["note", &text, "Too late."]).await;
    assert_eq!(late.status.code(), Some(1));
    assert!(err(&late).contains("fork"), "{}", err(&late));
    assert!(served.terminate().await.success());
    vendors.stop().await;
}

#[tokio::test]
async fn a_verdict_is_judged_again_and_forked_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let with_model = async |args: &[&str]| {
        let mut command = magi(folder.path());
        command
            .env("OPENAI_BASE_URL", vendors.openai_url())
            .env("OPENAI_API_KEY", "test")
            .env("MAGI_MODEL", "openai:fake+approve");
        command.args(args).output().await.unwrap()
    };
    let asked = with_model(&["ask", "Should we migrate?", "-o", "json"]).await;
    let first: Value = serde_json::from_slice(&asked.stdout).unwrap();
    let id = first["trace_id"].as_str().unwrap();
    let before = vendors.ledger().requests();
    let judged = with_model(&["rejudge", id, "--stability", "3"]).await;
    assert_eq!(judged.status.code(), Some(0), "{}", err(&judged));
    assert!(out(&judged).contains("stable 3/3"), "{}", out(&judged));
    assert_eq!(
        vendors.ledger().requests() - before,
        3,
        "the judge alone is called"
    );
    let japanese = with_model(&["rejudge", id, "--stability", "2", "--lang", "ja"]).await;
    assert_eq!(out(&japanese).trim(), "APPROVED: 安定 2/2");
    let before = vendors.ledger().requests() - 3;
    let args = [
        "fork",
        id,
        "--agent",
        "caspar",
        "--model",
        "openai:fake+reject",
        "-o",
        "json",
    ];
    let forked = with_model(&args).await;
    let forked: Value = serde_json::from_slice(&forked.stdout).unwrap();
    assert_eq!(forked["fork_of"], id);
    assert_eq!(forked["verdict"]["voting_result"]["rejected"], 1);
    assert_eq!(
        vendors.ledger().requests() - before,
        5,
        "caspar and the judge"
    );
    let unanimous = with_model(&["rejudge", id, "--rule", "unanimous", "-o", "json"]).await;
    let unanimous: Value = serde_json::from_slice(&unanimous.stdout).unwrap();
    assert_eq!(unanimous["council"]["rule"], "unanimous");
    assert_eq!(unanimous["verdict"]["final_decision"], "APPROVED");
    vendors.stop().await;
}

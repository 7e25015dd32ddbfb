//! The verbs from the command line, said to a server: as this process would do it.

use std::process::{Output, Stdio};

use magi_emulator::{Config, Emulator};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::cli::{err, json, out, run};
use super::support::{PATIENCE, Served, ask, http, magi, signal};

/// Says a verb to a server, with a folder of its own that stays empty.
async fn at_server(served: &Served, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let args = [args, &["--server", &served.address]].concat();
    let done = run(folder.path(), &args).await;
    assert!(!folder.path().join("data").exists(), "{args:?}");
    done
}

#[tokio::test]
async fn a_server_goes_on_with_what_was_paused_stopped_or_judged_as_this_process_would() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+approve+len-60+tps-60");
    let served = Served::start(&mut command, 0).await;
    let client = http();
    let asked = async || {
        let id = ask(&client, &served.address, "Should we migrate?").await;
        id.to_string()
    };
    // What was paused goes on in place.
    let id = asked().await;
    let paused = at_server(&served, &["pause", &id]).await;
    assert_eq!(paused.status.code(), Some(0), "{}", err(&paused));
    let resumed = at_server(&served, &["resume", &id, "-o", "json"]).await;
    assert_eq!(resumed.status.code(), Some(0), "{}", err(&resumed));
    let snapshot = json(&resumed);
    assert_eq!(snapshot["trace_id"], id.as_str());
    assert_eq!(snapshot["verdict"]["final_decision"], "APPROVED");
    let here = json(&run(folder.path(), &["history", "show", &id, "-o", "json"]).await);
    assert_eq!(snapshot, here, "what the server tells and keeps differ");
    // What is over goes on in a linked one: retry, rejudge, fork, and resume of what was stopped.
    for verb in [
        vec!["retry", &id, "--agent", "caspar"],
        vec!["fork", &id],
        vec!["rejudge", &id],
    ] {
        let linked = at_server(&served, &[verb.as_slice(), &["-o", "json"]].concat()).await;
        assert_eq!(linked.status.code(), Some(0), "{verb:?}: {}", err(&linked));
        let snapshot = json(&linked);
        assert_eq!(snapshot["fork_of"], id.as_str(), "{verb:?}");
        assert_eq!(
            snapshot["verdict"]["final_decision"], "APPROVED",
            "{verb:?}"
        );
    }
    let judged = at_server(&served, &["rejudge", &id, "--stability", "2"]).await;
    assert!(out(&judged).contains("stable 2/2"), "{}", err(&judged));
    // The first call of each of these judges comes to something else, and nobody stands in for it.
    let body = serde_json::json!({
        "question": "Should we migrate?", "council": { "roles": { "solomon": { "fallbacks": [] } } },
    });
    let url = format!("{}/v1/deliberations", served.address);
    let alone = client.post(url).json(&body).send().await.unwrap();
    let alone: serde_json::Value = alone.json().await.unwrap();
    let alone = alone["id"].as_str().unwrap();
    let paused = at_server(&served, &["pause", alone]).await;
    assert_eq!(paused.status.code(), Some(0), "{}", err(&paused));
    // Followed to its end.
    let resumed = at_server(&served, &["resume", alone]).await;
    assert_eq!(resumed.status.code(), Some(0), "{}", err(&resumed));
    for (judge, told, code) in [
        (
            "fake-a+approve+reject-once",
            "APPROVED: unstable: 2/3 as before, 1 REJECTED",
            0,
        ),
        (
            "fake-b+approve+403-once",
            "APPROVED: stable 2/2, 1 failed",
            0,
        ),
        ("fake-c+400", "APPROVED: no judgment was made, 3 failed", 1),
    ] {
        let model = format!("openai:{judge}");
        let wish = ["rejudge", alone, "--stability", "3", "--model", &model];
        let judged = at_server(&served, &wish).await;
        assert_eq!(out(&judged).trim(), told, "{}", err(&judged));
        assert_eq!(judged.status.code(), Some(code), "{}", err(&judged));
        let n_failed = err(&judged).matches("no judgment").count();
        assert_eq!(n_failed > 0, told.contains("failed"), "{}", err(&judged));
    }
    let id = asked().await;
    let stopped = at_server(&served, &["stop", &id]).await;
    assert_eq!(stopped.status.code(), Some(0), "{}", err(&stopped));
    let resumed = at_server(&served, &["resume", &id, "-o", "json"]).await;
    assert_eq!(resumed.status.code(), Some(0), "{}", err(&resumed));
    assert!(
        err(&resumed).contains("goes on from its votes"),
        "{}",
        err(&resumed)
    );
    assert_eq!(json(&resumed)["fork_of"], id.as_str());
    // What is wrong is said before anything is done.
    for (args, code, words) in [
        (["resume", &id[..20]], 2, "all of it is needed"),
        (
            ["resume", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
            1,
            "no such deliberation",
        ),
        (["stop", &id[..20]], 2, "all of it is needed"),
    ] {
        let refused = at_server(&served, &args).await;
        assert_eq!(
            refused.status.code(),
            Some(code),
            "{args:?}: {}",
            err(&refused)
        );
        assert!(err(&refused).contains(words), "{args:?}: {}", err(&refused));
    }
    served.kill().await;
    vendors.stop().await;
}

#[tokio::test]
async fn ctrl_c_stops_a_resumed_one_on_the_server_and_says_how_it_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let mut command = magi(folder.path());
    command
        .env("OPENAI_BASE_URL", vendors.openai_url())
        .env("OPENAI_API_KEY", "test")
        .env("MAGI_MODEL", "openai:fake+approve+len-4000+tps-20");
    let served = Served::start(&mut command, 0).await;
    let client = http();
    let id = ask(&client, &served.address, "Should we migrate?").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut child = magi(elsewhere.path())
        .args([
            "resume",
            &id.to_string(),
            "-o",
            "ndjson",
            "--server",
            &served.address,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .unwrap();
    assert!(first.unwrap().unwrap().contains("\"start\""));
    signal(child.id().unwrap(), "INT").await;
    let mut last = String::new();
    while let Some(line) = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .unwrap()
        .unwrap()
    {
        last = line;
    }
    let stopped = child.wait_with_output().await.unwrap();
    assert_eq!(stopped.status.code(), Some(130), "{}", err(&stopped));
    assert!(last.contains("\"cancelled\""), "{last}");
    let how = format!("magi resume {id} --server {}", served.address);
    assert!(err(&stopped).contains(&how), "{}", err(&stopped));
    served.kill().await;
    vendors.stop().await;
}

/// Behind AgentCore a session is a container: only who names the session finds the deliberation again.
#[cfg(feature = "bedrock")]
#[tokio::test]
async fn behind_agentcore_a_deliberation_is_found_again_in_its_session() {
    use magi_emulator::cloud::Account;

    let folder = tempfile::tempdir().unwrap();
    let cloud = super::ways::start("bedrock:fake+approve+len-4000+tps-20", |_| {}).await;
    let runtime = super::ways::invocations(&cloud, cloud.runtime_arn(), "DEFAULT");
    let command = |args: &[&str], session: &str| {
        let mut command = magi(folder.path());
        command
            .args(args)
            .args(["--server", &runtime, "--session", session])
            .env("AWS_ACCESS_KEY_ID", Account::DEPLOYER)
            .env("AWS_SECRET_ACCESS_KEY", Account::DEPLOYER_SECRET)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let session = "the-session-of-this-deliberation-1234";
    let asking = ["ask", "-o", "ndjson", "Should we migrate?"];
    let mut asked = command(&asking, session).spawn().unwrap();
    let mut lines = BufReader::new(asked.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .unwrap();
    let first: serde_json::Value = serde_json::from_str(&first.unwrap().unwrap()).unwrap();
    let id = first["trace_id"].as_str().unwrap();
    for (args, session, code, words) in [
        (["pause", id], session, 0, "is paused"),
        (
            ["stop", id],
            "another-session-which-has-not-seen-it",
            1,
            "deliberation",
        ),
        (["stop", id], "too-short", 2, "33 to 256"),
        (["stop", id], session, 0, "stopped"),
    ] {
        let output = command(&args, session).output();
        let done = tokio::time::timeout(PATIENCE, output)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            done.status.code(),
            Some(code),
            "{args:?} {session}: {}",
            err(&done)
        );
        assert!(
            err(&done).contains(words),
            "{args:?} {session}: {}",
            err(&done)
        );
    }
    let rest = async {
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
        }
        last
    };
    let last = tokio::time::timeout(PATIENCE, rest).await.unwrap();
    assert!(last.contains("\"cancelled\""), "{last}");
    cloud.stop().await;
}

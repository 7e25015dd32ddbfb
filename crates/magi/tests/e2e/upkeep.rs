//! What is kept, by the command line: presets, copies of the store, old deliberations.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::support::{PATIENCE, Served, magi};

async fn run(folder: &Path, args: &[&str]) -> Output {
    run_edited(folder, "true", args).await
}

/// Runs the program with this editor.
async fn run_edited(folder: &Path, editor: &str, args: &[&str]) -> Output {
    let mut command = magi(folder);
    command
        .env("EDITOR", editor)
        .env("TMPDIR", folder)
        .args(args);
    let output = tokio::time::timeout(PATIENCE, command.output());
    output.await.unwrap().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn fine(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{errors}", out(output));
    out(output)
}

/// Returns the exit code and what stands on stderr of what was refused.
#[track_caller]
fn refused(output: &Output) -> (i32, String) {
    assert!(!output.status.success(), "{}", out(output));
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code().unwrap(), errors)
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Goes through every command about presets, in the folder or on a server.
async fn keeps_presets(folder: &Path, place: &[&str]) {
    let presets = async |args: &[&str]| run(folder, &[&["presets"], args, place].concat()).await;
    let listed = fine(&presets(&[]).await);
    assert!(
        listed.contains("strict") && listed.contains("bad at:"),
        "{listed}"
    );
    fine(&presets(&["copy", "strict", "launch"]).await);
    let (_, taken) = refused(&presets(&["copy", "default", "launch"]).await);
    assert!(taken.contains("version 1"), "{taken}");

    // An editor that makes it another rule, one that changes nothing, and one that breaks it.
    let edit = [&["presets", "edit", "launch"], place].concat();
    let rule = r#"sed -i s/"council":.{}/"council":{"rule":"judge"}/"#;
    fine(&run_edited(folder, rule, &edit).await);
    fine(&run_edited(folder, "true", &edit).await);
    let shown = read(&fine(&presets(&["show", "launch", "--json"]).await));
    assert_eq!(
        (&shown["version"], &shown["rule"]),
        (&json!(2), &json!("judge"))
    );
    let first = fine(&presets(&["show", "launch", "--version", "1"]).await);
    assert!(first.contains("unanimous"), "{first}");
    let (code, kept) = refused(&run_edited(folder, "sed -i s/bad_at/bad/", &edit).await);
    assert_eq!(code, 2, "{kept}");
    let path = kept
        .split("kept in ")
        .nth(1)
        .unwrap()
        .split(':')
        .next()
        .unwrap();
    assert!(
        std::fs::read_to_string(path).unwrap().contains("\"bad\""),
        "{kept}"
    );
    std::fs::remove_file(path).unwrap();

    let file = folder.join("launch.json");
    let exported = fine(&presets(&["export", "launch"]).await);
    std::fs::write(&file, &exported).unwrap();
    let file = file.to_str().unwrap();
    fine(&presets(&["import", file, "--name", "other"]).await);
    let other = read(&fine(&presets(&["export", "other"]).await));
    assert_eq!(other["council"], read(&exported)["council"]);
    fine(&presets(&["rm", "other"]).await);
    let (_, gone) = refused(&presets(&["show", "other"]).await);
    assert!(gone.contains("there is no preset `other`"), "{gone}");
    refused(&presets(&["rm", "classic"]).await);
}

#[tokio::test]
async fn presets_are_kept_in_the_folder_and_asked_with() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    keeps_presets(folder, &[]).await;
    let asked = run(folder, &["ask", "--preset", "launch", "Q?", "-o", "ndjson"]).await;
    let start = read(fine(&asked).lines().next().unwrap());
    let council = &start["data"]["council"];
    assert_eq!(
        (&council["name"], &council["version"]),
        (&json!("launch"), &json!(2))
    );
    let (code, unknown) = refused(&run(folder, &["ask", "--preset", "nerv", "Q?"]).await);
    assert!(
        code == 2 && unknown.contains("`launch`"),
        "{code} {unknown}"
    );

    // What is said with the question wins over the preset's own model.
    let body = r#"{"bad_at": {"en": "Much."}, "council": {"roles": {"caspar": {"model": "nobody:none"}}}}"#;
    std::fs::write(folder.join("far.json"), body).unwrap();
    fine(&run(folder, &["presets", "import", "far.json", "--name", "far"]).await);
    let (_, far) = refused(&run(folder, &["ask", "--preset", "far", "Q?"]).await);
    assert!(far.contains("`far` cannot be used here"), "{far}");
    fine(&run(folder, &["ask", "--rehearsal", "--preset", "far", "Q?"]).await);
}

#[tokio::test]
async fn presets_are_kept_on_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&mut magi(folder.path()), 0).await;
    keeps_presets(folder.path(), &["--server", &served.address]).await;
}

#[tokio::test]
async fn a_store_is_copied_while_it_is_served_and_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fine(&run(folder, &["ask", "Q?"]).await);
    let served = Served::start(&mut magi(folder), 0).await;
    fine(&run(folder, &["backup", "copy.db"]).await);
    let (_, again) = refused(&run(folder, &["backup", "copy.db"]).await);
    assert!(again.contains("nothing is overwritten"), "{again}");
    let (_, in_use) = refused(&run(folder, &["restore", "copy.db", "--force"]).await);
    assert!(in_use.contains("in use"), "{in_use}");
    drop(served);
    fine(&run(folder, &["ask", "Another?"]).await);
    let (_, full) = refused(&run(folder, &["restore", "copy.db"]).await);
    assert!(full.contains("--force"), "{full}");
    let restored = fine(&run(folder, &["restore", "copy.db", "--force"]).await);
    assert!(restored.contains("before-restore-"), "{restored}");
    let history = fine(&run(folder, &["history", "--json"]).await);
    assert_eq!(history.lines().count(), 1, "{history}");

    let kept = run(folder, &["history", "rm", "--older-than", "1h"]).await;
    assert_eq!(fine(&kept), "removed 0\n");
    let (code, wrong) = refused(&run(folder, &["history", "rm", "--older-than", "soon"]).await);
    assert!(code == 2 && wrong.contains("90d"), "{code} {wrong}");
    let (code, wrong) =
        refused(&run(folder, &["serve", "--port", "0", "--retention", "soon"]).await);
    assert!(code == 2 && wrong.contains("`retention`"), "{code} {wrong}");
}

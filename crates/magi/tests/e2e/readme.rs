//! Every command of the READMEs is run, as it stands there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::support::{PATIENCE, Served, magi};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the lines of all `sh` blocks of a document.
fn commands(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let mut is_inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        match line.trim() {
            "```sh" => is_inside = true,
            "```" => is_inside = false,
            command if is_inside && !command.is_empty() => found.push(command.to_owned()),
            _ => {}
        }
    }
    assert!(!found.is_empty(), "{document} holds no command");
    found
}

#[test]
fn both_readmes_hold_the_same_commands() {
    let shape = |document| {
        let lines = commands(document);
        lines
            .iter()
            .map(|line| line.split('"').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let scenes = |lines: Vec<String>| {
        lines
            .into_iter()
            .filter(|line| !line.contains("--scene"))
            .collect::<Vec<_>>()
    };
    assert_eq!(scenes(shape("README.md")), scenes(shape("README.ja.md")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readmes_works() {
    for document in ["README.md", "README.ja.md"] {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::start(&mut magi(folder.path()), 0).await;
        for command in commands(document) {
            try_out(&command, folder.path(), &served).await;
        }
        assert!(served.terminate().await.success());
    }
}

async fn try_out(command: &str, folder: &Path, served: &Served) {
    // What builds or tests the whole project is tried by building and testing the whole project:
    // here only that the target exists and does what the sentence above it says.
    if let Some(target) = command.strip_prefix("make ") {
        let plan = bash(&format!("make -n {target}"), &root(), folder).await;
        assert!(plan.contains("cargo"), "{command}: {plan}");
        return;
    }
    if command.starts_with("cargo install") {
        let path = command.split("--path ").nth(1).unwrap();
        assert!(root().join(path).join("Cargo.toml").exists(), "{command}");
        return;
    }
    if command.starts_with("magi serve") {
        // The one that is running was started by the same command, on a port of its own.
        return;
    }
    let newest = "$(magi history -n 1 | cut -d' ' -f1)";
    let command = command
        .replace("LAST", newest)
        .replace(":8717", &format!(":{}", served.port));
    let printed = bash(&command, &root(), folder).await;
    assert!(!printed.is_empty(), "{command} printed nothing");
}

/// Runs a line as a reader of the document would, with the `magi` under test first in the path.
async fn bash(line: &str, at: &Path, folder: &Path) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_magi")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let run = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {line}")])
        .current_dir(at)
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", folder)
        .env("MAGI_DATA_DIR", folder.join("data"))
        .env("MAGI_REHEARSAL_PACE", "instant")
        .env("NO_PROXY", "127.0.0.1")
        .env_remove("OPENAI_API_KEY")
        .env_remove("ANTHROPIC_API_KEY")
        .env_remove("MAGI_MODEL")
        .stdin(std::process::Stdio::null())
        .output();
    let run = tokio::time::timeout(PATIENCE + Duration::from_secs(30), run)
        .await
        .unwrap()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{line}\n{out}\n{err}");
    format!("{out}{err}")
}

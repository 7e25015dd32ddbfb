//! A store that is damaged where nobody looked, and one that cannot be written to.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use super::support::{PATIENCE, Served, http, magi};

const QUESTION: &str = "Should we ship on Friday?";

/// Bytes of a page. Source: SQLite's default since 3.12, which our files have.
const PAGE: usize = 4096;

async fn run(command: &mut Command) -> Output {
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    ended.expect("it does not end").unwrap()
}

/// What a command that must fail says.
async fn refused(command: &mut Command) -> String {
    let output = run(command).await;
    assert!(!output.status.success());
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

/// A folder with two deliberations, whose processes ended properly.
async fn two() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for question in [QUESTION, "And on Monday?"] {
        run(magi(folder.path()).args(["ask", question])).await;
    }
    let owners = fs::read_dir(folder.path().join("data/owners")).unwrap();
    let left = owners.flatten().filter(|file| file.file_name() != "gate");
    assert_eq!(left.count(), 0, "somebody died");
    folder
}

/// The same store in a folder of its own, with one page overwritten.
fn wounded(database: &[u8], page: usize) -> (tempfile::TempDir, Vec<u8>) {
    let mut bytes = database.to_vec();
    bytes[(page - 1) * PAGE..page * PAGE].fill(0xFF);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/magi.db"), &bytes).unwrap();
    (folder, bytes)
}

fn says_what_to_do(told: &str) {
    for part in [
        "damaged",
        "magi.db.damaged",
        "`magi history`",
        "`magi restore FILE --force`",
        "begin anew",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for wrong in ["in time", "a few seconds", "another folder"] {
        assert!(!told.contains(wrong), "{wrong}: {told}");
    }
}

/// Holds that the damaged file is kept, was not written to, and is known at the next start.
async fn is_left_alone(folder: &Path, damaged: &[u8]) {
    let data = folder.join("data");
    assert!(fs::read(data.join("magi.db.damaged")).unwrap() == damaged);
    assert!(fs::read(data.join("magi.db")).unwrap() == damaged);
    says_what_to_do(&refused(magi(folder).args(["serve", "--port", "0"])).await);
    let doctor = refused(magi(folder).arg("doctor")).await;
    says_what_to_do(&doctor);
    let history = run(magi(folder).arg("history")).await;
    let warned = String::from_utf8(history.stderr).unwrap();
    assert!(warned.contains("warning"), "{warned}");
    assert!(fs::read(data.join("magi.db")).unwrap() == damaged);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_after_a_proper_end_is_told_the_same_by_every_command() {
    let whole = two().await;
    let database = fs::read(whole.path().join("data/magi.db")).unwrap();
    for page in [2, 3] {
        let (folder, damaged) = wounded(&database, page);
        says_what_to_do(&refused(magi(folder.path()).args(["ask", QUESTION])).await);
        is_left_alone(folder.path(), &damaged).await;
        let (folder, damaged) = wounded(&database, page);
        says_what_to_do(&refused(magi(folder.path()).arg("history")).await);
        is_left_alone(folder.path(), &damaged).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_running_server_meets_is_told_at_every_address() {
    let whole = two().await;
    let database = fs::read(whole.path().join("data/magi.db")).unwrap();
    for page in [2, 3] {
        let (folder, damaged) = wounded(&database, page);
        let served = Served::start(&mut magi(folder.path()), 0).await;
        let client = http();
        let list = format!("{}/v1/deliberations", served.address);
        let asked = client.post(&list).json(&json!({ "question": QUESTION }));
        let health = client.get(format!("{}/healthz", served.address));
        for request in [asked, client.get(&list), health] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 507, "page {page}");
            assert!(!answer.headers().contains_key("retry-after"));
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["code"], "store_damaged");
            assert_eq!(problem.get("fix"), None);
            says_what_to_do(problem["detail"].as_str().unwrap());
        }
        assert!(served.terminate().await.success());
        is_left_alone(folder.path(), &damaged).await;
    }
}

/// A command that sees the data folder on a read-only file system. Root may write to any folder, so for
/// root it is mounted anew in a name space of the command's own; `None` where that is not allowed.
async fn without_write(folder: &Path) -> Option<Command> {
    let plain = magi(folder);
    let plain = plain.as_std();
    let mount = "mount --bind data data && mount -o remount,bind,ro data";
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !is_root {
        return Some(magi(folder));
    }
    let wrapped = |last: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &format!("{mount} && {last}")])
            .arg(plain.get_program())
            .env_clear()
            .envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))))
            .current_dir(folder)
            .kill_on_drop(true);
        command
    };
    if !run(&mut wrapped("true")).await.status.success() {
        told!("root may not mount here: nothing is seen of a read-only file system");
        return None;
    }
    Some(wrapped("exec \"$0\" \"$@\""))
}

/// Takes the right to write from the folder and its files, or gives it back.
fn allow(data: &Path, writes: bool) {
    use std::os::unix::fs::PermissionsExt;

    let (files, folders) = if writes {
        (0o600, 0o700)
    } else {
        (0o400, 0o500)
    };
    let owners = data.join("owners");
    let all = [data.to_owned(), owners];
    let inside = all.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let inside: Vec<_> = inside.flatten().map(|entry| entry.path()).collect();
    for path in inside.iter().filter(|path| path.is_file()) {
        fs::set_permissions(path, fs::Permissions::from_mode(files)).unwrap();
    }
    for folder in all {
        fs::set_permissions(folder, fs::Permissions::from_mode(folders)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_data_folder_is_read_and_every_write_is_refused_by_name() {
    let folder = two().await;
    let data = folder.path().join("data");
    allow(&data, false);
    let command = async || without_write(folder.path()).await;
    if command().await.is_none() {
        return;
    }
    let listed = run(command().await.unwrap().args(["history", "--json"])).await;
    let said = String::from_utf8(listed.stderr).unwrap();
    assert!(listed.status.success(), "{said}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("And on Monday?"), "{listed}");
    let id = listed
        .split('"')
        .find(|text| text.parse::<magi_event::DeliberationId>().is_ok());
    let id = id.unwrap();
    for args in [
        vec!["replay", id, "--instant"],
        vec!["export", id],
        vec!["history", "show", id],
    ] {
        let read = run(command().await.unwrap().args(&args)).await;
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{args:?}: {said}");
        assert!(!read.stdout.is_empty(), "{args:?}: {said}");
    }
    let writing: [&[&str]; 4] = [
        &["ask", QUESTION],
        &["serve", "--port", "0"],
        &["resume", id],
        &["doctor"],
    ];
    for args in writing {
        let told = refused(command().await.unwrap().args(args)).await;
        for part in ["read-only", "--data-dir", "make it writable"] {
            assert!(told.contains(part), "{args:?}: {told}");
        }
    }
    let japanese = command()
        .await
        .unwrap()
        .args(["--lang", "ja", "ask", QUESTION])
        .env("LANG", "ja_JP.UTF-8")
        .output()
        .await;
    let told = String::from_utf8(japanese.unwrap().stderr).unwrap();
    assert!(
        told.contains("読み取り専用") && told.contains("--data-dir"),
        "{told}"
    );
    allow(&data, true);
    assert!(
        run(magi(folder.path()).args(["ask", QUESTION]))
            .await
            .status
            .success()
    );
}

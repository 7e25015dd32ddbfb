//! What the verbs say on the command line, in English and Japanese: here and to a server, by `--lang` and by the
//! terminal's own language.

use std::path::Path;
use std::process::Output;

use magi_emulator::{Config, Emulator, Running};
use serde_json::json;

use super::cli::{err, out};
use super::support::{PATIENCE, Served, http, magi};

/// One way of saying which language is wanted.
struct Way {
    flags: &'static [&'static str],
    locale: &'static str,
    is_japanese: bool,
}

const WAYS: [Way; 4] = [
    Way {
        flags: &["--lang", "en"],
        locale: "ja_JP.UTF-8",
        is_japanese: false,
    },
    Way {
        flags: &["--lang", "ja"],
        locale: "C.UTF-8",
        is_japanese: true,
    },
    Way {
        flags: &[],
        locale: "ja_JP.UTF-8",
        is_japanese: true,
    },
    Way {
        flags: &[],
        locale: "en_GB.UTF-8",
        is_japanese: false,
    },
];

/// What each verb says of a deliberation that runs, in both languages; in this order.
const RUNNING: [(&[&str], &str, &str); 6] = [
    (&["pause"], "is paused", "を一時停止しました"),
    (&["pause"], "stays as it is", "は変わりません"),
    (&["note", "It is Friday."], "was told", "に伝えました"),
    (
        &["retry", "--agent", "caspar"],
        "another attempt has begun",
        "でやり直しが始まりました",
    ),
    (&["stop"], "stopped; what was said", "を中断しました"),
    (&["stop"], "stays as it is", "は変わりません"),
];

/// What each says of one that is over; all but the last link another one, which is followed to its end.
const OVER: [(&[&str], &str, &str); 5] = [
    (
        &["retry", "--agent", "caspar"],
        "goes on as",
        "として続きます",
    ),
    (&["rejudge"], "goes on as", "として続きます"),
    (&["fork"], "goes on as", "として続きます"),
    (
        &["resume"],
        "goes on from its votes",
        "の票を引き継いで審議します",
    ),
    (&["stop"], "stays as it is", "は変わりません"),
];

/// A server, its folder, and the fakes behind it.
struct Place {
    folder: tempfile::TempDir,
    vendors: Running,
    served: Served,
}

impl Place {
    async fn open() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let vendors = Emulator::start(Config::default()).await.unwrap();
        let mut command = magi(folder.path());
        command
            .env("OPENAI_BASE_URL", vendors.openai_url())
            .env("OPENAI_API_KEY", "test")
            .env("MAGI_MODEL", "openai:fake+approve");
        let served = Served::start(&mut command, 0).await;
        Place {
            folder,
            vendors,
            served,
        }
    }

    /// Puts a question; CASPAR's first call falls silent, so that it runs until a verb ends it.
    async fn ask(&self, name: &str) -> String {
        let body = json!({
            "question": "Should we migrate?",
            "council": {
                "roles": {"caspar": {"model": format!("openai:fake-{name}+approve+stall-after-5-once")}},
                "deadlines": {"idle": 3600, "sage_total": 3600, "whole": 7200},
            },
        });
        let url = format!("{}/v1/deliberations", self.served.address);
        let answer = http().post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let answer: serde_json::Value = answer.json().await.unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Says a verb from the command line: in the data folder, or to the server.
    async fn say(&self, way: &Way, at_server: bool, verb: &[&str], id: &str) -> Output {
        let elsewhere = tempfile::tempdir().unwrap();
        let folder: &Path = if at_server {
            elsewhere.path()
        } else {
            self.folder.path()
        };
        let mut command = magi(folder);
        command
            .env("OPENAI_BASE_URL", self.vendors.openai_url())
            .env("OPENAI_API_KEY", "test")
            .env("MAGI_MODEL", "openai:fake+approve")
            .env("LANG", way.locale)
            .args([&verb[..1], &[id], &verb[1..], way.flags].concat());
        // As events, so that stderr holds nothing but what the verb itself says.
        if matches!(verb[0], "retry" | "rejudge" | "fork" | "resume") {
            command.args(["-o", "ndjson"]);
        }
        if at_server {
            command.args(["--server", &self.served.address]);
        }
        let done = tokio::time::timeout(PATIENCE, command.output()).await;
        done.expect("it does not end").unwrap()
    }
}

/// Holds that every line is in the language that was wanted, and one of them says what it is to say.
fn check(output: &Output, way: &Way, (english, japanese): (&str, &str), what: &str) {
    let told = err(output);
    let (words, others) = if way.is_japanese {
        (japanese, english)
    } else {
        (english, japanese)
    };
    assert!(told.contains(words), "{what}: {told}");
    assert!(!told.contains(others), "{what}: {told}");
    let is_kana = |c: char| ('\u{3040}'..='\u{30ff}').contains(&c);
    for line in told.lines() {
        assert_eq!(line.contains(is_kana), way.is_japanese, "{what}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_verb_is_in_the_language_that_is_wanted() {
    let place = Place::open().await;
    for (n, way) in WAYS.iter().enumerate() {
        for at_server in [false, true] {
            let id = place.ask(&format!("{n}{at_server}")).await;
            let what = |verb: &[&str]| format!("{verb:?} {:?} {}", way.flags, way.locale);
            for (verb, english, japanese) in RUNNING {
                let done = place.say(way, at_server, verb, &id).await;
                assert_eq!(
                    done.status.code(),
                    Some(0),
                    "{}: {}",
                    what(verb),
                    err(&done)
                );
                check(&done, way, (english, japanese), &what(verb));
            }
            // What was stopped goes on, and comes to a verdict that can be judged again.
            let resumed = place.say(way, at_server, &["resume"], &id).await;
            let first = out(&resumed);
            let first: serde_json::Value =
                serde_json::from_str(first.lines().next().unwrap()).unwrap();
            let id = first["trace_id"].as_str().unwrap();
            for (verb, english, japanese) in OVER {
                let done = place.say(way, at_server, verb, id).await;
                assert_eq!(
                    done.status.code(),
                    Some(0),
                    "{}: {}",
                    what(verb),
                    err(&done)
                );
                check(&done, way, (english, japanese), &what(verb));
            }
            let wrong = place.say(way, at_server, &["stop"], "zz").await;
            assert!(!wrong.status.success());
            let words = if at_server {
                ("is no whole id", "は ID の全体ではありません")
            } else {
                ("id begins with", "で始まる ID の審議はありません")
            };
            check(&wrong, way, words, &what(&["stop", "zz"]));
        }
    }
    place.served.kill().await;
    place.vendors.stop().await;
}

/// What `magi doctor` says where no model is chosen, where the vendor refuses the key, and where it lists another model.
#[tokio::test]
async fn doctor_speaks_the_language_that_is_wanted() {
    let mut config = Config::default();
    config.key = Some("the-right-key".to_owned());
    let vendors = Emulator::start(config).await.unwrap();
    let cases = [
        (
            None,
            ["rehearsal answers", "for a local model"],
            ["リハーサルが答えます", "ローカルのモデルなら"],
        ),
        (
            Some(("a-wrong-key", "fake")),
            ["to a key that this server accepts", "1 problem."],
            ["このサーバーが受け入れるキーを", "問題1件"],
        ),
        (
            Some(("the-right-key", "fake+no-such-word")),
            ["does not list", "set MAGI_MODEL to one of them"],
            ["一覧に", "その一つを指定"],
        ),
        (
            Some(("the-right-key", "fake")),
            ["offers every model chosen", "is writable"],
            ["すべて提供しています", "書き込めます"],
        ),
    ];
    for way in &WAYS {
        for (vendor, english, japanese) in &cases {
            let folder = tempfile::tempdir().unwrap();
            let mut command = magi(folder.path());
            command
                .env("LANG", way.locale)
                .arg("doctor")
                .args(way.flags);
            if let Some((key, model)) = vendor {
                command
                    .env("OPENAI_BASE_URL", vendors.openai_url())
                    .env("OPENAI_API_KEY", key)
                    .env("MAGI_MODEL", format!("openai:{model}"));
            }
            let said = out(&command.output().await.unwrap());
            let (wanted, other) = if way.is_japanese {
                (japanese, english)
            } else {
                (english, japanese)
            };
            for words in wanted {
                assert!(said.contains(words), "{words}: {said}");
            }
            for words in other {
                assert!(!said.contains(words), "{words}: {said}");
            }
        }
    }
    vendors.stop().await;
}

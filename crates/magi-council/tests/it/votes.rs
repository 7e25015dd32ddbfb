//! The corpora: answers as models give them, each with the reading a person wrote beside it.

#![cfg(test)]

use magi_council::vote::{Answer, Ballot, Reading, read};
use serde::Deserialize;

/// One answer and its expected reading.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) tag: String,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) arguments: Option<String>,
    pub(crate) expect: Expect,
}

/// What a person reads in the answer.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) decision: String,
    #[serde(default)]
    pub(crate) reasoning: Option<String>,
    #[serde(default)]
    pub(crate) conditions: Vec<String>,
    #[serde(default)]
    pub(crate) would_change: Vec<String>,
    #[serde(default)]
    pub(crate) confidence: Option<f64>,
}

impl Case {
    pub(crate) fn read(&self) -> Reading {
        let tool_arguments = self.arguments.as_deref();
        read(&Answer {
            text: &self.text,
            tool_arguments,
            tag: &self.tag,
        })
    }
}

impl Expect {
    pub(crate) fn of(reading: Reading) -> Self {
        let Reading::Vote(ballot) = reading else {
            return Expect {
                decision: "UNPARSABLE".to_owned(),
                reasoning: None,
                conditions: Vec::new(),
                would_change: Vec::new(),
                confidence: None,
            };
        };
        let Ballot {
            decision,
            reasoning,
            conditions,
            would_change,
            confidence,
        } = ballot;
        let confidence = confidence.map(|confidence| confidence.get());
        let decision = decision.to_string();
        Expect {
            decision,
            reasoning,
            conditions,
            would_change,
            confidence,
        }
    }
}

pub(crate) fn malformed() -> Vec<Case> {
    serde_json::from_str(include_str!("../votes/malformed.json")).expect("malformed.json")
}

pub(crate) fn japanese() -> Vec<Case> {
    serde_json::from_str(include_str!("../votes/japanese.json")).expect("japanese.json")
}

pub(crate) fn quoting() -> Vec<Case> {
    serde_json::from_str(include_str!("../votes/quoting.json")).expect("quoting.json")
}

/// Returns every case of every corpus.
pub(crate) fn all() -> Vec<Case> {
    [malformed(), japanese(), quoting()].concat()
}

/// Reads every case and shows all that differ at once.
fn check(cases: &[Case]) {
    let mut wrong = String::new();
    for case in cases {
        let read = case.read();
        let why = format!("{read:?}");
        let read = Expect::of(read);
        if read != case.expect {
            wrong += &format!(
                "\n{}\n  want {:?}\n  read {:?}\n",
                case.name, case.expect, why
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn malformed_answers_are_read_as_a_person_reads_them() {
    let cases = malformed();
    assert!(cases.len() >= 70);
    check(&cases);
}

#[test]
fn japanese_answers_are_read_as_a_person_reads_them() {
    let cases = japanese();
    assert!(cases.len() >= 200);
    check(&cases);
}

#[test]
fn a_quoted_block_never_counts_for_the_sages_own() {
    let cases = quoting();
    assert!(cases.len() >= 100);
    check(&cases);
}

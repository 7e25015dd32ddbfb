//! The outcome table, cell by cell, against the file written by hand.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use magi_council::tally::{Ballot, Judged, Outcome, count, outcome};
use magi_event::{FinalDecision, Rule, Sage, Status};

const TABLE: &str = include_str!("outcomes.txt");

const JUDGES: [Judged; 5] = [
    Judged::Approved,
    Judged::Rejected,
    Judged::Failed,
    Judged::NotCalled,
    Judged::Undecided,
];

fn ballot(letter: &str) -> Ballot {
    match letter {
        "A" => Ballot::Approved,
        "R" => Ballot::Rejected,
        "O" => Ballot::Abstained,
        "M" => Ballot::Missing,
        other => panic!("unknown vote {other}"),
    }
}

fn cell(outcome: Outcome) -> String {
    let Outcome::Ended {
        status,
        decision,
        judge_agrees,
        overruled,
    } = outcome
    else {
        return "E.".into();
    };
    let letter = match decision {
        FinalDecision::Approved => 'a',
        FinalDecision::Rejected => 'r',
        FinalDecision::Undecided => 'u',
    };
    let letter = match status {
        Status::Completed => letter.to_ascii_uppercase(),
        Status::Degraded => letter,
        other => panic!("{other}"),
    };
    let mark = match (judge_agrees, overruled) {
        (None, false) => '.',
        (Some(true), false) => '+',
        (Some(false), false) => '-',
        (Some(false), true) => '!',
        other => panic!("{other:?}"),
    };
    format!("{letter}{mark}")
}

#[test]
fn every_cell_of_the_outcome_table() {
    let mut legend: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut sages, mut quorum, mut rules) = (Vec::<Sage>::new(), 0_u32, Vec::<Rule>::new());
    let mut seen: BTreeSet<(usize, u32, String)> = BTreeSet::new();
    let mut cells = 0;
    for line in TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "legend" => {
                assert!(legend.insert(words[1], words[2..].to_vec()).is_none());
            }
            "council" => {
                let end = words.len() - 2;
                sages = words[1..end]
                    .iter()
                    .map(|name| name.parse().unwrap())
                    .collect();
                quorum = words[end + 1].parse().unwrap();
            }
            "rules" => {
                rules = words[1..]
                    .iter()
                    .map(|rule| rule.parse().unwrap())
                    .collect();
            }
            _ => {
                let (votes, expected) = words.split_at(sages.len());
                assert_eq!(expected.len(), rules.len(), "{line}");
                assert!(
                    seen.insert((sages.len(), quorum, votes.concat())),
                    "twice: {line}"
                );
                let ballots: BTreeMap<Sage, Ballot> = sages
                    .iter()
                    .copied()
                    .zip(votes.iter().map(|vote| ballot(vote)))
                    .collect();
                for (rule, name) in rules.iter().zip(expected) {
                    let counted = count(*rule, quorum, &ballots);
                    for (judged, expected) in JUDGES.into_iter().zip(&legend[name]) {
                        let found = cell(outcome(*rule, &counted, judged));
                        assert_eq!(&found, expected, "{line}: {rule}, judge {judged:?}");
                        cells += 1;
                    }
                }
            }
        }
    }
    // 4^3 votes x 6 rules x 5 judges, and twice 4^2 votes x 5 rules x 5 judges.
    assert_eq!(cells, 64 * 6 * 5 + 2 * 16 * 5 * 5);
    assert_eq!(
        seen.len(),
        64 + 16 + 16,
        "every combination of votes is spelled"
    );
}

#[test]
fn the_numbers_add_up_to_the_council() {
    let ballots = BTreeMap::from([
        (Sage::Caspar, Ballot::Approved),
        (Sage::Balthasar, Ballot::Missing),
        (Sage::Melchior, Ballot::Rejected),
    ]);
    let counted = count(Rule::Judge, 2, &ballots);
    assert_eq!(counted.votes.agreement(), "1-1-1");
    assert_eq!(counted.outcome, FinalDecision::Undecided);
    assert!(counted.has_quorum && counted.lacks_some && !counted.is_empty);
}

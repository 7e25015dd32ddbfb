//! The judge's block: read by the same machinery, with its scores and its dissent.

#![cfg(test)]

use magi_council::vote::{Answer, Dissent, Judgment, JudgmentReading, Why, read_judgment};
use magi_event::Decision;

fn judge(text: &str) -> Judgment {
    match read_judgment(&Answer {
        text,
        tool_arguments: None,
        tag: "j1",
    }) {
        JudgmentReading::Judgment(judgment) => judgment,
        JudgmentReading::Unparsable { why } => panic!("{why}: {text}"),
    }
}

fn why(text: &str) -> Why {
    match read_judgment(&Answer {
        text,
        tool_arguments: None,
        tag: "j1",
    }) {
        JudgmentReading::Judgment(judgment) => panic!("{judgment:?}: {text}"),
        JudgmentReading::Unparsable { why } => why,
    }
}

#[test]
fn the_form_asked_for_is_read_whole() {
    let judgment = judge(
        r#"Sage B has the stronger evidence.

```json
{"tag":"j1","sage_scores":{"A":72,"B":88.5,"C":40},"score_reasons":{"A":"Practical","B":"Measured","C":"Vague"},
"dissent":{"sage":"C","text":"The people were not asked."},"conditions":["Ask the people"],"would_change":["A veto"],
"reasoning":"B outweighs C.","final_decision":"APPROVED","confidence":"80%"}
```"#,
    );
    assert_eq!(judgment.decision, Decision::Approved);
    assert_eq!(judgment.reasoning.as_deref(), Some("B outweighs C."));
    assert_eq!(
        judgment.sage_scores.into_iter().collect::<Vec<_>>(),
        [('A', 72.0), ('B', 88.5), ('C', 40.0)]
    );
    assert_eq!(judgment.score_reasons[&'B'], "Measured");
    let dissent = Dissent {
        sage: Some('C'),
        text: "The people were not asked.".to_owned(),
    };
    assert_eq!(judgment.dissent, Some(dissent));
    assert_eq!(judgment.conditions, ["Ask the people"]);
    assert_eq!(judgment.would_change, ["A veto"]);
    assert_eq!(
        judgment.confidence.map(|confidence| confidence.get()),
        Some(0.8)
    );
}

#[test]
fn sages_keep_their_letters_however_they_are_written() {
    for scores in [
        r#"{"A":70,"B":"80","C":"90/100"}"#,
        r#"{"Sage A":70,"sage_b":"80点","賢者Ｃ":"９０"}"#,
        r#"{"a":{"score":70,"reason":"x"},"b":{"score":80},"c":{"score":90}}"#,
        r#"[{"sage":"A","score":70},{"agent":"Sage B","score":80},{"賢者":"Ｃ","点数":90}]"#,
    ] {
        let judgment = judge(&format!(
            r#"{{"final_decision":"否決","sage_scores":{scores}}}"#
        ));
        assert_eq!(judgment.decision, Decision::Rejected);
        let scores: Vec<(char, f64)> = judgment.sage_scores.into_iter().collect();
        assert_eq!(scores, [('A', 70.0), ('B', 80.0), ('C', 90.0)]);
    }
}

#[test]
fn a_score_out_of_range_is_missing_and_none_is_invented() {
    let judgment = judge(
        r#"{"final_decision":"REJECTED","sage_scores":{"A":101,"B":-1,"C":NaN,"D":50,"caspar":60},"confidence":88}"#,
    );
    assert!(judgment.sage_scores.is_empty(), "{judgment:?}");
    assert_eq!(
        (judgment.confidence, judgment.dissent, judgment.reasoning),
        (None, None, None)
    );
    let judgment =
        judge(r#"{"final_decision":"REJECTED","sage_scores":{"A":0,"B":100,"C":1e309}}"#);
    assert_eq!(
        judgment.sage_scores.into_iter().collect::<Vec<_>>(),
        [('A', 0.0), ('B', 100.0)]
    );
}

#[test]
fn a_dissent_may_be_a_sentence_or_name_nobody() {
    let judgment = judge(r#"{"final_decision":"APPROVED","dissent":"Too fast."}"#);
    assert_eq!(
        judgment.dissent,
        Some(Dissent {
            sage: None,
            text: "Too fast.".to_owned()
        })
    );
    let judgment = judge(
        r#"{"final_decision":"APPROVED","strongest_dissent":{"agent":"Sage B","argument":"Too fast."}}"#,
    );
    assert_eq!(
        judgment.dissent,
        Some(Dissent {
            sage: Some('B'),
            text: "Too fast.".to_owned()
        })
    );
    assert_eq!(
        judge(r#"{"final_decision":"APPROVED","dissent":"なし"}"#).dissent,
        None
    );
    assert_eq!(
        judge(r#"{"final_decision":"APPROVED","dissent":{"sage":"A"}}"#).dissent,
        None
    );
}

#[test]
fn a_judge_must_decide() {
    assert_eq!(
        why(r#"{"final_decision":"ABSTAINED"}"#),
        Why::JudgeAbstained
    );
    assert_eq!(
        why(r#"{"final_decision":"UNDECIDED"}"#),
        Why::UnknownDecision("UNDECIDED".to_owned())
    );
    assert_eq!(
        why(r#"{"final_decision":"not approved"}"#),
        Why::UnknownDecision("not approved".to_owned())
    );
    assert_eq!(
        why(r#"{"sage_scores":{"A":50},"reasoning":"cut he"#),
        Why::CutOff
    );
    assert_eq!(
        why(r#"{"final_decision":"APPROVED","decision":"REJECTED"}"#),
        Why::Contradiction
    );
    assert_eq!(why("They all agree."), Why::NoVote);
    assert_eq!(why(""), Why::Empty);
}

#[test]
fn a_sages_block_quoted_by_the_judge_is_not_the_judgment() {
    let judgment = judge(
        "Sage A wrote:\n```json\n{\"tag\":\"s9\",\"decision\":\"APPROVED\",\"confidence\":0.9}\n```\n\
         {\"tag\":\"j1\",\"final_decision\":\"REJECTED\",\"reasoning\":\"A is alone.\"}\n\
         > {\"decision\":\"APPROVED\"}\n",
    );
    assert_eq!(
        (judgment.decision, judgment.confidence),
        (Decision::Rejected, None)
    );
}

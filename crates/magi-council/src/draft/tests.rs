use magi_event::Agent;

use super::*;

fn field_at_fault(body: &Value) -> String {
    match Draft::read(body) {
        Err(Error::Invalid { field, message }) => {
            assert!(!message.is_empty());
            field
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn the_least_draft_says_what_it_is_bad_at() {
    let draft = Draft::read(&json!({"bad_at": {"ja": " 急ぎの判断 ", "en": null}})).unwrap();
    assert_eq!(draft.bad_at.get(Lang::En), "急ぎの判断");
    assert_eq!(draft.base.name, "default");
    let council = draft.council(Lang::En, &CouncilPatch::default());
    let model = "rehearsal".parse().unwrap();
    assert_eq!(council, Preset::ALL[0].council(Lang::En, &model));
    // What is kept reads as what was written.
    assert_eq!(Draft::read(&draft.json()).unwrap(), draft);
}

#[test]
fn what_it_says_wins_over_the_settings_and_the_rest_is_theirs() {
    let draft = Draft::read(&json!({
        "bad_at": {"en": "Much."}, "base": "strict",
        "council": {"quorum": 2, "roles": {"caspar": {"prompt": "Be brief.", "model": "openai:a"}}}
    }));
    let settings = CouncilPatch::default().with_model(&"openai:b".parse().unwrap());
    let council = draft.unwrap().council(Lang::En, &settings);
    let model = |agent: &str| {
        let agent: Agent = agent.parse().unwrap();
        council.roles[&agent].model.to_string()
    };
    assert_eq!(
        (model("caspar"), model("solomon")),
        ("openai:a".into(), "openai:b".into())
    );
    assert_eq!(
        (council.quorum, council.rule.to_string()),
        (2, "unanimous".into())
    );
}

#[test]
fn a_draft_that_cannot_be_is_refused_by_its_field() {
    let with = |more: Value| {
        let mut body = json!({"bad_at": {"en": "Much."}});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    for (body, field) in [
        (json!({}), "bad_at"),
        (json!({"bad_at": {"en": "  "}}), "bad_at"),
        (json!({"bad_at": "Much."}), "bad_at"),
        (json!({"bad_at": {"fr": "Beaucoup."}}), "bad_at.fr"),
        (with(json!({"title": {"en": 7}})), "title.en"),
        (with(json!({"title": {"en": "x".repeat(513)}})), "title.en"),
        (with(json!({"rules": "judge"})), "rules"),
        (with(json!({"base": "nerv"})), "base"),
        (with(json!({"council": []})), "council"),
        (with(json!({"council": {"rule": "dice"}})), "council.rule"),
        (with(json!({"council": {"models": {}}})), "council.models"),
        (
            with(json!({"council": {"roles": {"caspar": {"promt": "x"}}}})),
            "council.roles.caspar.promt",
        ),
        (
            with(json!({"council": {"deadlines": {"hole": 9}}})),
            "council.deadlines.hole",
        ),
        (
            with(json!({"council": {"budget": {"eur": 1}}})),
            "council.budget.eur",
        ),
        (
            with(
                json!({"council": {"rule": "veto:caspar", "roles": {"caspar": {"enabled": false}}}}),
            ),
            "council.rule",
        ),
        (
            with(json!({"base": "strict", "council": {"roles": {"caspar": {"enabled": false}}}})),
            "council.quorum",
        ),
        (
            with(json!({"council": {"roles": {"solomon": {"model": "  "}}}})),
            "council.roles.solomon.model",
        ),
    ] {
        assert_eq!(field_at_fault(&body), field, "{body}");
    }
}

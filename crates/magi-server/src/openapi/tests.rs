use std::collections::BTreeSet;

use magi_council::{Ask, Door};

use super::*;
use crate::routes;

#[test]
fn the_committed_description_is_what_the_code_gives() {
    let mut described = serde_json::to_string_pretty(&describe()).unwrap();
    described.push('\n');
    if std::env::var_os("MAGI_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        std::fs::write(path, &described).unwrap();
        return;
    }
    assert!(
        described == COMMITTED,
        "openapi.json is not current: MAGI_BLESS=1 cargo test -p magi-server openapi"
    );
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let routes: BTreeSet<_> = routes::table().rows.into_iter().collect();
    let described: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|operation| (operation.method, operation.path))
        .collect();
    assert_eq!(routes, described);
    let ids: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
    assert_eq!(ids.len(), OPERATIONS.len());
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    found.push(to.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let described = describe();
    let mut found = Vec::new();
    references(&described, &mut found);
    assert!(found.len() > 20);
    for to in found {
        let pointer = to.strip_prefix('#').unwrap();
        assert!(described.pointer(pointer).is_some(), "{to}");
    }
}

#[test]
fn every_described_field_of_a_question_is_read() {
    let described = describe();
    let fields = described["components"]["schemas"]["Question"]["properties"]
        .as_object()
        .unwrap();
    for field in fields.keys() {
        // These two are the door's own and are taken out before.
        if field == "dialect" || field == "after" {
            continue;
        }
        let mut body = json!({ "question": "Should we?" });
        body[field] = json!(7);
        let error = Ask::read(&body, &Door::default()).unwrap_err();
        assert!(
            error.to_string().contains(field.as_str()),
            "{field}: {error}"
        );
    }
}

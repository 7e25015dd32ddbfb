use super::*;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/events.schema.json");

#[test]
fn the_committed_schema_is_current() {
    let current = schema();
    if std::env::var_os("MAGI_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&current).unwrap() + "\n";
        std::fs::write(PATH, text).unwrap();
    }
    let text = std::fs::read_to_string(PATH).unwrap();
    let committed: Value = serde_json::from_str(&text).unwrap();
    assert!(
        committed == current,
        "{PATH} is not what the types say: run `MAGI_BLESS=1 cargo test -p magi-event schema`"
    );
}

#[test]
fn every_reference_has_its_definition_and_every_kind_its_place() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let schema = schema();
    let mut found = Vec::new();
    references(&schema, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(schema.pointer(pointer).is_some(), "{reference}");
    }
    assert_eq!(schema["oneOf"].as_array().unwrap().len(), Body::NAMES.len());
    assert_eq!(
        schema["$defs"]["AgentChunkEvent"]["properties"]["type"],
        json!({ "const": "agent_chunk" })
    );
}

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

/// Reads as much of JSON Schema as ours uses (patterns left out), and more strictly: a property
/// that the schema does not name is refused, because our writers write none.
fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return Ok(());
    };
    for (rule, expected) in rules {
        let holds = match rule.as_str() {
            "$ref" => {
                let pointer = expected.as_str().unwrap().strip_prefix('#').unwrap();
                fits(root, root.pointer(pointer).unwrap(), value)?;
                true
            }
            "oneOf" | "anyOf" => {
                let options = expected.as_array().unwrap();
                let fitting = options.iter().filter(|one| fits(root, one, value).is_ok());
                let fitting = fitting.count();
                fitting == 1 || (fitting > 1 && rule == "anyOf")
            }
            "const" => value == expected,
            "enum" => expected.as_array().unwrap().contains(value),
            "type" => match expected {
                Value::Array(types) => types.iter().any(|name| is_of(value, name)),
                name => is_of(value, name),
            },
            "minimum" => value.as_f64() >= expected.as_f64() || !value.is_number(),
            "maximum" => value.as_f64() <= expected.as_f64() || !value.is_number(),
            "required" => {
                let names = expected.as_array().unwrap();
                names
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    fits(root, expected, item)?;
                }
                true
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let schema = expected.get(name).ok_or(format!("`{name}` is not named"))?;
                    fits(root, schema, value).map_err(|why| format!("{name}: {why}"))?;
                }
                true
            }
            "$schema"
            | "$id"
            | "$defs"
            | "title"
            | "description"
            | "format"
            | "pattern"
            | "default"
            | "additionalProperties" => true,
            other => panic!("the test does not know `{other}`"),
        };
        if !holds {
            return Err(format!("{rule} {expected} does not hold for {value}"));
        }
    }
    Ok(())
}

fn is_of(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_written_fits_the_schema() {
    let schema = schema();
    let snapshot_schema = &schema["$defs"]["Snapshot"];
    for seed in 0..60 {
        let mut snapshot = Snapshot::new(crate::sample::id(seed));
        for (cursor, event) in crate::sample::log(seed) {
            let json = serde_json::to_value(&event).unwrap();
            fits(&schema, &schema, &json).unwrap_or_else(|why| panic!("{json}: {why}"));
            snapshot.apply(&event);
            assert_eq!(snapshot.cursor, cursor);
        }
        let json = serde_json::to_value(&snapshot).unwrap();
        fits(&schema, snapshot_schema, &json).unwrap_or_else(|why| panic!("{json}: {why}"));
    }
    let door = json!({ "type": "error", "error": "gone", "data": DoorError {
        status: 410,
        code: "expired".into(),
        message: "gone".into(),
        field: None,
        first_kept: Some(Cursor::start(crate::sample::id(1))),
    }});
    fits(&schema, &schema["$defs"]["DoorFrame"], &door).unwrap();
}

#[test]
fn what_is_not_of_the_contract_does_not_fit_the_schema() {
    let schema = schema();
    let (_, event) = crate::sample::log(1).swap_remove(0);
    let good = serde_json::to_value(&event).unwrap();
    assert_eq!(fits(&schema, &schema, &good), Ok(()));
    for (pointer, wrong) in [
        ("/type", json!("begin")),
        ("/seq", json!(0)),
        ("/data/council/quorum", json!("two")),
        ("/data/mode", json!("dream")),
        ("/data/council/sages/0", json!("solomon")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(fits(&schema, &schema, &bad).is_err(), "{pointer}");
    }
}

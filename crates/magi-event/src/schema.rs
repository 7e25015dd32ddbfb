//! The JSON Schema of the contract, made from the types.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::body::AgentField;
use crate::{Body, Cursor, DeliberationId, DoorError, Sage, Snapshot, Timestamp};

/// The committed schema, as [`schema`] returns it.
pub const SCHEMA_JSON: &str = include_str!("../schema/events.schema.json");

/// Returns the JSON Schema (draft 2020-12) of one event, a union told apart by `type`.
///
/// `$defs` also holds `Snapshot`, `Cursor`, `DoorError` (its data) and `DoorFrame` (its frame). A
/// reader must ignore fields and kinds that the schema does not name: later versions add some.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut events = Map::new();
    for (name, agent, doc, data) in Body::schemas(&mut generator) {
        let event = event(&mut generator, (name, doc), agent, &data);
        events.insert(format!("{}Event", pascal(name)), event);
    }
    let door = door_frame(&mut generator);
    generator.subschema_for::<Snapshot>();
    generator.subschema_for::<Cursor>();

    let union: Vec<Value> = Body::NAMES
        .iter()
        .map(|name| json!({ "$ref": format!("#/$defs/{}Event", pascal(name)) }))
        .collect();
    let mut defs = generator.take_definitions(true);
    defs.append(&mut events);
    defs.insert("DoorFrame".to_owned(), door);
    defs.values_mut().for_each(absent_is_not_null);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:magi:events:1",
        "title": "Event",
        "description": "One event of a deliberation, as it stands in the `data` line of a frame. \
            Ignore kinds and fields that are not named here.",
        "oneOf": union,
        "$defs": defs,
    })
}

fn event(
    generator: &mut SchemaGenerator,
    (name, doc): (&str, &str),
    agent: AgentField,
    data: &schemars::Schema,
) -> Value {
    let mut properties = json!({
        "type": { "const": name },
        "seq": {
            "type": "integer",
            "minimum": 1,
            "description": "Its number in the log, rising by exactly 1.",
        },
        "timestamp": generator.subschema_for::<Timestamp>(),
        "trace_id": generator.subschema_for::<DeliberationId>(),
        "data": data,
    });
    let mut required = vec!["type", "seq", "timestamp", "trace_id", "data"];
    if agent != AgentField::Absent {
        properties["agentId"] = json!(generator.subschema_for::<Sage>());
    }
    if agent == AgentField::Required {
        required.push("agentId");
    }
    json!({
        "title": format!("{}Event", pascal(name)),
        "description": doc,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

fn door_frame(generator: &mut SchemaGenerator) -> Value {
    json!({
        "title": "DoorFrame",
        "description": "An error of the door itself, in no log, without `id` and `seq`: \
            the HTTP status it names.",
        "type": "object",
        "properties": {
            "type": { "const": "error" },
            "error": { "type": "string", "description": "What happened and what to do." },
            "data": generator.subschema_for::<DoorError>(),
        },
        "required": ["type", "error", "data"],
    })
}

/// Takes `null` out of every property that is absent instead when there is nothing to say.
fn absent_is_not_null(definition: &mut Value) {
    let required = definition.get("required").cloned().unwrap_or_default();
    let names = required.as_array().map(Vec::as_slice).unwrap_or_default();
    let properties = definition.get_mut("properties");
    for (name, property) in properties
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        if !names.iter().any(|required| required == name) {
            without_null(property);
        }
    }
}

fn without_null(property: &mut Value) {
    if let Some(types) = property.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            property["type"] = only.clone();
        }
    }
    let Some(Value::Array(mut options)) = property.get_mut("anyOf").map(Value::take) else {
        return;
    };
    options.retain(|option| *option != json!({ "type": "null" }));
    let Some(map) = property.as_object_mut() else {
        return;
    };
    map.remove("anyOf");
    if let [Value::Object(only)] = options.as_slice() {
        map.extend(only.clone());
    } else {
        map.insert("anyOf".to_owned(), Value::Array(options));
    }
}

/// `agent_start` to `AgentStart`.
fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        })
        .collect()
}

#[cfg(test)]
mod tests;

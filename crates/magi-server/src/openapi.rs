//! `openapi.json`: the description of every address, made from the request types and a table.

pub(crate) mod bodies;
mod operations;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::problem::{Code, Document};
use operations::{OPERATIONS, Operation, Parameters, Reply};

/// The committed description, which [`describe`] returns.
pub(crate) const COMMITTED: &str = include_str!("../openapi.json");

/// Returns the description.
///
/// Source: OpenAPI Specification 3.1.0.
#[must_use]
pub fn describe() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let described = operation.describe(&mut generator);
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(path) = path {
            path.insert(operation.method.to_ascii_lowercase(), described);
        }
    }
    let problem = generator.subschema_for::<Document>();
    let problem = json!({
        "description": "A problem, RFC 9457. Codes: ".to_owned() + &codes(),
        "content": { "application/problem+json": { "schema": problem } },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MAGI",
            "version": env!("CARGO_PKG_VERSION"),
            "description": include_str!("openapi/description.md"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8717" }],
        "security": [{}, { "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": { "Problem": problem },
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn codes() -> String {
    let codes: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("`{}` ({})", code.word(), code.status().as_u16()))
        .collect();
    codes.join(", ")
}

impl Operation {
    fn describe(&self, generator: &mut SchemaGenerator) -> Value {
        let mut parameters = self.in_path();
        parameters.extend(self.in_query(generator));
        parameters.extend(
            self.headers.iter().map(
                |name| json!({ "name": name, "in": "header", "schema": { "type": "string" } }),
            ),
        );
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": self.replies(generator),
        });
        if let (Some(body), Value::Object(described)) = (self.body, &mut described) {
            let schema = body(generator);
            described.insert(
                "requestBody".to_owned(),
                json!({ "content": { "application/json": { "schema": schema } } }),
            );
        }
        described
    }

    fn in_path(&self) -> Vec<Value> {
        if self.path.contains("{name}") {
            return vec![json!({
                "name": "name", "in": "path", "required": true,
                "description": "The preset's name.",
                "schema": { "type": "string", "pattern": "^[a-z0-9-]{1,64}$" },
            })];
        }
        if !self.path.contains("{id}") {
            return Vec::new();
        }
        vec![json!({
            "name": "id", "in": "path", "required": true,
            "description": "The deliberation's id.",
            "schema": { "$ref": "#/components/schemas/DeliberationId" },
        })]
    }

    fn in_query(&self, generator: &mut SchemaGenerator) -> Vec<Value> {
        let Some(Parameters(schema)) = self.query else {
            return Vec::new();
        };
        let schema = schema(generator);
        let properties = schema.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, property)| {
                let mut schema = json!({ "type": "string" });
                if let Some(pattern) = property.get("pattern") {
                    schema["pattern"] = pattern.clone();
                }
                json!({
                    "name": name, "in": "query",
                    "description": property.get("description"),
                    "schema": schema,
                })
            })
            .collect()
    }

    fn replies(&self, generator: &mut SchemaGenerator) -> Value {
        let mut replies = Map::new();
        for reply in self.replies {
            let (status, described) = match reply {
                Reply::Json(status, schema) => {
                    let schema = schema(generator);
                    let content = json!({ "application/json": { "schema": schema } });
                    (
                        *status,
                        json!({ "description": "Done.", "content": content }),
                    )
                }
                Reply::Object(description) => {
                    let content = json!({ "application/json": { "schema": { "type": "object" } } });
                    (
                        200,
                        json!({ "description": description, "content": content }),
                    )
                }
                Reply::Stream => {
                    let description = "The events, one frame each; see `/openapi.json` above.";
                    let content =
                        json!({ "text/event-stream": { "schema": { "type": "string" } } });
                    (
                        200,
                        json!({ "description": description, "content": content }),
                    )
                }
                Reply::Text(media_types) => {
                    let content: Map<String, Value> = media_types
                        .iter()
                        .map(|kind| {
                            let is_json = *kind == "application/json";
                            let shape = if is_json { "object" } else { "string" };
                            ((*kind).to_owned(), json!({ "schema": { "type": shape } }))
                        })
                        .collect();
                    (200, json!({ "description": "Done.", "content": content }))
                }
                Reply::Empty(status, description) => {
                    (*status, json!({ "description": description }))
                }
            };
            merge(&mut replies, status, described);
        }
        let problem = json!({ "$ref": "#/components/responses/Problem" });
        replies.insert("default".to_owned(), problem);
        Value::Object(replies)
    }
}

/// Adds a reply; two of one status are one with both contents.
fn merge(replies: &mut Map<String, Value>, status: u16, described: Value) {
    let status = status.to_string();
    let contents = replies
        .get_mut(&status)
        .and_then(|reply| reply.get_mut("content"))
        .and_then(Value::as_object_mut);
    match (contents, &described["content"]) {
        (Some(contents), Value::Object(more)) => contents.extend(more.clone()),
        _ => {
            replies.insert(status, described);
        }
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn fields_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

#[cfg(test)]
mod tests;

//! `/v1/presets`: named, versioned councils; the built-in ones, and those that a person keeps.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use magi_council::{Preset, PresetLine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::Json;
use crate::app::{App, Shared};
use crate::intake;
use crate::problem::{Code, Problem};

/// The councils there are.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Presets {
    presets: Vec<PresetLine>,
}

/// The parameters of `GET /v1/presets/{name}`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct PresetQuery {
    /// A version's number; the newest when absent.
    version: Option<String>,
}

/// `GET /v1/presets`.
pub(crate) async fn list(State(app): State<App>) -> Result<Response, Problem> {
    let presets = app.engine.presets().list().await?;
    Ok(Json(Presets { presets }).into_response())
}

/// `GET /v1/presets/{name}`.
pub(crate) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query: PresetQuery = intake::query(&uri)?;
    let version = query.version.filter(|text| !text.is_empty());
    let version = version.map(|text| {
        text.parse::<u32>()
            .map_err(|_| Problem::field("version", "`version` must be a whole number"))
    });
    if Preset::find(&name).is_none() {
        app.must_keep()?;
    }
    let preset = app
        .engine
        .presets()
        .get(&name, version.transpose()?)
        .await?;
    Ok(Json(preset).into_response())
}

/// `PUT /v1/presets/{name}`.
pub(crate) async fn save(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let body = intake::object(request, app.declared()).await?;
    app.must_keep()?;
    let presets = app.engine.presets();
    let (preset, is_new) = presets.save(&name, &Value::Object(body)).await?;
    if !is_new {
        return Ok(Json(preset).into_response());
    }
    let mut response = (StatusCode::CREATED, Json(preset)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/presets/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `DELETE /v1/presets/{name}`.
pub(crate) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    app.must_keep()?;
    app.engine.presets().delete(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl Shared {
    /// Refuses presets of one's own at a door that keeps none.
    fn must_keep(&self) -> Result<(), Problem> {
        if self.config.has_store {
            return Ok(());
        }
        Err(
            Problem::new(Code::Unsupported, "this door keeps no presets of its own")
                .at("name")
                .fix("keep them at a door with a store: `magi serve`"),
        )
    }
}

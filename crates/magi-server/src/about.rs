//! What is here: models, scenes, health and figures.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use magi_event::Agent;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::answer::Json;
use crate::app::{App, Scene};
use crate::problem::Problem;
use crate::{metrics, openapi};

/// A model, in the shape of OpenAI's list with our own fields beside.
///
/// Source: OpenAI API reference, "List models".
#[derive(Serialize, JsonSchema)]
pub(crate) struct ModelItem {
    /// `provider:model`.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Not known to us: 0.
    created: u64,
    /// The provider.
    owned_by: String,
    /// The roles that it plays here.
    roles: Vec<Agent>,
    /// What it costs, where the settings say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<ModelPrice>,
}

/// What a model costs, in US dollars per million tokens.
#[derive(Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct ModelPrice {
    /// Tokens read.
    input: f64,
    /// Tokens written, reasoning included.
    output: f64,
}

impl From<magi_model::Price> for ModelPrice {
    fn from(price: magi_model::Price) -> Self {
        ModelPrice {
            input: price.input,
            output: price.output,
        }
    }
}

/// What answers here.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Models {
    /// Always `list`.
    object: &'static str,
    data: Vec<ModelItem>,
    /// The model of each role.
    roles: BTreeMap<Agent, String>,
    /// The providers that a request may name.
    providers: Vec<String>,
}

/// `GET /v1/models`: what answers here. Vendors are not asked, so that this never waits for one.
pub(crate) async fn models(State(app): State<App>) -> Response {
    let mut items: BTreeMap<String, ModelItem> = BTreeMap::new();
    for (agent, model) in &app.roles {
        let id = model.to_string();
        let item = items.entry(id.clone()).or_insert_with(|| ModelItem {
            id,
            object: "model",
            created: 0,
            owned_by: model.provider.clone(),
            roles: Vec::new(),
            price: app.engine.price(model).map(ModelPrice::from),
        });
        item.roles.push(*agent);
    }
    let data = items.into_values().collect();
    let models = Models {
        object: "list",
        data,
        roles: role_models(&app),
        providers: app.models.names().map(str::to_owned).collect(),
    };
    Json(models).into_response()
}

/// The model of each role, written as settings write it.
fn role_models(app: &App) -> BTreeMap<Agent, String> {
    app.roles
        .iter()
        .map(|(agent, model)| (*agent, model.to_string()))
        .collect()
}

/// The price of each model that plays a role here and has one.
fn role_prices(app: &App) -> BTreeMap<String, ModelPrice> {
    app.roles
        .values()
        .filter_map(|model| Some((model.to_string(), app.engine.price(model)?.into())))
        .collect()
}

/// The written scenes of the rehearsal.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Scenes {
    scenes: Vec<Scene>,
}

/// `GET /v1/rehearsal`.
pub(crate) async fn rehearsal(State(app): State<App>) -> Response {
    let scenes = app.scenes.clone();
    Json(Scenes { scenes }).into_response()
}

/// What a door can do, as the action `capabilities` tells it: with what answers here and the scenes
/// there are, because a door of one address has no `GET /v1/models` and no `GET /v1/rehearsal`.
pub(crate) fn capabilities(app: &App) -> serde_json::Value {
    json!({
        "protocol": magi_event::PROTOCOL,
        "version": env!("CARGO_PKG_VERSION"),
        "trust": app.config.trust.word(),
        "capabilities": app.capabilities(),
        "dialects": crate::dialects::Dialect::NAMES,
        "roles": role_models(app),
        "prices": role_prices(app),
        "scenes": app.scenes,
    })
}

/// `GET /ping`.
pub(crate) async fn ping(State(app): State<App>) -> Response {
    let busy = app.engine.is_busy_unwatched();
    Json(app.pings.answer(busy, app.env.clock.now())).into_response()
}

/// `GET /healthz`: this process answers, its store does, and no damage was met in it.
pub(crate) async fn healthz(State(app): State<App>) -> Result<Response, Problem> {
    if let Some(damage) = app.logs.damage() {
        return Err(damage.into());
    }
    app.logs
        .catalogue()
        .list(magi_log::Query {
            limit: 1,
            ..magi_log::Query::default()
        })
        .await?;
    Ok(Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })).into_response())
}

/// `GET /metrics`.
pub(crate) async fn figures(State(app): State<App>) -> Response {
    let n_running = i64::try_from(app.engine.n_running()).unwrap_or(i64::MAX);
    app.metrics.running.set(n_running);
    app.metrics.stand(app.engine.breakers());
    let mut response = app.metrics.text().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(metrics::MEDIA_TYPE),
    );
    response
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    let mut response = openapi::COMMITTED.into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

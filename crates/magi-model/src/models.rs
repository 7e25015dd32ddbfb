//! Lists of models, in the one shape both vendors use.

use serde::Deserialize;

use crate::Error;
use crate::http::Http;

/// Source: OpenAI "List models" and Anthropic "List Models": both `{"data": [{"id": ..}]}`.
#[derive(Deserialize)]
struct List {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
}

/// Reads the ids of a list of models, sorted.
pub(crate) fn ids(http: &Http, body: &[u8]) -> Result<Vec<String>, Error> {
    let list: List = serde_json::from_slice(body).map_err(|_| {
        http.unexpected("something else than a list of models: is the base URL right?")
    })?;
    let mut ids: Vec<String> = list.data.into_iter().map(|item| item.id).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

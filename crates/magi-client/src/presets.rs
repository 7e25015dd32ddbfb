//! Presets: named, versioned councils that the server keeps.

use http::Method;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::{Client, Error};

impl Client {
    /// Lists the presets in their newest versions, as `GET /v1/presets` tells them.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or its door is `/invocations` alone.
    pub async fn presets(&self) -> Result<Vec<Value>, Error> {
        self.only_api("presets")?;
        let mut answer = self.server.json(of(Method::GET, None)).await?;
        match answer.remove("presets") {
            Some(Value::Array(presets)) => Ok(presets),
            _ => Err(Error::Contract("its answer has no `presets`".to_owned())),
        }
    }

    /// Returns a preset whole: its newest version, or the one of this number.
    ///
    /// # Errors
    ///
    /// When there is none, or the server cannot be reached.
    pub async fn preset(&self, name: &str, version: Option<u32>) -> Result<Value, Error> {
        self.only_api("preset")?;
        let version = version.map(|version| ("version", version.to_string()));
        let call = of(Method::GET, Some(name)).query(version.into_iter().collect());
        Ok(Value::Object(self.server.json(call).await?))
    }

    /// Saves a preset and returns it whole.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when `if_version` is not the newest; when the body is refused, or the server
    /// cannot be reached.
    pub async fn save_preset(&self, name: &str, body: Map<String, Value>) -> Result<Value, Error> {
        self.only_api("save_preset")?;
        let call = of(Method::PUT, Some(name)).body(body);
        Ok(Value::Object(self.server.json(call).await?))
    }

    /// Deletes a preset.
    ///
    /// # Errors
    ///
    /// When there is none, or the server cannot be reached.
    pub async fn delete_preset(&self, name: &str) -> Result<(), Error> {
        self.only_api("delete_preset")?;
        let call = of(Method::DELETE, Some(name));
        self.server.bytes(call).await.map(|_| ())
    }
}

fn of(method: Method, name: Option<&str>) -> Call {
    let mut path = vec!["v1", "presets"];
    path.extend(name);
    Call::new(method, &path)
}

//! `magi agentcore`: the container of AgentCore Runtime, which calls `POST /invocations`, `GET /ping`
//! and `GET /ws` on port 8080.
//!
//! Source: AgentCore Runtime service contract, "HTTP protocol contract".

use anyhow::Result;
use magi_server::Trust;

use crate::exit::{Exit, OrUsage};
use crate::house::{self, Plan};
use crate::serve::{self, Place};
use crate::settings::{Settings, Source};

/// The address that the platform calls, from outside of the container's own loopback.
const HOST: &str = "0.0.0.0";

/// The port that the platform calls.
const PORT: u16 = 8080;

/// Runs the container's server until it is asked to stop.
pub(crate) async fn run(settings: &Settings) -> Result<Exit> {
    let mut config = serve::config(settings).or_usage()?;
    // The platform has checked who calls, and lets nobody else in.
    config.trust = Trust::Platform;
    config.sees_leaving = false;
    config.emf = serve::emf(settings, true).or_usage()?;
    config.resumes_state = settings.get("state_key").is_some();
    config.has_store = is_given(settings, "data_dir");
    let host = Some(settings.text("host")).filter(|_| is_given(settings, "host"));
    let port = if is_given(settings, "port") {
        settings.parse("port").or_usage()?
    } else {
        None
    };
    let address = serve::address(host.unwrap_or(HOST), port.unwrap_or(PORT));
    let place = Place {
        address: address.await.or_usage()?,
        opens: false,
        config,
    };
    let keeps = place.config.has_store;
    serve::listen(settings, place, || {
        let plan = Plan::read(settings)?.for_others();
        let logs = if keeps {
            house::logs(settings)?
        } else {
            house::logs_in_memory()
        };
        Ok(plan.build(logs))
    })
    .await
}

/// Tells whether somebody said it: the defaults are those of `magi serve`.
fn is_given(settings: &Settings, key: &str) -> bool {
    settings
        .get(key)
        .is_some_and(|value| value.source != Source::Default)
}

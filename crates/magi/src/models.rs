//! `magi models`: which model answers for whom, and what the providers offer.

use std::io::{self, Write};

use anyhow::Result;
use magi_event::Agent;
use serde_json::json;

use crate::choice;
use crate::exit::Exit;
use crate::providers;
use crate::settings::Settings;
use crate::show::words::{self, Lang};

/// Prints the choice, and the list of every provider that is configured.
pub(crate) async fn run(settings: &Settings, as_json: bool) -> Result<Exit> {
    let choice = choice::choose(settings)?;
    let mut offers = Vec::new();
    for vendor in providers::configured(settings, &choice) {
        offers.push((vendor.clone(), providers::list(settings, &vendor).await));
    }
    let mut out = io::stdout().lock();
    if as_json {
        let roles: serde_json::Map<_, _> = choice
            .models
            .iter()
            .map(|(agent, model)| (agent.name().to_owned(), json!(model.to_string())))
            .collect();
        let fallbacks: serde_json::Map<_, _> = choice
            .fallbacks
            .iter()
            .map(|(agent, models)| {
                let models: Vec<_> = models.iter().map(ToString::to_string).collect();
                (agent.name().to_owned(), json!(models))
            })
            .collect();
        let panel = choice.panel.iter().flatten().map(ToString::to_string);
        let panel: Vec<_> = panel.collect();
        let offered: serde_json::Map<_, _> = offers
            .iter()
            .map(|(vendor, offer)| {
                let value = match offer {
                    Ok(models) => json!({ "models": models }),
                    Err(error) => json!({ "error": error.to_string() }),
                };
                (vendor.clone(), value)
            })
            .collect();
        writeln!(
            out,
            "{}",
            json!({ "roles": roles, "fallbacks": fallbacks, "panel": panel, "why": choice.reason(Lang::En), "providers": offered })
        )?;
        return Ok(Exit::Done);
    }
    for (agent, model) in &choice.models {
        writeln!(
            out,
            "{} {:<9} {model}",
            words::shape(*agent),
            words::name(*agent)
        )?;
        for next in choice.fallbacks.get(agent).into_iter().flatten() {
            writeln!(out, "            then {next}")?;
        }
        if *agent == Agent::Judge {
            for member in choice.panel.iter().flatten() {
                writeln!(out, "            then with others {member}")?;
            }
        }
    }
    writeln!(out, "  because: {}", choice.reason(Lang::En))?;
    for (vendor, offer) in &offers {
        match offer {
            Ok(models) => {
                writeln!(out, "{vendor} offers:")?;
                for model in models {
                    writeln!(out, "  {vendor}:{model}")?;
                }
            }
            Err(error) => writeln!(out, "{vendor}: {error}")?,
        }
    }
    Ok(Exit::Done)
}

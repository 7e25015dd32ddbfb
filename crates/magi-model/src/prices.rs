//! What tokens cost, as the settings say. No number is built in: a wrong price is worse than none.

use std::collections::BTreeMap;

use magi_event::Usage;
use serde::{Deserialize, Serialize};

use crate::ModelName;

/// The prices of models by their full names, `provider:model`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(BTreeMap<String, Price>);

/// One model's prices, in US dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens read.
    #[serde(deserialize_with = "dollars")]
    pub input: f64,
    /// Tokens written, reasoning included.
    #[serde(deserialize_with = "dollars")]
    pub output: f64,
    /// Tokens read from the vendor's cache; as `input` where absent.
    #[serde(
        default,
        deserialize_with = "some_dollars",
        skip_serializing_if = "Option::is_none"
    )]
    pub cache_read: Option<f64>,
    /// Tokens written to the vendor's cache; as `input` where absent.
    #[serde(
        default,
        deserialize_with = "some_dollars",
        skip_serializing_if = "Option::is_none"
    )]
    pub cache_write: Option<f64>,
}

impl Prices {
    /// Sets the price of one model.
    #[must_use]
    pub fn with(mut self, model: &ModelName, price: Price) -> Self {
        self.0.insert(model.to_string(), price);
        self
    }

    /// Returns the price of a model, or `None` where none is set.
    #[must_use]
    pub fn of(&self, model: &ModelName) -> Option<Price> {
        self.0.get(&model.to_string()).copied()
    }

    /// Returns what a usage of this model costs in US dollars, or `None` where no price is set.
    #[must_use]
    pub fn cost(&self, model: &ModelName, usage: &Usage) -> Option<f64> {
        self.0
            .get(&model.to_string())
            .map(|price| price.cost(usage))
    }
}

impl Price {
    /// Returns what a usage costs, in US dollars.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> f64 {
        let read = usage.cache_read_tokens.unwrap_or(0).min(usage.input_tokens);
        let written = usage
            .cache_write_tokens
            .unwrap_or(0)
            .min(usage.input_tokens - read);
        let plain = usage.input_tokens - read - written;
        let per_million = count(plain) * self.input
            + count(read) * self.cache_read.unwrap_or(self.input)
            + count(written) * self.cache_write.unwrap_or(self.input)
            + count(usage.output_tokens) * self.output;
        per_million / 1e6
    }
}

#[expect(clippy::cast_precision_loss, reason = "no call has 2^52 tokens")]
fn count(tokens: u64) -> f64 {
    tokens as f64
}

fn dollars<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let price = f64::deserialize(deserializer)?;
    if price.is_finite() && price >= 0.0 {
        Ok(price)
    } else {
        Err(serde::de::Error::custom(
            "a price must be a number of US dollars, 0 or more",
        ))
    }
}

fn some_dollars<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    dollars(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Usage {
        Usage {
            input_tokens: 1_000_000,
            output_tokens: 100_000,
            cache_read_tokens: Some(600_000),
            cache_write_tokens: Some(200_000),
            ..Usage::default()
        }
    }

    #[test]
    fn cached_tokens_are_part_of_the_input_and_have_their_own_price() {
        let model: ModelName = "anthropic:x".parse().unwrap();
        let price = Price {
            input: 3.0,
            output: 15.0,
            cache_read: Some(0.3),
            cache_write: Some(3.75),
        };
        let prices = Prices::default().with(&model, price);
        let cost = prices.cost(&model, &usage()).unwrap();
        assert!((cost - (0.6 + 0.18 + 0.75 + 1.5)).abs() < 1e-9, "{cost}");
        let plain = Price {
            cache_read: None,
            cache_write: None,
            ..price
        };
        assert!((plain.cost(&usage()) - 4.5).abs() < 1e-9);
        assert_eq!(prices.cost(&"openai:x".parse().unwrap(), &usage()), None);
    }

    #[test]
    fn settings_give_prices_and_wrong_ones_are_refused() {
        let text = r#"{"openai:gpt": {"input": 1, "output": 2.5}}"#;
        let prices: Prices = serde_json::from_str(text).unwrap();
        assert!(
            prices
                .cost(&"openai:gpt".parse().unwrap(), &usage())
                .is_some()
        );
        for wrong in [
            r#"{"a:b":{"input":-1,"output":2}}"#,
            r#"{"a:b":{"input":1}}"#,
            r#"{"a:b":{"input":1,"output":2,"cached":1}}"#,
        ] {
            assert!(serde_json::from_str::<Prices>(wrong).is_err(), "{wrong}");
        }
    }
}

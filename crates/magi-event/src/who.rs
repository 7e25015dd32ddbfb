//! Who speaks: the three sages and the judge.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the three sages, who analyse the question in parallel and blind to each other.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Sage {
    /// Practical, risk first.
    Caspar,
    /// Creative, people and ethics first.
    Balthasar,
    /// Scientific, evidence first.
    Melchior,
}

impl Sage {
    /// All sages, in the order in which they are listed everywhere.
    pub const ALL: [Sage; 3] = [Sage::Caspar, Sage::Balthasar, Sage::Melchior];

    /// Returns the wire name, as in `agentId`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Sage::Caspar => "caspar",
            Sage::Balthasar => "balthasar",
            Sage::Melchior => "melchior",
        }
    }

    /// Returns the position in [`Sage::ALL`], 0 to 2.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Sage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of `caspar`, `balthasar`, `melchior`, `solomon`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown agent `{0}`: expected `caspar`, `balthasar`, `melchior` or `solomon`")]
pub struct UnknownAgent(pub String);

impl FromStr for Sage {
    type Err = UnknownAgent;

    fn from_str(name: &str) -> Result<Self, UnknownAgent> {
        Sage::ALL
            .into_iter()
            .find(|sage| sage.name() == name)
            .ok_or_else(|| UnknownAgent(name.to_owned()))
    }
}

/// A member of the council: a sage or the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agent {
    /// One of the three sages.
    Sage(Sage),
    /// SOLOMON, who gives the verdict.
    Judge,
}

impl Agent {
    /// All agents: the sages, then the judge.
    pub const ALL: [Agent; 4] = [
        Agent::Sage(Sage::Caspar),
        Agent::Sage(Sage::Balthasar),
        Agent::Sage(Sage::Melchior),
        Agent::Judge,
    ];

    /// Returns the wire name: a sage's, or `solomon`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Agent::Sage(sage) => sage.name(),
            Agent::Judge => "solomon",
        }
    }

    /// Returns the sage, or `None` for the judge.
    #[must_use]
    pub const fn sage(self) -> Option<Sage> {
        match self {
            Agent::Sage(sage) => Some(sage),
            Agent::Judge => None,
        }
    }
}

impl From<Sage> for Agent {
    fn from(sage: Sage) -> Self {
        Agent::Sage(sage)
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Agent {
    type Err = UnknownAgent;

    /// Reads a wire name; `judge` is accepted for `solomon`, because the verbs say so.
    fn from_str(name: &str) -> Result<Self, UnknownAgent> {
        match name {
            "solomon" | "judge" => Ok(Agent::Judge),
            other => other.parse().map(Agent::Sage),
        }
    }
}

impl Serialize for Agent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Agent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Agent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Agent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "enum": ["caspar", "balthasar", "melchior", "solomon"]
        })
    }
}

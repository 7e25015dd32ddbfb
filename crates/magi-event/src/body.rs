//! The kinds of event: one table, from which names, reading, writing and the schema all follow.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::data::{
    AgentComplete, AgentStart, AttemptError, AttemptTimeout, Cancelled, Complete, Delta, Failure,
    JudgeComplete, JudgeStart, Note, Paused, Resumed, Rewind, SagesStart, Start, Tally, Trace,
};
use crate::{DecodeError, Sage};

/// An event of a kind this version does not know. Readers keep its place and ignore the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknown {
    /// The `type` on the wire.
    pub name: String,
    /// The `agentId` on the wire.
    pub agent: Option<String>,
    /// The `data` on the wire.
    pub data: Value,
}

/// Calls `$callback!` with the whole table: `kind(variant, wire name, data, doc)`.
macro_rules! table {
    ($callback:ident) => {
        $callback! {
            plain Start "start" Start "A question was put to a council.";
            plain SagesStart "sages_start" SagesStart "The sages set out.";
            sage AgentStart "agent_start" AgentStart "An attempt of a sage begins.";
            sage AgentThinking "agent_thinking" Delta "A piece of a sage's own reasoning.";
            sage AgentChunk "agent_chunk" Delta "A piece of a sage's visible prose.";
            sage AgentError "agent_error" AttemptError "An attempt of a sage failed.";
            sage AgentTimeout "agent_timeout" AttemptTimeout "An attempt of a sage took too long.";
            sage AgentComplete "agent_complete" AgentComplete "A sage is done.";
            plain Tally "tally" Tally "The votes were counted.";
            plain JudgeStart "judge_start" JudgeStart "An attempt of the judge begins.";
            plain JudgeThinking "judge_thinking" Delta "A piece of the judge's own reasoning.";
            plain JudgeChunk "judge_chunk" Delta "A piece of the judge's visible prose.";
            plain JudgeError "judge_error" AttemptError "An attempt of the judge failed.";
            plain JudgeTimeout "judge_timeout" AttemptTimeout "An attempt of the judge took too long.";
            plain JudgeComplete "judge_complete" JudgeComplete "The judge is done.";
            actor Trace "trace" Trace "A span of work started or ended.";
            plain Note "note" Note "Somebody told the council something.";
            plain Paused "paused" Paused "Nothing is called until it is resumed.";
            plain Resumed "resumed" Resumed "It goes on.";
            plain Rewind "rewind" Rewind "A new generation begins.";
            plain Complete "complete" Complete "The verdict.";
            plain Cancelled "cancelled" Cancelled "It was ended before its verdict.";
            plain Error "error" Failure "The deliberation failed.";
        }
    };
}

/// The fields of a variant: the sage's for `sage`, an optional sage's for `actor`, the data alone
/// for `plain`. Written once here so that the table stays one line per kind.
macro_rules! define {
    (@munch [$($done:tt)*]) => {
        /// What happened: one kind of event with its data, and the sage it is about.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(
            clippy::large_enum_variant,
            reason = "the large one is the verdict, once in a log; deltas move by value and a box \
                would cost each of their readers a look-up"
        )]
        pub enum Body { $($done)* /// A kind this version does not know.
            Unknown(Unknown) }
    };
    (@munch [$($done:tt)*] plain $variant:ident $name:literal $data:ty, $doc:literal; $($rest:tt)*) => {
        define! { @munch [$($done)* #[doc = $doc] $variant($data),] $($rest)* }
    };
    (@munch [$($done:tt)*] sage $variant:ident $name:literal $data:ty, $doc:literal; $($rest:tt)*) => {
        define! { @munch [$($done)* #[doc = $doc] $variant(Sage, $data),] $($rest)* }
    };
    (@munch [$($done:tt)*] actor $variant:ident $name:literal $data:ty, $doc:literal; $($rest:tt)*) => {
        define! { @munch [$($done)* #[doc = $doc] $variant(Option<Sage>, $data),] $($rest)* }
    };
    ($($kind:ident $variant:ident $name:literal $data:ident $doc:literal;)*) => {
        define! { @munch [] $($kind $variant $name $data, $doc;)* }

        impl Body {
            /// Every event's wire name, in the order of the table.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// Returns the `type` on the wire.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Body::$variant(..) => $name,)*
                    Body::Unknown(unknown) => &unknown.name,
                }
            }

            /// Returns the sage this event is about: `agentId` on the wire.
            #[must_use]
            pub fn sage(&self) -> Option<Sage> {
                match self {
                    $(define!(@pattern $kind $variant sage data) => define!(@sage $kind sage data),)*
                    Body::Unknown(_) => None,
                }
            }

            /// Hands the data to `visit`, whatever its type.
            pub(crate) fn with_data<V: DataVisitor>(&self, visitor: V) -> V::Output {
                match self {
                    $(define!(@pattern $kind $variant _sage data) => visitor.visit(data),)*
                    Body::Unknown(unknown) => visitor.visit(&unknown.data),
                }
            }

            /// Reads a body from the three parts of it on the wire.
            pub(crate) fn read(
                name: &str,
                agent: Option<&str>,
                data: &RawValue,
            ) -> Result<Body, DecodeError> {
                match name {
                    $($name => define!(@read $kind $variant name agent data),)*
                    _ => Ok(Body::Unknown(Unknown {
                        name: name.to_owned(),
                        agent: agent.map(str::to_owned),
                        data: parse(name, data)?,
                    })),
                }
            }

            /// Returns, for the schema: wire name, whether and how `agentId` stands, schema of data.
            pub(crate) fn schemas(
                generator: &mut schemars::SchemaGenerator,
            ) -> Vec<(&'static str, AgentField, &'static str, schemars::Schema)> {
                vec![$(($name, define!(@field $kind), $doc, generator.subschema_for::<$data>())),*]
            }
        }
    };
    (@pattern plain $variant:ident $sage:ident $bound:ident) => { Body::$variant($bound) };
    (@pattern $kind:ident $variant:ident $sage:ident $bound:ident) => { Body::$variant($sage, $bound) };
    (@sage plain $sage:ident $bound:ident) => { { let _ = $bound; None } };
    (@sage sage $sage:ident $bound:ident) => { { let _ = $bound; Some(*$sage) } };
    (@sage actor $sage:ident $bound:ident) => { { let _ = $bound; *$sage } };
    (@read plain $variant:ident $name:ident $agent:ident $raw:ident) => {
        Ok(Body::$variant(parse($name, $raw)?))
    };
    (@read sage $variant:ident $name:ident $agent:ident $raw:ident) => {
        Ok(Body::$variant(required($name, $agent)?, parse($name, $raw)?))
    };
    (@read actor $variant:ident $name:ident $agent:ident $raw:ident) => {
        Ok(Body::$variant(optional($agent)?, parse($name, $raw)?))
    };
    (@field plain) => { AgentField::Absent };
    (@field sage) => { AgentField::Required };
    (@field actor) => { AgentField::Optional };
}

table!(define);

/// Whether `agentId` stands beside `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentField {
    Absent,
    Optional,
    Required,
}

/// Something to be done with the data of any kind of event.
pub(crate) trait DataVisitor {
    type Output;
    fn visit<T: Serialize>(self, data: &T) -> Self::Output;
}

fn parse<T: DeserializeOwned>(name: &str, data: &RawValue) -> Result<T, DecodeError> {
    serde_json::from_str(data.get()).map_err(|source| DecodeError::Data {
        name: name.to_owned(),
        source,
    })
}

fn required(name: &str, agent: Option<&str>) -> Result<Sage, DecodeError> {
    optional(agent)?.ok_or_else(|| DecodeError::NoAgent(name.to_owned()))
}

fn optional(agent: Option<&str>) -> Result<Option<Sage>, DecodeError> {
    agent
        .map(|name| name.parse().map_err(DecodeError::Agent))
        .transpose()
}

impl Body {
    /// Tells whether the event is a milestone: it is visible only after the commit that holds it.
    ///
    /// Deltas and traces are not; everything else is.
    #[must_use]
    pub fn is_milestone(&self) -> bool {
        !matches!(
            self,
            Body::AgentThinking(..)
                | Body::AgentChunk(..)
                | Body::JudgeThinking(_)
                | Body::JudgeChunk(_)
                | Body::Trace(..)
        )
    }

    /// Tells whether nothing may follow: `complete`, `cancelled` or `error`.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Body::Complete(_) | Body::Cancelled(_) | Body::Error(_)
        )
    }
}

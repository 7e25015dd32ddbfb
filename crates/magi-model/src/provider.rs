//! What every vendor is to us.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use magi_event::Usage;

use crate::{Call, Error, Kind};

/// A piece of a model's answer, as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Chunk {
    /// The vendor accepted the request and its answer begins; no token yet.
    Accepted,
    /// A delta of the model's own reasoning.
    Reasoning(String),
    /// A delta of the visible text.
    Text(String),
    /// A delta of the tool's arguments, JSON text.
    ToolArguments(String),
    /// Tokens as the vendor counts them, the whole of this call; the last one counts.
    Usage(Usage),
    /// The proper end of the answer. Nothing follows.
    End(StopReason),
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// It was done.
    Complete,
    /// It used the tool.
    ToolUse,
    /// It reached the limit of tokens: the answer may be cut.
    MaxTokens,
    /// It refused to answer.
    Refused,
    /// The vendor's filter stopped it.
    Filtered,
}

/// The answer of a model: chunks that end with [`Chunk::End`], or with one error.
///
/// A stream that ends without either does not exist: a provider turns it into
/// [`Kind::Truncated`](crate::Kind::Truncated). Dropping the stream cancels the call and closes its
/// connection.
pub type ChunkStream = Pin<Box<dyn Stream<Item = Result<Chunk, Error>> + Send>>;

/// The ids of a vendor's models, sorted, when they have come.
pub type ModelList = BoxFuture<'static, Result<Vec<String>, Error>>;

/// A vendor's API.
pub trait Provider: Send + Sync + 'static {
    /// Returns the provider's name, the part of a model's name before the colon.
    fn name(&self) -> &str;

    /// Starts a call when the stream is first polled, and streams its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the stream at any time cancels the call.
    fn stream(&self, call: Call) -> ChunkStream;

    /// Asks the vendor which models there are; the answer also shows that address and key are right.
    ///
    /// # Errors
    ///
    /// As a call's; [`Kind::NotFound`] from a provider that has no such list.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    fn models(&self) -> ModelList {
        let message = format!("`{}` does not list its models", self.name());
        Box::pin(async move { Err(Error::new(Kind::NotFound, message)) })
    }
}

/// A model's full name: `provider:model`, or `rehearsal` alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName {
    /// The provider.
    pub provider: String,
    /// The model's id at that provider, free text; empty for `rehearsal`.
    pub model: String,
}

/// A text that is not a model's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a model name: expected `provider:model`, as in `openai:gpt-5`, or `rehearsal`"
)]
pub struct ModelNameError(String);

impl FromStr for ModelName {
    type Err = ModelNameError;

    fn from_str(text: &str) -> Result<Self, ModelNameError> {
        let text = text.trim();
        let (provider, model) = text.split_once(':').unwrap_or((text, ""));
        let is_name = !provider.is_empty()
            && provider
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'_');
        let is_whole = !model.is_empty() || provider == "rehearsal";
        if !is_name || !is_whole || text.chars().any(char::is_control) {
            return Err(ModelNameError(text.chars().take(80).collect()));
        }
        Ok(ModelName {
            provider: provider.to_owned(),
            model: model.to_owned(),
        })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.provider)?;
        if self.model.is_empty() {
            Ok(())
        } else {
            write!(f, ":{}", self.model)
        }
    }
}

/// The providers at hand, by name.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<String, Arc<dyn Provider>>,
}

impl Registry {
    /// Adds a provider under its own name; a later one of the same name takes its place.
    #[must_use]
    pub fn with(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.insert(provider.name().to_owned(), provider);
        self
    }

    /// Returns the provider of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.providers.get(name).cloned()
    }

    /// Returns the names of all providers, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

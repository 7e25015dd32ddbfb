//! A small client of AgentCore's data plane: one question in, the container's bytes out as they come.
//!
//! Nothing here reads an answer ahead: bytes are pulled by whoever wants them, and a started call is
//! never made again, because it may have begun a deliberation.

mod transport;

use std::str::FromStr;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_bedrockagentcore::Client as Sdk;
use aws_sdk_bedrockagentcore::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockagentcore::operation::invoke_agent_runtime::InvokeAgentRuntimeOutput;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Blob;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use magi_model::causes;
use tokio::time::sleep;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// The waits before a call is tried again whose session is just being made or ended: nothing was
/// started by it. Their sum bounds what a caller waits for.
const BACKOFF: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_millis(3200),
];

/// Which runtime is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The runtime's ARN.
    pub arn: String,
    /// The endpoint's name, where it is not `DEFAULT`.
    pub qualifier: Option<String>,
    /// The region that the ARN names.
    pub region: String,
}

/// A text that names no runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no runtime: expected arn:aws:bedrock-agentcore:REGION:ACCOUNT:runtime/NAME, perhaps with ?qualifier=ENDPOINT"
)]
pub struct NoTarget(String);

impl FromStr for Target {
    type Err = NoTarget;

    /// Reads `ARN` or `ARN?qualifier=ENDPOINT`.
    ///
    /// Source: Amazon Bedrock AgentCore API reference, `InvokeAgentRuntime`, `agentRuntimeArn`.
    fn from_str(text: &str) -> Result<Target, NoTarget> {
        let wrong = || NoTarget(text.to_owned());
        let (arn, query) = match text.split_once('?') {
            Some((arn, query)) => (arn, Some(query)),
            None => (text, None),
        };
        let qualifier = match query {
            Some(query) => Some(query.strip_prefix("qualifier=").ok_or_else(wrong)?),
            None => None,
        };
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        let [
            "arn",
            partition,
            "bedrock-agentcore",
            region,
            account,
            resource,
        ] = parts.as_slice()
        else {
            return Err(wrong());
        };
        let named = resource.strip_prefix("runtime/").is_some_and(is_name);
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if !named || !is_account || !is_name(partition) || !is_name(region) {
            return Err(wrong());
        }
        if qualifier.is_some_and(|name| !is_name(name)) {
            return Err(wrong());
        }
        Ok(Target {
            arn: arn.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            region: (*region).to_owned(),
        })
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(is_part)
}

/// Why AgentCore did not answer, or no longer does. `name` is AWS's own word for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller may not do that, or is not who it says.
    #[error("{name}: {message}")]
    Forbidden {
        /// Such as `AccessDeniedException` or `ExpiredTokenException`.
        name: String,
        /// AWS's sentence, which may name roles and accounts.
        message: String,
    },
    /// There is no such runtime or endpoint.
    #[error("{name}: {message}")]
    NotFound {
        /// Such as `ResourceNotFoundException`.
        name: String,
        /// AWS's sentence.
        message: String,
    },
    /// The request is wrong.
    #[error("{name}: {message}")]
    Refused {
        /// Such as `ValidationException`.
        name: String,
        /// AWS's sentence.
        message: String,
    },
    /// Too many requests, or a quota is used up.
    #[error("{name}: {message}")]
    Throttled {
        /// Such as `ThrottlingException`.
        name: String,
        /// AWS's sentence.
        message: String,
    },
    /// The session is being made or ended, and still was after the last try.
    #[error("{name}: {message}")]
    Conflict {
        /// Such as `RetryableConflictException`.
        name: String,
        /// AWS's sentence.
        message: String,
    },
    /// The container or AgentCore failed.
    #[error("{name}: {message}")]
    Failed {
        /// Such as `RuntimeClientError`, where the container answered with an error status.
        name: String,
        /// AWS's sentence.
        message: String,
    },
    /// This process has no AWS credentials.
    #[error("no AWS credentials: {0}")]
    NoCredentials(String),
    /// No connection could be made, or no answer came over it.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The answer ended before its end.
    #[error("the answer was cut: {0}")]
    Cut(String),
}

/// One call of a runtime.
#[derive(Clone, Debug, Default)]
pub struct Invoke {
    /// The session, 33 to 100 characters: the same one reaches the same container.
    pub session: String,
    /// The body, sent as it is.
    pub body: Bytes,
    /// What the caller accepts.
    pub accept: Option<String>,
    /// The X-Ray trace that this call is part of.
    pub trace_id: Option<String>,
    /// The W3C trace that this call is part of.
    pub trace_parent: Option<String>,
    /// The W3C trace's state.
    pub trace_state: Option<String>,
    /// What the W3C trace carries along.
    pub baggage: Option<String>,
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Answer {
    /// The container's content type.
    pub content_type: String,
    body: ByteStream,
}

impl Answer {
    /// Returns the next bytes, `None` at the answer's end.
    ///
    /// # Errors
    ///
    /// [`Error::Cut`] when the connection broke; nothing comes afterwards.
    ///
    /// # Cancel safety
    ///
    /// Safe: no byte is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self.body.next().await {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(error)) => Err(Error::Cut(DisplayErrorContext(error).to_string())),
        }
    }
}

/// A client of one runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    sdk: Sdk,
    target: Target,
}

impl Client {
    /// Makes the client: credentials by the default chain, the region by the ARN, the address by
    /// `AWS_ENDPOINT_URL_BEDROCK_AGENTCORE` where it is set.
    pub async fn new(target: Target) -> Client {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(target.region.clone()))
            .http_client(transport::client(CONNECT))
            // A call may have begun a deliberation, so it is made once. What may be made again is
            // decided by `invoke`.
            .retry_config(RetryConfig::disabled())
            // A container may think for long, and its silence is not ours to end.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
            .load()
            .await;
        Client {
            sdk: Sdk::new(&config),
            target,
        }
    }

    /// Calls the runtime and returns once its answer begins.
    ///
    /// # Errors
    ///
    /// AWS's refusals, and what kept the call from AWS. Only a session that is just being made or
    /// ended is tried again, for some seconds, because nothing was started then.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have reached the container, which goes on.
    pub async fn invoke(&self, call: &Invoke) -> Result<Answer, Error> {
        for wait in BACKOFF {
            match self.once(call).await {
                Err(Error::Conflict { name, message }) if is_retryable(&name) => {
                    tracing::debug!(%name, %message, ?wait, "the session is not ready");
                    sleep(wait).await;
                }
                other => return other,
            }
        }
        self.once(call).await
    }

    async fn once(&self, call: &Invoke) -> Result<Answer, Error> {
        let answered = self
            .sdk
            .invoke_agent_runtime()
            .agent_runtime_arn(&self.target.arn)
            .set_qualifier(self.target.qualifier.clone())
            .runtime_session_id(&call.session)
            .content_type("application/json")
            .set_accept(call.accept.clone())
            .set_trace_id(call.trace_id.clone())
            .set_trace_parent(call.trace_parent.clone())
            .set_trace_state(call.trace_state.clone())
            .set_baggage(call.baggage.clone())
            .payload(Blob::new(call.body.clone()))
            .send()
            .await;
        let InvokeAgentRuntimeOutput {
            content_type,
            response,
            ..
        } = answered.map_err(|error| explain(&error))?;
        Ok(Answer {
            content_type,
            body: response,
        })
    }
}

fn is_retryable(name: &str) -> bool {
    name == "RetryableConflictException"
}

/// Reads the SDK's error.
fn explain<E>(error: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let words = || DisplayErrorContext(error).to_string();
    if has_no_credentials(error) {
        return Error::NoCredentials(words());
    }
    match error {
        SdkError::ServiceError(refused) => {
            let meta = refused.err().meta();
            let status = refused.raw().status().as_u16();
            let name = meta.code().unwrap_or("UnknownError").to_owned();
            let message = meta.message().unwrap_or_default().to_owned();
            refusal(status, name, message)
        }
        SdkError::ResponseError(_) => Error::Failed {
            name: "UnreadableResponse".to_owned(),
            message: words(),
        },
        _ => Error::Unreachable(words()),
    }
}

fn has_no_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<CredentialsError>())
}

/// Sorts AWS's refusals by what has to be done about them.
///
/// Source: Amazon Bedrock AgentCore API reference, `InvokeAgentRuntime`, errors; AgentCore Runtime
/// service contract: an error status of the container is 424 `RuntimeClientError`.
fn refusal(status: u16, name: String, message: String) -> Error {
    match status {
        401 | 403 => Error::Forbidden { name, message },
        404 => Error::NotFound { name, message },
        402 | 429 => Error::Throttled { name, message },
        409 => Error::Conflict { name, message },
        424 => Error::Failed { name, message },
        400..=499 => Error::Refused { name, message },
        _ => Error::Failed { name, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/magi-AbC123xyz0";

    #[test]
    fn a_target_is_an_arn_and_perhaps_an_endpoint() {
        let plain: Target = ARN.parse().unwrap();
        assert_eq!((plain.arn.as_str(), plain.qualifier), (ARN, None));
        assert_eq!(plain.region, "us-west-2");
        let named: Target = format!("{ARN}?qualifier=prod").parse().unwrap();
        assert_eq!(named.arn, ARN);
        assert_eq!(named.qualifier.as_deref(), Some("prod"));
        let china = ARN.replace("arn:aws:", "arn:aws-cn:");
        assert!(china.parse::<Target>().is_ok());
    }

    #[test]
    fn what_is_no_runtime_is_refused_with_what_is_expected() {
        for text in [
            "",
            "magi",
            "arn:aws:lambda:us-west-2:123456789012:function:magi",
            "arn:aws:bedrock-agentcore:us-west-2:1234:runtime/magi",
            "arn:aws:bedrock-agentcore::123456789012:runtime/magi",
            "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/",
            "arn:aws:bedrock-agentcore:us-west-2:123456789012:memory/magi",
            &format!("{ARN}?endpoint=prod"),
            &format!("{ARN}?qualifier="),
            &format!("{ARN}?qualifier=a/b"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(
                error.contains("bedrock-agentcore:REGION"),
                "{text}: {error}"
            );
        }
    }
}

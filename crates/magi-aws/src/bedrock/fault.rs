//! Bedrock's complaints, before the stream and inside it: the kind of failure, and the one fix.

use std::error::Error as StdError;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse_stream::ConverseStreamError;
use aws_sdk_bedrockruntime::operation::count_tokens::CountTokensError;
use aws_sdk_bedrockruntime::types::error::ConverseStreamOutputError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::event_stream::RawMessage;
use http::{HeaderMap, HeaderValue};
use magi_model::{Error, Key, Kind, causes, retry_after, root_cause, scrub};

use super::Reach;

/// The longest reason of Bedrock that is repeated, in characters.
const MAX_REASON: usize = 600;

/// Says what went wrong, and where.
#[derive(Clone)]
pub(super) struct Teller(Arc<Inner>);

struct Inner {
    region: String,
    key: Option<Key>,
}

/// A request that Bedrock did not take.
pub(super) struct Refused {
    pub(super) error: Error,
    /// The reason of a validation error: the request as it is, not the caller, is the trouble.
    pub(super) invalid: Option<String>,
}

/// A complaint in Bedrock's words.
struct Complaint<'a> {
    /// The exception's name, as in `ThrottlingException`; empty where there was none.
    word: &'a str,
    message: &'a str,
    status: Option<u16>,
}

impl Teller {
    pub(super) fn new(region: String, key: Option<Key>) -> Self {
        Teller(Arc::new(Inner { region, key }))
    }

    /// Returns an error about the answer itself.
    pub(super) fn about(&self, kind: Kind, what: &str) -> Error {
        let message = format!("Bedrock in {}: {what}", self.0.region);
        Error::new(kind, scrub(&message, self.0.key.as_ref()))
    }

    /// Reads why a request was not answered with a stream.
    pub(super) fn refused(&self, error: &SdkError<ConverseStreamError, HttpResponse>) -> Refused {
        self.unanswered(error)
    }

    /// Reads what a refused count says about credentials and model.
    ///
    /// # Errors
    ///
    /// The refusal itself, unless it is only about counting.
    pub(super) fn uncounted(
        &self,
        error: &SdkError<CountTokensError, HttpResponse>,
    ) -> Result<Reach, Error> {
        let Refused { error, invalid } = self.unanswered(error);
        let reason = invalid.unwrap_or_default();
        let is_about_counting = reason.contains("counting tokens")
            || error.message.contains("bedrock:CountTokens")
            || reason.contains("CountTokens");
        if is_about_counting {
            Ok(Reach::Unsure(error.message))
        } else {
            Err(error)
        }
    }

    fn unanswered<E>(&self, error: &SdkError<E, HttpResponse>) -> Refused
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let raw = error.raw_response();
        let status = raw.map(|raw| raw.status().as_u16());
        let wait = raw.and_then(|raw| {
            let header = |name| HeaderValue::from_str(raw.headers().get(name)?).ok();
            let mut headers = HeaderMap::new();
            for name in ["retry-after", "date"] {
                if let Some(value) = header(name) {
                    headers.insert(name, value);
                }
            }
            retry_after(&headers)
        });
        let mut refused = match error.as_service_error() {
            Some(service) => self.complaint(&Complaint {
                word: service.code().unwrap_or_default(),
                message: service.message().unwrap_or_default(),
                status,
            }),
            None => match status.filter(|status| *status >= 400) {
                // A proxy's page, or an error body that broke off: the status says enough.
                Some(_) => self.complaint(&Complaint {
                    word: "",
                    message: "",
                    status,
                }),
                None => self.unsent(error),
            },
        };
        refused.error.status = status;
        refused.error.retry_after = wait;
        refused
    }

    /// Reads why no response came at all.
    fn unsent<E, R>(&self, error: &SdkError<E, R>) -> Refused
    where
        E: StdError + 'static,
        R: std::fmt::Debug + 'static,
    {
        let reason = root_cause(error);
        let has_no_credentials = causes(error).any(|cause| cause.is::<CredentialsError>());
        let is_untrusted = causes(error).any(|cause| cause.is::<rustls::Error>());
        let (kind, message) = if has_no_credentials {
            // What each link of the chain said stands below; it is long, and rarely the trouble.
            tracing::info!(reason, "no usable AWS credentials");
            let reason = reason.lines().next().unwrap_or_default();
            let reason = reason.trim_end_matches(" Attempted:").trim_end_matches('.');
            (
                Kind::Unauthorised,
                format!(
                    "no usable AWS credentials for Bedrock: {reason} (set AWS_BEARER_TOKEN_BEDROCK, \
                     or sign in with `aws sso login` and AWS_PROFILE, or give the machine a role)"
                ),
            )
        } else if is_untrusted {
            (
                Kind::Untrusted,
                format!(
                    "no trusted connection to Bedrock in {}: {reason}",
                    self.0.region
                ),
            )
        } else if matches!(error, SdkError::ConstructionFailure(_)) {
            (
                Kind::BadRequest,
                format!("the request to Bedrock cannot be made: {reason}"),
            )
        } else {
            (
                Kind::Network,
                format!(
                    "no connection to Bedrock in {}: {reason} (check the region and the network)",
                    self.0.region
                ),
            )
        };
        Refused {
            error: Error::new(kind, scrub(&message, self.0.key.as_ref())),
            invalid: None,
        }
    }

    /// Reads what ended a stream that had begun.
    pub(super) fn broken(&self, error: &SdkError<ConverseStreamOutputError, RawMessage>) -> Error {
        if let Some(exception) = error.as_service_error() {
            return self.exception(exception);
        }
        let reason = root_cause(error);
        if matches!(error, SdkError::ResponseError(_)) {
            // The SDK has no type for this one.
            if reason == "unexpected end of stream" {
                let message = "the stream ended inside an event: the answer was cut off";
                return self.about(Kind::Truncated, message);
            }
            let message = format!("the stream holds what is no event: {reason}");
            return self.about(Kind::Malformed, &message);
        }
        let is_cut = causes(error).any(|cause| {
            let io = cause.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof)
        });
        let kind = if is_cut {
            Kind::Truncated
        } else {
            Kind::Network
        };
        self.about(kind, &format!("the connection broke: {reason}"))
    }

    fn exception(&self, exception: &ConverseStreamOutputError) -> Error {
        use ConverseStreamOutputError as Exception;
        let word = match exception {
            Exception::InternalServerException(_) => "InternalServerException",
            Exception::ModelStreamErrorException(_) => "ModelStreamErrorException",
            Exception::ValidationException(_) => "ValidationException",
            Exception::ThrottlingException(_) => "ThrottlingException",
            Exception::ServiceUnavailableException(_) => "ServiceUnavailableException",
            other => other.code().unwrap_or_default(),
        };
        let own = exception.message().unwrap_or_default();
        let of_model = match exception {
            Exception::ModelStreamErrorException(error) => error
                .original_message()
                .filter(|message| *message != own)
                .map(|message| format!("{own} ({message})")),
            _ => None,
        };
        self.complaint(&Complaint {
            word,
            message: of_model.as_deref().unwrap_or(own),
            status: None,
        })
        .error
    }

    fn complaint(&self, complaint: &Complaint<'_>) -> Refused {
        let kind = complaint.kind();
        let word = if complaint.word.is_empty() {
            "an error"
        } else {
            complaint.word
        };
        let mut message = match complaint.status {
            Some(status) => format!("Bedrock in {} answered {status} {word}", self.0.region),
            None => format!("Bedrock in {} broke off with {word}", self.0.region),
        };
        let reason = complaint.message.trim();
        if !reason.is_empty() {
            let told = without_identities(reason);
            if told != reason {
                tracing::warn!(
                    reason = scrub(reason, self.0.key.as_ref()),
                    "Bedrock refused"
                );
            }
            message.push_str(": ");
            message.extend(told.chars().take(MAX_REASON));
        }
        if let Some(fix) = complaint.fix(kind) {
            message.push_str(" (");
            message.push_str(fix);
            message.push(')');
        }
        let is_invalid = complaint.word.starts_with("ValidationException");
        Refused {
            error: Error::new(kind, scrub(&message, self.0.key.as_ref())),
            invalid: is_invalid.then(|| reason.to_owned()),
        }
    }
}

impl Complaint<'_> {
    /// Source: Amazon Bedrock API Reference, `ConverseStream` errors; AWS "Common errors" for what
    /// every service's front says.
    fn kind(&self) -> Kind {
        match self.word {
            "ThrottlingException"
            | "TooManyRequestsException"
            | "ServiceQuotaExceededException" => Kind::Throttled,
            "ModelTimeoutException" => Kind::Timeout,
            "ModelNotReadyException"
            | "ModelErrorException"
            | "ModelStreamErrorException"
            | "InternalServerException"
            | "ServiceUnavailableException" => Kind::Overloaded,
            "ResourceNotFoundException" => Kind::NotFound,
            "ValidationException" if self.says(&["model identifier is invalid"]) => Kind::NotFound,
            "ValidationException" if self.says(&["content filtering policy"]) => Kind::Filtered,
            "ValidationException" => Kind::BadRequest,
            word if is_about_identity(word) => Kind::Unauthorised,
            _ => match self.status {
                Some(401..=403) => Kind::Unauthorised,
                Some(404) => Kind::NotFound,
                Some(408 | 504) => Kind::Timeout,
                Some(429) => Kind::Throttled,
                Some(424) | None => Kind::Overloaded,
                Some(400..=499) => Kind::BadRequest,
                Some(_) => Kind::Overloaded,
            },
        }
    }

    /// Names the one thing that mends it, where there is one.
    fn fix(&self, kind: Kind) -> Option<&'static str> {
        Some(match kind {
            Kind::Unauthorised if self.says(&["access to the model"]) => {
                "open this model for the account in this region, in the console under Model access"
            }
            Kind::Unauthorised if self.word.starts_with("AccessDenied") => {
                "allow the identity `bedrock:InvokeModelWithResponseStream` on the model and on its \
                 inference profile"
            }
            Kind::Unauthorised if self.word.contains("Expired") => {
                "sign in again, or set new temporary credentials"
            }
            Kind::Unauthorised if self.word.contains("Signature") => {
                "check the secret key and this machine's clock"
            }
            Kind::Unauthorised => "check the AWS credentials or AWS_BEARER_TOKEN_BEDROCK",
            Kind::NotFound => {
                "check the model's id and the region; ids and profiles differ by region"
            }
            Kind::BadRequest if self.says(&["on-demand throughput", "inference profile"]) => {
                "name its inference profile: put `global.`, `us.`, `eu.` or `apac.` before the id"
            }
            Kind::BadRequest if self.says(&["too long", "too many input tokens"]) => {
                "shorten the question or its context, or choose a model with a larger window"
            }
            Kind::Throttled if self.says(&["per day"]) => {
                "the quota of the day is used up: choose another model, or ask AWS for a higher quota"
            }
            _ => return None,
        })
    }

    fn says(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        phrases.iter().any(|phrase| message.contains(phrase))
    }
}

/// Takes roles and account numbers out of AWS's sentence: a deliberation's readers may be anybody,
/// and the whole sentence stands in the log.
fn without_identities(reason: &str) -> String {
    let mut words = Vec::new();
    for word in reason.split(' ') {
        let fields: Vec<&str> = word.splitn(6, ':').collect();
        words.push(match fields.as_slice() {
            ["arn", _, "iam" | "sts", ..] => "(see the log)".to_owned(),
            ["arn", partition, service, region, account, resource] if !account.is_empty() => {
                format!("arn:{partition}:{service}:{region}:*:{resource}")
            }
            _ => word.to_owned(),
        });
    }
    words.join(" ")
}

fn is_about_identity(word: &str) -> bool {
    [
        "AccessDenied",
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "InvalidSignature",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "ExpiredToken",
        "RequestExpired",
        "OptInRequired",
        "NotAuthorized",
    ]
    .iter()
    .any(|front| word.starts_with(front))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The word, the message, the status, the kind and what the fix names.
    type Row = (&'static str, &'static str, u16, Kind, &'static str);

    const ROWS: &[Row] = &[
        (
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            403,
            Kind::Unauthorised,
            "Model access",
        ),
        (
            "AccessDeniedException",
            "The caller is not authorized",
            403,
            Kind::Unauthorised,
            "bedrock:InvokeModelWithResponseStream",
        ),
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            403,
            Kind::Unauthorised,
            "credentials",
        ),
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            403,
            Kind::Unauthorised,
            "sign in again",
        ),
        (
            "InvalidSignatureException",
            "Signature expired",
            403,
            Kind::Unauthorised,
            "clock",
        ),
        (
            "ResourceNotFoundException",
            "Model not found.",
            404,
            Kind::NotFound,
            "region",
        ),
        (
            "ValidationException",
            "The provided model identifier is invalid.",
            400,
            Kind::NotFound,
            "id",
        ),
        (
            "ValidationException",
            "Invocation of model ID x with on-demand throughput isn\u{2019}t supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
            400,
            Kind::BadRequest,
            "`global.`",
        ),
        (
            "ValidationException",
            "Input is too long for requested model.",
            400,
            Kind::BadRequest,
            "shorten",
        ),
        (
            "ValidationException",
            "Output blocked by content filtering policy",
            400,
            Kind::Filtered,
            "",
        ),
        (
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
            429,
            Kind::Throttled,
            "",
        ),
        (
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
            429,
            Kind::Throttled,
            "quota",
        ),
        (
            "ModelNotReadyException",
            "The model is not ready.",
            429,
            Kind::Overloaded,
            "",
        ),
        ("ModelTimeoutException", "Too slow.", 408, Kind::Timeout, ""),
        (
            "ModelErrorException",
            "It failed.",
            424,
            Kind::Overloaded,
            "",
        ),
        (
            "InternalServerException",
            "Oops.",
            500,
            Kind::Overloaded,
            "",
        ),
        (
            "ServiceUnavailableException",
            "Later.",
            503,
            Kind::Overloaded,
            "",
        ),
        ("", "", 502, Kind::Overloaded, ""),
        ("", "", 504, Kind::Timeout, ""),
    ];

    #[test]
    fn who_we_are_to_aws_is_not_told_to_a_deliberations_readers() {
        let teller = Teller::new("us-east-1".to_owned(), None);
        let told = teller.complaint(&Complaint {
            word: "AccessDeniedException",
            message: "User: arn:aws:sts::123456789012:assumed-role/magi-council/magi is not authorized to perform: bedrock:InvokeModelWithResponseStream on resource: arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.nova because no policy allows it",
            status: Some(403),
        });
        let message = told.error.message;
        for secret in ["123456789012", "magi-council"] {
            assert!(!message.contains(secret), "{message}");
        }
        for needed in [
            "bedrock:InvokeModelWithResponseStream on resource: arn:aws:bedrock:us-east-1:*:inference-profile/us.nova because",
            "see the log",
        ] {
            assert!(message.contains(needed), "{message}");
        }
    }

    #[test]
    fn every_word_has_its_kind_and_those_that_can_be_mended_their_fix() {
        let teller = Teller::new("eu-west-1".to_owned(), None);
        for &(word, message, status, kind, fix) in ROWS {
            let complaint = Complaint {
                word,
                message,
                status: Some(status),
            };
            let told = teller.complaint(&complaint).error;
            assert_eq!(told.kind, kind, "{word} {message}");
            assert!(
                told.message.contains(message) && told.message.contains(fix),
                "{}",
                told.message
            );
            assert!(told.message.contains("eu-west-1"), "{}", told.message);
            assert_eq!(
                told.message.ends_with(')'),
                !fix.is_empty(),
                "{}",
                told.message
            );
        }
    }
}

//! Signature Version 4 for requests that are sent by somebody else's HTTP client.

use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use magi_model::root_cause;

/// What a signature is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The signing name, as in `lambda`.
    pub service: String,
    /// The region, as in `us-east-1`.
    pub region: String,
}

/// Why a request is not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// There are no credentials, or they could not be fetched.
    #[error("no AWS credentials: {0}")]
    NoCredentials(String),
    /// The request has something that cannot be signed.
    #[error("the request cannot be signed: {0}")]
    Unsignable(String),
}

/// Signs requests for one service in one region.
#[derive(Clone, Debug)]
pub struct Signer {
    scope: Scope,
    keys: Option<SharedCredentialsProvider>,
}

impl Signer {
    /// Makes a signer with the credentials of AWS's default chain: environment, profile, SSO, web
    /// identity, container, instance. They are fetched when the first request is signed.
    pub async fn new(scope: Scope) -> Signer {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        let region = Region::new(scope.region.clone());
        let loaded = Box::pin(loader.region(region).load()).await;
        let keys = loaded.credentials_provider();
        Signer { scope, keys }
    }

    /// Makes a signer with keys at hand, such as an identity pool's.
    #[must_use]
    pub fn with_keys(scope: Scope, key: &str, secret: &str, token: Option<String>) -> Signer {
        let keys = Credentials::new(key, secret, token, None, "given");
        Signer {
            scope,
            keys: Some(SharedCredentialsProvider::new(keys)),
        }
    }

    /// Signs a request as it will be sent: afterwards nothing of it may change but headers that are
    /// neither the content's type nor AWS's own.
    ///
    /// # Errors
    ///
    /// When there are no credentials, or a header is not text.
    pub async fn sign(
        &self,
        request: &mut Request<Bytes>,
        now: SystemTime,
    ) -> Result<(), SignError> {
        let nobody = |why: String| SignError::NoCredentials(why);
        let keys = self.keys.as_ref();
        let keys = keys.ok_or_else(|| nobody("this build knows no source of them".to_owned()))?;
        let identity: Identity = match keys.provide_credentials().await {
            Ok(keys) => keys.into(),
            Err(error) => return Err(nobody(root_cause(&error))),
        };
        let unsignable = |error: &dyn std::error::Error| SignError::Unsignable(error.to_string());
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.scope.region)
            .name(&self.scope.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsignable(&error))?
            .into();
        // A proxy on the way may change what is not AWS's: less signed is less broken.
        let signed = |name: &str| name == CONTENT_TYPE.as_str() || name.starts_with("x-amz");
        let mut headers = Vec::new();
        for (name, value) in request.headers() {
            if signed(name.as_str()) {
                headers.push((
                    name.as_str(),
                    value.to_str().map_err(|error| unsignable(&error))?,
                ));
            }
        }
        let uri = request.uri().to_string();
        let body = SignableBody::Bytes(request.body());
        let signable =
            SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body);
        let signable = signable.map_err(|error| unsignable(&error))?;
        let signed = sign(signable, &params).map_err(|error| unsignable(&error))?;
        let (instructions, _) = signed.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// Reads service and region off the name of one of AWS's hosts.
///
/// Source: AWS Lambda Developer Guide, "Lambda function URLs" (`ID.lambda-url.REGION.on.aws`); AWS
/// General Reference, "Amazon Bedrock AgentCore endpoints" (`bedrock-agentcore.REGION.amazonaws.com`).
#[must_use]
pub fn scope_of(host: &str) -> Option<Scope> {
    let host = host.to_ascii_lowercase();
    let parts: Vec<_> = host.split('.').collect();
    let (service, region) = match parts.as_slice() {
        [_, "lambda-url", region, "on", "aws"] => ("lambda", *region),
        ["bedrock-agentcore", region, "amazonaws", "com"] => ("bedrock-agentcore", *region),
        ["bedrock-agentcore", region, "amazonaws", "com", "cn"] => ("bedrock-agentcore", *region),
        _ => return None,
    };
    Some(Scope {
        service: service.to_owned(),
        region: region.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_aws_names_service_and_region() {
        let of = |host| scope_of(host).map(|scope| (scope.service, scope.region));
        let is = |service: &str, region: &str| Some((service.to_owned(), region.to_owned()));
        assert_eq!(
            of("abc123.lambda-url.eu-west-1.on.aws"),
            is("lambda", "eu-west-1")
        );
        assert_eq!(
            of("bedrock-agentcore.us-west-2.amazonaws.com"),
            is("bedrock-agentcore", "us-west-2")
        );
        for host in [
            "magi.example",
            "lambda-url.us-east-1.on.aws",
            "127.0.0.1",
            "",
        ] {
            assert_eq!(of(host), None, "{host}");
        }
    }
}

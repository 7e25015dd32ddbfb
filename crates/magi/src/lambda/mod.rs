//! `magi lambda`: the handler of a Lambda function behind a Function URL that streams.
//!
//! Either a *gateway* to an AgentCore runtime, or *direct*: the council itself in the function. Both
//! end every stream normally: the runtime library writes a stream's error into the body as text.

mod answer;
mod deadline;
mod direct;
mod gateway;
mod relay;
mod session;

use anyhow::{Context, Result, anyhow, bail};
use lambda_http::service_fn;
use magi_aws::agentcore::Target;

use crate::exit::{Exit, OrUsage};
use crate::lambda::deadline::Margin;
use crate::settings::Settings;
use crate::signals::Signals;

/// What the runtime library reads from its environment, and stops at when one is missing.
///
/// Source: AWS Lambda Developer Guide, "Defined runtime environment variables".
const NEEDED: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

/// Answers invocations until the process is asked to stop.
pub(crate) async fn run(settings: &Settings) -> Result<Exit> {
    is_function().or_usage()?;
    let mut signals = Signals::listen()?;
    let margin = Margin::read(settings).or_usage()?;
    match upstream(settings).or_usage()? {
        Some(target) => {
            let gateway = gateway::Gateway::new(target, margin).await;
            let calls = lambda_http::run_with_streaming_response(service_fn(|request| {
                gateway.answer(request)
            }));
            Box::pin(until(calls, &mut signals)).await
        }
        None => {
            let function = direct::Direct::new(settings, margin)?;
            let calls = lambda_http::run_with_streaming_response(service_fn(|request| {
                function.answer(request)
            }));
            Box::pin(until(calls, &mut signals)).await
        }
    }
}

async fn until(
    calls: impl Future<Output = Result<(), lambda_http::Error>>,
    signals: &mut Signals,
) -> Result<Exit> {
    tokio::select! {
        ended = calls => ended
            .map_err(|error| anyhow!(error))
            .context("the Lambda runtime API does not answer")?,
        () = signals.next() => {}
    }
    Ok(Exit::Done)
}

fn is_function() -> Result<()> {
    for name in NEEDED {
        if std::env::var_os(name).is_none_or(|value| value.is_empty()) {
            bail!("{name} is not set: `magi lambda` is started by AWS Lambda, or by what plays it");
        }
    }
    Ok(())
}

/// Reads where to relay to.
fn upstream(settings: &Settings) -> Result<Option<Target>> {
    let Some(value) = settings.get("upstream") else {
        return Ok(None);
    };
    let wrong = || format!("setting `upstream` (from {})", value.source);
    let Some(target) = value.text.strip_prefix("agentcore:") else {
        return Err(anyhow!("`{}` does not begin with `agentcore:`", value.text))
            .with_context(wrong);
    };
    target.parse().map(Some).with_context(wrong)
}

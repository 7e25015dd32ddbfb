//! The retention: what has been over for so long that it goes, and how a server lets it go.

use std::time::Duration;

use anyhow::{Result, bail};
use magi_event::Timestamp;
use magi_log::{Env, Expiry, Logs};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// The most deliberations that go at a time.
pub(crate) const AT_A_TIME: usize = 100;

/// How often is looked whether something has to go.
const LOOK: Duration = Duration::from_secs(3600);

/// How long others have the store when more has to go than at a time.
const BREATH: Duration = Duration::from_secs(5);

/// The longest age, in hours: a hundred years.
const LONGEST_HOURS: u64 = 100 * 366 * 24;

/// Reads an age: `90d` or `12h`, at least an hour.
pub(crate) fn age(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, hours) = match text.strip_suffix('d') {
        Some(days) => (days, 24),
        None => (text.strip_suffix('h')?, 1),
    };
    let hours = number.trim().parse::<u64>().ok()?.checked_mul(hours)?;
    (1..=LONGEST_HOURS)
        .contains(&hours)
        .then(|| Duration::from_secs(hours * 3600))
}

/// Reads the setting `retention`; `None` is off.
///
/// # Errors
///
/// When it is no age.
pub(crate) fn read(settings: &Settings) -> Result<Option<Duration>> {
    let Some(value) = settings.get("retention") else {
        return Ok(None);
    };
    match value.text.trim() {
        "off" => Ok(None),
        text => match age(text) {
            Some(age) => Ok(Some(age)),
            None => bail!(
                "setting `retention` is `{text}` (from {}): expected `off` or an age such as `90d` or `12h`",
                value.source
            ),
        },
    }
}

/// Returns the instant so long ago.
pub(crate) fn before(env: &Env, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    env.clock.now().plus_millis(-age)
}

/// Lets go of what has been over for so long, until `stop`. What a person wrote a decision or an
/// outcome to stays.
pub(crate) async fn keep(logs: Logs, env: Env, age: Duration, stop: CancellationToken) {
    let catalogue = logs.catalogue();
    loop {
        let expiry = Expiry {
            before: before(&env, age),
            spares_marked: true,
            most: AT_A_TIME,
        };
        let gone = tokio::select! {
            gone = catalogue.expire(&expiry) => gone,
            () = stop.cancelled() => return,
        };
        let wait = match gone {
            Ok(gone) => {
                for id in &gone {
                    tracing::info!(%id, "deleted: it was over for longer than the setting `retention`");
                }
                if !gone.is_empty() {
                    tracing::warn!(n = gone.len(), before = %expiry.before, "the retention deleted deliberations");
                }
                if gone.len() < AT_A_TIME { LOOK } else { BREATH }
            }
            Err(error) => {
                tracing::warn!(%error, "the retention could not look through the store");
                LOOK
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_in_days_or_hours() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        assert_eq!((age("90d"), age(" 12h ")), (hours(90 * 24), hours(12)));
        for wrong in [
            "",
            "90",
            "0d",
            "-1d",
            "1.5d",
            "d",
            "90 days",
            "99999999999999999999d",
            "40000d",
        ] {
            assert_eq!(age(wrong), None, "{wrong}");
        }
    }
}

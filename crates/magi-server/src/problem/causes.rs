//! From the other rooms' errors to problems.

use super::{Code, Problem};

impl From<magi_council::Error> for Problem {
    fn from(error: magi_council::Error) -> Self {
        use magi_council::Error;
        let text = error.to_string();
        match error {
            Error::Invalid { field, .. } => Problem::field(field, text),
            Error::KeyReused => Problem::new(Code::KeyReused, text).at("idempotency_key"),
            Error::KeyDeleted => Problem::new(Code::KeyDeleted, text).at("idempotency_key"),
            Error::Unknown => Problem::new(Code::NotFound, text).at("id"),
            Error::NoPreset(_) => Problem::new(Code::NotFound, text)
                .at("name")
                .fix("`GET /v1/presets` lists those there are"),
            Error::PresetChanged { version, .. } => Problem::new(Code::Conflict, text)
                .at("if_version")
                .fix(format!("read it again, then send `if_version` {version}")),
            Error::Conflict(_) => Problem::new(Code::Conflict, text),
            Error::Unavailable(_) => store_unavailable(&text),
            Error::Damaged(_) => Problem::new(Code::StoreDamaged, text),
            Error::Busy(_) => Problem::new(Code::Busy, text).fix("try again in a few seconds"),
            _ => internal(&text),
        }
    }
}

impl From<magi_log::Error> for Problem {
    fn from(error: magi_log::Error) -> Self {
        use magi_log::Error;
        let text = error.to_string();
        match error {
            Error::Unknown(_) => Problem::new(Code::NotFound, text).at("id"),
            Error::Gone { first_kept } => Problem::new(Code::Gone, text)
                .first_kept(Some(first_kept))
                .fix("fetch the snapshot and go on from its `cursor`"),
            Error::Ahead { .. } => Problem::new(Code::CursorAhead, text)
                .fix("fetch the snapshot and go on from its `cursor`"),
            Error::Moved | Error::Unavailable { .. } => store_unavailable(&text),
            Error::Damaged { .. } | Error::Closed(magi_log::Closed::Damaged) => {
                Problem::new(Code::StoreDamaged, text)
            }
            Error::Closed(_) => store_unavailable(&text),
            Error::Owned(_) | Error::Over(_) => Problem::new(Code::Conflict, text),
            _ => internal(&text),
        }
    }
}

/// The caller is told that it is so; the operator's log is told why.
fn store_unavailable(why: &str) -> Problem {
    tracing::warn!(%why, "the store did not answer");
    Problem::new(
        Code::StoreUnavailable,
        "the store does not answer at the moment",
    )
    .fix("keep the cursor and connect again in a few seconds")
}

fn internal(why: &str) -> Problem {
    tracing::error!(%why, "a request failed");
    Problem::new(Code::Internal, why)
}

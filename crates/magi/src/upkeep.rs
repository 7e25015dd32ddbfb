//! `magi backup` and `magi restore`: the store as one file, and back.

use std::io::{self, Write};

use anyhow::{Context, Result};

use crate::args::{Backup, Restore};
use crate::exit::Exit;
use crate::house;
use crate::settings::Settings;

/// Runs `magi backup`.
pub(crate) async fn backup(settings: &Settings, flags: &Backup) -> Result<Exit> {
    let folder = settings.data_dir();
    let file = if flags.to.is_dir() {
        let now = house::env().clock.now().to_string();
        let stamp: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
        flags.to.join(format!("magi-{stamp}.db"))
    } else {
        flags.to.clone()
    };
    let to = file.clone();
    let copied = tokio::task::spawn_blocking(move || magi_log::backup(&folder, &to)).await??;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}: {} deliberations, {} bytes, SHA-256 {} (in {}.sha256)",
        file.display(),
        copied.deliberations,
        copied.bytes,
        copied.sha256,
        file.display()
    )?;
    Ok(Exit::Done)
}

/// Runs `magi restore`.
pub(crate) async fn restore(settings: &Settings, flags: &Restore) -> Result<Exit> {
    let folder = settings.data_dir();
    let (file, force) = (flags.file.clone(), flags.force);
    let now = house::env().clock.now();
    let work = move || magi_log::restore(&file, &folder, force, now);
    let restored = tokio::task::spawn_blocking(work).await?;
    let restored = restored.context("nothing was restored")?;
    let mut out = io::stdout().lock();
    if let Some(old) = &restored.moved_to {
        writeln!(out, "what was there is in {}", old.display())?;
    }
    writeln!(
        out,
        "{}: {} deliberations, {} of them not over: they go on as after a crash",
        settings.data_dir().display(),
        restored.deliberations,
        restored.unfinished
    )?;
    Ok(Exit::Done)
}

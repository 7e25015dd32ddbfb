//! A server as a process: started, timed, weighed, ended.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// A server under measurement.
pub(crate) struct Server {
    child: Child,
    /// Its address, `http://127.0.0.1:PORT`.
    pub(crate) address: String,
    /// From spawn to the first `200` of `/ping`.
    pub(crate) cold_start: Duration,
}

/// How often a starting server is asked whether it is there.
const POLL: Duration = Duration::from_micros(500);

impl Server {
    /// Starts a program that prints `listening on http://...` in its first lines.
    pub(crate) async fn start(
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Server> {
        let began = Instant::now();
        let mut child = Command::new(program)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(out).lines();
        let address = loop {
            let Some(line) = lines.next_line().await? else {
                bail!("{} ended before it listened", program.display());
            };
            if let Some((_, address)) = line.split_once("http://") {
                let address = address.split_whitespace().next().unwrap_or_default();
                break format!("http://{}", address.trim_end_matches('/'));
            }
        };
        let client = reqwest::Client::builder().no_proxy().build()?;
        while !is_up(&client, &address).await {
            anyhow::ensure!(
                began.elapsed() < Duration::from_secs(30),
                "{address} does not answer"
            );
            tokio::time::sleep(POLL).await;
        }
        Ok(Server {
            child,
            address,
            cold_start: began.elapsed(),
        })
    }

    /// Returns the resident memory, in KiB.
    pub(crate) fn memory_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("no VmRSS")?;
        let number = line.split_whitespace().nth(1).context("no number")?;
        Ok(number.parse()?)
    }

    /// Returns the CPU time used so far by all threads alive, to the nanosecond.
    ///
    /// Source: Linux, Documentation/scheduler/sched-stats.rst, `/proc/<pid>/schedstat`.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid()?))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            let on_cpu: u64 = text.split_whitespace().next().context("no time")?.parse()?;
            total += on_cpu;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    fn pid(&self) -> Result<u32> {
        self.child.id().context("the server is gone")
    }
}

async fn is_up(client: &reqwest::Client, address: &str) -> bool {
    let answer = client.get(format!("{address}/ping")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

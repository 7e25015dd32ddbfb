//! `magi serve`: the server with its page.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use magi_server::{Config, Rooms, Scene, Server, Token, Trust};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args;
use crate::exit::{Exit, OrUsage};
use crate::house::{self, House, Plan};
use crate::retention;
use crate::settings::Settings;
use crate::show::words::Lang;
use crate::signals::Signals;

/// How often unfinished deliberations without an owner are looked for: as often as leases are
/// renewed, so that one that lapses is taken over about as soon as it may be.
const LOOK: Duration = Duration::from_secs(3);

/// How long running deliberations may take to be put down at the end.
const PUT_DOWN: Duration = Duration::from_secs(5);

/// Runs the server until it is asked to stop.
pub(crate) async fn run(settings: &Settings, flags: &args::Serve) -> Result<Exit> {
    let mut config = config(settings).or_usage()?;
    config.trust = trust(settings).or_usage()?;
    config.emf = emf(settings, false).or_usage()?;
    let port = settings.parse("port").or_usage()?.unwrap_or_default();
    let address = address(settings.text("host"), port).await.or_usage()?;
    if matches!(config.trust, Trust::Local) && !address.ip().is_loopback() {
        return Err(magi_server::Error::OpenToAll(address).into()).or_usage();
    }
    let place = Place {
        address,
        config,
        opens: flags.open,
    };
    let is_platform = matches!(place.config.trust, Trust::Platform);
    listen(settings, place, || {
        let plan = Plan::read(settings)?;
        let plan = if is_platform { plan.for_others() } else { plan };
        Ok(plan.build(house::logs(settings)?))
    })
    .await
}

/// Where a server listens, and how.
pub(crate) struct Place {
    /// The address; port 0 takes a free one.
    pub(crate) address: SocketAddr,
    /// What the door is like.
    pub(crate) config: Config,
    /// Whether the page is opened in the browser.
    pub(crate) opens: bool,
}

/// Listens and serves until the process is asked to stop. The house is built once the address is
/// ours, so that a second start does not touch the first one's store.
///
/// # Errors
///
/// When the address cannot be had or the house cannot be built.
pub(crate) async fn listen(
    settings: &Settings,
    place: Place,
    build: impl FnOnce() -> Result<House>,
) -> Result<Exit> {
    let mut signals = Signals::listen()?;
    let age = retention::read(settings).or_usage()?;
    let address = place.address;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}: choose another with --port"))?;
    let house = build()?;
    let stop = CancellationToken::new();
    let keeps = place.config.has_store;
    let server = Server::new(rooms(&house), place.config, stop.clone())?;
    let address = listener.local_addr()?;
    let lang = Lang::of_terminal(settings.text("lang"));
    let tasks = TaskTracker::new();
    let engine = house.engine.clone();
    tasks.spawn(async move { engine.attend(LOOK).await });
    if let Some(age) = age {
        let (logs, env) = (house.logs.clone(), house.env.clone());
        tasks.spawn(retention::keep(logs, env, age, stop.clone()));
    }
    if let Err(error) = announce(address, &house, keeps, lang) {
        // Whoever started this has read what it wanted and left: no reason not to serve.
        tracing::debug!(%error, "nobody reads where the server is");
    }
    if place.opens {
        open(&format!("http://{address}/"))?;
    }
    let ending = stop.clone();
    tasks.spawn(async move {
        signals.next().await;
        ending.cancel();
    });
    server.serve(listener).await?;
    stop.cancel();
    tasks.close();
    house.engine.shutdown(PUT_DOWN).await;
    tasks.wait().await;
    house.logs.close().await;
    Ok(Exit::Done)
}

/// Reads what every door has from the settings; the trust is the caller's to choose.
pub(crate) fn config(settings: &Settings) -> Result<Config> {
    let mut config = Config::default();
    if let Some(heartbeat) = settings.duration("heartbeat")? {
        config.heartbeat = heartbeat;
    }
    match settings.duration("write_stall")? {
        Some(stall) if stall.is_zero() => bail!("setting `write_stall` must be more than 0"),
        Some(stall) => config.write_stall = stall,
        None => {}
    }
    config.cors_origins = settings
        .text("cors_origins")
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(str::to_owned)
        .collect();
    if let Some(deployment) = settings.parse("metrics.deployment")? {
        config.deployment = deployment;
    }
    Ok(config)
}

/// Tells whether lines of metrics are printed: by itself only where a platform collects them.
pub(crate) fn emf(settings: &Settings, is_collected: bool) -> Result<bool> {
    match settings.text("metrics.emf") {
        "auto" => Ok(is_collected),
        "on" => Ok(true),
        "off" => Ok(false),
        other => bail!("setting `metrics.emf` is `{other}`: expected `auto`, `on` or `off`"),
    }
}

fn trust(settings: &Settings) -> Result<Trust> {
    match settings.text("trust") {
        "local" => Ok(Trust::Local),
        "platform" => Ok(Trust::Platform),
        "token" => {
            let Some(token) = settings.get("token") else {
                bail!("trust is `token`, and there is none: set MAGI_TOKEN to a long random text");
            };
            let token = Token::new(&token.text)
                .with_context(|| format!("setting `token` (from {})", token.source))?;
            Ok(Trust::Token(token))
        }
        other => bail!("setting `trust` is `{other}`: expected `local`, `token` or `platform`"),
    }
}

/// Looks a host up.
pub(crate) async fn address(host: &str, port: u16) -> Result<SocketAddr> {
    let mut found = tokio::net::lookup_host((host, port))
        .await
        .with_context(|| format!("setting `host` is `{host}`"))?;
    found
        .next()
        .with_context(|| format!("`{host}` has no address"))
}

/// Hands the house to a door.
pub(crate) fn rooms(house: &House) -> Rooms {
    let scenes = magi_model::rehearsal::scenes()
        .iter()
        .map(|scene| Scene {
            name: scene.name.to_string(),
            lang: scene.lang.code().to_owned(),
            question: scene.question.to_string(),
            preset: scene.preset.to_string(),
        })
        .collect();
    Rooms {
        engine: house.engine.clone(),
        logs: house.logs.clone(),
        env: house.env.clone(),
        models: house.models.clone(),
        settings: house.defaults.clone(),
        scenes,
    }
}

/// Says where the page is and what answers; the first line is for programs to read, too.
fn announce(address: SocketAddr, house: &House, keeps: bool, lang: Lang) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "MAGI is listening on http://{address}")?;
    writeln!(
        out,
        "{}: {}",
        lang.pick("answers", "回答"),
        house.choice.line(lang)
    )?;
    let stops = if keeps {
        lang.pick(
            "Ctrl+C stops the server; what was said is kept, and goes on at the next start",
            "Ctrl+C でサーバーを止めます。それまでの発言は残り、次の起動時に続きから再開します",
        )
    } else {
        lang.pick(
            "Ctrl+C stops the server; what was said is kept only as long as it runs",
            "Ctrl+C でサーバーを止めます。発言が残るのはサーバーの動作中だけです",
        )
    };
    writeln!(out, "{stops}")?;
    out.flush()
}

/// Opens the page in the person's own browser.
fn open(url: &str) -> Result<()> {
    let (program, args): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/c", "start"]),
        _ => ("xdg-open", &[]),
    };
    let started = std::process::Command::new(program)
        .args(args)
        .arg(url)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    if let Err(error) = started {
        writeln!(
            io::stderr().lock(),
            "could not open a browser ({error}): open {url} yourself"
        )?;
    }
    Ok(())
}

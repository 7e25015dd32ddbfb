//! Random cuts and resets of the reader's connection, a stream's and a WebSocket's: nothing lost, doubled or
//! reordered.

use magi_client::Door;
use magi_emulator::fault::{Plan, Proxy, Random};
use magi_emulator::{Config, Emulator};
use magi_event::check::{Checker, Mode};

use super::support::{Seen, Served, ask, client, http, magi, number};

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_cut_at_random_loses_doubles_and_reorders_nothing() {
    let cuts = number("MAGI_CUTS", 100);
    let seed = number("MAGI_SEED", 20_261_123);
    let vendors = Emulator::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = magi(folder.path());
    command
        .env("ANTHROPIC_BASE_URL", vendors.anthropic_url())
        .env("ANTHROPIC_API_KEY", "test")
        .env(
            "MAGI_MODEL",
            "anthropic:fake+random+reasoning+len-120+tps-400",
        );
    let served = Served::start(&mut command, 0).await;
    let asker = http();
    let (mut n_cuts, mut n_connections, mut n_events, mut n_deliberations) = (0, 0, 0, 0);
    while n_cuts < cuts {
        let target = served
            .address
            .trim_start_matches("http://")
            .parse()
            .unwrap();
        let random = Random {
            seed: seed + n_deliberations,
            least: 1,
            most: 6_000,
            faults: cuts - n_cuts,
        };
        let proxy = Proxy::start(target, Plan::Random(random)).await.unwrap();
        let id = ask(&asker, &served.address, "Should we ship on Friday?").await;
        let mut cut = Seen::default();
        let door = [Door::Api, Door::Socket][usize::from(n_deliberations % 2 == 1)];
        let through = client(&format!("http://{}", proxy.addr()), door);
        cut.read_through(&through, id).await;
        n_cuts += proxy.counts().faults;
        proxy.stop().await;

        let mut whole = Seen::default();
        whole.read_to_the_end(&served.address, id).await;
        assert_eq!(
            cut.entries.len(),
            whole.entries.len(),
            "lost or doubled in {id}"
        );
        for (left, right) in cut.entries.iter().zip(&whole.entries) {
            assert_eq!(left, right);
        }
        let mut checker = Checker::new(Mode::Log);
        for (cursor, event) in &cut.entries {
            checker.entry(*cursor, event).unwrap();
        }
        checker.finish(true).unwrap();
        n_connections += cut.connections;
        n_events += cut.entries.len();
        n_deliberations += 1;
    }
    told!(
        "cuts: {n_cuts} over {n_deliberations} deliberations, {n_connections} connections, \
         {n_events} events, seed {seed}: 0 lost, 0 doubled, 0 reordered"
    );
    vendors.stop().await;
}

//! The fault proxy between a client and a healthy fake.

use std::net::SocketAddr;
use std::time::Duration;

use magi_emulator::fault::{Ending, Fault, How, Plan, Proxy, Random, Slice, Toward};
use serde_json::json;
use tokio::time::Instant;

use crate::{Fakes, client, read};

async fn ask(addr: SocketAddr) -> (String, bool) {
    let body = json!({"model": "fake+len-200", "stream": true,
        "messages": [{"role": "user", "content": "Should we?"}]});
    read(
        client()
            .post(format!("http://{addr}/v1/chat/completions"))
            .json(&body),
    )
    .await
}

fn end(after: u64, how: How) -> Fault {
    Fault {
        end: Some(Ending {
            after,
            toward: Toward::Client,
            how,
        }),
        slice: None,
    }
}

#[tokio::test]
async fn faults_come_in_order_and_then_all_is_well() {
    let fakes = Fakes::start().await;
    let stall = How::Stall(Duration::from_millis(300));
    let plan = vec![
        end(0, How::Reset),
        end(900, How::Cut),
        end(900, How::Reset),
        end(900, stall),
    ];
    let proxy = Proxy::start(fakes.running.addr(), Plan::Each(plan))
        .await
        .unwrap();
    assert_eq!(ask(proxy.addr()).await, (String::new(), false));
    let (text, well) = ask(proxy.addr()).await;
    assert!(!well && (1..900).contains(&text.len()), "{}", text.len());
    assert!(!ask(proxy.addr()).await.1);
    let began = Instant::now();
    assert!(!ask(proxy.addr()).await.1);
    assert!(began.elapsed() >= Duration::from_millis(300));
    let (text, well) = ask(proxy.addr()).await;
    assert!(well && text.ends_with("data: [DONE]\n\n"));
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.faults), (5, 4));
    proxy.stop().await;
}

#[tokio::test]
async fn slices_change_nothing_but_the_writes() {
    let fakes = Fakes::start().await;
    let (whole, _) = ask(fakes.running.addr()).await;
    fakes.running.ledger().clear();
    let slice = Some(Slice {
        bytes: 1,
        gap: Duration::ZERO,
    });
    let plan = Plan::All(Fault { end: None, slice });
    let proxy = Proxy::start(fakes.running.addr(), plan).await.unwrap();
    let (sliced, well) = ask(proxy.addr()).await;
    assert!(well);
    // The ids differ by one request.
    assert_eq!(sliced.replace("fake00000001", "fake00000000"), whole);
}

#[tokio::test]
async fn a_request_can_be_cut_on_its_way() {
    let fakes = Fakes::start().await;
    let cut = Ending {
        after: 60,
        toward: Toward::Server,
        how: How::Cut,
    };
    let plan = Plan::Each(vec![Fault {
        end: Some(cut),
        slice: None,
    }]);
    let proxy = Proxy::start(fakes.running.addr(), plan).await.unwrap();
    assert_eq!(ask(proxy.addr()).await, (String::new(), false));
    assert_eq!(fakes.running.ledger().requests(), 0);
    assert!(proxy.counts().toward_server <= 60);
}

#[tokio::test]
async fn random_faults_let_everything_through_in_the_end() {
    let fakes = Fakes::start().await;
    let random = Random {
        seed: 7,
        least: 300,
        most: 9_000,
        faults: u64::MAX,
    };
    let proxy = Proxy::start(fakes.running.addr(), Plan::Random(random))
        .await
        .unwrap();
    let mut tries = 0;
    while !ask(proxy.addr()).await.1 {
        tries += 1;
        assert!(tries < 1_000, "no progress");
    }
    assert!(tries > 8, "a reply of about 50 KiB should not pass at once");
    assert_eq!(proxy.counts().faults, tries);
}

#[tokio::test]
async fn everything_open_can_be_cut_at_once() {
    let fakes = Fakes::start().await;
    let proxy = Proxy::start(fakes.running.addr(), Plan::Each(Vec::new()))
        .await
        .unwrap();
    let body = json!({"model": "fake+stall-after-3", "stream": true,
        "messages": [{"role": "user", "content": "Should we?"}]});
    let url = format!("http://{}/v1/chat/completions", proxy.addr());
    let stalled = read(client().post(url).json(&body));
    let cut = async {
        let began = |e: &[magi_emulator::Entry]| e.iter().any(|e| e.tokens_sent == 3);
        fakes
            .running
            .ledger()
            .until(Duration::from_secs(5), began)
            .await;
        proxy.cut_all();
    };
    let ((_, well), ()) = tokio::join!(stalled, cut);
    assert!(!well);
    assert!(ask(proxy.addr()).await.1, "a later connection is whole");
}

//! The whole cloud: what it tells, and that its doors let through what the deployed ones do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use magi_emulator::cloud::{Cloud, CloudConfig, RunningCloud};
use serde_json::{Value, json};

use super::client;

/// A cloud whose processes are never started, because nobody is let in.
async fn start() -> RunningCloud {
    let mut config = CloudConfig::new("magi");
    config.quiet = true;
    Cloud::start(config).await.unwrap()
}

fn told(cloud: &RunningCloud, name: &str) -> String {
    let env = cloud.env();
    let found = env.into_iter().find(|(told, _)| told == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

fn read(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

type Names = BTreeSet<String>;

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Names {
    names.into_iter().map(str::to_owned).collect()
}

/// A list of the Function URL's `Cors` in a template, one item a line.
fn of_template(text: &str, list: &str) -> Names {
    let (_, after) = text.split_once(&format!("        {list}:\n")).expect(list);
    let items = after.lines().map(str::trim);
    names(items.map_while(|line| line.strip_prefix("- ")))
}

/// The headers that the guide says pages send and read.
fn of_guide(text: &str) -> [Names; 2] {
    let (_, after) = text.split_once("**CORS**").unwrap();
    let (rule, _) = after.split_once("\n\n").unwrap();
    let (sent, read) = rule.split_once("xpose").unwrap();
    [sent, read].map(|part| {
        names(
            part.split('`')
                .skip(1)
                .step_by(2)
                .filter(|name| *name != "POST"),
        )
    })
}

fn of_answer(answer: &reqwest::Response, header: &str) -> Names {
    names(answer.headers()[header].to_str().unwrap().split(','))
}

/// A page that works here works there, and the guide says why.
#[tokio::test]
async fn a_function_url_allows_and_exposes_what_the_templates_and_the_guide_say() {
    let cloud = start().await;
    let (mut sent, mut read_back) = (Vec::new(), Vec::new());
    for template in ["gateway", "direct"] {
        let text = read(&format!("deploy/cloudformation/{template}.yaml"));
        assert!(text.contains("AllowMethods: [POST]"));
        sent.push(of_template(&text, "AllowHeaders"));
        read_back.push(of_template(&text, "ExposeHeaders"));
    }
    for guide in ["docs/hosting.md", "docs/hosting.ja.md"] {
        let [allowed, exposed] = of_guide(&read(guide));
        sent.push(allowed);
        read_back.push(exposed);
    }
    for url in [cloud.gateway(), cloud.direct(), cloud.buffered()] {
        let preflight = client()
            .request(reqwest::Method::OPTIONS, url.url())
            .header("origin", "https://page.example")
            .header("access-control-request-method", "POST")
            .send();
        let preflight = preflight.await.unwrap();
        let methods = of_answer(&preflight, "access-control-allow-methods");
        assert_eq!(methods, names(["POST"]));
        sent.push(of_answer(&preflight, "access-control-allow-headers"));
        let refused = client()
            .post(url.url())
            .header("origin", "https://page.example")
            .send();
        let refused = refused.await.unwrap();
        assert_eq!(refused.status(), 403);
        read_back.push(of_answer(&refused, "access-control-expose-headers"));
    }
    assert!(sent[0].contains("authorization") && read_back[0].contains("date"));
    assert!(sent.iter().all(|one| *one == sent[0]), "{sent:#?}");
    assert!(
        read_back.iter().all(|one| *one == read_back[0]),
        "{read_back:#?}"
    );
    cloud.stop().await;
}

#[tokio::test]
async fn the_page_of_the_runtime_behind_tokens_asks_for_one() {
    let cloud = start().await;
    let page = told(&cloud, "MAGI_CLOUD_PAGE_BEARER");
    let config = client().get(format!("{page}/config.json")).send();
    let config: Value = config.await.unwrap().json().await.unwrap();
    let expected = json!({
        "door": "invocations",
        "base": told(&cloud, "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"),
        "runtime": told(&cloud, "MAGI_CLOUD_BEARER_RUNTIME_ARN"),
        "qualifier": "live",
        "sign": "bearer",
    });
    assert_eq!(config, expected);
    assert_ne!(told(&cloud, "MAGI_CLOUD_RUNTIME_ARN"), config["runtime"]);
    assert_eq!(
        told(&cloud, "MAGI_CLOUD_BEARER_TOKEN").split('.').count(),
        3
    );
    cloud.stop().await;
}

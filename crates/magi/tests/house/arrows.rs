//! The arrows between rooms, what the house refuses to depend on, and under which licences.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which rooms each room may use: a room that is not named here may not exist.
const ARROWS: [(&str, &[&str]); 10] = [
    ("magi-event", &[]),
    ("magi-model", &["magi-event"]),
    ("magi-aws", &["magi-event", "magi-model"]),
    ("magi-log", &["magi-event"]),
    ("magi-council", &["magi-event", "magi-model", "magi-log"]),
    ("magi-client", &["magi-event"]),
    (
        "magi-server",
        &["magi-event", "magi-model", "magi-log", "magi-council"],
    ),
    (
        "magi",
        &[
            "magi-event",
            "magi-model",
            "magi-aws",
            "magi-log",
            "magi-council",
            "magi-client",
            "magi-server",
        ],
    ),
    ("magi-emulator", &["magi-event", "magi-client"]),
    ("magi-bench", &["magi-event", "magi-emulator"]),
];

/// What may be in nobody's graph: other TLS stacks than the one, and the old HTTP stack.
const BANNED: [&str; 4] = ["openssl", "openssl-sys", "native-tls", "ring"];

/// Licences under which we may ship what we depend on.
const LICENCES: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "MIT-0",
    "CDLA-Permissive-2.0",
];

/// The most packages we depend on directly, over all rooms, tests included.
const DIRECT: usize = 60;

/// The most packages in the lock.
const LOCKED: usize = 450;

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .unwrap()
}

#[test]
fn arrows_point_one_way() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    for package in metadata.workspace_packages() {
        let room = package.name.as_str();
        let may_use = allowed
            .get(room)
            .unwrap_or_else(|| panic!("`{room}` is not on the map"));
        for dependency in &package.dependencies {
            let is_shipped = dependency.kind != DependencyKind::Development;
            if is_shipped && dependency.name.starts_with("magi") {
                assert!(
                    may_use.contains(&dependency.name.as_str()),
                    "`{room}` may not use `{}`: the arrows are in ARCHITECTURE.md",
                    dependency.name
                );
            }
            assert!(
                dependency.name != "magi-emulator" || !is_shipped || room == "magi-bench",
                "`{room}` would ship the emulator"
            );
        }
    }
}

#[test]
fn only_the_rooms_that_know_a_thing_depend_on_it() {
    let keepers: [(&str, &[&str]); 5] = [
        ("rusqlite", &["magi-log"]),
        ("axum", &["magi-server", "magi-emulator", "magi-bench"]),
        ("ratatui", &["magi"]),
        ("clap", &["magi", "magi-emulator", "magi-bench"]),
        ("anyhow", &["magi", "magi-emulator", "magi-bench"]),
    ];
    for package in metadata().workspace_packages() {
        for dependency in &package.dependencies {
            for (name, rooms) in keepers {
                assert!(
                    dependency.name != name
                        || dependency.kind == DependencyKind::Development
                        || rooms.contains(&package.name.as_str()),
                    "`{}` must not know `{name}`",
                    package.name
                );
            }
        }
    }
    let event = metadata()
        .workspace_packages()
        .into_iter()
        .find(|p| p.name == "magi-event")
        .cloned();
    for dependency in event.unwrap().dependencies {
        assert_ne!(dependency.name, "tokio", "the vocabulary has no runtime");
    }
}

#[test]
fn one_tls_stack_and_one_hyper() {
    let mut hypers = BTreeSet::new();
    for line in built_packages().lines() {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(!BANNED.contains(&name), "banned: {line}");
        if name == "hyper" {
            hypers.insert(line.split(' ').nth(1).unwrap_or_default().to_owned());
        }
    }
    assert_eq!(hypers.len(), 1, "not one hyper: {hypers:?}");
}

/// What is really compiled, for any target: the lock also holds what no feature of ours turns on.
fn built_packages() -> String {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--target",
            "all",
            "--prefix",
            "none",
        ])
        .args(["--edges", "normal,build,dev", "--no-dedupe"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn licences_allow_shipping() {
    for package in &metadata().packages {
        let licence = package
            .license
            .as_deref()
            .unwrap_or_else(|| panic!("{}: no licence", package.id));
        assert!(is_allowed(licence), "{}: licence `{licence}`", package.id);
    }
}

/// Tells whether one of the alternatives of a licence expression is allowed in all its parts.
fn is_allowed(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let allowed =
        |name: &str| LICENCES.contains(&name.split(" WITH ").next().unwrap_or(name).trim());
    // `A AND (B OR C)` flattens to `A AND B OR C`: asking every part of an AND for one allowed
    // alternative is stricter than the expression, never looser, where ORs stand inside ANDs.
    if expression.contains('(') {
        return flat
            .split(" AND ")
            .all(|part| part.split(" OR ").any(allowed));
    }
    flat.split(" OR ")
        .any(|alternative| alternative.split(" AND ").all(allowed))
}

#[test]
fn the_graph_stays_small() {
    let metadata = metadata();
    let rooms: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .map(|p| p.name.clone())
        .collect();
    let direct: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| {
            package
                .dependencies
                .iter()
                .map(|dependency| dependency.name.clone())
        })
        .filter(|name| !rooms.iter().any(|room| room.as_str() == name))
        .collect();
    assert!(
        direct.len() <= DIRECT,
        "{} direct dependencies: {direct:?}",
        direct.len()
    );
    assert!(
        metadata.packages.len() <= LOCKED,
        "{} packages in the lock",
        metadata.packages.len()
    );
}

#!/usr/bin/env bash
# Builds in release and prints the table: MAGI beside a bare fan-out relay, in one run.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --package magi --package magi-bench
target=${CARGO_TARGET_DIR:-target}
exec "$target/release/magi-bench" run --magi "$target/release/magi" "$@"

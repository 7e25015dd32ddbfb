# Thin names for cargo and npm commands. Each target first makes sure that what it needs is there.

.DEFAULT_GOAL := help
.PHONY: help run demo test check chaos chaos-replay test-outside test-image bench page cross image lambda

WEB := npm --prefix web --no-audit --no-fund
# The tests name the whole workspace and then what they want of it: one package alone has other features of its
# dependencies, which would all be built once more. `cargo test --workspace` builds the two programs as well.
BUILD := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

run: ## build MAGI and start it with its page
	@scripts/need rust
	cargo run --locked --package magi -- serve $(ARGS)

demo: ## one question through five ways at once, one of them a hosting that gives up after 30 s (ARGS=--limit 3s)
	@scripts/need rust
	cargo build --locked --package magi --package magi-emulator
	$(BUILD)/debug/magi-emulator demo $(ARGS)

test: ## run every test of the project, in a real browser too
	@scripts/need rust node browser
	cargo test --locked --workspace
	$(WEB) ci
	$(WEB) test
	MAGI_BIN=$(BUILD)/debug/magi $(WEB) run e2e

check: ## formatting, lints, generated files, the shape of the house
	@scripts/need rust node
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	cargo test --locked --workspace --test house
	$(WEB) ci
	$(WEB) run check

chaos: ## 100,000 schedules on the paused clock, 1,000 deliberations cut, killed and stopped, 200 kills (MAGI_SEED=7)
	@scripts/need rust
	RUST_BACKTRACE=0 MAGI_SCHEDULES=$(or $(MAGI_SCHEDULES),100000) cargo test --locked --profile soak --package magi-council --test it -- --nocapture random_schedules
	MAGI_CHAOS=$(or $(MAGI_CHAOS),1000) MAGI_KILLS=$(or $(MAGI_KILLS),200) cargo test --locked --workspace --test e2e -- --nocapture --test-threads 1 chaos kill

chaos-replay: ## one deliberation of a chaos run again (MAGI_SEED=7 MAGI_CHAOS_FIRST=412)
	@scripts/need rust
	MAGI_CHAOS=$(or $(MAGI_CHAOS),1) cargo test --locked --workspace --test e2e -- --nocapture chaos_loses

test-outside: ## prove the wires against other people's servers and clients; the long runs
	@scripts/need rust python node
	tests/outside/run.sh
	MAGI_CUTS=1000 cargo test --locked --workspace --test it -- --nocapture cuts
	MAGI_CUTS=1000 MAGI_KILLS=40 cargo test --locked --workspace --test e2e -- --nocapture cuts kill

test-image: ## prove the container image and the Lambda archive, run as aarch64 (root on Linux; ARGS=--quick: dev build)
	@scripts/need rust
	tests/image/run.sh $(ARGS)

bench: ## measure: tokens beside a bare fan-out, memory, start
	@scripts/need rust
	bench/run.sh

page: ## build the page into the crate that embeds it
	@scripts/need node
	$(WEB) ci
	$(WEB) run build

cross: ## build the one static binary for AgentCore and Lambda (aarch64; ARGS='--target x86_64')
	scripts/cross $(ARGS)

image: ## build the container image that AgentCore runs
	scripts/image

lambda: ## build the Lambda function's archive (aarch64; ARGS='--target x86_64')
	scripts/lambda $(ARGS)

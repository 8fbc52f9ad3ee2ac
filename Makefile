# One target directory outside the checkout, so that clones share what they build.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/modelyard/target

.PHONY: help setup build demo test lint fuzz bench bench-serving bench-tracking clean-data

help:
	@echo 'make demo        set up, build, and replay a year in the life of a model'
	@echo 'make test        set up and run every test'
	@echo 'make lint        formatting and clippy, warnings denied'
	@echo 'make fuzz        each reader of foreign bytes under libFuzzer, for a minute (SECONDS=60)'
	@echo 'make bench       side-by-side benchmarks'
	@echo 'make bench-tracking  experiment tracking beside mlflow server (BENCH="--quick")'
	@echo 'make bench-serving  serving beside native code and Python servers (BENCH="--only cold --quick")'
	@echo 'make build       set up and build the modelyard binary'
	@echo 'make setup       check for, and where it can be, get what the build needs'
	@echo 'make clean-data  remove the data that the demo left in ./data'

setup:
	@sh scripts/setup

# The whole workspace, always: another choice of packages means other features
# of the shared dependencies, and they would be built again.
build: setup
	cargo build --locked --workspace --bins

demo: build
	$(CARGO_TARGET_DIR)/debug/flights

test: setup
	@if cargo nextest --version >/dev/null 2>&1; then \
		echo 'cargo nextest run --workspace'; \
		cargo nextest run --locked --workspace; \
	else \
		echo 'cargo test --workspace (cargo-nextest is not installed)'; \
		cargo test --locked --workspace --lib --bins --tests; \
	fi

lint: setup
	cargo fmt --all -- --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

fuzz: setup
	sh scripts/fuzz $(or $(SECONDS),60)

bench: build
	$(CARGO_TARGET_DIR)/debug/modelyard-bench

bench-tracking: build
	$(CARGO_TARGET_DIR)/debug/modelyard-bench tracking $(BENCH)

bench-serving: build
	$(CARGO_TARGET_DIR)/debug/modelyard-bench serving $(BENCH)

clean-data:
	rm -rf data

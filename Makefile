# `make` builds the release; `make help` lists the rest.

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
QUORID := $(TARGET_DIR)/release/quorid

.DEFAULT_GOAL := release
.PHONY: release build demo cluster test check fix bench clean help

release: ## Build the release: target/release/quorid (the default)
	$(CARGO) build --release

build:
	$(CARGO) build --locked

demo: build ## Show three servers losing leader and follower, and no account
	$(TARGET_DIR)/debug/quorid demo --tour --samples samples/accounts.csv

cluster: release ## Run three servers on this machine until Ctrl-C
	$(QUORID) demo

test: ## Run all tests, with cargo-nextest where it is installed
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		echo "Test runner: cargo-nextest (examples in the documentation: cargo test)"; \
		$(CARGO) test --workspace --doc && $(CARGO) nextest run --workspace; \
	else \
		echo "Test runner: cargo test (cargo-nextest is not installed)"; \
		$(CARGO) test --workspace; \
	fi

check: ## Check format, lints, documentation, licences and samples; changes no source
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		echo "$(CARGO) deny check"; $(CARGO) deny check; \
	else \
		echo "Skipped: licences and advisories (cargo-deny is not installed)"; \
	fi
	@if python3 --version >/dev/null 2>&1; then \
		echo "python3 samples/make.py --check"; python3 samples/make.py --check; \
	else \
		echo "Skipped: whether samples/ is up to date (python3 is not installed)"; \
	fi

fix: ## Format, and mend what clippy can
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

bench: release ## Measure three servers on this machine, at 100,000 accounts
	$(QUORID) demo --bench

clean: ## Remove everything that was built
	$(CARGO) clean

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' Makefile

# `make` builds the release; `make help` lists the rest.

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
QUORID := $(TARGET_DIR)/release/quorid
JOBS ?= $(shell nproc)

# The simulation's own workspace, and how much of it `make sim` runs: how many failovers, and how
# many seeds twice.
SIM := $(or $(CARGO_TARGET_DIR),sim/target)/debug
SIM_FAILOVERS ?= 2000
SIM_TWICE ?= 20
# Power cuts of the storage alone.
STORAGE_CUTS ?= 1000
# Seconds for each fuzz target.
FUZZ_SECONDS ?= 1800

# Options of what `make bench` runs, such as `--output json`, and another program to measure beside this one.
BENCH ?=
AGAINST ?=

# What `make torture` and `make hosts-torture` do to the servers.
TORTURE ?= --kills 20 --all-killed 3 --stops 10 --sync-errors 3 --slow-syncs 3 --full-disks 3 \
	--numbers 100000 --numbers-kills 20 --changes 100000 --changes-kills 20
HOSTS_TORTURE ?= --cuts 10
# What `make timing` measures of the release, and `make hosts-timing` with these lines in the servers'
# quorid.toml.
TIMING ?= --gaps 50 --calm 60
HOSTS_TIMING ?= --gaps 10
HOSTS_SETTINGS ?=

.DEFAULT_GOAL := release
.PHONY: release build demo cluster test hosts-demo hosts-test docker-demo sim-build sim torture \
	hosts-torture flips timing hosts-timing fuzz fuzz-replay proof image check fix bench figures whitepaper video video-short video-check clean help

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

hosts-demo: build ## The same on three hosts of their own, and their network is cut (needs root)
	QUORID=$(TARGET_DIR)/debug/quorid deploy/hosts/demo.sh

hosts-test: build ## Test on such hosts: cut wires, and the scripts for hosts (needs root)
	$(CARGO) test --locked --test failures --no-run
	QUORID=$(TARGET_DIR)/debug/quorid deploy/hosts/stage.sh -- \
		$(CARGO) test --offline --test failures -- --ignored --test-threads 1 --nocapture cuts::
	QUORID=$(TARGET_DIR)/debug/quorid deploy/hosts/test.sh
	@if [ -x /usr/sbin/sshd ]; then \
		echo "deploy/hosts/test.sh --ssh"; \
		QUORID=$(TARGET_DIR)/debug/quorid deploy/hosts/test.sh --ssh; \
	else \
		echo "Skipped: the scripts for hosts over ssh (openssh-server is not installed)"; \
	fi

docker-demo: ## The same in three containers (needs Docker and Docker Compose)
	deploy/docker/demo.sh

# All of the workspace, so that all that is run of it shares one build.
sim-build:
	cd sim && $(CARGO) build --locked --workspace

sim: sim-build ## Simulate clusters whose power, network and disks fail (builds for minutes)
	cd sim && $(CARGO) test --locked --workspace
	$(SIM)/quorid-sim check-determinism --seeds 1..$(SIM_TWICE) --jobs $(JOBS)
	$(SIM)/quorid-sim sweep --seeds 1..$(SIM_FAILOVERS) --failovers $(SIM_FAILOVERS) --all-kinds \
		--jobs $(JOBS)
	$(SIM)/quorid-sim mutants --seeds 1..200 --jobs $(JOBS)
	$(SIM)/quorid-sim storage --cuts $(STORAGE_CUTS) --jobs $(JOBS)
	$(SIM)/quorid-sim storage-mutants --cuts 1000 --jobs $(JOBS)

torture: build sim-build ## Kill and stop real servers, let their disks fail (all of it needs root)
	$(SIM)/quorid-torture --program $(TARGET_DIR)/debug/quorid $(TORTURE)

hosts-torture: build sim-build ## The same on hosts of their own, whose network is cut (needs root)
	QUORID=$(TARGET_DIR)/debug/quorid deploy/hosts/stage.sh \
		'log_keep_entries = 1000000000' 'snapshot_after_entries = 1000000000' -- \
		$(SIM)/quorid-torture $(HOSTS_TORTURE)

flips: build ## Flip 1,000 bits on the disks of real servers, which then lead
	QUORID_TEST_FLIPS=1000 $(CARGO) test --locked -p quorid --test failures -- --nocapture a_bit_that_flips

timing: release sim-build ## Measure gaps in writes, and count elections that nobody needs (needs strace)
	$(SIM)/quorid-torture --program $(QUORID) $(TIMING)

hosts-timing: release sim-build ## Measure gaps in writes when the leader's network is cut (needs root)
	QUORID=$(QUORID) deploy/hosts/stage.sh $(HOSTS_SETTINGS) -- $(SIM)/quorid-torture $(HOSTS_TIMING)

fuzz: ## Fuzz every decoder, FUZZ_SECONDS for each target (needs g++)
	fuzz/run.sh --seconds $(FUZZ_SECONDS)

fuzz-replay: ## Run each input of the fuzz targets' corpus once (needs g++)
	fuzz/run.sh --replay

proof: sim torture hosts-torture flips fuzz ## All of the proof, for hours: see docs/testing.md (needs root)

image: ## Build the container image quorid:latest from a static release
	deploy/docker/image.sh

check: ## Check format, lints, documentation, licences and samples; changes no source
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
	cd sim && $(CARGO) fmt --all --check
	cd fuzz && $(CARGO) fmt --all --check
	cd sim && $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		echo "$(CARGO) deny check"; $(CARGO) deny check; \
	else \
		echo "Skipped: licences and advisories (cargo-deny is not installed)"; \
	fi
	deploy/hosts/check.sh
	@if python3 --version >/dev/null 2>&1; then \
		echo "python3 samples/make.py --check" && python3 samples/make.py --check && \
		echo "python3 docs/figures/draw.py --check" && python3 docs/figures/draw.py --check && \
		echo "python3 docs/benchmarks/tests.py" && python3 docs/benchmarks/tests.py && \
		echo "python3 docs/video/tests.py" && python3 docs/video/tests.py; \
	else \
		echo "Skipped: whether samples/ and figures are up to date, the tests of docs/benchmarks and docs/video (python3 is not installed)"; \
	fi

fix: ## Format, and mend what clippy can
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

bench: release ## Measure three servers on this machine, or this build and another one: AGAINST=PROGRAM
	$(if $(AGAINST),docs/benchmarks/versions.sh $(AGAINST) $(QUORID),$(QUORID) demo --bench) $(BENCH)

figures: release ## Draw the documentation's figures from a new run
	$(QUORID) demo --trace docs/figures/trace.json
	python3 docs/figures/draw.py

whitepaper: ## Typeset docs/whitepaper.md: target/whitepaper.pdf, two pages (needs Python 3)
	python3 docs/whitepaper/make.py

video: ## Make the demonstration video, docs/video, from new runs (needs root, Docker and more)
	python3 docs/video/make.py

video-short: ## Make one chapter of it: target/video/leader_killed.mp4 (needs root and ffmpeg)
	python3 docs/video/make.py --chapter leader_killed

video-check: ## Check docs/video/quorid.mp4: length, sound, captions, words
	python3 docs/video/check.py

clean: ## Remove everything that was built
	$(CARGO) clean
	cd sim && $(CARGO) clean
	cd fuzz && $(CARGO) clean --target-dir target

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s%s\n", $$1, $$2 }' Makefile

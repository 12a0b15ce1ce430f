# The verbs. `make run` and `make test` set up all they need from a bare clone.

CARGO ?= cargo
MASTER ?=

.PHONY: help run test test-long soak check bench bench-quick bench-micro instructions fuzz sanitize miri doc

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: ## a replica on :6380 of MASTER=host:port (without one: of a sample server); PORT, HTTP change where
	@CARGO="$(CARGO)" MASTER="$(MASTER)" bin/run.sh

test: ## units, properties, real servers (CI runs check, instructions and the store under asan besides)
	@tests/run.sh

test-long: ## all 24 servers, bigger and longer runs, fuzzing, sanitizers: hours
	@tests/run.sh --long

soak: ## hours of writes, cuts and comparisons
	@tests/run.sh --soak

check: ## format, lints, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

doc: ## the documentation, opened
	$(CARGO) doc --workspace --no-deps --open

bench: ## side by side with real servers, into benches/README.md (about 20 minutes, on a quiet machine)
	@benches/run.sh --readme

bench-quick: ## the same with fewer keys and turns, for orientation (about 5 minutes)
	@benches/run.sh --rounds 2 --keys 200000

bench-micro: ## parser, keyspace, encodings, sorted set, scan (criterion), loads, decoding: in one process
	$(CARGO) bench --locked -p nearside-protocol -p nearside-storage --bench parse --bench keyspace --bench packed --bench sorted_set
	$(CARGO) bench --locked -p nearside-replication --bench load
	$(CARGO) bench --locked -p nearside-rdb --bench decode

instructions: ## instructions of parsing, serving, applying and loading against their baseline (needs valgrind)
	@benches/instructions.py

fuzz: ## one minute each fuzz target (needs cargo-fuzz and a nightly toolchain)
	@tests/fuzz/run.sh

sanitize: ## unsafe code under Miri and the address sanitizer (needs a nightly toolchain)
	@tests/sanitize.sh

miri: ## unsafe code under Miri alone; fails where it is not installed
	@tests/sanitize.sh miri

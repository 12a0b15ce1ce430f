#!/usr/bin/env bash
# The tests, in three tiers: run.sh [--long | --soak].
#
# Gets the real servers that a tier needs, builds, and runs everything with fixed seeds and counts. A test whose
# tool is missing says `skipped: NAME`, and fails where CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}

tier=test
case ${1:-} in
  --long) tier=long ;;
  --soak) tier=soak ;;
  '') ;;
  *) echo "usage: $0 [--long | --soak]" >&2; exit 2 ;;
esac

get() { # what get.sh takes
  if ! tests/masters/get.sh "$@"; then
    [[ ${CI:-} == true ]] && { echo "the real servers could not be had" >&2; exit 1; }
    echo "going on without the servers that could not be had"
  fi
}

case $tier in
  test)
    get
    "$CARGO" test --profile checked --workspace --locked --no-fail-fast
    ;;
  long)
    get --all
    export NEARSIDE_LONG=1
    # Most of them wait for servers most of the time.
    export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}
    "$CARGO" test --profile checked --workspace --locked --no-fail-fast
    "$CARGO" test --profile checked --workspace --locked --no-fail-fast -- --ignored
    # Licences and sources of what is linked in.
    if "$CARGO" deny --version >/dev/null 2>&1; then
      "$CARGO" deny check licenses bans sources
    else
      [[ ${CI:-} == true ]] && { echo "cargo-deny is missing" >&2; exit 1; }
      echo "skipped: cargo-deny"
    fi
    tests/fuzz/run.sh --runs 20000
    tests/sanitize.sh
    ;;
  soak)
    get
    NEARSIDE_SOAK=${NEARSIDE_SOAK:-200} "$CARGO" test --release --locked -p nearside-cli --test tests -- --ignored soak --nocapture
    ;;
esac

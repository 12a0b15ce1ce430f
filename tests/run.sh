#!/usr/bin/env bash
# The tests, in three tiers: run.sh [--long | --soak].
#
# Gets the real servers that a tier needs, builds, and runs everything with fixed seeds and counts. A test whose
# tool is missing says `skipped: NAME`, and fails where CI=true. The long tier takes hours; with another NEARSIDE_SEED
# what is random in it is other.
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

broken=()
part() { # its name, its command: one of hours does not keep the next from being run
  local since=$SECONDS
  echo "part: $1"
  "${@:2}" || broken+=("$1")
  echo "part: $1 took $(((SECONDS - since) / 60)) minutes"
}

# The properties' seed: one and the same in CI, another each time in the longer tiers.
[[ $tier == test ]] && seed=1 || seed=$RANDOM
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-$seed}
echo "seed: PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED"

case $tier in
  test)
    get
    "$CARGO" test --profile checked --workspace --locked --no-fail-fast
    ;;
  long)
    get --all
    export NEARSIDE_LONG=1 PROPTEST_CASES=${PROPTEST_CASES:-4096}
    # Most of them wait for servers most of the time.
    export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}
    part tests "$CARGO" test --profile checked --workspace --locked --no-fail-fast
    part 'tests that are long only' "$CARGO" test --profile checked --workspace --locked --no-fail-fast -- --ignored
    # Licences and sources of what is linked in.
    if "$CARGO" deny --version >/dev/null 2>&1; then
      part cargo-deny "$CARGO" deny check licenses bans sources
    else
      [[ ${CI:-} == true ]] && broken+=(cargo-deny)
      echo "skipped: cargo-deny"
    fi
    part fuzz tests/fuzz/run.sh --runs 20000
    part sanitize tests/sanitize.sh
    if ((${#broken[@]})); then
      echo "broken: ${broken[*]}" >&2
      exit 1
    fi
    ;;
  soak)
    get
    NEARSIDE_SOAK=${NEARSIDE_SOAK:-200} "$CARGO" test --release --locked -p nearside-cli --test tests -- --ignored soak --nocapture
    ;;
esac

#!/usr/bin/env bash
# Nightly's tools over the modules with unsafe code: sanitize.sh [asan | asan-store | miri]; without a word asan and miri.
#
# asan-store: the tests of the store's unsafe modules, with the system's allocator and every access checked: for CI.
# asan: all tests of the store, the loads that fail, and the program beside a real server.
# miri: the store's tests of unsafe code, in an interpreter that knows the rules of the language; small cases only.
# A tool that is missing is `skipped: NAME`, which fails where it was asked for by name, and where CI=true.
set -euo pipefail
cd "$(dirname "$0")/.."

NIGHTLY=${NIGHTLY:-nightly}
TARGET=$(rustc -vV | sed -n 's/^host: //p')
ASKED=${1:-}
failed=0

skipped() { # name, why
  echo "skipped: $1 ($2)"
  [[ ${CI:-} != true && -z $ASKED ]] || failed=1
}

has_nightly() {
  command -v rustup > /dev/null && rustup run "$NIGHTLY" rustc --version > /dev/null 2>&1
}

# (In the profile of all tests: what is not optimized at all takes ten times as long here.)
in_asan=(env RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/asan"
  PROPTEST_CASES="${ASAN_CASES:-256}" PROPTEST_FAILURE_PERSISTENCE=off)

# Shuttle's models switch stacks by themselves, which the sanitizer takes for a fault.
asan_store() { # which of its tests
  has_nightly || { skipped asan "no toolchain $NIGHTLY"; return; }
  "${in_asan[@]}" cargo "+$NIGHTLY" test --profile checked --locked --target "$TARGET" -p nearside-storage "$@" -- --skip model:: || failed=1
}

asan() {
  has_nightly || { skipped asan "no toolchain $NIGHTLY"; return; }
  asan_store --lib --tests
  # Loads that fail half way: what they had built is all given back.
  "${in_asan[@]}" cargo "+$NIGHTLY" test --profile checked --locked --target "$TARGET" -p nearside-replication --test load_faults \
    || failed=1
  # Memory as the sanitizer takes it is no measure for limits, which one test is about.
  # The words of a table have other bits beside the address, so a store that is alive at the program's end looks lost.
  "${in_asan[@]}" ASAN_OPTIONS=detect_leaks=0 cargo "+$NIGHTLY" test --profile checked --locked --target "$TARGET" \
    --no-default-features -p nearside-cli --test tests -- ${ASAN_TESTS:-faults:: equality::} \
    --skip a_data_set_that_does_not_fit || failed=1
}

miri() {
  has_nightly || { skipped miri "no toolchain $NIGHTLY"; return; }
  cargo "+$NIGHTLY" miri --version > /dev/null 2>&1 || { skipped miri "no miri in $NIGHTLY"; return; }
  # The packages below look at time, at the environment, and make pointers of numbers.
  export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-permissive-provenance"
  local in_miri=(env PROPTEST_CASES="${MIRI_CASES:-4}" PROPTEST_FAILURE_PERSISTENCE=off
    CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/miri")
  "${in_miri[@]}" cargo "+$NIGHTLY" miri test --locked -p nearside-storage --lib \
    -- entry:: keyspace::tests value::member value::counted_tree value::directory value::array || failed=1
  "${in_miri[@]}" cargo "+$NIGHTLY" miri test --locked -p nearside-storage --test store \
    -- flush_swap an_edit_that_panics what_was_set || failed=1
}

case ${1:-both} in
  asan) asan ;;
  asan-store) PROPTEST_CASES=${PROPTEST_CASES:-32} asan_store --lib --test load --test store ;;
  miri) miri ;;
  both) miri; asan ;;
  *) echo "usage: $0 [asan | asan-store | miri]" >&2; exit 2 ;;
esac
exit "$failed"

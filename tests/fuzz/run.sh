#!/usr/bin/env bash
# Runs every fuzz target: run.sh [--runs N] [TARGET...]; a minute each, or N inputs each.
#
# Needs cargo-fuzz and a nightly toolchain; without them it says `skipped: fuzz`, and fails where CI=true. An input
# that breaks something is left in artifacts/TARGET, and belongs into a test as soon as it is understood.
set -euo pipefail
cd "$(dirname "$0")"

limit=-max_total_time=60
if [[ ${1:-} == --runs ]]; then
  limit=-runs=${2:?how many}
  shift 2
fi
targets=("$@")
[[ $# -gt 0 ]] || for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done

if ! cargo fuzz --version >/dev/null 2>&1 || ! rustup run nightly rustc --version >/dev/null 2>&1; then
  echo "skipped: fuzz (cargo install cargo-fuzz; rustup toolchain install nightly)"
  [[ ${CI:-} != true ]]
  exit
fi

./seeds.py
failed=()
for target in "${targets[@]}"; do
  echo "fuzz: $target"
  # No input of the seeds is longer than a few pages; what announces more is a lie, and 1 GiB is far above its worth.
  cargo +nightly fuzz run --fuzz-dir . "$target" -- "$limit" -seed=1 -max_len=16384 -timeout=20 -rss_limit_mb=1024 \
    -malloc_limit_mb=256 -print_final_stats=1 2>&1 | grep -vE '^#|NEW|REDUCE|pulse' || failed+=("$target")
done
[[ ${#failed[@]} -eq 0 ]] || { echo "fuzz: something broke in ${failed[*]}" >&2; exit 1; }

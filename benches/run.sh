#!/usr/bin/env bash
# `make bench` and `make bench-quick`: nearside beside real servers, on the same data, in the same run.
#
# Builds for release, gets the servers, and measures. A peer that cannot be had is left out; the unit must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
"$CARGO" build --release --locked --package nearside-cli --package nearside-open-loop
tests/masters/get.sh --only redis-7.0
for peer in redis-8.6-deb valkey-9.1-deb; do
  tests/masters/get.sh --only "$peer" || echo "going on without $peer"
done
built=$("$CARGO" metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
exec python3 benches/side_by_side --nearside "$built/nearside" --open-loop "$built/open-loop" "$@"

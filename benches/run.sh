#!/usr/bin/env bash
# `make bench`: nearside beside a real redis-server replica, on the same data, in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
"${CARGO:-cargo}" build --release --locked
tests/masters/get.sh --only redis-7.0
exec python3 benches/side_by_side.py --nearside "${CARGO_TARGET_DIR:-target}/release/nearside" "$@"

#!/usr/bin/env bash
# `make run`: a replica on :6380 of MASTER=host:port (default 127.0.0.1:6379).
#
# When no master was named and none answers there, a real server is fetched and started with sample data and a light
# stream of writes. Ctrl-C ends all that was started here, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
master=${MASTER:-}
port=${PORT:-6380}
http=${HTTP:-127.0.0.1:9380}

say() { printf '\033[1m%s\033[0m\n' "$*"; }
say "building (the first time takes a few minutes)"
"$CARGO" build --release --locked

listens() { (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; }
started=() writer=''
end() {
  trap - EXIT INT TERM
  [[ -n $writer ]] && kill "$writer" 2>/dev/null || true
  ((${#started[@]})) && tests/masters/stop.sh "${started[@]}" || true
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ -z $master ]]; then
  master=127.0.0.1:6379
  if ! listens "$master"; then
    say "nothing answers on $master: getting a real server with sample data"
    tests/masters/get.sh --only valkey-9.1
    sample_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    started+=("$(tests/masters/start.sh valkey-9.1 "$sample_port")")
    master=127.0.0.1:$sample_port
    python3 tests/masters/sample.py fill "$sample_port"
    python3 tests/masters/sample.py write "$sample_port" &
    writer=$!
    say "a sample master runs on $master, with a light stream of writes"
  fi
fi

cat <<EOF

Following $master. Try, in another terminal:
  redis-cli -p $port GET sample:string          # any client works, on :$port
  redis-cli -p $port HGETALL sample:hash
  redis-cli -p $port ZRANGE sample:zset 0 9 WITHSCORES
  redis-cli -p $port --scan --pattern 'sample:*'
  redis-cli -p $port INFO replication
  curl http://$http/metrics
Ctrl-C ends it.

EOF
target=${CARGO_TARGET_DIR:-target}
"$target/release/nearside" --replicaof "$master" --port "$port" --http "$http" &
node=$!
# Ctrl-C reaches the whole group: nearside shuts down by itself, and we wait for it
trap 'wait "$node" 2>/dev/null || true; exit 130' INT
trap 'kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; exit 143' TERM
wait "$node"

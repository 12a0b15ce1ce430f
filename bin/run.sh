#!/usr/bin/env bash
# `make run`: a replica on :6380 of MASTER=host:port (default 127.0.0.1:6379). PORT and HTTP change where it serves.
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
fail() { printf 'make run: %s\n' "$*" >&2; exit 1; }
listens() { (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Said before anything is built or fetched.
listens "127.0.0.1:$port" && fail "port $port is in use; PORT=6390 make run takes another"
[[ $http != off ]] && listens "$http" && fail "$http is in use; HTTP=127.0.0.1:9390 (or off) make run takes another"

say "building (the first time takes a few minutes)"
"$CARGO" build --release --locked

folder=$(mktemp -d)
started=() writer='' node=''
end() {
  trap - EXIT INT TERM
  # Ctrl-C reaches the whole group, so nearside may be ending by itself already.
  for child in $node $writer; do kill "$child" 2>/dev/null || true; done
  for child in $node $writer; do wait "$child" 2>/dev/null || true; done
  ((${#started[@]})) && tests/masters/stop.sh "${started[@]}" || true
  rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

sample=''
if [[ -z $master ]]; then
  master=127.0.0.1:6379
  if ! listens "$master"; then
    say "nothing answers on $master: getting a real server with sample data"
    told=$(tests/masters/get.sh --only valkey-9.1 2>&1) || fail "$told"
    sample=$(free_port)
    started+=("$(tests/masters/start.sh valkey-9.1 "$sample" --repl-diskless-sync-delay 0)")
    master=127.0.0.1:$sample
    python3 tests/masters/sample.py fill "$sample"
    python3 tests/masters/sample.py write "$sample" &
    writer=$!
  fi
fi

"${CARGO_TARGET_DIR:-target}/release/nearside" --replicaof "$master" --port "$port" --http "$http" \
  --ports-file "$folder/ports" &
node=$!
until [[ -e $folder/ports ]]; do
  kill -0 "$node" 2>/dev/null || wait "$node"
  sleep 0.05
done

if [[ -n $sample ]]; then
  try=("GET sample:string" "HGETALL sample:hash" "ZRANGE sample:zset 0 9 WITHSCORES" "GET sample:counter")
else
  try=("DBSIZE" "RANDOMKEY")
fi
cat <<EOF

A replica of $master serves on :$port. Try, in another terminal:
$(for words in "${try[@]}"; do printf '  redis-cli -p %s %s\n' "$port" "$words"; done)
  redis-cli -p $port INFO replication
$([[ $http == off ]] || echo "  curl http://$http/metrics")
Ctrl-C ends it.

EOF
wait "$node"

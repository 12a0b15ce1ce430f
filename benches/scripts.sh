#!/usr/bin/env bash
# Server CPU of short scripts beside redis-server 7.0, both as masters: scripts.sh NEARSIDE
#
# Three scripts by EVALSHA, with redis-benchmark, in turns; each answer is compared before it is measured.
set -euo pipefail
cd "$(dirname "$0")/.."
nearside=${1:?"usage: $0 NEARSIDE"}
tests/masters/get.sh --only redis-7.0 > /dev/null
redis=${MASTERS_DIR:-$HOME/.cache/redis-masters}/redis-7.0
ports=(17811 17812)
folder=$(mktemp -d)
"$redis/redis-server" --port "${ports[0]}" --dir "$folder" --save '' > "$folder/redis.log" &
pids=($!)
"$nearside" --port "${ports[1]}" --http off > "$folder/nearside.log" 2>&1 &
pids+=($!)
trap 'kill "${pids[@]}"; wait; rm -r "$folder"' EXIT

ask() { "$redis/redis-cli" -p "$@"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

for port in "${ports[@]}"; do
  until ask "$port" ping > /dev/null 2>&1; do sleep 0.1; done
  ask "$port" set key value > /dev/null
  ask "$port" hset hash a 1 b 2 c 3 > /dev/null
done

measure() { # label, requests, pipeline, script, its arguments
  local label=$1 requests=$2 pipeline=$3 script=$4 digest answers=()
  shift 4
  for port in "${ports[@]}"; do
    digest=$(ask "$port" script load "$script")
    answers+=("$(ask "$port" evalsha "$digest" "$@")")
  done
  [[ ${answers[0]} == "${answers[1]}" ]] || { echo "$label: ${answers[*]}" >&2; exit 1; }
  for _ in 1 2 3; do
    local costs=()
    for at in 0 1; do
      local before
      before=$(ticks "${pids[at]}")
      "$redis/redis-benchmark" -p "${ports[at]}" -c 20 -P "$pipeline" -n "$requests" -q \
        evalsha "$digest" "$@" > /dev/null
      costs+=($((($(ticks "${pids[at]}") - before) * 10000000 / requests)))
    done
    echo "$label, pipeline $pipeline: redis 7.0 ${costs[0]} ns, nearside ${costs[1]} ns"
  done
}

measure "GET" 200000 16 "return redis.call('get', KEYS[1])" 1 key
measure "GET" 100000 1 "return redis.call('get', KEYS[1])" 1 key
measure "HGETALL, summed" 200000 16 \
  "local t = redis.call('hgetall', KEYS[1]) local s = 0 for i = 2, #t, 2 do s = s + tonumber(t[i]) end return s" 1 hash
measure "SET" 100000 16 "return redis.call('set', KEYS[1], ARGV[1])" 1 key value

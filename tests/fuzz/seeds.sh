#!/usr/bin/env bash
# Makes the corpus of each target from the dumps of real servers.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p corpus/rdb_file corpus/rdb_value
for dump in ../dumps/*.rdb; do
  { printf '\x05'; cat "$dump"; } >"corpus/rdb_file/$(basename "$dump" .rdb)"
done
# A few values by hand: version, type, value. Mutation finds the way to the others.
printf '\x0b\x00\x02hi' >corpus/rdb_value/string
printf '\x0b\x04\x01\x01a\x01b' >corpus/rdb_value/hash
printf '\x0b\x10\x0d\x0d\0\0\0\x02\0\x81a\x02\x81b\x02\xff' >corpus/rdb_value/listpack
printf '\x0f\x1d\x00\x10\x10\0\0\0\x03\0\x81a\x02\x81b\x02\x81c\x02\xff\x12\x12\0\0\0\x04\0\x01\x01\x11\x01\x82w1\x03\xc1\x2c\x02\xff' >corpus/rdb_value/template
printf '\x0f\x1b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x64\x40\x64\x00\x00\x00' >corpus/rdb_value/stream
mkdir -p corpus/requests corpus/replies
printf '\x05*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING "a\\x41" b\r\n*0\r\n' >corpus/requests/mixed
printf '\x03*3\r\n:1\r\n$-1\r\n+OK\r\n-ERR no\r\n' >corpus/replies/resp2
printf '\x03%%1\r\n$1\r\na\r\n~1\r\n,1.5\r\n_\r\n#t\r\n(12\r\n=5\r\ntxt:a\r\n>1\r\n+m\r\n' >corpus/replies/resp3

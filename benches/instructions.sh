#!/usr/bin/env bash
# How many instructions each case of benches/micro takes, which does not depend on how busy the machine is.
#
#   benches/instructions.sh            all cases
#   benches/instructions.sh json       those whose name contains this
#
# Needs valgrind (Debian: apt-get install valgrind). Each case runs twice under callgrind, some times and many times; the
# difference is what the repetitions alone have cost, without the start of the process. Where they go, callgrind tells:
#
#   valgrind --tool=callgrind target/release/deps/micro-… --repeat json/decode 100000
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly FEW=2000 MANY=12000

command -v valgrind >/dev/null || { echo "no valgrind (Debian: apt-get install valgrind)" >&2; exit 1; }

bench="$(cargo bench --locked --bench micro --no-run --message-format=json 2>/dev/null |
  grep -o '"executable":"[^"]*/micro-[^"]*"' | cut -d '"' -f 4 | tail -n 1)"
[ -x "$bench" ] || { echo "the bench does not build: cargo bench --bench micro --no-run" >&2; exit 1; }

# instructions NAME COUNT
instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" --repeat "$1" "$2" 2>&1 >/dev/null |
    sed -n 's/.*Collected : //p'
}

while IFS= read -r name; do
  few="$(instructions "$name" "$FEW")"
  many="$(instructions "$name" "$MANY")"
  printf '%-32s %8d instructions\n' "$name" "$(((many - few + (MANY - FEW) / 2) / (MANY - FEW)))"
done < <("$bench" --list | grep -F -- "${1:-}")

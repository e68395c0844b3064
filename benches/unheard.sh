#!/bin/sh
# What telemetry costs while nobody listens: the instructions, and the locked ones among them, that
# a successful call through a closed breaker takes with the feature `metrics` beyond those that it
# takes without. No recorder is installed, and no listener.
#
#   benches/unheard.sh [CASE..]
#   BENCH=bulkhead_instructions benches/unheard.sh free full
#
# Cases are those of breaker_instructions.rs; unless given, both kinds of window. Or those of another
# bench of this kind.
# Needs x86-64, valgrind, and objdump (binutils) for the locked ones. Each case runs twice, for
# 1,000 calls and for 2,000: the difference is that of 1,000 calls, start and end left out.
# Exit 1: more than 12 instructions, or a locked one. Exit 2: nothing could be counted.
set -eu
cd "$(dirname "$0")/.."

for tool in valgrind objdump; do
    command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 2; }
done

bar=12
bench=${BENCH:-breaker_instructions}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build NAME CARGO_OPTION..: puts the bench, built so, and the places of its locked instructions
# into the work folder.
build() {
    name=$1
    shift
    cargo bench --bench "$bench" --no-run --message-format=json "$@" >"$work/messages"
    built=$(sed -n 's/.*"executable":"\([^"]*'"$bench"'[^"]*\)".*/\1/p' "$work/messages")
    cp "$built" "$work/$name"
    # An exchange with memory is locked without saying so.
    objdump -d --no-show-raw-insn "$work/$name" |
        awk '/\tlock / || /\txchg .*\(/ { sub(":", "", $1); print $1 }' >"$work/$name.locked"
    [ -s "$work/$name.locked" ] || { echo "no locked instruction found: not x86-64?" >&2; exit 2; }
}

# executed BUILD CASE CALLS: instructions, and how many of those in the bench's own code were locked.
executed() {
    valgrind --tool=callgrind --callgrind-out-file="$work/profile" --dump-instr=yes \
        --compress-pos=no --compress-strings=no "$work/$1" "$2" "$3" 2>"$work/log" ||
        { cat "$work/log" >&2; exit 2; }
    awk -v build="$work/$1" '
        FNR == NR { locked["0x" $1]; next }
        /^ob=/    { ours = $0 == "ob=" build; next }
        /^calls=/ { getline; next }            # the line after it sums up what the callee did
        /^0x/     { all += $3; if (ours && $1 in locked) some += $3 }
        END       { print all + 0, some + 0 }
    ' "$work/$1.locked" "$work/profile"
}

# per_call BUILD CASE: both, per call.
per_call() {
    short=$(executed "$1" "$2" 1000)
    long=$(executed "$1" "$2" 2000)
    echo "$short $long" | awk '{ printf "%.2f %.2f\n", ($3 - $1) / 1000, ($4 - $2) / 1000 }'
}

[ $# -gt 0 ] || set -- closed_count_window closed_time_window

build heard-of
build unheard-of --no-default-features

printf '%-24s %10s %10s %10s %10s\n' 'per call' metrics without more locked
missed=0
for kind in "$@"; do
    with=$(per_call heard-of "$kind")
    without=$(per_call unheard-of "$kind")
    echo "$with $without" | awk -v kind="$kind" -v bar=$bar '{
        printf "%-24s %10.2f %10.2f %10.2f %7.2f/%.2f\n", kind, $1, $3, $1 - $3, $2, $4
        exit $1 - $3 > bar || $2 > $4
    }' || missed=1
done
[ $missed = 0 ] || printf 'MISSED: '
echo "at most $bar more, none of them locked"
exit $missed

# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the stage of the bench's parts: that of the tests (private namespaces, a helper of their own,
# all of it gone at the end), one CPU for everything that is measured, and the rows.
#
# A part:	source lib.bash; bench_setup; ... row NAME VALUE UNIT GOAL ...; bench_done
# A part that runs a program for long does so by `behind`, or a signal would wait for its end.

# shellcheck source=tests/lib.bash
source "${BASH_SOURCE[0]%/*}/../lib.bash"

BENCH=$SKS_BUILD/bench
export BUILD=$SKS_BUILD # where the programs find BPF objects

# Of bats, which the tests' stage expects: here nothing is skipped.
skip() {
	fail "$*"
}

progress() {
	printf '  %s\n' "$*" >&2
}

# row NAME VALUE UNIT [GOAL]: one line of the table. A missing value is an error.
row() {
	[[ -n $2 ]] || fail "not measured: $1"
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}"
}

# The last CPU that we may use, so that the first, which serves most interrupts, is left alone.
bench_pick_cpu() {
	local list
	list=$(taskset -pc $$)
	CPU=${list##*[ ,-]}
	PIN=(taskset -c "$CPU")
}

# bench_setup: call it first. Whatever happens later, sks_teardown cleans up.
bench_setup() {
	set -euo pipefail
	trap 'sks_teardown >&2' EXIT # it may show logs, which are no rows
	trap 'exit 130' HUP INT TERM
	export LC_ALL=C
	sks_setup
	bench_pick_cpu
}

# bench_done: all rows are there, so nobody wants to see the logs.
bench_done() {
	BATS_TEST_COMPLETED=1
}

# ns_file NAME
ns_file() {
	echo "/proc/$(ns_pid "$1")/ns/net"
}

# plain_ns NAME: a network namespace with the settings that all variants share: clients take their
# ports above those that are steered or listened on.
plain_ns() {
	[[ $1 == main ]] || add_ns "$1"
	NS=$1 in_ns sysctl -qw net.ipv4.ip_local_port_range='40000 65000' \
		net.ipv4.tcp_max_syn_backlog=65536 net.core.somaxconn=65535
}

# Slabs, page tables, stacks, per-CPU and vmalloc memory of the whole machine: whoever causes it,
# BPF maps, sockets or processes, it is in here. Waits until what was freed lately is out of it.
kernel_kib() {
	local now before=0 tries
	for ((tries = 0; tries < 20; tries++)); do
		now=$(awk '/^(Slab|PageTables|KernelStack|Percpu|VmallocUsed):/ { sum += $2 }
			END { print sum }' /proc/meminfo)
		((now - before > 64 || before - now > 64)) || break
		before=$now
		sleep 0.05
	done
	echo "$now"
}

# median VALUE...
median() {
	printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p"
}

# least VALUE...
least() {
	printf '%s\n' "$@" | sort -g | sed -n 1p
}

# calc EXPRESSION [DIGITS]: what awk makes of it.
calc() {
	awk "BEGIN { printf \"%.${2:-3}f\", $1 }"
}

# behind CMD...: in the background, since bash heeds a signal only between commands.
behind() {
	"$@" &
	wait "$!"
}

# keep_result CMD...: what connections.c or flood.c print, for `of`, and for who watches.
keep_result() {
	behind "$@" > "$SKS_DIR/result"
	sed 's/^/    /' "$SKS_DIR/result" >&2
}

# of VARIANT COLUMN (2: nanoseconds, 3: ratio)
of() {
	awk -F'\t' -v name="$1" -v column="$2" '$1 == name { print $column }' "$SKS_DIR/result"
}

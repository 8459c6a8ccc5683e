# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the checks of the tests: what is expected, what is waited for, what has to hold, and for how
# long. Loaded by lib.bash.

fail() {
	printf '%s\n' "$*" >&2
	return 1
}

# need CMD...: a test that can't run says what is missing, and fails where nothing may be missing.
need() {
	local cmd
	for cmd in "$@"; do
		if ! command -v "$cmd" > /dev/null; then
			[[ -z ${CI:-} ]] || fail "$cmd is not installed"
			skip "$cmd is not installed"
		fi
	done
}

# is ACTUAL EXPECTED
is() {
	[[ $1 == "$2" ]] || fail "expected: $2"$'\n'"     got: $1"
}

# isnt ACTUAL UNEXPECTED
isnt() {
	[[ $1 != "$2" ]] || fail "expected anything else: $2"
}

# status_is STATUS CMD...: not with run, whose subshell has no children to wait for.
status_is() {
	local expected=$1 got=0
	shift
	"$@" || got=$?
	is "$got" "$expected"
}

# has TEXT PART
has() {
	[[ $1 == *"$2"* ]] || fail "expected a text with: $2"$'\n'"                 got: $1"
}

# has_not TEXT PART
has_not() {
	[[ $1 != *"$2"* ]] || fail "expected a text without: $2"$'\n'"                    got: $1"
}

# kernel_is VERSION: that one or a later one.
kernel_is() {
	[[ $(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1) == "$1" ]]
}

# wait_until SECONDS CMD...: polls every 20 ms until CMD succeeds; fails, and says so, when it never does.
# Time alone says nothing: a machine that stands still in between lets CMD hardly be tried.
wait_until() {
	local deadline now tries=0
	deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000 * SKS_SLOW))
	shift
	until "$@" > /dev/null 2>&1; do
		now=${EPOCHREALTIME/[.,]/} tries=$((tries + 1))
		((now < deadline || tries < 20)) || fail "waited in vain for: $*" || return
		sleep 0.02
	done
}

# not CMD...: for wait_until, and because bats does not see the status of "! CMD".
not() {
	! "$@"
}

# holds SECONDS CMD...: CMD succeeds now, and each time that it is tried in that while. For what must
# not happen: there is no readiness to wait for.
holds() {
	local until now
	until=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000 * SKS_SLOW))
	shift
	while "$@"; do
		now=${EPOCHREALTIME/[.,]/}
		((now < until)) || return 0
		sleep 0.05
	done
	fail "did not hold: $*"
}

# within SECONDS CMD...: kills CMD, with status 137, when it takes longer.
within() {
	local seconds=$(($1 * SKS_SLOW))
	shift
	timeout --signal=KILL "$seconds" "$@"
}

# soaks SHORT LONG: how often a thing is done: in `make soak` the second.
soaks() {
	echo "${SKS_SOAK:+$2}" | grep . || echo "$1"
}

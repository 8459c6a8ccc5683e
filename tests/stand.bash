# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of steering and of labels share: servers whose every listener has a name
# (progs/stand.c), and the question which of them answers where (progs/dial.c).

bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
	need jq
	start_helper
}

teardown() {
	sks_teardown
}

says() {
	grep -qx "$2" "$SKS_DIR/$1.log"
}

# begin NAME [SKSTEER_X=...]... WORD...: progs/stand.c under the library, as the user $AS (root,
# nobody or user2) in $NS. Returns at once.
begin() {
	local name=$1 vars=() AS_WHO
	shift
	while [[ $1 == SKSTEER_* ]]; do
		vars+=("$1")
		shift
	done
	as_who
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${AS_WHO[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		"${vars[@]}" "$PROGS/stand" "$@"
}

# stand NAME [SKSTEER_X=...]... WORD...: the same, and returns when all words are done: from its
# listen(2) on a port is steered, so no test waits for one.
stand() {
	begin "$@"
	wait_until 5 says "$1" ready
}

# stand_run NAME OPTION... -- WORD...: the same under sksteer-run.
stand_run() {
	local name=$1 options=()
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	: > "$SKS_DIR/$name.log"
	start_server "$name" "$RUN" --socket "$SOCKET" "${options[@]}" -- "$PROGS/stand" "$@"
	wait_until 5 says "$name" ready
}

# plain NAME WORD...: the same server without us.
plain() {
	local name=$1
	shift
	: > "$SKS_DIR/$name.log"
	start_server "$name" "$PROGS/stand" "$@"
	wait_until 5 says "$name" ready
}

# said NAME LINE...: what it said but for "ready", exactly. Where all is slow that it waited in vain
# is no news: the second that it waits for the helper does not stretch.
said() {
	local name=$1 news=()
	((SKS_SLOW == 1)) || news=(-e 'which does not answer')
	shift
	is "$(grep -v -e '^ready$' "${news[@]}" "$SKS_DIR/$name.log")" "$(IFS=$'\n' && echo "$*")"
}

# reaches PLACE=WHO...: PLACE is ADDRESS#PORT[-LAST][/udp], and WHO what progs/dial.c says of it:
# the name of a listener, "refused", "nothing". All are asked, from the address $FROM if it is set,
# and compared as a whole.
reaches() {
	local each places=() expected=''
	for each in "$@"; do
		places+=("${each%=*}")
		expected+="${each%=*} ${each##*=}"$'\n'
	done
	is "$(dial ${FROM:+-s "$FROM"} "${places[@]}")" "${expected%$'\n'}"
}

# dial ARGUMENT...: from $NS.
dial() {
	in_ns env SKS_SLOW="$SKS_SLOW" timeout --signal=KILL $((120 * SKS_SLOW)) "$PROGS/dial" "$@"
}

# service FILTER [LABEL]: of the service with that label, or of all of them.
service() {
	status_jq ".services[] | select(\"${2:-}\" == \"\" or .label == \"${2:-}\") | $1"
}

# local_route PREFIX...: AnyIP: every address of it is this host's.
local_route() {
	local prefix
	for prefix in "$@"; do
		in_ns ip route add local "$prefix" dev lo
	done
}

# yama_scope_is_1: what the kernel's file says with that; progs/yama.so.c does it. Any other file of
# that directory is hidden meanwhile: umount.
yama_scope_is_1() {
	in_ns mount -t tmpfs none /proc/sys/kernel
	in_ns mkdir /proc/sys/kernel/yama
	echo 1 | in_ns tee /proc/sys/kernel/yama/ptrace_scope > /dev/null
}

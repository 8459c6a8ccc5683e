# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of sksteerctl's own verbs share: a server that echoes, one whose label has several,
# and what sksteerctl says and returns.
# shellcheck disable=SC2154 # bats sets $stderr

bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
	need jq ncat python3
}

teardown() {
	sks_teardown
}

# echo_server NAME PORTS LABEL PORT [AS...]: ncat that echoes; returns when it is registered.
echo_server() {
	local name=$1 ports=$2 label=$3 port=$4
	shift 4
	start_server "$name" "$@" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		${ports:+SKSTEER_PORTS="$ports"} ${label:+SKSTEER_LABEL="$label"} \
		ncat -lk "$port" --exec /bin/cat
	wait_until 5 registered "$port"
}

# registered PORT: both of ncat's listeners are.
registered() {
	is "$(status_jq "[.services[].sockets[] | select(.port == $1)] | length")" 2
}

# service LABEL FILTER: jq of that service.
service() {
	status_jq ".services[] | select(.label == \"$1\") | $2"
}

# run_ctl ARGUMENT...: sets $status, $output and $stderr.
run_ctl() {
	run --separate-stderr ctl "$@"
}

# fails STATUS PART ARGUMENT...: with one line on stderr that has PART, and nothing on stdout.
fails() {
	local expected=$1 part=$2
	shift 2
	run_ctl "$@"
	is "$status" "$expected"
	has "$stderr" "$part"
	has "$stderr" 'sksteerctl: '
	has_not "$stderr" $'\n'
	is "$output" ''
}

# does ARGUMENT...: succeeds and says nothing.
does() {
	run_ctl "$@"
	is "$status" 0
	is "$output$stderr" ''
}

# stood NAME WORD...: progs/stand.c as label web, when it is ready. SKSTEER_X=... may come first.
stood() {
	local name=$1
	shift
	start_server "$name" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_LABEL=web "$@"
	wait_until 5 grep -qx ready "$SKS_DIR/$name.log"
}

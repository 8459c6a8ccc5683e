#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the reasons for which there is no local fast path (docs/ARCHITECTURE.md): what a server sees
# of data that a sk_msg program has put into its socket, past TCP, beside what it sees of TCP's.
# A test that fails here has found a kernel on which one of the reasons is gone.

load lib

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

# differ WHAT PLAIN REDIRECTED: see progs/fastpath_limits.c
differ() {
	is "plain: $(shows plain "$1")" "plain: $2"
	is "redirected: $(shows redirected "$1")" "redirected: $3"
}

shows() {
	in_ns timeout --signal=KILL $((20 * SKS_SLOW)) "$PROGS/fastpath_limits" "$@" 2>&1
}

@test "a blocking read fails with EAGAIN when room to send comes" {
	differ full hello EAGAIN
}

@test "splice(2) from the socket finds nothing, though it is readable" {
	differ splice 'the data' EAGAIN
}

@test "MSG_WAITALL returns with less than was asked for" {
	differ waitall helloworld hello
}

@test "SO_RCVLOWAT is passed over" {
	differ lowat 'not readable' readable
}

@test "an urgent byte becomes one of the stream" {
	differ urgent EAGAIN 'the data'
}

@test "who closes with unread data tells the sender that all is well" {
	differ close ECONNRESET 'the end'
}

@test "who waits in recv(2) when his socket joins sleeps on" {
	differ waiting hello 'sleeps, readable'
}

@test "a socket that leaves loses what it has not read" {
	differ leave 'the data' EAGAIN
}

@test "nothing stops the sender to a receiver that does not read" {
	differ unread stopped 'not stopped'
}

@test "a zero-copy send is never reported as completed" {
	differ zerocopy completed 'never completed'
}

@test "what is redirected overtakes what TCP has delivered before" {
	differ order 12 21
}

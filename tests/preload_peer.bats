#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of libsksteer.so against a helper that is hung, gone or hostile: a server never notices.

load preload

@test "a helper that never greets: within 1 s, then not asked again" {
	peer mute
	server "$SPEC" fds "${TCP[@]}" listen fork listen fds
	returned "3 fds" "bind ok" "listen ok waited" "listen ok" "listen ok" "4 fds"
	said "sksteer: cannot ask the helper at $SOCKET, which does not answer: $UNANSWERED"
	requested
}

@test "a helper that never accepts, its backlog full: within 1 s" {
	peer full
	server "$SPEC" "${TCP[@]}" listen fds
	returned "bind ok" "listen ok waited" "listen ok" "4 fds"
	said "sksteer: cannot ask the helper at $SOCKET, which does not answer: $UNANSWERED"
}

@test "a helper that never replies: within 1 s" {
	peer no-reply
	server "$SPEC" "${TCP[@]}" listen fds
	returned "bind ok" "listen ok waited" "listen ok" "4 fds"
	registered
}

@test "a stopped helper: within 1 s" {
	peer grant
	kill -STOP "$(pid_of peer)"
	server "$SPEC" "${TCP[@]}" listen
	kill -CONT "$(pid_of peer)"
	returned "bind ok" "listen ok waited" "listen ok"
}

@test "signals that interrupt every wait neither end nor prolong it" {
	local how
	for how in full mute no-reply; do
		peer $how
		server "$SPEC" alarms "${TCP[@]}" fds
		returned "bind ok" "listen ok waited" "4 fds"
	done
	peer shy
	: > "$REQUESTS"
	server "$SPEC" alarms "${TCP[@]}"
	requested patient "register 7,77 mode=0 weight=0 label= fd=7777,listens"
}

@test "nothing is sent before the greeting" {
	peer shy
	server "$SPEC" "${TCP[@]}"
	returned "bind ok" "listen ok"
	requested patient "register 7,77 mode=0 weight=0 label= fd=7777,listens"
}

@test "a pending cancellation stays pending" {
	peer shy
	server "$SPEC" thread cancel "${TCP[@]}"
	returned "bind ok" "listen ok"
	stop_peer
	server "$SPEC" thread cancel "${TCP[@]}"
	returned "bind ok" "listen ok"
}

@test "a helper that goes away" {
	local how
	for how in hang-up hang-up-greeted hang-up-late empty-greeting; do
		peer $how
		server "$SPEC" "${TCP[@]}" fds
		returned "bind ok" "listen ok" "4 fds"
		said "sksteer: cannot ask the helper at $SOCKET, which went away: 7,77 not steered"
	done
}

@test "a helper that speaks another language" {
	local how
	for how in version:0 garbage-greeting short-greeting greeting-fd other-reply short-reply \
		long-reply positive-error endless-text reply-fds; do
		peer $how
		server "$SPEC" "${TCP[@]}" fds
		returned "bind ok" "listen ok" "4 fds"
		said "sksteer: cannot ask the helper at $SOCKET, which does not speak this version: 7,77 not steered"
	done
}

@test "a descriptor that nobody asked for is closed" {
	peer reply-fd
	server "$SPEC" "${TCP[@]}" fds
	returned "bind ok" "listen ok" "4 fds"
	said
}

@test "listen needs little stack, granted or refused, or not answered in the helper's language" {
	local how
	for how in grant refuse reply-fds garbage-greeting; do
		peer "$how"
		server "$SPEC" "${TCP[@]}" stack
		returned "bind ok" "listen ok" "listen ok, little stack"
	done
}

REGISTERED="register 7,77 mode=0 weight=0 label= fd=7777,listens"

@test "who does not see the path asks by its abstract name" {
	named grant
	server "$SPEC" fds "${TCP[@]}" fds
	returned "3 fds" "bind ok" "listen ok" "4 fds"
	said
	heard "$REGISTERED"
	# The path is one of a helper that is dead.
	peer grant
	stop_peer
	named grant
	server "$SPEC" "${TCP[@]}"
	said
	heard "$REGISTERED"
	# There is no such directory, or it is none.
	named grant
	server "$SPEC" SKSTEER_SOCKET="$SOCKET/none" "${TCP[@]}"
	said "sksteer: no helper at $SOCKET/none: 7,77 not steered (start one as root: sksteerd)"
	heard
}

@test "who may not go to the path asks by its abstract name" {
	SOCKET=$SKS_DIR/shut/helper.sock
	mkdir -m 700 "$SKS_DIR/shut"
	named grant
	run --separate-stderr as_user env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" "$SPEC" \
		"$PROGS/calls" "${TCP[@]}"
	is "$status" 0
	is "$stderr" ''
	heard "$REGISTERED"
}

@test "a helper at the path is asked there alone" {
	named grant
	peer grant
	server "$SPEC" "${TCP[@]}"
	registered
	heard
	peer hang-up
	server "$SPEC" "${TCP[@]}"
	said "sksteer: cannot ask the helper at $SOCKET, which went away: 7,77 not steered"
	heard
}

@test "another user who has taken the abstract name gets nothing" {
	local how
	for how in grant garbage-greeting mute full; do
		named "$how" "${AS_NOBODY[@]}"
		server "$SPEC" fds "${TCP[@]}" listen fds
		returned "3 fds" "bind ok" "listen ok" "listen ok" "4 fds"
		said "sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"
		heard
	done
}

@test "nor does root of another user namespace, whose number the kernel hides" {
	named grant
	run --separate-stderr as_user unshare --user --map-current-user env LD_PRELOAD="$LIB" \
		SKSTEER_SOCKET="$SOCKET" "$SPEC" "$PROGS/calls" "${TCP[@]}"
	returned "bind ok" "listen ok"
	heard
}

@test "a helper that does not answer by its abstract name: within 1 s, then not asked again" {
	named grant
	kill -STOP "$(pid_of named)"
	server "$SPEC" fds "${TCP[@]}" listen fork listen fds
	kill -CONT "$(pid_of named)"
	returned "3 fds" "bind ok" "listen ok waited" "listen ok" "listen ok" "4 fds"
	said "sksteer: cannot ask the helper at $SOCKET, which does not answer: $UNANSWERED"
	named full
	server "$SPEC" "${TCP[@]}"
	returned "bind ok" "listen ok"
	said "sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"
}

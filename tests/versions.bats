#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of parts that are of different versions: one line says which is older and is to be
# updated, and a server is served as without us.
# shellcheck disable=SC2154 # bats sets $stderr

load preload

OLDER='speaks version 2 of the wire'
NEWER='speaks version 4 of the wire'

# says_versions STATUS LINE CMD...: that line on stderr alone.
says_versions() {
	local expected=$1 line=$2
	shift 2
	SKSTEER_SOCKET=$SOCKET run --separate-stderr "$@"
	is "$stderr" "$line"
	is "$output" ''
	is "$status" "$expected"
}

@test "versions: the library and a helper that is older, or newer" {
	peer version:2
	server "$SPEC" "${TCP[@]}" fds
	returned "bind ok" "listen ok" "4 fds"
	said "sksteer: sksteerd at $SOCKET $OLDER, libsksteer.so version 3: update and restart sksteerd, the older one: 7,77 not steered"
	server "$SPEC" "$STRICT" tcp4 bind=0.0.0.0#7777
	returned "bind EPROTO"
	peer version:4
	server "$SPEC" "${TCP[@]}" fds
	returned "bind ok" "listen ok" "4 fds"
	said "sksteer: sksteerd at $SOCKET $NEWER, libsksteer.so version 3: update libsksteer.so, the older one: 7,77 not steered"
	requested
}

@test "versions: sksteerctl and a helper that is older, or newer" {
	local verb
	for verb in 'bind web 80' 'unbind web 80' 'unregister web' 'weight web 1 5'; do
		peer version:2
		# shellcheck disable=SC2086 # words of a line
		says_versions 1 "sksteerctl: sksteerd at $SOCKET $OLDER, sksteerctl version 3: update and restart sksteerd, the older one" \
			in_ns "$CTL" $verb
		peer version:4
		# shellcheck disable=SC2086 # words of a line
		says_versions 1 "sksteerctl: sksteerd at $SOCKET $NEWER, sksteerctl version 3: update sksteerctl, the older one" \
			in_ns "$CTL" $verb
	done
	chmod 777 "$SOCKET"
	says_versions 1 "sksteerctl: only root reads the pins in $BPFFS, and sksteerd at $SOCKET $NEWER, sksteerctl version 3: update sksteerctl, the older one" \
		as_user "$CTL" status
	peer garbage-greeting
	says_versions 1 "sksteerctl: what answers at $SOCKET is no sksteerd" in_ns "$CTL" bind web 80
}

@test "versions: sksteer-run and a helper that is older, or newer; the command runs all the same" {
	peer version:2
	run --separate-stderr in_ns "$RUN" --socket "$SOCKET" -p 80 -- echo served
	is "$stderr" "sksteer-run: sksteerd at $SOCKET $OLDER, sksteer-run version 3: update and restart sksteerd, the older one: starting unsteered"
	is "$status $output" '0 served'
	peer version:4
	run --separate-stderr in_ns "$RUN" --socket "$SOCKET" -p 80 -- echo served
	is "$stderr" "sksteer-run: sksteerd at $SOCKET $NEWER, sksteer-run version 3: update sksteer-run, the older one: starting unsteered"
	is "$status $output" '0 served'
}

@test "versions: a program that registers its sockets itself" {
	peer version:4
	run in_ns env SKSTEER_SOCKET="$SOCKET" python3 - "$LIB" << 'END'
import ctypes, socket, sys
lib = ctypes.CDLL(sys.argv[1])
lib.sksteer_strerror.restype = ctypes.c_char_p
err = lib.sksteer_register(socket.create_server(("127.0.0.1", 7777)).fileno(), b"80", b"web")
print(err, lib.sksteer_strerror(err).decode())
END
	is "$output" "-71 sksteerd at $SOCKET $NEWER, libsksteer.so version 3: update libsksteer.so, the older one"
}

# is_refused TEXT CMD...: with one line that has TEXT, and says what to do.
is_refused() {
	local text=$1
	shift
	run --separate-stderr "$@"
	is "$status" 1
	is "$output" ''
	has "$stderr" "$text"
	has "$stderr" 'to steer anything else, "sksteerctl unload" in that network namespace, then start its servers anew'
	is "$(wc -l <<< "$stderr")" 1
}

@test "versions: of maps of another layout the ports are steered, and not taken any more" {
	local grab=("${AS_USER2[@]}" "$PROGS/grab" 127.0.0.1#8080)
	start_helper
	start_steered first any:8080 "${AS_NOBODY[@]}" "$PROGS/stand" first=tcp:127.0.0.1#7777
	wait_until 5 grep -qx ready "$SKS_DIR/first.log"
	is "$(in_ns "${grab[@]}")" '127.0.0.1#8080 EADDRINUSE'
	kill_helper
	is "$(in_ns "${grab[@]}")" '127.0.0.1#8080 EADDRINUSE'
	in_ns "$PROGS/pins" foreign "$BPFFS/net-$(ns_ino)" 1
	start_helper
	is "$(in_ns "${grab[@]}")" '127.0.0.1#8080 done'
	is "$(in_ns "$PROGS/dial" 127.0.0.1#8080)" '127.0.0.1#8080 first'
}

@test "versions: maps of an older layout, or a newer one: the helper, sksteerctl, and servers" {
	local dir layout own which
	start_helper
	start_steered first any:7 "$PROGS/stand" first=tcp:0.0.0.0#7777
	wait_until 5 grep -qx ready "$SKS_DIR/first.log"
	kill_helper
	dir=$BPFFS/net-$(ns_ino)
	own=$(sed -n 's/^#define SKS_LAYOUT \([0-9]*\)u$/\1/p' "$SKS_ROOT/common/maps.h")
	for layout in $((own - 1)) $((own + 1)); do
		which="an older version of sksteer made the pins in $dir: map layout $layout, and this version's is $own, which is newer: update and restart sksteerd, if it is older, too."
		((layout < own)) ||
			which="a newer version of sksteer made the pins in $dir: map layout $layout, and this version's is $own: update this one."
		in_ns "$PROGS/pins" foreign "$dir" "$layout"
		is_refused "$which" in_ns "$CTL" status
		is_refused "$which" in_ns "$CTL" lookup tcp 127.0.0.1 7
		: > "$SKS_DIR/helper.log"
		start_helper
		is "$(grep -c 'map layout' "$SKS_DIR/helper.log")" 1
		has "$(log_of helper)" "$which"
		is_refused "$which" in_ns "$CTL" --socket "$SOCKET" bind web 9
		: > "$SKS_DIR/second.log"
		start_steered second any:8 "$PROGS/stand" second=tcp:0.0.0.0#7778
		wait_until 5 grep -qx ready "$SKS_DIR/second.log"
		has "$(log_of second)" "$which"
		is "$(in_ns "$PROGS/dial" 127.0.0.1#7 127.0.0.1#7778)" $'127.0.0.1#7 first\n127.0.0.1#7778 second'
		kill_server second
		kill_helper
		in_ns "$PROGS/pins" foreign "$dir" "$own"
	done
	start_helper
	is "$(status_jq '.services | length')" 1
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the helper's log: what users cause does not fill it, nothing in it is obeyed by a
# terminal or taken for another line, and the helper waits for nobody who reads it.

load promises

lines() {
	wc -l < "$SKS_DIR/helper.log"
}

has_toggled() {
	grep -q "$1" "$SKS_DIR/helper.log"
}

@test "log: a line per kind and not one per event, then how many more there were" {
	local began
	start_helper
	began=$(now_ms)
	start_server toggle "${AS_NOBODY[@]}" "$PROGS/hostile" "$SOCKET" toggle
	wait_until 5 has_toggled 'is over'
	# Others' lines are not among those that are held back.
	AS=user2 serve web 8080 0.0.0.0#7777
	has "$(log_of helper)" "user 65533 process $(pid_of web) registers port 7777 of every address in net-$(ns_ino): granted"
	wait_until 12 has_toggled 'more like this in 10 s: user 65534'
	kill_server toggle
	(($(lines) < 20 * (1 + ($(now_ms) - began) / 10000) + 20)) || fail "$(lines) lines"
	# It has done that a thousand times meanwhile, and says so.
	local more
	more=$(sed -n 's/^<6>sksteerd: \([0-9]*\) more like this in 10 s: user 65534 process.*/\1/p' \
		"$SKS_DIR/helper.log" | head -n 1)
	((more > 100)) || fail "$more more"
}

@test "log: one line, and printable, whatever is said" {
	run "$HELPER" --socket "$SOCKET" --bpffs $'/none/\x1b[31mred\n<0>sksteerd: \xc2\x9b'
	is "$status" 1
	is "${#lines[@]}" 1
	is "$output" '<3>sksteerd: cannot use the bpffs directory /none/?[31mred <0>sksteerd: ??: No such file or directory'
}

# unread_helper pipe|socket: its stderr has no room, and whoever could read it (descriptor 100) does not.
unread_helper() {
	cat > "$PROGS/unread" << END
#!/usr/bin/python3
import os, socket, sys
if "$1" == "pipe":
    ours, theirs = os.pipe()
else:
    ours, theirs = [sock.detach() for sock in socket.socketpair()]
os.set_blocking(theirs, False)
try:
    while True:
        os.write(theirs, b"x")
except BlockingIOError:
    os.set_blocking(theirs, True)
os.dup2(ours, 100)
os.dup2(theirs, 2)
os.execv("$HELPER", ["$HELPER"] + sys.argv[1:])
END
	chmod 755 "$PROGS/unread"
	HELPER=$PROGS/unread start_helper
}

# has_read TEXT: of what the helper has written into the pipe.
has_read() {
	timeout 0.2 cat "/proc/$(helper_pid)/fd/100" >> "$SKS_DIR/unread" || :
	grep -q "$1" "$SKS_DIR/unread"
}

@test "log: nobody reads it, and the helper serves on" {
	local kind
	need /usr/bin/python3
	for kind in pipe socket; do
		unread_helper "$kind"
		AS=nobody serve "one-$kind" 2000 0.0.0.0#7777
		silent "one-$kind"
		gets 127.0.0.1 2000 "one-$kind"
		AS=user2 serve "two-$kind" 80 0.0.0.0#7778
		said "two-$kind" 'port 80 is for root'
		kill_server "one-$kind"
		kill_server "two-$kind"
		[[ $kind == pipe ]] || continue
		# What was lost is counted, once there is room.
		: > "$SKS_DIR/unread"
		wait_until 5 has_read 'lines of this log found no room'
		serve three 2000 0.0.0.0#7777
		wait_until 5 has_read "registers port 7777 of every address in net-$(ns_ino): granted"
		is "$(grep -c 'found no room' "$SKS_DIR/unread")" 1
		kill_server three
		stop_helper
	done
}

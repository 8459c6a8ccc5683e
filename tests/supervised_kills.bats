#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the seccomp engine's supervisor being killed, at any time and by any name, and of
# what starts and stops leave behind.
# bats file_tags=sanitize

load supervised

@test "the supervisor is killed, the one and the other, before the call: nothing is noticed" {
	local which pid victim
	for which in active spare active; do
		rm -f "$SKS_DIR/go"
		mkfifo "$SKS_DIR/go"
		runs web root --engine seccomp -p 7 -- sh -c "read -r _ < $SKS_DIR/go; exec $PROGS/stand web=tcp:0.0.0.0#7777"
		pid=$(pid_of web)
		wait_until 5 two_watch "$pid"
		victim=$("$which" "$pid")
		kill -KILL "$victim"
		wait_until 5 sks_is_gone "$victim"
		wait_until 5 two_watch "$pid"
		echo > "$SKS_DIR/go"
		wait_until 5 says web ready
		reaches 127.0.0.1#7=web
		said web
		kill_server web
		wait_until 5 nobody_watches
	done
}

# kill_amid PROTO: of a server that asks a stopped helper, the supervisor is killed. On a busy machine
# that may come after the helper has been given up, which is another matter: 1 then.
kill_amid() {
	local pid active
	rm -f "$SKS_DIR/go"
	mkfifo "$SKS_DIR/go"
	runs web root --engine seccomp -p "7/$1" -- sh -c "read -r _ < $SKS_DIR/go; exec $PROGS/stand web=$1:0.0.0.0#7777"
	pid=$(pid_of web)
	wait_until 5 two_watch "$pid"
	active=$(active "$pid")
	kill -STOP "$(helper_pid)"
	echo > "$SKS_DIR/go"
	wait_port 7777 '' "$1"
	kill -KILL "$active"
	kill -CONT "$(helper_pid)"
	wait_until 5 says web ready
	wait_until 5 two_watch "$pid"
	not grep -q 'does not answer' "$SKS_DIR/web.log"
}

# runs_two: a server that listens, and another one of its instance that will when $SKS_DIR/go says so.
runs_two() {
	rm -f "$SKS_DIR/go"
	mkfifo "$SKS_DIR/go"
	runs web root --engine seccomp -l web -p 7 -- sh -c "$PROGS/stand web=tcp:127.0.0.1#7777 &
		read -r _ < $SKS_DIR/go; exec $PROGS/calls tcp4 bind=127.0.0.1#7778 listen"
	wait_until 5 says web ready
	wait_until 5 two_watch "$(pid_of web)"
}

# kill_both PID: none of them can do anything about it.
kill_both() {
	local pids
	mapfile -t pids < <(watchers "$1")
	kill -STOP "${pids[@]}"
	kill -KILL "${pids[@]}"
	wait_until 5 nobody_watches "$1"
}

names_differ() {
	is "$(own_pids sksteer-watch | wc -l) $(own_pids sksteer-spare | wc -l)" '1 1'
}

@test "all that have the supervisor's name are killed: the other one has another, nothing is noticed" {
	local name victim
	runs_two
	for name in sksteer-watch sksteer-spare sksteer-watch; do
		wait_until 5 names_differ
		victim=$(own_pids "$name")
		kill -KILL "$victim"
		wait_until 5 sks_is_gone "$victim" # else both might be gone with the next one
		wait_until 5 two_watch "$(pid_of web)"
	done
	echo > "$SKS_DIR/go"
	wait_server web
	has "$(log_of web)" $'bind ok\nlisten ok'
	kill "$(own_pids stand)"
	wait_until 5 nobody_watches
	holds 3 not grep ENOSYS "$SKS_DIR/helper.log"
}

@test "both are killed at once: what is steered stays so, and status and the helper's log say it" {
	runs_two
	kill_both "$(pid_of web)"
	wait_until 10 grep -q 'ENOSYS' "$SKS_DIR/helper.log"
	is "$(grep -c '<4>sksteerd: web: both processes of its supervisor have been killed: bind(2) and listen(2) fail there with ENOSYS from now on' "$SKS_DIR/helper.log")" 1
	is "$(service '.sockets[0].supervisor' web)" killed
	has "$(in_ns "$CTL" status --socket "$SOCKET")" 'its supervisor was killed'
	reaches 127.0.0.1#7=web
	echo > "$SKS_DIR/go"
	wait_server web
	has "$(log_of web)" 'bind ENOSYS'
}

# supervisors WORD...: what status says of them, in the order of the alphabet.
supervisors() {
	is "$(status_jq '[.services[].sockets[] | .supervisor // "there"] | sort | join(" ")')" "$*"
}

@test "the same of a user's, and of root's command that has become one; nobody says so of another's" {
	local instance
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	runs own nobody -p 8077 -- "$PROGS/stand" own=tcp:127.0.0.1#7777
	runs roots root --engine seccomp -p 8078 -- "${AS_NOBODY[@]}" "$PROGS/stand" roots=tcp:127.0.0.1#7778
	runs other root -l other -p 7 -- "$PROGS/stand" other=tcp:127.0.0.1#7779
	for name in own roots other; do wait_until 5 says "$name" ready; done
	instance=$(service '.sockets[0].instance' other)
	is "$(as_user env SKSTEER_INSTANCE="$instance" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" stand-by)" \
		'stand-by: done, done, ENOSPC too many processes are attended'
	for name in own roots; do kill_both "$(pid_of "$name")"; done
	wait_until 10 supervisors killed killed there
}

@test "the supervisor is killed in the middle of listen, and of a UDP bind: the other one finishes" {
	local proto at
	for proto in tcp udp; do
		at=/$proto
		at=${at#/tcp}
		until kill_amid "$proto"; do kill_server web; done
		reaches "127.0.0.1#7$at=web"
		said web
		kill_server web
	done
}

@test "killed again and again while a server opens listeners: each opens, and none is lost" {
	local i words=()
	for i in {1..60}; do words+=("l$i=tcp:127.0.0.$i#7777"); done
	runs web root -p 7 -- "$PROGS/stand" pause "${words[@]}"
	wait_until 5 says web paused
	kill -USR1 "$(pid_of web)"
	until says web ready; do
		sks_is_gone "$(pid_of web)" && fail 'the server has ended'
		kill -KILL "$(active "$(pid_of web)" | head -n 1)" 2> /dev/null || :
	done
	said web paused
	for i in {1..60}; do reaches "127.0.0.$i#7=l$i"; done
}

# no_more_fds N: than that; some come and go.
no_more_fds() {
	(($(open_fds "$(helper_pid)") <= $1))
}

@test "200 starts and stops: no process, descriptor or zombie is left" {
	local i before
	for i in {0..200}; do
		runs web root -p 7 -- "$PROGS/stand" web=tcp:127.0.0.1#7777
		wait_until 5 says web ready
		kill_server web
		((i)) || before=$(open_fds "$(helper_pid)")
	done
	wait_until 5 nobody_watches
	wait_until 5 gone sksteer-watch
	wait_sockets 0
	wait_until 5 no_more_fds "$before"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests that a command is no worse off for being supervised: its status, signals, terminal,
# descriptors and rights are its own, and whatever is wrong with the helper costs it a second.
# shellcheck disable=SC2016 # what is in single quotes is for the command's own shell
# shellcheck disable=SC2154 # bats sets $stderr
# bats file_tags=sanitize

load supervised

@test "status and signals are the command's own: it has the pid that sksteer-run had" {
	local signal
	run_as nobody --engine seccomp -p 8077 -- sh -c 'exit 42'
	is "$status" 42
	for signal in HUP INT TERM USR1 KILL; do
		run_as nobody --engine seccomp -p 8077 -- sh -c "kill -$signal \$\$"
		is "$status" $((128 + $(kill -l "$signal")))
		is "$output$stderr" ''
	done
	run_as nobody --engine seccomp -p 8077 -- /etc/passwd
	is "$status" 126
	run -127 as_user "$RUN" --engine seccomp -p 8077 no-such-command
	runs web nobody -p 8077 -- "$PROGS/stand" web=tcp:127.0.0.1#7777
	wait_until 5 says web ready
	is "$(readlink "/proc/$(pid_of web)/exe")" "$PROGS/stand"
	status_is 143 stop_server web
	wait_until 5 nobody_watches
}

@test "job control and the terminal: stopped and continued as without us" {
	cat > "$SKS_DIR/job" <<-EOT
		set -m
		$RUN --socket $SOCKET -p 8077 -- $PROGS/stand web=tcp:127.0.0.1#7777 &
		pid=\$!
		until grep -q ready $SKS_DIR/tty.log; do sleep 0.02; done
		ps -o tty= -o pgid= -o pid= -p \$pid
		kill -TSTP %1
		until [[ \$(ps -o state= -p \$pid) == T* ]]; do sleep 0.02; done
		jobs
		kill -CONT %1
		until [[ \$(ps -o state= -p \$pid) != T* ]]; do sleep 0.02; done
		kill -INT %1
		wait \$pid
		echo "status \$?"
	EOT
	: > "$SKS_DIR/tty.log"
	in_ns script -qefc "bash $SKS_DIR/job" "$SKS_DIR/tty.log" > /dev/null < /dev/null
	run tr -d '\r' < "$SKS_DIR/tty.log"
	has "$output" 'Stopped'
	has "$output" 'status 130'
	[[ $output =~ pts/[0-9]+\ +([0-9]+)\ +([0-9]+) ]]
	is "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
}

@test "the supervisor has no terminal, session, directory, pipe or signal of the command's" {
	local pid
	runs web root -p 7 -- "$PROGS/stand" web=tcp:127.0.0.1#7777
	wait_until 5 says web ready
	two_watch "$(pid_of web)"
	for pid in $(watchers "$(pid_of web)"); do
		is "$(ps -o tty= -p "$pid" | tr -d ' ')" '?'
		isnt "$(ps -o sid= -p "$pid" | tr -d ' ')" "$(ps -o sid= -p "$(pid_of web)" | tr -d ' ')"
		is "$(in_ns readlink "/proc/$pid/cwd")" /
		has_not "$(in_ns readlink "/proc/$pid/fd"/*)" "$SKS_DIR"
		has_not "$(in_ns readlink "/proc/$pid/fd"/*)" socket:
		kill -TERM "$pid"
		kill -HUP "$pid"
	done
	holds 1 two_watch "$(pid_of web)"
	is "$(in_ns ps -o comm= --ppid "$(pid_of web)")" ''
}

@test "the command has no descriptor, child or variable of ours" {
	local plain
	plain=$(in_ns ls /proc/self/fd)
	run_as root --engine seccomp -p 7 -- ls /proc/self/fd
	is "$output" "$plain"
	run_as root --engine seccomp -p 7 -- sh -c 'exec ps -o comm= --ppid $$'
	is "$output" ''
	run_as root --engine seccomp -p 7 -l web -- sh -c 'env | grep -e SKSTEER -e PRELOAD'
	is "$output" "SKSTEER_SOCKET=$SOCKET"
}

@test "the first process of a PID namespace has the supervisor as a child, as whatever else is orphaned there" {
	run in_ns unshare --pid --fork --mount-proc "$RUN" --socket "$SOCKET" --engine seccomp -p 7 \
		bash -c 'read -r children < /proc/1/task/1/children; cat "/proc/${children%% *}/comm"'
	is "$output" sksteer-watch
}

@test "whoever reads the command's output sees its end, though a daemon of it goes on" {
	local out
	out=$(in_ns timeout 10 "$RUN" --socket "$SOCKET" --engine seccomp -p 7 -- \
		sh -c "$PROGS/stand web=tcp:127.0.0.1#7777 > $SKS_DIR/web.log 2>&1 < /dev/null & echo started")
	is "$out" started
	wait_until 5 says web ready
	reaches 127.0.0.1#7=web
	kill "$(own_pids stand)"
	wait_until 5 nobody_watches
}

@test "only a stderr that is still what it was hears of us" {
	run_as nobody -p 80 -- "$PROGS/calls" close-stdio tcp4 bind=127.0.0.1#7777 listen
	is "$stderr" ''
	run_as nobody -p 80 -- "$PROGS/calls" stderr-socket tcp4 bind=127.0.0.1#7777 listen stderr-read
	has_not "$output" sksteer
}

@test "no helper: it serves, and says so once" {
	kill_helper
	run_as nobody -p 8077 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen state
	is "$output" $'bind ok\nlisten ok\nlistens'
	is "$stderr" "sksteer-run: no helper at $SOCKET: starting unsteered; start one as root: sksteerd --socket $SOCKET"
}

# have_listened N: so many times.
have_listened() {
	is "$(grep -c 'listen ok' "$SKS_DIR/web.log")" "$1"
}

@test "a helper that is stopped costs a second in all, by whomever it is asked" {
	mkfifo "$SKS_DIR/go"
	runs web root --engine seccomp -p '7777=7;7778=8' -- sh -c "read -r _ < $SKS_DIR/go
		$PROGS/calls tcp4 bind=127.0.0.1#7777 listen tcp4 bind=127.0.0.1#7778 listen &
		exec ${AS_NOBODY[*]} $PROGS/calls tcp4 bind=127.0.0.2#7777 listen tcp4 bind=127.0.0.2#7778 listen"
	wait_until 5 two_watch "$(pid_of web)"
	kill -STOP "$(helper_pid)"
	echo > "$SKS_DIR/go"
	wait_until 10 sks_is_gone "$(pid_of web)"
	kill -CONT "$(helper_pid)"
	# Each of the two processes comes to its end by itself.
	wait_until 10 have_listened 4
	has "$(log_of web)" 'does not answer'
}

@test "under another supervisor: said, started unsteered, and under --strict not started" {
	run_as root --engine seccomp -p 7 -- "$RUN" --socket "$SOCKET" --engine seccomp -p 8 -- echo STARTED
	is "$output" STARTED
	is "$stderr" $'sksteer-run: the command runs under a supervisor of system calls already\nsksteer-run: starting unsteered'
	run_as root --engine seccomp -p 7 -- "$RUN" --socket "$SOCKET" --engine seccomp --strict -p 8 -- echo STARTED
	is "$status" 125
	is "$output" ''
}

@test "a setuid program: root's is supervised, a user's keeps its rights and is told" {
	chmod 755 "$SKS_DIR"
	chown 65533 "$PROGS/stand" "$PROGS/calls"
	chmod 4755 "$PROGS/stand" "$PROGS/calls"
	runs web root -v -p 8077 -- "$PROGS/stand" web=tcp:0.0.0.0#7777
	wait_until 5 says web ready
	has "$(log_of web)" "engine seccomp: $PROGS/stand is setuid"
	reaches 127.0.0.1#8077=web
	is "$(service .owner.uid)" 65533
	run_as nobody -p 8078 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7778 listen
	is "$output" $'bind ok\nlisten ok'
	is "$stderr" "sksteer-run: $PROGS/calls is setuid: a preload is ignored there, and --engine seccomp would take those rights from it"
	run_as nobody --strict -p 8078 -- "$PROGS/calls" tcp4
	is "$status" 125
	run_as nobody --engine seccomp -p 8078 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7778 listen
	has "$stderr" "$PROGS/calls is setuid: it runs without those rights under --engine seccomp"
	is "$output" $'bind ok\nlisten ok'
}

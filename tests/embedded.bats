#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the helper that sksteer-run embeds: who starts it, what it has of the command's
# (nothing), and how long it stays.
# bats file_tags=sanitize
# shellcheck disable=SC2016 # what is in single quotes is for the command's own shell

bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
	need ncat
}

teardown() {
	sks_teardown
}

# run_server NAME PORTS CMD...: as root, with no helper but the one that it starts or finds.
run_server() {
	local name=$1 ports=$2
	shift 2
	start_server "$name" "$RUN" -p "$ports" "$@"
}

# embedded PID: that helper, and no other, is there.
embedded() {
	is "$(own_pids sksteerd)" "$1"
}

one_helper() {
	is "$(own_pids sksteerd | wc -l)" 1
}

# stays PID: longer than the second without work after which it would go.
stays() {
	holds 2 not sks_is_gone "$1"
	embedded "$1"
}

# Waits for the embedded helper to go, and checks that it has left nothing.
wait_clean() {
	local helper
	for helper in $(own_pids sksteerd); do
		wait_until 5 sks_is_gone "$helper"
	done
	is "$(own_pids sksteerd)" ''
	is "$(in_ns find /sys/fs/bpf -mindepth 1 -not -name '*.debug')" ''
	is "$(in_ns find /run/sksteer -type s)" ''
}

session_of() {
	ps -o sid= -p "$1" | tr -d ' '
}

@test "root, no helper: one is started, the ports answer, and it goes with the server" {
	local port program
	run_server echo 7,77,777 ncat -lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	wait_answer ::1 7
	for port in 7 77 777 7777; do
		answers 127.0.0.1 "$port"
		answers ::1 "$port"
	done
	is "$(own_pids sksteerd | wc -l)" 1
	program=$(in_ns "$BPFTOOL" -j prog show pinned "$BPFFS/net-$(ns_ino)/program" | jq .id)
	kill_server echo
	wait_clean
	for port in 7 77 777 7777; do
		refused 127.0.0.1 "$port"
		refused ::1 "$port"
	done
	wait_until 10 not "$BPFTOOL" prog show id "$program" # the kernel takes its time
	is "$(log_of echo)" ''
}

@test "the embedded helper has a session, a directory and a stdio of its own" {
	local helper fd server
	run_server echo 7 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	helper=$(own_pids sksteerd) server=$(pid_of echo)
	isnt "$(session_of "$helper")" "$(session_of "$server")"
	isnt "$(session_of "$helper")" "$helper" # not a leader: it can't gain a terminal
	isnt "$(ps -o ppid= -p "$helper" | tr -d ' ')" "$server"
	is "$(in_ns readlink "/proc/$helper/cwd")" /
	for fd in 0 1 2; do
		is "$(readlink "/proc/$helper/fd/$fd")" /dev/null
	done
	has_not "$(readlink "/proc/$helper/fd"/*)" "$SKS_DIR"
	has_not "$(tr '\0' '\n' < "/proc/$helper/environ")" LD_PRELOAD
}

@test "the command's limits are not the embedded helper's" {
	start_server echo bash -c 'ulimit -S -t 600 -f 100; exec nice -n 5 "$@"' limits \
		"$RUN" -p 7 ncat -lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	is "$(prlimit --cpu --fsize --noheadings --output SOFT --pid "$(own_pids sksteerd)" |
		xargs)" 'unlimited unlimited'
	is "$(ps -o ni= -p "$(own_pids sksteerd)" | tr -d ' ')" 0
	is "$(ps -o ni= -p "$(pid_of echo)" | tr -d ' ')" 5
}

@test "nor is how the command is scheduled" {
	start_server echo chrt --batch 0 "$RUN" -p 7 ncat -lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	is "$(ps -o cls= -p "$(own_pids sksteerd)" | tr -d ' ')" TS
	is "$(ps -o cls= -p "$(pid_of echo)" | tr -d ' ')" B
}

@test "a command that opens no socket: its helper goes, and nothing is left" {
	run in_ns "$RUN" -p 7 sh -c 'exit 9'
	is "$status" 9
	is "$output" ''
	wait_clean
}

@test "a slow server: the helper stays while the command lives, without any socket" {
	local helper
	mkfifo "$SKS_DIR/go"
	run_server slow 7 sh -c 'read -r _ < "$0"; exec ncat -4lk 7777 --exec /bin/cat' "$SKS_DIR/go"
	wait_until 5 test -S /proc/"$(pid_of slow)"/root/run/sksteer/helper.sock
	wait_until 5 sks_has_become "$(pid_of slow)" sh
	helper=$(own_pids sksteerd)
	stays "$helper"
	refused 127.0.0.1 7
	echo > "$SKS_DIR/go"
	wait_answer 127.0.0.1 7
	embedded "$helper"
}

@test "a server that daemonises: the command is gone, the socket keeps the helper" {
	local helper
	cat > "$SKS_DIR/daemon.py" <<-'EOT'
		import os, socket
		listener = socket.create_server(("127.0.0.1", 7777))
		for _ in range(2):
		    if os.fork():
		        os._exit(0)
		    os.setsid()
		while True:
		    client = listener.accept()[0]
		    client.sendall(client.recv(100))
		    client.close()
	EOT
	run_server daemon 7 /usr/bin/python3 "$SKS_DIR/daemon.py"
	wait_server daemon
	helper=$(own_pids sksteerd)
	isnt "$helper" ''
	stays "$helper"
	answers 127.0.0.1 7
	kill -KILL "$(own_pids python3)"
	wait_clean
	refused 127.0.0.1 7
}

@test "six commands at the same moment start one helper" {
	local i
	for i in {1..6}; do
		run_server "echo$i" "$i" ncat -4lk "777$i" --exec /bin/cat
	done
	for i in {1..6}; do
		wait_answer 127.0.0.1 "$i"
		is "$(log_of "echo$i")" ''
	done
	# One that came second may be about to end yet.
	wait_until 2 one_helper
	holds 1 one_helper
}

@test "a second command uses the helper of the first, and keeps it when the first ends" {
	local helper
	run_server first 7 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	helper=$(own_pids sksteerd)
	run_server second 8 ncat -4lk 8888 --exec /bin/cat
	wait_answer 127.0.0.1 8
	embedded "$helper"
	kill_server first
	wait_until 2 refused 127.0.0.1 7
	stays "$helper"
	answers 127.0.0.1 8
}

@test "the embedded helper is killed: traffic goes on, the next command's helper takes up" {
	run_server first 7 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	kill -KILL "$(own_pids sksteerd)"
	wait_until 2 gone sksteerd
	answers 127.0.0.1 7
	run_server second 8 ncat -4lk 8888 --exec /bin/cat
	wait_answer 127.0.0.1 8
	answers 127.0.0.1 7
	kill_server second
	holds 2 answers 127.0.0.1 7
	isnt "$(own_pids sksteerd)" ''
	kill_server first
	wait_clean
}

@test "a named label keeps the helper after its server, until it is unloaded" {
	local helper
	start_server echo "$RUN" -l web -p 7 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	helper=$(own_pids sksteerd)
	kill_server echo
	wait_until 2 refused 127.0.0.1 7
	stays "$helper"
	start_server again "$RUN" -l web -p 8 ncat -4lk 8888 --exec /bin/cat
	wait_answer 127.0.0.1 8
	embedded "$helper"
	kill_server again
	in_ns "$CTL" unload
	wait_clean
}

@test "a signal to the command's group does not reach the helper" {
	run_server echo 7 setsid --wait ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	kill -HUP -- "-$(own_pids ncat)"
	wait_until 2 gone ncat
	isnt "$(own_pids sksteerd)" ''
	wait_clean
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteer-run with a real helper: the embedded one that root gets and how long it
# stays, and what the built-in rule lets other users have. What it does by itself is in run.bats.
# bats file_tags=sanitize
# shellcheck disable=SC2016 # what is in single quotes is for the command's own shell
# shellcheck disable=SC2154 # bats sets $stderr

bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
	need ncat
}

teardown() {
	sks_teardown
}

# status_is STATUS CMD...: not with run, whose subshell has no children to wait for.
status_is() {
	local expected=$1 got=0
	shift
	"$@" || got=$?
	is "$got" "$expected"
}

# --- the embedded helper -------------------------------------------------------------------------

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

# --- other users ---------------------------------------------------------------------------------

# user_server NAME SPEC CMD...: as nobody, with the test's helper.
user_server() {
	local name=$1 spec=$2
	shift 2
	start_server "$name" "${AS_NOBODY[@]}" "$RUN" --socket "$SOCKET" -p "$spec" "$@"
}

# denied SPEC PART: nobody asks for it, is told PART in one line, and serves its own port.
denied() {
	: > "$SKS_DIR/denied.log"
	user_server denied "$1" ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7777
	is "$(log_of denied | wc -l)" 1
	has "$(log_of denied)" 'sksteer: '
	has "$(log_of denied)" "$2"
	kill_server denied
	wait_until 2 not listening 7777
}

@test "another user: ports from 1024 on are steered, on both families" {
	local port
	start_helper
	user_server echo 8077,8700-8702 ncat -lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 8077
	wait_answer ::1 8077
	for port in 8700 8701 8702 7777; do
		answers 127.0.0.1 "$port"
		answers ::1 "$port"
	done
	is "$(log_of echo)" ''
}

@test "another user: port 80 is refused with its reason, as a whole, and the server serves its own" {
	start_helper
	user_server echo 8077,80 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7777
	refused 127.0.0.1 80
	refused 127.0.0.1 8077
	is "$(log_of echo | wc -l)" 1
	has "$(log_of echo)" 'port 80 is for root (net.ipv4.ip_unprivileged_port_start is 1024)'
	kill_server echo
	run as_user "$RUN" --socket "$SOCKET" --strict -p 8077,80 "$PROGS/calls" tcp4 \
		bind=127.0.0.1#7777
	has "$output" 'bind EACCES'
}

@test "another user: where unprivileged ports start is that namespace's own word" {
	start_helper
	add_ns open
	NS=open in_ns sysctl -qw net.ipv4.ip_unprivileged_port_start=80
	NS=open user_server echo 80 ncat -4lk 7777 --exec /bin/cat
	NS=open wait_answer 127.0.0.1 80
	NS=open in_ns sysctl -qw net.ipv4.ip_unprivileged_port_start=9000
	NS=open user_server second 8999 ncat -4lk 9001 --exec /bin/cat
	NS=open wait_answer 127.0.0.1 9001
	NS=open refused 127.0.0.1 8999
	has "$(log_of second)" 'port 8999 is for root'
}

@test "another user: every port, and more than 1024 in a range, are for root" {
	start_helper
	denied '*' '"*"'
	denied any:'*' '"*"'
	denied 2000-3024 'more than 1024 ports'
}

@test "another user: 256 ports in all, over every server, and they come back" {
	start_helper
	denied 8000-8256 'more than 256 ports for user 65534'
	user_server full 8000-8254 ncat -4lk 7771 --exec /bin/cat
	wait_answer 127.0.0.1 8254
	denied 9000,9001 'more than 256 ports for user 65534'
	add_ns second
	NS=second denied 9000,9001 'more than 256 ports for user 65534'
	user_server last 9000 ncat -4lk 7772 --exec /bin/cat
	wait_answer 127.0.0.1 9000
	start_server other "${AS_USER2[@]}" "$RUN" --socket "$SOCKET" -p 9001-9256 \
		ncat -4lk 7773 --exec /bin/cat
	wait_answer 127.0.0.1 9256
	kill_server full
	user_server again 8001-8255 ncat -4lk 7774 --exec /bin/cat
	wait_answer 127.0.0.1 8255
}

@test "another user: 64 sockets in all" {
	cat > "$SKS_DIR/many.py" <<-'EOT'
		import socket, sys
		many = []
		for _ in range(int(sys.argv[1])):
		    many.append(socket.create_server(("127.0.0.1", int(sys.argv[2])), reuse_port=True))
		print("ready", flush=True)
		sys.stdin = open(sys.argv[3])
	EOT
	mkfifo -m 644 "$SKS_DIR/end"
	start_helper
	user_server many 8077 /usr/bin/python3 "$SKS_DIR/many.py" 64 7777 "$SKS_DIR/end"
	wait_until 10 grep -q ready "$SKS_DIR/many.log"
	is "$(log_of many)" ready
	user_server more 8078 /usr/bin/python3 "$SKS_DIR/many.py" 1 7778 "$SKS_DIR/end"
	wait_until 5 grep -q ready "$SKS_DIR/more.log"
	has "$(log_of more)" 'more than 64 sockets for user 65534'
	refused 127.0.0.1 8078
	kill_server many
	user_server again 8079 /usr/bin/python3 "$SKS_DIR/many.py" 64 7779 "$SKS_DIR/end"
	wait_until 10 grep -q ready "$SKS_DIR/again.log"
	is "$(log_of again)" ready
}

@test "another user: 16 labels in all" {
	local i
	start_helper
	for i in {1..16}; do
		run as_user "$RUN" --socket "$SOCKET" -l "web$i" -p "$((8000 + i))" \
			"$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
		is "$status" 0
		has_not "$output" sksteer
	done
	run --separate-stderr as_user "$RUN" --socket "$SOCKET" -l web17 -p 8077 \
		"$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	is "$output" $'bind ok\nlisten ok'
	is "$stderr" 'sksteer: more than 16 labels for user 65534 (the built-in rule)'
	# One that is there already is none more, and root's are not counted.
	run --separate-stderr as_user "$RUN" --socket "$SOCKET" -l web16 -p 8077 \
		"$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	is "$stderr" ''
	run --separate-stderr in_ns "$RUN" --socket "$SOCKET" -l web17 -p 8079 \
		"$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	is "$stderr" ''
}

@test "another user: a port on which somebody else's socket listens is refused" {
	start_helper
	start_server other "${AS_USER2[@]}" ncat -4lk 127.0.0.1 8077 --sh-exec 'read -r _; echo other'
	wait_port 8077
	denied 8077 'port 8077 is held by a socket of user 65533 on 127.0.0.1'
	denied 8076-8078 'port 8077 is held by a socket of user 65533'
	denied any:8077 'port 8077 is held by a socket of user 65533'
	is "$(ask 127.0.0.1 8077)" other
	# On an address that does not meet it, it is free.
	user_server elsewhere 8077 ncat -4lk 127.0.0.2 7777 --exec /bin/cat
	wait_answer 127.0.0.2 8077
	is "$(log_of elsewhere)" ''
	is "$(ask 127.0.0.1 8077)" other
}

@test "another user: so it is where the holder's socket is of both families, and by UDP" {
	start_helper
	start_server both "${AS_USER2[@]}" socat TCP6-LISTEN:8077,fork,ipv6-v6only=0 SYSTEM:'read -r _; echo other'
	wait_port 8077
	denied 8077 'port 8077 is held by a socket of user 65533 on every address'
	is "$(ask 127.0.0.1 8077)" other
	start_server udp "${AS_USER2[@]}" socat UDP4-RECVFROM:8078,fork SYSTEM:'read -r _; echo other'
	wait_port 8078 '' udp
	user_server echo 8078/udp socat UDP4-RECVFROM:7777,fork EXEC:cat
	wait_port 7777 '' udp
	wait_until 2 grep -q 'port 8078 is held by a socket of user 65533' "$SKS_DIR/echo.log"
	is "$(ask_udp 127.0.0.1 8078)" other
	is "$(ask_udp 127.0.0.1 7777)" hello
}

@test "root: a port that somebody else holds is refused too, but for a longer prefix" {
	start_helper
	start_server other "${AS_USER2[@]}" ncat -4lk 8077 --sh-exec 'read -r _; echo other'
	wait_until 5 ask 127.0.0.1 8077
	start_server wide "$RUN" --socket "$SOCKET" -p 8077 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7777
	has "$(log_of wide)" 'port 8077 is held by a socket of user 65533'
	is "$(ask 127.0.0.1 8077)" other
	start_server narrow "$RUN" --socket "$SOCKET" -p 8077 ncat -4lk 127.0.0.2 7778 --exec /bin/cat
	wait_answer 127.0.0.2 8077
	is "$(log_of narrow)" ''
	is "$(ask 127.0.0.1 8077)" other
}

@test "another user: a port that is steered to somebody else's server is refused" {
	start_helper
	start_server other "${AS_USER2[@]}" "$RUN" --socket "$SOCKET" -p 8077 \
		ncat -4lk 7770 --sh-exec 'read -r _; echo other'
	wait_until 5 ask 127.0.0.1 8077
	denied 8077 '8077/tcp is steered to'
	denied any:8077 '8077/tcp is steered to'
	denied 192.0.2.0/24:8077 '8077/tcp is steered to'
	is "$(ask 127.0.0.1 8077)" other
}

@test "another user, no helper: one line, the server starts, its status is its own" {
	user_server echo 8077 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7777
	refused 127.0.0.1 8077
	is "$(log_of echo)" "sksteer-run: no helper at $SOCKET: starting unsteered; start one as root: sksteerd --socket $SOCKET"
	status_is 143 stop_server echo
	is "$(own_pids sksteerd)" ''
}

@test "the status of a steered command is its own, also when a signal ends it" {
	local signal
	start_helper
	run as_user "$RUN" --socket "$SOCKET" -p 8077 sh -c 'exit 42'
	is "$status" 42
	for signal in HUP INT TERM USR1 ABRT KILL; do
		run as_user "$RUN" --socket "$SOCKET" -p 8077 sh -c "ulimit -c 0; kill -$signal \$\$"
		is "$status" $((128 + $(kill -l "$signal")))
		is "$output" ''
	done
	user_server echo 8077 ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 8077
	status_is 143 stop_server echo
}

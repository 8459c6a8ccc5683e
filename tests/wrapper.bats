#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteer-run with a real helper: what the built-in rule lets other users have, and
# the command's status. What it does by itself is in run.bats; the helper it embeds: embedded.bats.
# bats file_tags=sanitize
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

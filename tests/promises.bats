#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of promises 1 to 3: the server is never worse off, lifetime follows the socket, and
# a service that is down is refused.
# shellcheck disable=SC2154 # bats sets $stderr

load promises

# --- 1. The server is never worse off ----------------------------------------------------------

@test "promise 1: helper absent: the server serves its own port, and says so once" {
	serve web 7,77 0.0.0.0#7777 127.0.0.1#7778
	gets 127.0.0.1 7777 web
	refused 127.0.0.1 7
	is "$(log_of web)" "sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"$'\n'ready
}

@test "promise 1: helper stopped: all calls together last less than 1 s, errno is kept" {
	local began took
	start_helper
	kill -STOP "$(helper_pid)"
	SPEC='7777=7;7778=77;7779=777'
	calls fds tcp4 bind=0.0.0.0#7777 listen bind=0.0.0.0#1 tcp4 bind=0.0.0.0#7778 listen tcp4 \
		bind=0.0.0.0#7779 listen fds
	is "$output" "$(printf '%s\n' '3 fds' 'bind ok' 'listen ok waited' 'bind EINVAL' 'bind ok' \
		'listen ok' 'bind ok' 'listen ok' '6 fds')"
	began=$(now_ms)
	serve web '7777=7;7778=77' 0.0.0.0#7777 ::#7778
	took=$(($(now_ms) - began))
	# To wait twice takes this long at least.
	((took < 1800 * SKS_SLOW))
	gets 127.0.0.1 7777 web
	said web 'which does not answer: 7777=7;7778=77 not steered (this process does not ask again for 60 s)'
}

@test "promise 1: helper killed in the middle of a registration: the server goes on at once" {
	local began took delayed
	start_helper
	serve early 6 0.0.0.0#6666
	kill -STOP "$(helper_pid)"
	: > "$SKS_DIR/web.log"
	start_steered web 7,77 "$PROGS/serve" web 0.0.0.0#7777
	wait_until 5 is_asked
	kill_helper
	began=$(now_ms)
	delayed=$(delayed_ms "$(pid_of web)")
	wait_until 5 says_ready web
	took=$(($(said_ms web) - began - $(delayed_ms "$(pid_of web)") + delayed))
	((took < 500 * SKS_SLOW)) || fail "$took ms"
	gets 127.0.0.1 7777 web
	refused 127.0.0.1 7
	gets 127.0.0.1 6 early
}

@test "promise 1: the greeting rule: nothing of a server stays in a stopped helper" {
	start_helper
	serve early 6 0.0.0.0#6666
	kill -STOP "$(helper_pid)"
	serve web 7,77 0.0.0.0#7777
	is_asked
	kill_server web
	refused 127.0.0.1 7777
	# Without SO_REUSEADDR: nothing at all may be left on the port.
	plain again -n 0.0.0.0#7777
	kill -CONT "$(helper_pid)"
	kill_server again
	serve web 7,77 0.0.0.0#7777
	silent web
	gets 127.0.0.1 7 web
	gets 127.0.0.1 6 early
}

@test "promise 1: helper refuses: the server is as without us" {
	start_helper
	SPEC=80
	AS=nobody calls fds tcp4 bind=0.0.0.0#7777 listen state fds
	is "$output" "$(printf '%s\n' '3 fds' 'bind ok' 'listen ok' 'listens' '4 fds')"
	has "$stderr" 'port 80 is for root'
	AS=nobody serve web 80 0.0.0.0#7777
	gets 127.0.0.1 7777 web
	refused 127.0.0.1 80
	services_are ''
}

# What a library could leave in a process: descriptors, threads, signal dispositions and masks.
traces() {
	local fd
	for fd in "/proc/$(pid_of "$1")/fd"/*; do
		printf '%s %s\n' "${fd##*/}" "$(readlink "$fd" | sed "s/[0-9]\+/N/; s/$1/NAME/")"
	done
	grep -E '^(Threads|SigQ|SigBlk|SigIgn|SigCgt|Seccomp|NoNewPrivs):' "/proc/$(pid_of "$1")/status" |
		sed 's/^SigQ.*//'
}

has_lines() {
	(($(grep -c "$2" "$SKS_DIR/$1.log") >= $3))
}

# leaves_nothing PATTERN N CMD...: the server says PATTERN N times once it listens.
leaves_nothing() {
	local pattern=$1 n=$2
	shift 2
	start_server without "$@"
	wait_until 10 has_lines without "$pattern" "$n"
	is "$(grep -c libsksteer "/proc/$(pid_of without)/maps")" 0
	traces without > "$SKS_DIR/without"
	kill_server without
	start_steered with 7,77 "$@"
	wait_until 10 has_lines with "$pattern" "$n"
	grep -q libsksteer "/proc/$(pid_of with)/maps"
	ask 127.0.0.1 77 | grep -q .
	traces with > "$SKS_DIR/with"
	is "$(< "$SKS_DIR/with")" "$(< "$SKS_DIR/without")"
}

@test "promise 1: no descriptor, thread or signal disposition is left in ncat" {
	start_helper
	leaves_nothing 'Listening on' 2 ncat -vlk 7777 --exec /bin/cat
}

@test "promise 1: no descriptor, thread or signal disposition is left in socat" {
	start_helper
	leaves_nothing 'listening on' 1 socat -d -d TCP-LISTEN:7777,reuseaddr,fork EXEC:/bin/cat
}

@test "promise 1: the socket's own options are left as they were" {
	start_helper
	start_steered web 7 /usr/bin/python3 -uc '
import socket, struct, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7))
s.bind(("0.0.0.0", 7777))
s.listen()
print(struct.unpack("ii", s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)), flush=True)
s.setblocking(True)
s.accept()
'
	wait_until 5 test -s "$SKS_DIR/web.log"
	is "$(log_of web)" '(1, 7)'
}

# --- 2. Lifetime follows the socket ------------------------------------------------------------

# bats test_tags=kernels
@test "promise 2: steering ends when the last holder closes the socket, not when its process ends" {
	local child
	start_helper
	serve web 7 -k 0.0.0.0#7777
	child=$(sed -n 's/^child //p' "$SKS_DIR/web.log")
	gets 127.0.0.1 7 web
	kill_server web
	gets 127.0.0.1 7 web
	gets 127.0.0.1 7 web
	services_are "@serve-$(pid_of web)"
	kill -KILL "$child"
	wait_until 5 sks_is_gone "$child"
	refused 127.0.0.1 7
	wait_until 1 services_are ''
}

helper_sockets() {
	find "/proc/$(helper_pid)/fd" -lname 'socket:*' | wc -l
}

@test "promise 2: server killed: its ports refuse at once, for the helper holds no copy" {
	local sockets
	start_helper
	sockets=$(helper_sockets)
	serve web 7,77 ::#7777
	serve dns 53/udp 0.0.0.0#5353/udp
	gets ::1 7 web
	gets_udp 127.0.0.1 53 dns
	# A connection is closed a moment after its answer.
	wait_until 5 helper_rests
	is "$(helper_sockets)" "$sockets"
	# The process is waited for: what it had open is closed, and nobody has to be given 100 ms.
	kill_server web
	refused 127.0.0.1 7
	refused ::1 77
	refused 127.0.0.1 7777
	kill_server dns
	refused_udp 127.0.0.1 53
}

@test "promise 2: server killed while the helper is stopped or gone: the same" {
	start_helper
	serve web 7 0.0.0.0#7777
	serve api 8 0.0.0.0#8888
	kill -STOP "$(helper_pid)"
	kill_server web
	refused 127.0.0.1 7
	kill_helper
	kill_server api
	refused 127.0.0.1 8
	start_helper
	wait_until 1 services_are ''
	passes_by 7
}

@test "promise 2: an ephemeral service is gone within 1 s, and its ports are free for others" {
	start_helper
	AS=nobody serve web 8080-8090 0.0.0.0#7777
	services_are "@serve-$(pid_of web)"
	kill_server web
	wait_until 1 services_are ''
	passes_by 8080
	AS=nobody serve web 8085 0.0.0.0#7777
	kill_server web
	# Nor has a server to wait for that second.
	AS=user2 serve other 8085 0.0.0.0#7777
	gets 127.0.0.1 8085 other
	silent other
}

@test "promise 2: a server that has gone is not in the way of the next, where it had the longer prefix" {
	local i
	start_helper
	for i in {1..5}; do
		serve lo 7 127.0.0.1#7777
		gets 127.0.0.1 7 lo
		kill_server lo
		serve all 7 0.0.0.0#7777
		gets 127.0.0.1 7 all
		kill_server all
	done
}

has_state() {
	[[ -n $(in_ns ss -Htan state "$1" "sport = :$2") ]]
}

@test "promise 2: stopped and started at once with clients connected: works at the first attempt, 20 times" {
	local i option
	start_helper
	for i in {1..20}; do
		# By turns: children that keep the connections, and connections in TIME_WAIT.
		option=$( ((i % 2)) && echo -f || echo -r)
		serve web 7,77 "$option" 0.0.0.0#7777
		silent web
		gets 127.0.0.1 7 web
		start_server "client$i" socat -u TCP:127.0.0.1:77 -
		wait_until 5 grep -q 'web 77' "$SKS_DIR/client$i.log"
		if ((i % 2)); then
			has_state established 77
		else
			has_state time-wait 7
		fi
		kill_server web
		refused 127.0.0.1 7
	done
}

@test "promise 2: the same with a label, SIGTERM, and a helper restarted in between" {
	local i
	start_helper
	for i in {1..6}; do
		serve web 7,77 SKSTEER_LABEL=web -f 0.0.0.0#7777
		silent web
		gets 127.0.0.1 7 web
		start_server "client$i" socat -u TCP:127.0.0.1:77 -
		wait_until 5 grep -q 'web 77' "$SKS_DIR/client$i.log"
		stop_server web || is $? 143
		if ((i % 2)); then
			kill_helper
			start_helper
		fi
	done
}

# --- 3. No service, no stranger ----------------------------------------------------------------

@test "promise 3: a label whose server is down is refused, whoever else listens on its ports" {
	start_helper
	serve web 7 SKSTEER_LABEL=web ::#7777
	serve dns 53/udp SKSTEER_LABEL=dns ::#5353/udp
	kill_server web
	kill_server dns
	refused 127.0.0.1 7
	refused ::1 7
	refused_udp 127.0.0.1 53
	plain stranger ::#7 0.0.0.0#9 ::#53/udp
	gets 127.0.0.1 9 stranger
	refused 127.0.0.1 7
	refused ::1 7
	refused_udp 127.0.0.1 53
	refused_udp ::1 53
	kill_helper
	refused 127.0.0.1 7
	start_helper
	refused 127.0.0.1 7
	services_are 'dns web'
}

@test "promise 3: back again, it is served again" {
	start_helper
	serve web any:7 SKSTEER_LABEL=web 127.0.0.1#7777
	gets 127.0.0.2 7 web
	kill_server web
	refused 127.0.0.2 7
	plain stranger 0.0.0.0#7
	refused 127.0.0.2 7
	serve back any:7 SKSTEER_LABEL=web 127.0.0.1#7778
	gets 127.0.0.2 7 back
	gets 127.0.0.1 7 back
}

@test "promise 3: a label that only sksteerctl has given ports waits for its server" {
	start_helper
	ctl bind web any:7
	serve web 77 SKSTEER_LABEL=web 0.0.0.0#7777
	gets 127.0.0.1 7 web
	gets 127.0.0.1 77 web
	kill_server web
	plain stranger 0.0.0.0#7 0.0.0.0#77
	refused 127.0.0.1 7
	refused 127.0.0.1 77
}

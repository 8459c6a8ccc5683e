#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what each of the helper's processes may do: the judge, the worker that goes
# inside other namespaces, the one that finds who holds what, the one that has programs verified,
# those that take what strangers send; and of how they end.
# shellcheck disable=SC2154 # bats sets $stderr

load acts

HOLDER=sksteerd-holder INSIDE=sksteerd-inside LOADER=sksteerd-loader
TAKERS=sksteerd-takers TAKER=sksteerd-taker
declare -gA CAP=([dac_read_search]=2 [net_bind_service]=10 [net_admin]=12 [sys_ptrace]=19
	[sys_admin]=21 [perfmon]=38 [bpf]=39)
# What systemd would give it as AmbientCapabilities=.
ALL=+bpf,+perfmon,+net_admin,+net_bind_service,+sys_admin,+sys_ptrace,+dac_read_search

# A sanitizer finds leaks by what a filter forbids.
needs_filter() {
	[[ $SKS_BUILD != *-sanitize ]] || skip 'with AddressSanitizer there is no filter'
}

# worker NAME: its pid.
worker() {
	own_pids "$1"
}

# status_of PID FIELD
status_of() {
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}

# limit_of PID WHAT: soft and hard.
limit_of() {
	sed -n "s/^Max $2  *\([^ ]*\)  *\([^ ]*\) .*/\1 \2/p" "/proc/$1/limits"
}

# caps NAME...: as /proc has them.
caps() {
	local name mask=0
	for name in "$@"; do
		mask=$((mask | 1 << CAP[$name]))
	done
	printf '%016x' "$mask"
}

# keeps PID CAP...: these, and no way to others.
keeps() {
	local pid=$1 own set
	shift
	own=$(caps "$@")
	is "$(status_of "$pid" CapEff) $(status_of "$pid" CapPrm)" "$own $own"
	for set in CapInh CapAmb ${BOUNDED-CapBnd}; do
		is "$set $(status_of "$pid" "$set")" "$set $(caps)"
	done
	is "$(status_of "$pid" NoNewPrivs)" 1
	is "$(status_of "$pid" Seccomp)" 2
	is "$(limit_of "$pid" 'core file size') $(limit_of "$pid" processes)" "0 0 ${CHILDREN:-0} ${CHILDREN:-0}"
}

all_keep_theirs() {
	keeps "$(helper_pid)" bpf net_admin net_bind_service
	keeps "$(worker $INSIDE)" sys_admin net_admin
	keeps "$(worker $HOLDER)" sys_ptrace dac_read_search
	keeps "$(worker $LOADER)" bpf net_admin perfmon
	CHILDREN=1024 keeps "$(worker $TAKERS)" net_bind_service bpf net_admin
	keeps "$(worker $TAKER)" net_bind_service bpf net_admin
}

# has_lines N TEXT: the helper's log has that many with it.
has_lines() {
	is "$(grep -c "$2" "$SKS_DIR/helper.log")" "$1"
}

none_left() {
	gone sksteerd && gone $INSIDE && gone $HOLDER && gone $LOADER && gone $TAKERS && gone $TAKER
}

@test "privileges: each process has its own capabilities, and no way to others" {
	needs_filter
	start_helper
	all_keep_theirs
	# Also when it has served root, users, namespaces.
	add_ns other
	serve web 7 0.0.0.0#7777
	AS=nobody serve users 2000 0.0.0.0#7778
	NS=other AS=nobody serve others 2000 0.0.0.0#7778
	silent web users others
	all_keep_theirs
}

# The kernel counts it against the limit of whoever hands a descriptor on.
@test "privileges: what root's other programs have in flight does not stop them" {
	local worker send='import signal, socket
a, b = socket.socketpair()
for _ in range(3):
    socket.send_fds(a, [b"x"], [0] * 200)
print("sent", flush=True)
signal.pause()'
	start_server sender python3 -c "$send"
	wait_until 5 grep -qx sent "$SKS_DIR/sender.log"
	start_helper
	add_ns other
	serve web 7 0.0.0.0#7777
	NS=other AS=nobody serve others 2000 0.0.0.0#7778
	silent web others
	for worker in $INSIDE $HOLDER $LOADER $TAKERS $TAKER; do
		is "$(limit_of "$(worker "$worker")" 'open files')" "$(limit_of "$(helper_pid)" 'open files')"
	done
}

@test "privileges: the workers hold nothing but their socket" {
	exec 8< "$BATS_TEST_FILENAME" # what the helper inherits is not for them
	start_helper
	serve web 7 0.0.0.0#7777
	is "$(files_of $HOLDER)" socket
	is "$(files_of $LOADER)" socket
	is "$(files_of $TAKERS)" socket
	is "$(files_of $TAKER)" socket
	# Its own namespace, to come back to.
	is "$(files_of $INSIDE)" "$(readlink "/proc/$(helper_pid)/ns/net") socket"
}

# files_of WORKER: what it has open beyond stdin, stdout and stderr.
files_of() {
	find "/proc/$(worker "$1")/fd" -type l ! -name '[012]' -printf '%l\n' | sed 's/^socket:.*/socket/' |
		sort | xargs
}

# dies_of WHO CALL [ARGUMENT]...: the process that makes it, and all of the helper says it and ends.
dies_of() {
	local who=$1 pid
	shift
	: > "$SKS_DIR/helper.log"
	start_helper
	pid=$(own_pids "$who")
	is "$*: $("$PROGS/force" "$pid" "$@")" "$*: killed by 31" # SIGSYS
	wait_until 5 none_left
	if [[ $who != sksteerd ]]; then
		has_lines 1 "$who was killed by signal 31 (Bad system call)"
	fi
	wait_server helper 5 || :
}

# AT_FDCWD, and a path that need not be there: it does not come to that.
AT_CWD=-100

@test "privileges: the judge is killed for a call that is not its" {
	needs_filter
	dies_of sksteerd execve
	dies_of sksteerd clone 0x11
	dies_of sksteerd ptrace 16 1
	dies_of sksteerd setns 0 0x40000000
	dies_of sksteerd mount
	dies_of sksteerd kill 1 0
	dies_of sksteerd tgkill 1 1 0
	dies_of sksteerd socket 17 3 0 # AF_PACKET
	dies_of sksteerd perf_event_open
	dies_of sksteerd pidfd_getfd 0 0 0
	dies_of sksteerd mprotect 0 4096 7
}

@test "privileges: the worker inside other namespaces is killed for a call that is not its" {
	needs_filter
	dies_of $INSIDE execve
	dies_of $INSIDE setns 0 0x20000 # a mount namespace
	dies_of $INSIDE setns 0 0
	dies_of $INSIDE mount
	dies_of $INSIDE bpf
	dies_of $INSIDE unshare 0x40000000
	dies_of $INSIDE connect 3 0 0
	dies_of $INSIDE bind 3 0 0
	dies_of $INSIDE socket 1 1 0 # AF_UNIX
	dies_of $INSIDE openat "$AT_CWD" 0 1
	dies_of $INSIDE ptrace 16 1
}

@test "privileges: the worker that finds who holds what is killed for a call that is not its" {
	needs_filter
	dies_of $HOLDER execve
	dies_of $HOLDER ptrace 16 1
	dies_of $HOLDER process_vm_writev 1
	dies_of $HOLDER kill 1 0
	dies_of $HOLDER socket 2 1 0
	dies_of $HOLDER connect 3 0 0
	dies_of $HOLDER openat "$AT_CWD" 0 2
	dies_of $HOLDER openat "$AT_CWD" 0 0100
	dies_of $HOLDER setuid 0
	dies_of $HOLDER bpf
}

@test "privileges: the worker that has programs verified is killed for a call that is not its" {
	local command
	needs_filter
	dies_of $LOADER execve
	dies_of $LOADER ptrace 16 1
	dies_of $LOADER openat "$AT_CWD" 0 1
	dies_of $LOADER socket 2 1 0
	dies_of $LOADER setns 0 0x40000000
	dies_of $LOADER perf_event_open
	for command in 1 6 8 10 13 14 28; do # to look into a map, pin, attach, run, find others', link
		dies_of $LOADER bpf "$command"
	done
}

@test "privileges: who starts takers is killed for a call that is not its" {
	needs_filter
	dies_of $TAKERS execve
	dies_of $TAKERS ptrace 16 1
	dies_of $TAKERS openat "$AT_CWD" 0 0
	dies_of $TAKERS socket 2 1 0
	dies_of $TAKERS kill 1 0
	dies_of $TAKERS setns 0 0x40000000
	dies_of $TAKERS bpf 5 # to load a program
}

@test "privileges: a taker is killed for a call that is not its, and another one comes" {
	local pid
	needs_filter
	start_helper
	for call in execve 'ptrace 16 1' 'openat -100 0 0' 'socket 2 1 0' 'kill 1 0' \
		'clone 0x11' 'bpf 5' 'bpf 0' setns 'setsockopt 0 0 64' 'setsockopt 0 1 36' 'shutdown 0 1'; do
		pid=$(worker $TAKER)
		# shellcheck disable=SC2086 # a call and its arguments
		is "$call: $("$PROGS/force" "$pid" $call)" "$call: killed by 31"
		AS=nobody serve "after-$pid" 2000 0.0.0.0#7778
		silent "after-$pid"
		kill_server "after-$pid"
	done
	has_lines 0 '<3>'
}

# The record that it was waiting for is not one.
@test "privileges: a call that is on the list is let through" {
	local pid
	start_helper
	pid=$(worker $HOLDER)
	is "$("$PROGS/force" "$pid" getpid)" "returned $pid"
	wait_until 5 none_left
	has_lines 1 "$HOLDER ended with status 1"
}

# --- how they end -----------------------------------------------------------------------------------

@test "privileges: a worker that is killed ends the helper with one line, and traffic goes on" {
	local name
	start_helper
	serve web 7 SKSTEER_LABEL=web 0.0.0.0#7777
	for name in $INSIDE $HOLDER $LOADER; do
		kill -KILL "$(worker "$name")"
		wait_until 5 none_left
		has_lines 1 "^<3>sksteerd: $name was killed by signal 9 (Killed)$"
		gets 127.0.0.1 7 web
		wait_server helper 5 || is "$?" 1
		start_helper
	done
	services_are web
	gets 127.0.0.1 7 web
}

@test "privileges: a worker that hangs ends the helper, too" {
	start_helper
	serve web 7 0.0.0.0#7777
	kill -STOP "$(worker $HOLDER)"
	serve late 8 0.0.0.0#8888 # root: it is asked about it
	said late 'not steered'
	wait_until 10 gone sksteerd
	has_lines 1 "^<3>sksteerd: $HOLDER does not answer$"
	wait_until 5 none_left
	gets 127.0.0.1 7 web
}

@test "privileges: the workers end with the helper, however that ends, and not before" {
	start_helper
	# To a whole group, as a terminal or a service manager does.
	kill -TERM "$(worker $INSIDE)" "$(worker $HOLDER)"
	kill -INT "$(worker $INSIDE)" "$(worker $HOLDER)"
	kill -HUP "$(worker $INSIDE)" "$(worker $HOLDER)"
	serve web 7 0.0.0.0#7777
	silent web
	kill_helper
	wait_until 5 none_left
	start_helper
	stop_helper
	wait_until 5 none_left
	is "$(grep -c '^<[34]>' "$SKS_DIR/helper.log")" 0
	# Stopped, they do not hear of it.
	start_helper
	kill -STOP "$(worker $INSIDE)" "$(worker $HOLDER)"
	kill_helper
	wait_until 5 none_left
}

# --- by whom it is started --------------------------------------------------------------------------

# as_own_user CAP,... [ARGUMENT]...: as a service manager does. The directories are there, and its.
as_own_user() {
	local caps=$1
	shift
	in_ns mkdir -p /run/sksteer "$BPFFS"
	in_ns chown 65532:65532 /run/sksteer "$BPFFS"
	in_ns chmod 711 /sys/fs/bpf
	SOCKET=/run/sksteer/helper.sock
	HELPER_AS=(setpriv --reuid 65532 --regid 65532 --clear-groups --inh-caps "$caps"
		--ambient-caps "$caps" --)
	ln -sf "$HELPER" "$SKS_DIR/sksteerd"
	HELPER=$SKS_DIR/as-own-user
	printf '#!/bin/sh\nexec %s %s "$@"\n' "${HELPER_AS[*]}" "$SKS_DIR/sksteerd" > "$HELPER"
	chmod 755 "$HELPER"
	start_helper "$@"
}

@test "privileges: its own user, with ambient capabilities: it does all that root does" {
	needs_filter
	printf '%s\n' '[user nobody]' 'ports = 80,81' > "$SKS_DIR/policy.conf"
	add_ns other
	as_own_user "$ALL" --policy "$SKS_DIR/policy.conf"
	is "$(ps -o uid= -p "$(helper_pid),$(worker $INSIDE),$(worker $HOLDER)" | xargs)" \
		'65532 65532 65532'
	BOUNDED='' all_keep_theirs # for whoever starts it to bound
	# Root and users, other namespaces, a port below 1024, a port that is granted.
	serve web '*' 0.0.0.0#7777
	silent web
	gets 127.0.0.1 7 web
	AS=nobody serve users 81,2000 0.0.0.0#7778
	silent users
	gets 127.0.0.1 81 users
	NS=other AS=nobody serve others 2000 0.0.0.0#7778
	NS=other gets 127.0.0.1 2000 others
	AS=nobody serve refused 82 0.0.0.0#7779
	said refused 'port 82 is for root'
	AS=nobody act opens SKSTEER_INSTANCE=00112233445566778899aabbccddeeff
	does opens 'open here tcp 127.0.0.9 80'
	# It is started again.
	kill_helper
	start_helper --policy "$SKS_DIR/policy.conf"
	gets 127.0.0.1 81 users
	has "$(status_jq '[.services[].sockets[].port] | sort | tojson')" '[7777,7778]'
	stop_helper
	has_not "$(log_of helper)" '<3>'
}

@test "privileges: its own user: nobody of that user looks into it" {
	needs_filter
	as_own_user "$ALL"
	for pid in "$(helper_pid)" "$(worker $INSIDE)" "$(worker $HOLDER)"; do
		run in_ns setpriv --reuid 65532 --regid 65532 --clear-groups cat "/proc/$pid/environ"
		is "$status" 1
		run in_ns setpriv --reuid 65532 --regid 65532 --clear-groups "$PROGS/force" "$pid" getpid
		has "$output" 'Operation not permitted'
	done
}

@test "privileges: what it was not given is said at its start, and the rest works" {
	in_ns umount --all --lazy --types cgroup2
	as_own_user +bpf,+net_admin
	is "$(grep '^<4>' "$SKS_DIR/helper.log" | sort)" "$(sort <<- 'END'
		<4>sksteerd: ports are looked at when they are registered, but not taken: whoever binds them later may, and gets no traffic (the root of the cgroups: Operation not permitted)
		<4>sksteerd: started without CAP_SYS_ADMIN: serving other network namespaces is not possible
		<4>sksteerd: started without CAP_SYS_PTRACE: knowing root, and sharing sockets is not possible
		<4>sksteerd: started without CAP_DAC_READ_SEARCH: finding who has a socket is not possible
		<4>sksteerd: started without CAP_NET_BIND_SERVICE: opening a port that a user was granted is not possible
	END
	)"
	# Whom it can't look into is not root.
	serve web 80 0.0.0.0#7777
	said web 'cannot read the namespace'
}

# --- who asks ---------------------------------------------------------------------------------------

# becomes PID: a process of root gets that number.
becomes() {
	local i ENTER
	sks_enter
	for ((i = 0; i < 500; i++)); do
		echo $(($1 - 1)) > /proc/sys/kernel/ns_last_pid
		setpriv --pdeathsig KILL "${ENTER[@]}" sleep 600 3>&- &
		[[ $! != "$1" ]] || return 0
		kill -KILL "$!"
		wait "$!" || :
	done 2> /dev/null
	fail "no process got the number $1"
}

@test "privileges: who has connected and ended does not lend its connection the rights of another process" {
	local AS_WHO pid
	/usr/bin/python3 -c 'import socket; socket.socketpair()[0].getsockopt(socket.SOL_SOCKET, 77)' ||
		skip 'no SO_PEERPIDFD (Linux 6.5)'
	[[ -w /proc/sys/kernel/ns_last_pid ]] || skip 'no CONFIG_CHECKPOINT_RESTORE'
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	start_helper
	kill -STOP "$(helper_pid)"
	AS=powerless as_who
	start_server probe "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" from-another
	pid=$(pid_of probe)
	wait_server probe 5
	becomes "$pid"
	wait_until 5 grep -q replaced "$SKS_DIR/probe.log"
	kill -CONT "$(helper_pid)"
	wait_until 5 grep -q from-another "$SKS_DIR/probe.log"
	has "$(log_of probe)" 'EACCES 80: port 80 is for root'
}

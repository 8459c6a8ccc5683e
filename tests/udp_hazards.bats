#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what servers do that a library in their process has to survive: sandboxes, sockets
# closed unseen, connect(2) to one client after the other, helpers that do not answer.

load udp

# hazard CASE PORT [VARIABLE=VALUE]...: what comes of that case of progs/udphazard.c, asked at PORT,
# with our library if a variable is named.
hazard() {
	local name=$1 port=$2 status=0
	shift 2
	in_ns timeout --signal=KILL $((20 * SKS_SLOW)) env "$@" "$PROGS/udphazard" "$name" "$port" \
		2> "$SKS_DIR/hazard.log" || status=$?
	((status == 0)) || echo "status $status: $(log_of hazard)"
}

# steered CASE PORT [VARIABLE=VALUE]...: the same under the library.
steered() {
	local name=$1 port=$2
	shift 2
	hazard "$name" "$port" LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS="$SPEC" "$@"
}

# alike CASE: it comes to the same without us, at the own port and, but for where from, at a steered one.
alike() {
	local plain
	plain=$(hazard "$1" 5353)
	has_not "$plain" status
	is "$(steered "$1" 5353)" "$plain"
	is "$(steered "$1" 53)" "${plain//from 5353/from 53}"
}

# --- threads --------------------------------------------------------------------------------------

@test "a thread that has answered one port answers what another one has received at the other" {
	is "$(steered hands-on 53)" "$(for _ in 1 2; do
		printf 'client hears %s\n' 'own from 53' "other's from 77" 'more from 77'
	done)"
}

@test "an answer that is too long is followed by a shorter one, from where was asked" {
	local port
	for port in 53 5353; do
		is "$(steered too-long "$port")" "$(for _ in 1 2; do
			printf 'client hears shorter from %u\n' "$port" 77
		done)"
	done
}

# --- sandboxes ------------------------------------------------------------------------------------

SANDBOX="sksteer: the server goes into a sandbox: from here on UDP answers leave from the server's own port"

# Its first answer is one before the sandbox.
@test "a sandbox in which all but the server's own calls kill: it answers from its own port, and says so once" {
	local name asked port own
	own=$(printf 'client hears asks from 5353\n%.0s' 1 2 3 4)
	for name in sandbox-prctl sandbox-seccomp sandbox-messages; do
		for port in 5353 53; do
			asked=$'client hears free from '$port$'\n'$own$'\nserver ends with 0'
			is "$(steered $name $port)" "$asked"
			is "$(log_of hazard)" "$SANDBOX"
		done
		is "$(hazard $name 5353)" "${asked/from 53/from 5353}"
	done
}

@test "a sandboxed child that has but a socketpair, of a server that is steered to, lives" {
	alike sandbox-pair
}

# --- connect --------------------------------------------------------------------------------------

@test "one socket that is connected to one client after the other, and to nobody in between" {
	alike dissolves
}

@test "the same of a server in the background, whose first process' number is another's by now" {
	alike background
}

@test "one socket that is connected straight to one client after the other" {
	alike moves-on
}

@test "epoll and F_SETSIG: what was asked for before connect(2) goes on after it" {
	alike polled
	has "$(steered polled 53)" 'owner kept: 1, signal kept: 1'
}

@test "a child connects the socket to a client: what others have asked still comes to its parent" {
	alike forks
}

@test "a client asks at two ports before the server connects to it: each is answered from its own" {
	is "$(steered asks-elsewhere 53)" "$(printf '%s\n' 'server takes one' \
		'client hears one from 53' 'client hears two from 77')"
}

@test "eight threads connect to a client each, while much waits: none gets what another's has sent" {
	local i
	for ((i = 0; i < 10; i++)); do
		is "$(steered meets 53)" "480 of their clients', 0 of others'"
	done
}

# steers_to_53: what is sent there is not refused.
steers_to_53() {
	verdict '0 right, 1 lost' -t 100 127.0.0.1#53
}

# has_read LINE...: nc has, in any order, after what steers_to_53 has sent.
has_read() {
	is "$(log_of echo | sed 's/^\(0* \)*//' | sort)" "$(printf '%s\n' "$@" | sort)"
}

@test "nc -u -k -l, openbsd's: two clients in turn" {
	need nc.openbsd
	local client port
	start_steered echo "$SPEC" nc.openbsd -d -k -u -l 5353
	wait_port 5353 '' udp
	wait_until 5 steers_to_53
	for client in 1 2; do
		for port in 5353 53; do
			in_ns bash -c "echo client $client at $port > /dev/udp/127.0.0.1/$port"
		done
	done
	wait_until 5 has_read 'client '{1,2}' at '{53,5353}
}

# --- descriptors ----------------------------------------------------------------------------------

@test "a socket closed unseen: a file that gets its number is a file" {
	alike closed-file
}

@test "a socket closed unseen: a connection that gets its number is one" {
	alike closed-tcp
}

@test "a socket closed unseen: descriptors come by a Unix socket that gets its number" {
	alike closed-rights
}

@test "a socket closed unseen: a UDP socket that gets its number sends from where it is bound" {
	alike closed-client
}

@test "a server's socket that comes by a Unix socket, at the number of one that was used: it is known" {
	alike given
}

@test "closefrom(3): a connection that gets the number of what answers left by gets none of them" {
	alike closed-all
}

@test "IP_RECVORIGDSTADDR of another socket in the same process is its own" {
	alike original-address
}

@test "IP_RECVORIGDSTADDR asked for by one descriptor is received by its dup" {
	is "$(hazard original-of-dup 5353)" 'dup is told 5353'
	is "$(steered original-of-dup 5353)" 'dup is told 5353'
	is "$(steered original-of-dup 53)" 'dup is told 53'
}

@test "a server of 64 descriptors, asked at 40 ports: most are still its own" {
	is "$(steered few-descriptors 53 SKSTEER_PORTS='5353=1000-1039/udp')" '40 right, room is left'
}

@test "a server that has closed its socket: another process may bind the port at once" {
	alike gone
}

@test "closefrom(3) before the library's constructor has run" {
	local vars
	for vars in A=b SKSTEER_PORTS="$SPEC" SKSTEER_PORTS=7; do
		run in_ns env LD_PRELOAD="$LIB $PROGS/closefrom.so" SKSTEER_SOCKET="$SOCKET" "$vars" \
			sh -c 'echo lives'
		is "$status $output" '0 lives'
	done
}

# --- sending --------------------------------------------------------------------------------------

@test "UDP_CORK: what is put together leaves in one piece, from the own port" {
	local said=$'client hears cd from 5353\nclient hears whole from '
	is "$(hazard corked 5353)" "${said}5353"
	is "$(steered corked 5353)" "${said}5353"
	is "$(steered corked 53)" "${said}53"
}

@test "MSG_ZEROCOPY: the completion comes, and the answer from the own port" {
	local port said=$'client hears zerocopy from 5353\ncompletion: 1'
	is "$(hazard zerocopy 5353)" "$said"
	for port in 5353 53; do
		is "$(steered zerocopy $port)" "$said"
	done
}

# --- the helper -----------------------------------------------------------------------------------

has_said() {
	log_of hazard | grep -qx "$1"
}

is_stopped() {
	grep -q '^State:.T' "/proc/$1/status"
}

@test "a stopped helper: an answer that does not block waits for a second at most, later ones not at all" {
	mkfifo "$SKS_DIR/fifo"
	# shellcheck disable=SC2016
	start_steered hazard "$SPEC" bash -c 'exec "$0" stopped 53 <> "$1"' "$PROGS/udphazard" "$SKS_DIR/fifo"
	wait_until 5 has_said stop
	kill -STOP "$(helper_pid)"
	wait_until 5 is_stopped "$(helper_pid)"
	echo > "$SKS_DIR/fifo"
	wait_until 10 has_said go
	kill -CONT "$(helper_pid)"
	echo > "$SKS_DIR/fifo"
	wait_server hazard 30
	is "$(log_of hazard | grep -v ^sksteer)" "$(
		echo 'stop'
		echo 'first from 5353, in time'
		printf 'later from 5353\n%.0s' 1 2 3 4 5
		echo 'later at once'
		echo 'go'
		echo 'in the end from 53'
	)"
}

@test "a server that has dropped root, and a helper that was killed and started anew" {
	local user
	for user in 65534 65533; do
		echoes echo SKSTEER_PORTS="$SPEC" "$OWN" drop=$user
		right -n 6 127.0.0.1#{53,5353}
		kill_helper
		start_helper
		right -n 9 127.0.0.1#{77,53,5353}
	done
}

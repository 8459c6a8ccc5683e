#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of changes: listeners that come, move and go, labels that change hands, and changes
# that are refused as a whole.

load acts

# --- listeners that come ------------------------------------------------------------------------

@test "a second family is refused where another user listens, and asking first changes nothing" {
	local before
	start_helper
	AS=user2 act theirs
	does theirs 'open theirs tcp :: 8080 v6only'
	AS=nobody act web SKSTEER_PORTS=8080 SKSTEER_LABEL=web SKSTEER_INSTANCE="$(printf %032x 1)"
	AS=nobody act strict SKSTEER_PORTS=8080 SKSTEER_LABEL=web \
		SKSTEER_INSTANCE="$(printf %032x 1)" SKSTEER_STRICT=1
	does web 'open v4 tcp 0.0.0.0 7777'
	gets 127.0.0.1 8080 v4
	before=$(status_of_all)
	is "$(tell strict 'bind v6 tcp :: 7777 v6only')" EADDRINUSE
	is "$(status_of_all)" "$before"
	gets ::1 8080 theirs
	does web 'open v6 tcp :: 7777 v6only'
	said web '[::/0]:8080/tcp: port 8080 is held by a socket of user 65533'
	is "$(status_of_all)" "$before"
	gets ::1 8080 theirs
	gets ::1 7777 v6
	gets 127.0.0.1 8080 v4
	# Nor does one that is granted, until it is real.
	does theirs 'close theirs'
	does web 'close v6'
	does strict 'bind v6 tcp :: 7777 v6only'
	is "$(status_of_all)" "$before"
	refused ::1 8080
	does strict 'listen v6'
	gets ::1 8080 v6
	gets 127.0.0.1 8080 v4
}

@test '"*": what its own server opens later is for that listener' {
	start_helper
	act web SKSTEER_PORTS='*'
	does web 'open web tcp 0.0.0.0 7777'
	gets 127.0.0.1 443 web
	does web 'open tls tcp 0.0.0.0 443'
	gets 127.0.0.1 443 tls
	gets 127.0.0.1 442 web
	gets 127.0.0.1 444 web
	is "$(status_jq '.services[].left_out[] | "\(.protocol) \(.ports)"')" 'tcp 443'
	does web 'open more tcp :: 8000 v6only' 'open udp udp 0.0.0.0 9000' 'open lo tcp 127.0.0.1 9443'
	gets ::1 8000 more
	gets 127.0.0.1 9443 lo
	gets 127.0.0.1 443 tls
	gets 127.0.0.1 9000 web
}

@test '"*": what a stranger held comes back with the next change of the label' {
	start_helper
	plain stranger 0.0.0.0#443
	serve web '*' SKSTEER_LABEL=web 0.0.0.0#7777
	gets 127.0.0.1 442 web
	ctl bind web any:6
	gets 127.0.0.1 443 stranger
	kill_server stranger
	refused 127.0.0.1 443
	ctl bind web any:5
	gets 127.0.0.1 443 web
	is "$(service '.left_out | length' web)" 0
}

@test "[::]:7777=80 means IPv4 too where that socket is dual-stack" {
	start_helper
	serve web '[::]:7777=80' ::#7777
	silent web
	gets ::1 80 web
	gets 127.0.0.1 80 web
	kill_server web
	# And only there.
	act two SKSTEER_PORTS='[::]:7777=80'
	does two 'open v6 tcp :: 7777 v6only' 'open v4 tcp 0.0.0.0 7777'
	gets ::1 80 v6
	refused 127.0.0.1 80
}

@test "every address of one family is none of the other's, where the server has both" {
	start_helper
	serve web '0.0.0.0/0:80;[::/0]:81' ::#7777
	silent web
	plain stranger ::1#80 127.0.0.1#81
	gets 127.0.0.1 80 web
	gets ::1 80 stranger
	gets ::1 81 web
	gets 127.0.0.1 81 stranger
}

@test "one port on two interfaces: each listener has what arrives on its own, and none loses" {
	add_ns peer
	veth main 192.0.2.1/24 peer 192.0.2.2/24
	start_helper
	act web SKSTEER_PORTS='80;any:81' SKSTEER_LABEL=web
	does web 'open here tcp 0.0.0.0 7777 dev=lo' 'open there tcp 0.0.0.0 7777 dev=to-peer'
	has_not "$(log_of web)" sksteer
	for port in 80 81 7777; do
		gets 127.0.0.1 $port here
		NS=peer gets 192.0.2.1 $port there
	done
	does web 'close there'
	gets 127.0.0.1 80 here
	NS=peer refused 192.0.2.1 80
}

@test "SO_LINGER of a listener is left as it was, by a registration and by a question" {
	start_helper
	act web SKSTEER_PORTS='7777=80;7778=81;5353=53/udp' SKSTEER_STRICT=1
	does web 'open tcp tcp 0.0.0.0 7777 linger=7' 'open udp udp 0.0.0.0 5353 linger=5' \
		'bind asked tcp 0.0.0.0 7778 linger=3'
	gets 127.0.0.1 80 tcp
	is "$(tell web 'linger tcp' 'linger udp' 'linger asked')" $'1 7\n1 5\n1 3'
	does web 'listen asked'
	gets 127.0.0.1 81 asked
	is "$(tell web 'linger asked')" '1 3'
}

@test "a UDP server that connects its socket leaves no other client to a stranger" {
	start_helper
	act dns SKSTEER_PORTS=any:53/udp
	does dns 'open dns udp 0.0.0.0 5353 reuse'
	plain stranger 0.0.0.0#53/udp
	gets_udp 127.0.0.1 53 dns
	does dns 'connect dns 127.0.0.1 9'
	refused_udp 127.0.0.1 53
	is "$(in_ns "$PROGS/dial" 127.0.0.1#53/udp)" '127.0.0.1#53/udp refused'
	does dns 'open next udp 0.0.0.0 5353 reuse'
	gets_udp 127.0.0.1 53 next
	does dns 'close next' 'close dns'
	wait_until 2 gets_udp 127.0.0.1 53 stranger
}

# --- listeners that move ------------------------------------------------------------------------

@test "a listener that moves to another address takes its ports along" {
	local label
	start_helper
	for label in '' web; do
		act "web$label" SKSTEER_PORTS=80 ${label:+SKSTEER_LABEL="$label"}
		does "web$label" 'open lo tcp 127.0.0.1 7777'
		gets 127.0.0.1 80 lo
		refused 127.0.0.2 80
		does "web$label" 'close lo' 'open all tcp 0.0.0.0 7777'
		gets 127.0.0.1 80 all
		gets 127.0.0.2 80 all
		does "web$label" 'close all' 'open other tcp 127.0.0.2 7777'
		gets 127.0.0.2 80 other
		# No stranger gets what was the label's.
		refused 127.0.0.1 80
		kill_server "web$label"
	done
}

has_started() {
	is "$(grep -cx ready "$SKS_DIR/run.log")" "$1"
}

@test "a child that is started again on another port takes its instance's ports along" {
	start_helper
	# shellcheck disable=SC2016 # expanded by the inner shell
	start_server run "$RUN" --socket "$SOCKET" -l web -p any:80,81 -- sh -c '
		"$0" one 127.0.0.1#7777
		"$0" two 127.0.0.1#7778
		"$0" three 0.0.0.0#7779 ::1#7779
		:' "$PROGS/serve"
	wait_until 5 has_started 1
	gets 127.0.0.1 80 one
	kill -KILL "$(own_pids serve)"
	wait_until 5 has_started 2
	gets 127.0.0.1 80 two
	gets 127.0.0.2 81 two
	refused 127.0.0.1 7777
	kill -KILL "$(own_pids serve)"
	wait_until 5 has_started 3
	gets 127.0.0.1 80 three
	gets ::1 81 three
	has_not "$(log_of run)" sksteer
}

# opens_and_closes FIRST LAST [INSTANCE]: nobody's server with two listeners on each port in turn,
# each with a spec of its own, under one label.
opens_and_closes() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	as_user env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_LABEL=web SKSTEER_STRICT=1 \
		SKSTEER_LOG=error SKSTEER_INSTANCE="${3:-}" bash -c '
		for ((port = $2; port <= $3; port++)); do
			more=$((port + 20000))
			export SKSTEER_PORTS="$port=127.0.0.1:8000;$more=127.0.0.1:8001"
			said=$("$1" tcp4 "bind=127.0.0.1#$port" listen tcp4 "bind=127.0.0.1#$more" listen)
			[[ ${said//$'"'\n'"'/ } == "bind ok listen ok bind ok listen ok" ]] ||
				{ echo "$port: $said"; exit 1; }
		done' _ "$PROGS/calls" "$1" "$2"
}

@test "listeners that come and go on ever other ports do not fill the namespace" {
	start_helper
	opens_and_closes 10001 11100 "$(printf %032x 1)"
	opens_and_closes 11101 11300
	AS=nobody serve web 8000 SKSTEER_LABEL=web 127.0.0.1#7777
	silent web
	gets 127.0.0.1 8000 web
	is "$(status_jq '[.services[].label, .services[].sockets[].port] | join(" ")')" 'web 7777'
	is "$(status_jq '[.services[].bindings[].ports] | join(" ")')" 8000
	serve other 80 0.0.0.0#8888
	silent other
	gets 127.0.0.1 80 other
}

# --- labels -------------------------------------------------------------------------------------

serves_all() {
	gets 127.0.0.1 80 v4
	gets ::1 80 v6
	gets 127.0.0.1 8443 tls
	gets_udp 127.0.0.1 53 dns
}

@test "taken over listener by listener, a label refuses strangers where the next is still to come" {
	start_helper
	act old SKSTEER_LABEL=web SKSTEER_PORTS='7777=80;7443=8443;any:53/udp'
	does old 'open v4 tcp 0.0.0.0 7777' 'open v6 tcp :: 7777 v6only' \
		'open tls tcp 0.0.0.0 7443' 'open dns udp 0.0.0.0 5353'
	serves_all
	kill_server old
	plain stranger ::#80 0.0.0.0#8443 0.0.0.0#53/udp
	act new SKSTEER_LABEL=web SKSTEER_PORTS='7777=80;7443=8443;any:53/udp' SKSTEER_STRICT=1
	does new 'open v4 tcp 0.0.0.0 7777'
	gets 127.0.0.1 80 v4
	refused ::1 80
	refused 127.0.0.1 8443
	refused_udp 127.0.0.1 53
	does new 'open v6 tcp :: 7777 v6only'
	gets ::1 80 v6
	holds 1 refused 127.0.0.1 8443
	refused_udp 127.0.0.1 53
	does new 'open tls tcp 0.0.0.0 7443' 'open dns udp 0.0.0.0 5354'
	serves_all
}

@test "a label that was bound with addresses refuses strangers before any server came" {
	start_helper
	ctl bind web any:80 127.0.0.2:81 any:53/udp 82
	plain stranger ::#80 0.0.0.0#81 0.0.0.0#82 0.0.0.0#53/udp
	refused 127.0.0.1 80
	refused ::1 80
	refused 127.0.0.2 81
	refused_udp 127.0.0.1 53
	gets 127.0.0.1 81 stranger
	# Without a where it follows the server, which has yet to say where it listens.
	gets 127.0.0.1 82 stranger
	kill_helper
	refused 127.0.0.1 80
	start_helper
	refused ::1 80
	act web SKSTEER_LABEL=web
	does web 'open tcp tcp 0.0.0.0 7777' 'open udp udp 0.0.0.0 5353'
	gets 127.0.0.1 80 tcp
	gets 127.0.0.2 81 tcp
	gets 127.0.0.1 82 tcp
	gets_udp 127.0.0.1 53 udp
	kill_server web
	refused 127.0.0.1 80
	refused 127.0.0.2 81
	refused_udp 127.0.0.1 53
	ctl unbind web any:80 127.0.0.2:81 any:53/udp
	gets ::1 80 stranger
	gets 127.0.0.2 81 stranger
}

@test "a refusal does not tell a stranger the name of another user's label" {
	local said
	start_helper
	AS=nobody serve theirs any:8080 SKSTEER_LABEL=hush-hush 0.0.0.0#7777
	AS=user2 serve mine 8080 0.0.0.0#7778
	said mine "is steered to another user's service already"
	said=$(log_of mine)
	said+=$(as_user2 "$CTL" --socket "$SOCKET" bind mine any:8080 2>&1) && fail 'bound'
	said+=$(as_user2 "$CTL" --socket "$SOCKET" status)
	has_not "$said" hush-hush
	AS=root serve ours 8080 0.0.0.0#7779
	said ours hush-hush
	gets 127.0.0.1 8080 theirs
}

@test "a user with 16 labels who asks for 3000 ports is refused at once" {
	local i used spec
	start_helper
	for i in {1..16}; do
		as_user "$CTL" --socket "$SOCKET" bind "label$i" "any:$((20000 + i))"
	done
	spec=$(seq -s , 1024 4023)
	used=$(used_ms "$(helper_pid)")
	run as_user "$CTL" --socket "$SOCKET" bind label1 "$spec"
	used=$(($(used_ms "$(helper_pid)") - used))
	is "$status" 1
	has "$output" 'more than 256 ports for user 65534'
	# What others wait for.
	((used < 500 * SKS_SLOW)) || fail "it took $used ms"
	is "$(service '[.bindings[].ports] | unique | join(" ")' label1)" 20001
}

@test "a user whose sockets of an interface are gone stands in nobody's way" {
	start_helper
	AS=nobody act mean SKSTEER_LABEL=mean SKSTEER_PORTS=127.0.2.0/24:8080
	does mean 'open a tcp 0.0.0.0 7777 reuse dev=lo' 'open b tcp 0.0.0.0 7777 reuse' 'close a'
	wait_until 5 sks_socket_count_is 1
	# Five prefixes are more than a rule holds beside one of an interface.
	AS=nobody as_who
	SKSTEER_SOCKET=$SOCKET in_ns "${AS_WHO[@]}" "$CTL" bind mean 127.0.{3,4,5,6}.0/24:8080
	# Now both refuse.
	does mean 'close b'
	wait_until 5 sks_socket_count_is 0
	act good SKSTEER_PORTS=any:9
	does good 'open c tcp 0.0.0.0 9999'
	gets 127.0.0.1 9 c
	refused 127.0.6.1 8080
}

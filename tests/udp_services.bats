#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of where UDP answers come from while services, servers and helpers come and go, and
# of what reply sockets are to others.

load udp

# --- services that come, change and go ------------------------------------------------------------

@test "two services, each answers from its own ports" {
	echoes one SKSTEER_PORTS='53/udp' 0.0.0.0#5353 tell
	echoes two SKSTEER_PORTS='77/udp' 0.0.0.0#5354 tell
	right -n 200 -w 8 127.0.0.1#{53,77,5353,5354}
	is "$(told one | wc -l)" 100
	is "$(told two | wc -l)" 100
	stop_echo one
	verdict '0 right, 1 refused' 127.0.0.1#53
	right -n 20 127.0.0.1#{77,5354}
	echoes three SKSTEER_PORTS='53/udp' 0.0.0.0#5355
	right -n 20 127.0.0.1#{53,77}
}

@test "a server with several sockets, each with ports of its own, in threads of one process" {
	start_server many env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS='5353=53/udp;5354=77/udp' /usr/bin/python3 -c '
import socket, threading

def serve(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", port))
    while True:
        sock.sendto(*sock.recvfrom(512))

threading.Thread(target=serve, args=(5353,)).start()
serve(5354)'
	wait_port 5353 '' udp
	wait_port 5354 '' udp
	wait_sockets 2
	right -n 400 -w 8 127.0.0.1#{53,77,5353,5354}
}

# here PORT: is any UDP socket bound there?
here() {
	listening "$1" '' udp
}

# given_up PORT: for wait_until: the helper has taken the reply socket back. Its server notices when it
# receives.
given_up() {
	right -n 70 -w 4 127.0.0.1#5353 && not here "$1"
}

@test "bind: answers come from new ports at once; unbind: from old ones no more" {
	echoes echo SKSTEER_LABEL=dns SKSTEER_PORTS='53,77/udp' "$OWN"
	right -n 60 -w 6 "${ALL[@]}"
	verdict '0 right, 1 refused' 127.0.0.1#78
	ctl bind dns 78/udp
	right -n 60 -w 6 127.0.0.1#{53,78,77}
	ctl unbind dns 77/udp
	wait_until 3 given_up 77
	verdict '0 right, 1 refused' 127.0.0.1#77
	right -n 60 -w 6 127.0.0.1#{53,78,5353}
	ctl bind dns 77/udp
	right -n 60 -w 6 127.0.0.1#{53,78,77,5353}
	ctl unregister dns
	wait_until 3 given_up 53
	wait_until 3 given_up 77
	wait_until 3 given_up 78
	udp_sockets_are 1
	verdict '0 right, 3 refused' 127.0.0.1#{53,77,78}
}

# has_received NAME COUNT: a server with "tell".
has_received() {
	is "$(told "$1" | wc -l)" "$2"
}

@test "an answer that is given after the port was unbound does not come from there" {
	echoes echo SKSTEER_LABEL=dns SKSTEER_PORTS='53,77/udp' "$OWN" tell
	right -n 3 "${ALL[@]}"
	start_server client "$PROGS/udpask" -t 60000 -W LATE -o 5353 127.0.0.1#77
	wait_until 5 has_received echo 4
	ctl unbind dns 77/udp
	wait_until 3 given_up 77
	right -W GO 127.0.0.1#53
	wait_server client || :
	is "$(log_of client)" '0 right, 1 own'
}

# The client whose question came before may be answered from there by the one that it asked.
@test "a port that moves to another service is answered from by that one" {
	echoes one SKSTEER_LABEL=one SKSTEER_PORTS='53,77/udp' "$OWN" tell
	echoes two SKSTEER_LABEL=two SKSTEER_PORTS='78/udp' 0.0.0.0#5354 tell
	right -n 3 127.0.0.1#{53,77,78}
	start_server client "$PROGS/udpask" -t 60000 -W LATE -o 5353 127.0.0.1#77
	wait_until 5 has_received one 3
	ctl bind two 77/udp
	right -n 40 -w 4 127.0.0.1#{53,77,78}
	wait_until 5 has_received two 27
	right -W GO 127.0.0.1#53
	wait_server client || :
	[[ $(log_of client) == '1 right' || $(log_of client) == '0 right, 1 own' ]] ||
		fail "client: $(log_of client)"
	ctl bind one 77/udp
	right -n 40 -w 4 127.0.0.1#{53,77,78}
	wait_until 5 has_received two 40
}

@test "a server that ends leaves no socket, however it ends, forked children or not" {
	local how
	for how in by=self by=fork by=child threads=3; do
		echoes echo SKSTEER_PORTS='53,77,1000-1099/udp' "$OWN" "$how"
		right -n 120 127.0.0.1#{53,77,1000,1050,1099}
		[[ $how == by=fork ]] || (($(udp_sockets) > 1))
		stop_echo echo
		wait_until 2 no_udp_sockets
	done
	echoes echo SKSTEER_PORTS='53,77/udp' "$OWN"
	right -n 20 "${ALL[@]}"
	stop_server echo || :
	wait_until 2 no_udp_sockets
	is "$(status_jq '.services | length')" 0
}

@test "a server that is executed anew, and inherits its socket" {
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN" exec
	right -n 60 -w 6 -k 6 "${ALL[@]}"
	echoes echo SKSTEER_PORTS="$SPEC" ::#5353 exec recv=recvmsg send=sendmsg tell
	right -n 60 -w 6 -k 6 "${ALL[@]}"
	right -n 60 -w 6 -k 6 ::1#{53,77,5353}
	has_not "$(log_of echo)" ORIGDST
}

@test "in another namespace than the helper, and by an ordinary user" {
	add_ns far
	NS=far AS=nobody echoes echo SKSTEER_PORTS='2053,2077/udp' "$OWN"
	NS=far right -n 60 -w 6 127.0.0.1#{2053,2077,5353}
	verdict '0 right, 1 refused' 127.0.0.1#2053
}

# --- what others get ------------------------------------------------------------------------------

# grabs PLACE...: what progs/grab.c says as user2, who has nothing here.
grabs() {
	in_ns "${AS_USER2[@]}" "$PROGS/grab" "$@"
}

@test "a port named alone is taken with a reply socket and without, and free once it is unbound" {
	AS=nobody echoes echo SKSTEER_LABEL=dns SKSTEER_PORTS='2053,2077/udp' "$OWN"
	is "$(grabs 127.0.0.1#2053/udp 0.0.0.0#2077/udp ::#2077/udp)" "127.0.0.1#2053/udp EADDRINUSE
0.0.0.0#2077/udp EADDRINUSE
::#2077/udp EADDRINUSE"
	right -n 30 127.0.0.1#{2053,2077}
	is "$(grabs 127.0.0.1#2053/udp 0.0.0.0#2077/udp ::#2077/udp)" "127.0.0.1#2053/udp EADDRINUSE
0.0.0.0#2077/udp EADDRINUSE
::#2077/udp EADDRINUSE"
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" unbind dns 2077/udp
	wait_until 3 given_up 2077
	is_free() { is "$(grabs 0.0.0.0#2077/udp 127.0.0.1#2077/udp)" "0.0.0.0#2077/udp done
127.0.0.1#2077/udp done"; }
	wait_until 2 is_free
	right -n 30 127.0.0.1#2053
}

# theirs PORT: a server of user2 is reached there.
theirs() {
	right "127.0.0.1#$1" && [[ -n $(told theirs) ]]
}

@test "*: ports that were asked are free to others, who are reached there from then on" {
	local ports
	echoes echo SKSTEER_PORTS='*/udp' "$OWN"
	right -n 600 -w 8 127.0.0.1#{2000..2199}
	is "$(grabs 0.0.0.0#2100/udp 127.0.0.1#2101/udp ::#2102/udp)" "0.0.0.0#2100/udp done
127.0.0.1#2101/udp done
::#2102/udp done"
	AS=user2 start_echo theirs 0.0.0.0#2100 tell
	wait_until 2 theirs 2100
	right -n 100 -w 8 127.0.0.1#{2000..2199}
	stop_echo theirs
	: > "$SKS_DIR/theirs.log"
	wait_until 3 right -t 100 127.0.0.1#2100
	is "$(told theirs)" ''
}

@test "*: thousands of ports are answered from by few descriptors" {
	local before
	echoes echo SKSTEER_PORTS='*/udp' "$OWN"
	before=$(fds echo)
	right -n 2000 -w 8 127.0.0.1#{2000..2999}
	right -n 2000 -w 32 -k 4 127.0.0.1#{3000..3999}
	(($(fds echo) - before <= 128)) || fail "$(fds echo) descriptors, and $before before"
	echoes echo SKSTEER_PORTS='1-1000/udp' "$OWN"
	right -n 3000 -w 32 127.0.0.1#{1..1000}
	(($(fds echo) - before <= 128)) || fail "$(fds echo) descriptors, and $before before"
}

@test "reply sockets are in nobody's way: a later \"*\" of another service leaves nothing out for them" {
	echoes one SKSTEER_LABEL=one SKSTEER_PORTS='53,77/udp' "$OWN"
	right -n 30 127.0.0.1#{53,77}
	echoes two SKSTEER_LABEL=two SKSTEER_PORTS='*/udp' 0.0.0.0#5354 tell
	right -n 30 127.0.0.1#{53,77,78}
	ctl unbind one 77/udp
	serves_77() {
		right -n 70 -w 4 127.0.0.1#5353
		: > "$SKS_DIR/two.log"
		right -t 100 127.0.0.1#77 && [[ -n $(told two) ]]
	}
	wait_until 3 serves_77
}

# resolver OPTION...: dnsmasq that answers for example.com, or asks another one.
resolver() {
	local name=$1
	shift
	start_server "$name" dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv \
		--no-hosts --cache-size=0 --bind-interfaces --listen-address=127.0.0.1 --user=root \
		--log-facility=- "$@"
}

resolves() {
	is "$(in_ns dig +short +tries=1 +time=2 @127.0.0.1 -p "$1" "$2" A)" 192.0.2.7
}

@test "*: a resolver on the same host, whose questions have any port, keeps working" {
	local i
	need dnsmasq dig
	resolver upstream --port=5301 --address=/example.com/192.0.2.7
	resolver resolver --port=5300 --server=127.0.0.1#5301 --min-port=32768 --max-port=60999
	wait_until 5 resolves 5300 first.example.com
	echoes echo SKSTEER_PORTS='*/udp' 0.0.0.0#5353
	right -n 300 -w 8 127.0.0.1#{1..99} 127.0.0.1#{3000..3099}
	for ((i = 0; i < 100; i++)); do
		resolves 5300 "n$i.example.com"
	done
	right -n 300 -w 8 127.0.0.1#{1..99} 127.0.0.1#{61000..61099}
}

# --- the helper -----------------------------------------------------------------------------------

@test "no helper: the server answers from its own port, as without us" {
	stop_helper
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN"
	right -n 60 -w 6 127.0.0.1#5353
	verdict '0 right, 1 refused' 127.0.0.1#53
	is "$(told echo)" "sksteer: no helper at $SOCKET: $SPEC not steered (start one as root: sksteerd)"
}

@test "the helper dies: answers go on; from a port that was not asked before, when there is a helper again" {
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN"
	right -n 30 127.0.0.1#{53,5353}
	kill_helper
	right -n 60 -w 6 127.0.0.1#{53,5353}
	verdict '0 right, 20 own' -n 20 -o 5353 127.0.0.1#77
	right -n 60 -w 6 127.0.0.1#{53,5353}
	is "$(told echo | wc -l)" 1
	start_helper
	wait_until 5 right 127.0.0.1#77
	right -n 60 -w 6 "${ALL[@]}"
}

@test "the helper dies: the next one takes back reply sockets of ports that are unbound" {
	echoes echo SKSTEER_LABEL=dns SKSTEER_PORTS="$SPEC" "$OWN"
	right -n 30 "${ALL[@]}"
	kill_helper
	start_helper
	right -n 30 "${ALL[@]}"
	ctl unbind dns 77/udp
	wait_until 3 given_up 77
	right -n 30 127.0.0.1#{53,5353}
	verdict '0 right, 1 refused' 127.0.0.1#77
}

@test "the helper is stopped: a new port's answers come from the own one, and but the first at once" {
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN"
	right -n 30 127.0.0.1#{53,5353}
	kill -STOP "$(helper_pid)"
	verdict '0 right, 1 own' -t 3000 -o 5353 127.0.0.1#77
	verdict '0 right, 200 own' -n 200 -t 500 -o 5353 127.0.0.1#77
	right -n 60 -t 500 -w 6 127.0.0.1#{53,5353}
	is "$(told echo | wc -l)" 1
	kill -CONT "$(helper_pid)"
	right -n 60 -w 6 127.0.0.1#{53,5353}
}

@test "a quota is used up: answers from the own port, which is said once" {
	printf '%s\n' '[user nobody]' 'max-sockets = 2' > "$SKS_DIR/policy.conf"
	chmod 644 "$SKS_DIR/policy.conf"
	stop_helper
	start_helper --policy "$SKS_DIR/policy.conf"
	AS=nobody echoes echo SKSTEER_LABEL=dns SKSTEER_PORTS='2053,2077,2078/udp' "$OWN"
	right -n 30 -w 6 127.0.0.1#{2053,5353}
	verdict '0 right, 30 own' -n 30 -o 5353 127.0.0.1#2077
	right -n 30 -w 6 127.0.0.1#{2053,5353}
	is "$(told echo | wc -l)" 1
	has "$(told echo)" 'more than 2 sockets'
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" unbind dns 2053/udp
	wait_until 3 given_up 2053
	wait_until 5 right 127.0.0.1#2077
}

@test "status says from which port answers leave: of a server that a preload reaches, and of one that it does not" {
	echoes echo SKSTEER_LABEL=echo SKSTEER_PORTS="$SPEC" "$OWN"
	is "$(status_jq '.services[].sockets[].answers')" 'asked port'
	has_not "$(ctl status)" 'answers from'
	stop_echo echo
	ctl unregister echo
	start_echo plain "$OWN"
	ctl register dns --pid "$(pid_of plain)" --port 5353/udp
	ctl bind dns any:53/udp
	is "$(status_jq '.services[].sockets[].answers')" 'bound port'
	has "$(ctl status)" ', answers from port 5353'
	verdict '0 right, 1 wrong' 127.0.0.1#53
}

@test "multicast and broadcast are never steered: the spec is refused, a broadcast address remarked on" {
	local text=': multicast and broadcast are never steered'
	echoes echo SKSTEER_PORTS='224.0.0.251:53/udp' "$OWN"
	has "$(log_of echo)" "sksteer: SKSTEER_PORTS: \"224.0.0.251\" at character 1$text; nothing is steered"
	echoes echo SKSTEER_PORTS='53/udp;[ff02::fb]:53/udp' "$OWN"
	has "$(log_of echo)" "\"[ff02::fb]\" at character 8$text; nothing is steered"
	verdict '0 right, 1 refused' 127.0.0.1#53
	add_ns away
	veth main 10.9.9.1/24 away 10.9.9.2/24
	in_ns ip address change 10.9.9.1/24 broadcast 10.9.9.255 dev to-away
	echoes echo SKSTEER_PORTS='10.9.9.255:53/udp' "$OWN"
	has "$(log_of echo)" '10.9.9.255 is a broadcast address here, and broadcast is never steered'
}

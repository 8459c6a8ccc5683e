#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests with real UDP servers, unmodified, on steered ports, and with real clients, which take
# no answer from anywhere but where they asked.

load udp

# Debian's, which every user can run; another may be in PATH.
PYTHON=/usr/bin/python3

# --- name servers ---------------------------------------------------------------------------------

# digs ADDRESS PORT ARGUMENT...: at the first try; what dig says, and fails as dig does.
digs() {
	local address=$1 port=$2
	shift 2
	in_ns dig +tries=1 +time=$((2 * SKS_SLOW)) "@$address" -p "$port" "$@"
}

# resolves ADDRESS PORT [ARGUMENT...]: the name has its address, and dig saw no other answer.
resolves() {
	local said
	said=$(digs "$@" +short example.com A)
	is "$said" 192.0.2.7
}

# has_size TEXT BYTES: dig received at least so many.
has_size() {
	local size
	size=$(sed -n 's/.*MSG SIZE  rcvd: //p' <<< "$1")
	((size >= $2)) || fail "expected $2 bytes or more:"$'\n'"$1"
}

# answers_of_all_kinds ADDRESS PORT: a short one, one of EDNS that is longer than 1400 bytes, and one
# that is cut off and asked for again by TCP on the same port.
answers_of_all_kinds() {
	local said
	resolves "$@"
	said=$(digs "$@" +bufsize=4096 +ignore +notcp big.example.com TXT)
	has "$said" 'status: NOERROR'
	has_size "$said" 1400
	has_not "$said" 'from unexpected'
	has "$said" '(UDP)'
	said=$(digs "$@" +bufsize=512 +ignore +notcp big.example.com TXT)
	has "$said" ' tc '
	said=$(digs "$@" +bufsize=512 big.example.com TXT)
	has "$said" 'Truncated, retrying in TCP mode'
	has "$said" 'status: NOERROR'
	has_size "$said" 1400
}

# many_at_once ADDRESS PORT COUNT: from as many clients; each is answered at the first try.
many_at_once() {
	local i
	for ((i = 0; i < $3; i++)); do
		echo 'example.com A'
	done > "$SKS_DIR/questions"
	is "$(digs "$1" "$2" +short -f "$SKS_DIR/questions" | sort | uniq -c | tr -s ' ')" " $3 192.0.2.7"
}

# By TCP and UDP, at the same ports.
DNS_PORTS='5353=53,77;5353=53,77/udp'
for prefix in 127.0.0.1:5353=192.0.2.0/24 '[::1]:5353=[2001:db8::/64]'; do
	DNS_PORTS+=";$prefix:53;$prefix:53/udp"
done

# start_dnsmasq SOCKETS [OPTION]...: it looks at the interface that a question comes by, which has to be
# named, as addresses of prefixes can't be.
start_dnsmasq() {
	local long i
	need dnsmasq dig
	printf -v long '%0200d' 0
	: > "$SKS_DIR/dnsmasq.conf"
	for ((i = 0; i < 9; i++)); do
		echo "txt-record=big.example.com,$i$long"
	done >> "$SKS_DIR/dnsmasq.conf"
	chmod 644 "$SKS_DIR/dnsmasq.conf"
	start_steered dns "$DNS_PORTS" dnsmasq --keep-in-foreground --conf-file="$SKS_DIR/dnsmasq.conf" \
		--pid-file= --no-resolv --no-hosts --port=5353 --bind-interfaces \
		--interface=lo --log-facility=- --edns-packet-max=4096 \
		--address=/example.com/192.0.2.7 "${@:2}"
	wait_sockets "$1"
	wait_until 5 resolves 127.0.0.1 53
}

@test "dnsmasq, asked by dig on two ports, at a /24 and a /64 of AnyIP: short, long, truncated" {
	local address
	local_route 192.0.2.0/24 2001:db8::/64
	start_dnsmasq 4 --user=root
	for address in 127.0.0.1 ::1; do
		answers_of_all_kinds "$address" 53
		answers_of_all_kinds "$address" 77
		resolves "$address" 5353
	done
	for address in 192.0.2.{1,2,99,254} 2001:db8::{1,2,99,ffff}; do
		answers_of_all_kinds "$address" 53
	done
	resolves 192.0.2.5 53 -b 127.0.0.1
	many_at_once 127.0.0.1 77 100
}

@test "dnsmasq that becomes another user before it is asked" {
	local_route 192.0.2.0/24 2001:db8::/64
	start_dnsmasq 4 --user=nobody
	is "$(in_ns stat -c %U "/proc/$(pid_of dns)")" nobody
	answers_of_all_kinds 127.0.0.1 53
	answers_of_all_kinds ::1 77
	answers_of_all_kinds 192.0.2.9 53
	answers_of_all_kinds 2001:db8::9 53
}

@test "dnsmasq, from another namespace over veth" {
	far_away
	start_dnsmasq 10 --user=root --interface=to-far
	NS=far answers_of_all_kinds 192.0.2.1 53
	NS=far answers_of_all_kinds 192.0.2.200 53
	NS=far answers_of_all_kinds 2001:db8::1 53
	NS=far answers_of_all_kinds 2001:db8::abcd 53
	NS=far answers_of_all_kinds 10.9.0.1 53
	NS=far answers_of_all_kinds fd09::1 77
	NS=far many_at_once 192.0.2.77 53 50
}

@test "dnsmasq, bound to every address, that asks another one, which is steered too" {
	need dnsmasq dig
	start_steered upstream '53/udp' dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= \
		--no-resolv --no-hosts --port=5354 --bind-interfaces --listen-address=127.0.0.1 \
		--user=root --log-facility=- --address=/example.com/192.0.2.7
	wait_until 5 resolves 127.0.0.1 53
	start_steered dns 'any:77/udp' dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= \
		--no-resolv --no-hosts --port=5353 --user=root --log-facility=- --cache-size=0 \
		--server=127.0.0.1
	wait_until 5 resolves 127.0.0.1 77
	resolves ::1 77
	many_at_once 127.0.0.1 77 50
}

# start_named: four threads, each with sockets of its own on each address.
start_named() {
	local long i
	need named dig
	printf -v long '%0200d' 0
	mkdir "$SKS_DIR/named"
	cat > "$SKS_DIR/named/zone" <<-EOT
		\$TTL 60
		@ SOA ns admin 1 60 60 60 60
		@ NS ns
		@ A 192.0.2.7
		ns A 192.0.2.7
	EOT
	for ((i = 0; i < 9; i++)); do
		echo "big TXT $i$long"
	done >> "$SKS_DIR/named/zone"
	cat > "$SKS_DIR/named/conf" <<-EOT
		options {
			directory "$SKS_DIR/named";
			pid-file none; session-keyfile none; lock-file none;
			recursion no; empty-zones-enable no; notify no; dnssec-validation no;
			listen-on port 5353 { any; };
			listen-on-v6 port 5353 { any; };
			max-udp-size 4096;
			rate-limit { responses-per-second 0; };
		};
		controls { };
		zone "example.com" { type primary; file "$SKS_DIR/named/zone"; };
	EOT
	chmod 777 "$SKS_DIR/named"
	start_steered dns "$1" named -g -c "$SKS_DIR/named/conf" -n 4 "${@:2}"
	wait_until 20 resolves 127.0.0.1 53
	wait_until 5 resolves ::1 53
}

@test "named, with four threads: two ports, long answers, truncation" {
	local_route 192.0.2.0/24 2001:db8::/64
	start_named "$DNS_PORTS"
	answers_of_all_kinds 127.0.0.1 53
	answers_of_all_kinds 127.0.0.1 77
	answers_of_all_kinds ::1 53
	answers_of_all_kinds ::1 77
	resolves 127.0.0.1 5353
	many_at_once 127.0.0.1 53 200
	many_at_once ::1 77 100
}

@test "named that becomes another user, and its prefixes" {
	local_route 192.0.2.0/24 2001:db8::/64
	start_named "5353=any:53,77;5353=any:53,77/udp" -u nobody
	answers_of_all_kinds 192.0.2.9 53
	answers_of_all_kinds 2001:db8::9 77
	many_at_once 192.0.2.44 77 50
}

# start_unbound SPEC: four threads, each with a socket of its own on each address.
start_unbound() {
	local long i
	need unbound dig
	printf -v long '%0200d' 0
	{
		cat <<-EOT
			server:
				directory: "$SKS_DIR"
				chroot: ""
				username: "${2:-}"
				pidfile: ""
				use-syslog: no
				do-daemonize: no
				port: 5353
				interface: 0.0.0.0
				interface: ::0
				interface-automatic: ${3:-no}
				access-control: 0.0.0.0/0 allow
				access-control: ::0/0 allow
				num-threads: 4
				so-reuseport: yes
				edns-buffer-size: 4096
				max-udp-size: 4096
				module-config: iterator
				local-zone: "example.com." static
				local-data: "example.com. A 192.0.2.7"
		EOT
		for ((i = 0; i < 9; i++)); do
			printf '\tlocal-data: "big.example.com. TXT %s"\n' "$i$long"
		done
		printf 'remote-control:\n\tcontrol-enable: no\n'
	} > "$SKS_DIR/unbound.conf"
	chmod 644 "$SKS_DIR/unbound.conf"
	start_steered dns "$1" unbound -d -c "$SKS_DIR/unbound.conf"
	wait_until 10 resolves 127.0.0.1 53
	wait_until 5 resolves ::1 53
}

@test "unbound, with four threads: two ports, prefixes, long answers, truncation; as another user" {
	local how
	local_route 192.0.2.0/24 2001:db8::/64
	for how in no yes; do
		start_unbound '53,77;53,77/udp' nobody "$how"
		answers_of_all_kinds 127.0.0.1 53
		answers_of_all_kinds 127.0.0.1 77
		answers_of_all_kinds ::1 53
		answers_of_all_kinds 192.0.2.9 53
		answers_of_all_kinds 2001:db8::9 77
		resolves 127.0.0.1 5353
		many_at_once 127.0.0.1 53 100
		many_at_once ::1 77 50
		kill_server dns
		wait_until 2 no_udp_sockets
	done
}

# --- ncat, nc, socat --------------------------------------------------------------------------------

# answered TEXT CMD...: a client, which takes answers from where it asks alone, gets back what it says.
answered() {
	# It is ended when it has the answer: of the three, only socat ends by itself.
	# shellcheck disable=SC2016 # expanded by the inner shell
	is "$(in_ns timeout --signal=KILL $((1 * SKS_SLOW)) bash -c '
		coproc client { exec "${@:2}"; }
		printf "%s\n" "$1" >&"${client[1]}" && IFS= read -r line <&"${client[0]}" && printf "%s\n" "$line"
		kill "$client_PID"' answered "$@")" "$1"
}

# speaks_alike ADDRESS PORT...: each client program gets back what it says there. It may have to say it
# again: such servers have answered a client before they open their next socket.
speaks_alike() {
	local address=$1 port
	shift
	for port in "$@"; do
		wait_until 5 answered "ncat $port" ncat -u "$address" "$port"
		wait_until 5 answered "nc $port" nc -u "$address" "$port"
		wait_until 5 answered "socat $port" socat - "UDP:$(sks_bracket "$address"):$port"
	done
}

@test "ncat -u -l -k --exec: a process for each client" {
	need ncat nc
	start_steered echo '7,77/udp' ncat -4ulke /bin/cat 127.0.0.1 7777
	wait_sockets 1
	speaks_alike 127.0.0.1 7 77 7777
	speaks_alike 127.0.0.1 7 77 7777
}

@test "ncat -u -l -k --exec: a client that asks at one port after the other, from one of its own" {
	local port
	need ncat nc
	start_steered echo '7,77/udp' ncat -4ulke /bin/cat 127.0.0.1 7777
	wait_sockets 1
	for port in 77 7777 7 77 7777; do
		wait_until 5 answered "$port" nc -u -p 40000 127.0.0.1 "$port"
	done
}

@test "ncat -u -l: it connects to the first client, and talks to that one alone" {
	need ncat
	start_steered echo '7,77/udp' ncat -4ule /bin/cat 127.0.0.1 7777
	wait_sockets 1
	right -n 50 -w 1 127.0.0.1#7
}

@test "nc -u -l, openbsd's: the same" {
	need nc
	mkfifo "$SKS_DIR/fifo"
	# shellcheck disable=SC2016 # expanded by the inner shell
	start_steered echo '7,77/udp' bash -c 'exec nc -u -l 127.0.0.1 7777 <> "$1" >&0' nc "$SKS_DIR/fifo"
	wait_sockets 1
	right -n 50 -w 1 127.0.0.1#77
}

@test "socat UDP-LISTEN: it connects to the first client" {
	start_steered echo '7,77/udp' socat UDP4-LISTEN:7777 PIPE
	wait_sockets 1
	right -n 50 -w 1 127.0.0.1#7
	echo_again() {
		start_steered echo '7,77/udp' socat UDP6-LISTEN:7777,ipv6-v6only=0 PIPE
		wait_sockets 1
	}
	kill_server echo
	echo_again
	right -n 50 -w 1 ::1#77
	kill_server echo
	echo_again
	right -n 50 -w 1 127.0.0.1#77
	kill_server echo
	echo_again
	right -n 50 -w 1 127.0.0.1#7777
}

@test "socat UDP-LISTEN,fork: a process, and a connected socket, for each client" {
	need ncat nc
	start_steered echo '7,77/udp' socat UDP4-LISTEN:7777,fork,reuseaddr PIPE
	wait_sockets 1
	speaks_alike 127.0.0.1 7 77 7777
	speaks_alike 127.0.0.1 7 77 7777
}

# serves_many CMD...: of an ordinary user, more clients at a time than he may register sockets.
serves_many() {
	local client
	start_server echo "${AS_NOBODY[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS='2007/udp' "$@"
	wait_sockets 1
	for ((client = 0; client < 80; client++)); do
		wait_until 5 answered "$client" nc -u 127.0.0.1 2007
	done
	wait_sockets 1
}

@test "socat UDP-LISTEN,fork, whose children connect: what they keep is not registered" {
	serves_many socat UDP4-LISTEN:7777,fork,reuseaddr PIPE
}

@test "ncat -u -l -k, which connects and forks then: what the children keep is not registered" {
	serves_many ncat -m 200 -4ulke /bin/cat 127.0.0.1 7777
}

@test "socat UDP6-LISTEN,fork, dual-stack" {
	need ncat nc
	start_steered echo '7,77/udp' socat UDP6-LISTEN:7777,fork,reuseaddr,ipv6-v6only=0 PIPE
	wait_sockets 1
	speaks_alike ::1 7 77 7777
	speaks_alike 127.0.0.1 7 77 7777
}

@test "socat UDP-RECVFROM,fork: a process for each datagram" {
	need ncat nc
	start_steered echo '7,77/udp' socat UDP4-RECVFROM:7777,fork PIPE
	wait_sockets 1
	speaks_alike 127.0.0.1 7 77 7777
	right -n 60 -k 4 127.0.0.1#{7,77,7777}
}

# --- python ---------------------------------------------------------------------------------------

@test "python's asyncio: answers that are given later, to a copy of the peer's address" {
	start_steered echo '7,77/udp' "$PYTHON" "$BATS_TEST_DIRNAME/udp_servers.py" by_asyncio
	wait_sockets 1
	right -n 60 127.0.0.1#{7,77,7777}
	right -n 60 ::1#{7,77,7777}
	right -n 600 -w 30 -k 30 127.0.0.1#7
	right -n 600 -w 30 -k 30 ::1#77
	right -n 60 -k 20 127.0.0.1#{7,77,7777}
}

@test "python's ThreadingUDPServer and ForkingUDPServer" {
	local how
	for how in by_threads by_forks; do
		start_steered echo '7,77/udp' "$PYTHON" "$BATS_TEST_DIRNAME/udp_servers.py" $how
		wait_sockets 1
		right -n 60 127.0.0.1#{7,77,7777}
		right -n 200 -w 20 -k 20 127.0.0.1#7
		right -n 200 -w 20 -k 20 -l 1400 127.0.0.1#77
		kill_server echo
		wait_sockets 0
	done
}

@test "python that spawns a program for each answer, whose children close what they do not know" {
	start_steered echo '7,77/udp' "$PYTHON" "$BATS_TEST_DIRNAME/udp_servers.py" by_spawning
	wait_sockets 1
	right -n 60 127.0.0.1#{7,77,7777}
	right -n 60 -k 4 127.0.0.1#{77,7,7777}
	# Each child has the server's memory until it executes: what it closes is still open here.
	before=$(fds echo)
	right -n 60 127.0.0.1#{7,77,7777}
	is "$(fds echo)" "$before"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests with real servers, unmodified, each spoken to in its own protocol through a steered
# port. nginx: servers_nginx.bats.
# shellcheck disable=SC2016 # what is in single quotes is for the server's own shell
# shellcheck disable=SC2030,SC2031 # bats makes each test a subshell, which run does not leave

load lib
load web

# Debian's, which every user can run; another may be in PATH.
PYTHON=/usr/bin/python3

setup() {
	sks_setup
	start_helper
}

teardown() {
	sks_teardown
}

# asks_alike ADDRESS PORT TEXT ANSWER
asks_alike() {
	is "$(ask "$1" "$2" "$3")" "$4"
}

# --- ncat, socat, python ---------------------------------------------------------------------------

@test "ncat --broker: clients of different ports meet" {
	need ncat
	start_steered broker 7,77 ncat -lk 7777 --broker
	wait_until 5 not refused 127.0.0.1 7
	wait_until 5 not refused ::1 77
	start_server listener ncat --recv-only 127.0.0.1 7
	start_server talker bash -c 'exec 9<> /dev/tcp/::1/77; while echo news >&9; do read -rt 0.05 <> <(:); done'
	wait_until 5 grep -q news "$SKS_DIR/listener.log"
}

@test "socat TCP-LISTEN,fork: the child finds itself on the port that was dialled" {
	start_steered socat 7,77 socat TCP4-LISTEN:7777,fork,reuseaddr \
		SYSTEM:'read -r word; echo "$word $SOCAT_SOCKPORT"'
	wait_until 5 asks_alike 127.0.0.1 7 you 'you 7'
	asks_alike 127.0.0.1 77 you 'you 77'
	asks_alike 127.0.0.1 7777 you 'you 7777'
	refused ::1 7
}

@test "socat TCP6-LISTEN, dual-stack" {
	start_steered socat 7 socat TCP6-LISTEN:7777,fork,ipv6-v6only=0 \
		SYSTEM:'read -r word; echo "$word $SOCAT_SOCKPORT"'
	wait_until 5 asks_alike ::1 7 you 'you 7'
	asks_alike 127.0.0.1 7 you 'you 7'
}

udp_answers() {
	is "$(ask_udp "$@")" "$3"
}

@test "socat UDP-RECVFROM,fork: datagrams for a steered port arrive, and are answered" {
	start_steered socat 53/udp socat UDP4-RECVFROM:5353,fork EXEC:cat
	wait_sockets 1
	wait_until 5 udp_answers 127.0.0.1 53 query
	udp_answers 127.0.0.1 53 again
	refused_udp 127.0.0.1 54
	kill_server socat
	wait_until 2 refused_udp 127.0.0.1 53
}

@test "socat UDP6-RECVFROM, dual-stack: both families" {
	start_steered socat 53/udp socat UDP6-RECVFROM:5353,fork,ipv6-v6only=0 EXEC:cat
	wait_sockets 1
	wait_until 5 udp_answers ::1 53 query
	udp_answers 127.0.0.1 53 query
}

@test "socat UDP-LISTEN,fork: connects the socket that was steered, and serves on" {
	start_steered socat 53/udp socat UDP4-LISTEN:5353,fork,reuseaddr EXEC:cat
	wait_sockets 1
	wait_until 5 udp_answers 127.0.0.1 53 query
	wait_until 5 udp_answers 127.0.0.1 53 again
}

# A document tree with a large file, served by the module; the arguments are the module's.
start_http() {
	mkdir "$SKS_DIR/www"
	head -c 8000000 /dev/urandom > "$SKS_DIR/www/large"
	echo small > "$SKS_DIR/www/small"
	start_steered http 80,8000-8003 "$PYTHON" -m http.server --directory "$SKS_DIR/www" "$@"
}

@test "python3 -m http.server: files, and the client's own address in its log" {
	need curl
	add_ns away
	veth main 192.0.2.1/24 away 192.0.2.2/24
	start_http --bind 0.0.0.0 7777
	wait_until 5 get 127.0.0.1 80 small
	is "$(get 127.0.0.1 8003 small)" small
	get 127.0.0.1 80 large | cmp - "$SKS_DIR/www/large"
	NS=away get 192.0.2.1 8000 large | cmp - "$SKS_DIR/www/large"
	has "$(log_of http)" '192.0.2.2 - - ['
	refused 127.0.0.1 8004
	refused ::1 80
}

@test "python3 -m http.server --bind ::, dual-stack: both families on one socket" {
	need curl
	start_http --bind :: 7777
	wait_until 5 get ::1 80 small
	get 127.0.0.1 80 large | cmp - "$SKS_DIR/www/large"
	get ::1 8000 large | cmp - "$SKS_DIR/www/large"
	has "$(log_of http)" '::ffff:127.0.0.1 - - ['
	wait_sockets 1
}

# --- redis, haproxy ---------------------------------------------------------------------------------

redis() {
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) redis-cli -e "$@"
}

redis_pongs() {
	is "$(redis -h "$1" -p "$2" PING)" PONG
}

@test "redis-server: PING, and one key space behind every port" {
	need redis-server redis-cli
	start_steered redis 7,6400-6402 redis-server --port 6379 --bind '*' '-::*' \
		--protected-mode no --save '' --dir "$SKS_DIR"
	wait_until 5 redis_pongs 127.0.0.1 7
	wait_until 5 redis_pongs ::1 6402
	is "$(redis -h 127.0.0.1 -p 6400 SET key value)" OK
	is "$(redis -h ::1 -p 6401 GET key)" value
	redis_pongs 127.0.0.1 6379
}

# haproxy_conf WORD
haproxy_conf() {
	cat > "$SKS_DIR/haproxy.cfg" <<-EOT
		defaults
			timeout connect 2s
			timeout client 10s
			timeout server 10s
		frontend web
			mode http
			bind 0.0.0.0:8080
			bind :::8080 v6only
			http-request return status 200 content-type text/plain lf-string "$1 %[dst_port] %[src]\n"
		frontend relay
			mode tcp
			bind 0.0.0.0:7000
			default_backend echo
		backend echo
			mode tcp
			server echo 127.0.0.1:7777
	EOT
}

@test "haproxy: an HTTP and a TCP frontend, each with its ports" {
	need haproxy curl ncat
	haproxy_conf web
	start_server echo ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7777
	start_steered haproxy '8080=80,8000;7000=7,77' haproxy -db -f "$SKS_DIR/haproxy.cfg"
	wait_answer 127.0.0.1 7
	wait_until 5 gets ::1 80 'web 80 ::1'
	gets 127.0.0.1 80 'web 80 127.0.0.1'
	gets 127.0.0.1 8000 'web 8000 127.0.0.1'
	answers 127.0.0.1 77
	answers 127.0.0.1 7000
	refused ::1 7
}

@test "haproxy -W: its master executes itself anew, and nothing is refused meanwhile" {
	need haproxy curl ncat
	haproxy_conf before
	start_server haproxy "$RUN" --socket "$SOCKET" -p '8080=80,8000;7000=7' \
		haproxy -W -db -f "$SKS_DIR/haproxy.cfg"
	wait_until 5 gets 127.0.0.1 80 'before 80 127.0.0.1'
	start_load 80
	wait_until 20 requests_are 10
	haproxy_conf after
	kill -USR2 "$(pid_of haproxy)"
	wait_until 5 gets 127.0.0.1 80 'after 80 127.0.0.1'
	wait_until 5 gets ::1 8000 'after 8000 ::1'
	wait_until 20 requests_are 60
	end_load
}

# --- what nobody thought of when it was written ------------------------------------------------------

@test "git daemon: a repository is read through its ports, on both families" {
	local first
	need git
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	git init -q "$SKS_DIR/repo"
	git -C "$SKS_DIR/repo" -c user.name=us -c user.email=us@example.net \
		commit -q --allow-empty -m first
	first=$(git -C "$SKS_DIR/repo" rev-parse HEAD)
	start_steered git 7,77 git daemon --base-path="$SKS_DIR" --export-all --port=7777
	wait_until 5 in_ns git ls-remote git://127.0.0.1:7/repo
	wait_until 5 in_ns git ls-remote "git://[::1]:7/repo"
	has "$(in_ns git ls-remote git://127.0.0.1:77/repo)" "$first"
	in_ns git clone -q "git://[::1]:77/repo" "$SKS_DIR/clone"
	is "$(git -C "$SKS_DIR/clone" rev-parse HEAD)" "$first"
	refused 127.0.0.1 78
}

# resolve tcp|udp ADDRESS: asks for the address of test.example on port 53, and prints it.
resolve() {
	in_ns "$PYTHON" -c '
import socket, struct, sys
kind, address = sys.argv[1:]
query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\4test\7example\0" + struct.pack(">2H", 1, 1)
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as sock:
    sock.settimeout(2)
    if kind == "tcp":
        sock.connect((address, 53))
        sock.sendall(struct.pack(">H", len(query)) + query)
        answer = sock.recv(512)[2:]
    else:
        sock.sendto(query, (address, 53))
        answer = sock.recv(512)
assert answer[:2] == query[:2]
print(socket.inet_ntoa(answer[-4:]))' "$@"
}

resolves() {
	is "$(resolve "$@")" 192.0.2.7
}

@test "dnsmasq: a name server on port 53, by TCP and UDP, on both families" {
	local address
	need dnsmasq
	start_steered dns '53;53/udp' dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= \
		--no-resolv --no-hosts --port=5353 --bind-interfaces --listen-address=127.0.0.1,::1 \
		--user=root --log-facility=- --address=/test.example/192.0.2.7
	for address in 127.0.0.1 ::1; do
		wait_until 5 resolves tcp "$address"
		wait_until 5 resolves udp "$address"
	done
	wait_sockets 4
	# It listens on the loopback only, and so do its steered ports.
	refused 127.0.0.2 53
	refused_udp 127.0.0.2 53
	kill_server dns
	wait_until 2 refused 127.0.0.1 53
	wait_until 2 refused_udp ::1 53
}

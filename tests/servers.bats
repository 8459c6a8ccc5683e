#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests with real servers, unmodified, each spoken to in its own protocol through a steered
# port; and with servers.py, for the ways in which processes and threads share a listener.
# shellcheck disable=SC2016 # what is in single quotes is for the server's own shell
# shellcheck disable=SC2030,SC2031 # bats makes each test a subshell, which run does not leave

load lib

# Debian's, which every user can run; another may be in PATH.
PYTHON=/usr/bin/python3

setup() {
	sks_setup
	start_helper
}

teardown() {
	sks_teardown
}

# get ADDRESS PORT [PATH]: by HTTP.
get() {
	in_ns curl --silent --show-error --noproxy '*' --max-time $((5 * SKS_SLOW)) \
		"http://$(sks_bracket "$1"):$2/${3:-}"
}

# asks_alike ADDRESS PORT TEXT ANSWER
asks_alike() {
	is "$(ask "$1" "$2" "$3")" "$4"
}

gets() {
	is "$(get "$1" "$2")" "$3"
}

# --- ncat, socat, python ---------------------------------------------------------------------------

@test "ncat --broker: clients of different ports meet" {
	need ncat
	start_steered broker 7,77 ncat -lk 7777 --broker
	wait_until 5 not refused 127.0.0.1 7
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
	wait_until 5 udp_answers ::1 53 query
	udp_answers 127.0.0.1 53 query
}

@test "socat UDP-LISTEN,fork: connects the socket that was steered, and serves on" {
	start_steered socat 53/udp socat UDP4-LISTEN:5353,fork,reuseaddr EXEC:cat
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

# --- nginx -------------------------------------------------------------------------------------------

NGINX_SPEC='8080=80,8000-8003;8443=443;8081=81'

# nginx_conf FILE SERVER...: each argument is the inside of a server block.
nginx_conf() {
	local file=$1 server
	shift
	mkdir -p "$SKS_DIR/nginx"
	cat > "$SKS_DIR/nginx/$file" <<-EOT
		daemon off;
		user nobody nogroup;
		worker_processes 2;
		pid $SKS_DIR/nginx/$file.pid;
		error_log stderr;
		events { worker_connections 128; }
		http {
			access_log off;
			client_body_temp_path $SKS_DIR/nginx/body;
			proxy_temp_path $SKS_DIR/nginx/proxy;
			fastcgi_temp_path $SKS_DIR/nginx/fastcgi;
			uwsgi_temp_path $SKS_DIR/nginx/uwsgi;
			scgi_temp_path $SKS_DIR/nginx/scgi;
	EOT
	for server in "$@"; do
		echo "server { $server }"
	done >> "$SKS_DIR/nginx/$file"
	echo '}' >> "$SKS_DIR/nginx/$file"
}

# nginx_server PORT WORD: both families; it answers WORD and the port that was dialled.
nginx_server() {
	printf '%s' "listen $1; listen [::]:$1; return 200 '$2 \$server_port\n';"
}

# nginx_words [ARGUMENT...]: the command, in $NGINX, with nothing of the machine's own.
nginx_words() {
	NGINX=(nginx -e stderr -p "$SKS_DIR/nginx" -c "$SKS_DIR/nginx/conf" "$@")
}

start_nginx() {
	local NGINX
	need nginx curl
	nginx_words
	start_steered nginx "$NGINX_SPEC" "${NGINX[@]}"
	wait_until 5 get 127.0.0.1 80
	wait_until 5 get ::1 443
}

reload_nginx() {
	nginx_conf conf "$@"
	kill -HUP "$(pid_of nginx)"
}

@test "nginx: two server blocks, each with the ports of its own listener" {
	local address port
	nginx_conf conf "$(nginx_server 8080 plain)" "$(nginx_server 8443 other)"
	start_nginx
	for address in 127.0.0.1 ::1; do
		for port in 80 8000 8001 8002 8003 8080; do
			gets "$address" "$port" "plain $port"
		done
		for port in 443 8443; do
			gets "$address" "$port" "other $port"
		done
		refused "$address" 8004
		refused "$address" 81
	done
}

# Each worker of reuseport has its own sockets; $pid is the worker's.
worker_conf() {
	nginx_conf conf "listen 8080 reuseport; return 200 '\$pid\n';" \
		"$(nginx_server 8443 other)"
}

# worker_pids N PORTS: who answers, of N requests to each port, each on a connection of its own.
# Fails when a single one does.
worker_pids() {
	in_ns curl --silent --fail-early --noproxy '*' --max-time $((5 * SKS_SLOW)) \
		--header 'Connection: close' "http://127.0.0.1:$2/?[1-$1]"
}

two_workers_answer() {
	local answers
	answers=$(worker_pids 24 80)
	is "$(wc -l <<< "$answers")" 24
	is "$(sort -u <<< "$answers" | wc -l)" 2
}

@test "nginx, reuseport: two workers share the steered ports, and one may die" {
	local victim
	worker_conf
	start_nginx
	two_workers_answer
	victim=$(get 127.0.0.1 80)
	kill -KILL "$victim"
	is "$(worker_pids 10 '[8000-8003]' | wc -l)" 40
	two_workers_answer
	wait_until 2 not test -e "/proc/$victim"
}

# Requests without a pause, in the background; each that fails leaves a line in load.log.
start_load() {
	start_server load bash -c 'while sleep 0.001; do
		curl --silent --show-error --noproxy "*" --max-time 5 --output /dev/null \
			--write-out "%{http_code}\n" "http://127.0.0.1:$1/" || :; done' load "$1"
}

requests_are() {
	(($(grep -c ^200 "$SKS_DIR/load.log") >= $1))
}

@test "nginx, reload: nothing is refused meanwhile; listeners come and go by the same spec" {
	nginx_conf conf "$(nginx_server 8080 plain)" "$(nginx_server 8443 other)"
	start_nginx
	start_load 80
	wait_until 5 requests_are 10
	refused 127.0.0.1 81
	reload_nginx "$(nginx_server 8080 changed)" "$(nginx_server 8443 other)" \
		"$(nginx_server 8081 third)"
	wait_until 5 gets 127.0.0.1 80 'changed 80'
	wait_until 5 gets ::1 81 'third 81'
	gets 127.0.0.1 81 'third 81'
	reload_nginx "$(nginx_server 8080 again)" "$(nginx_server 8081 third)"
	wait_until 5 gets 127.0.0.1 80 'again 80'
	wait_until 5 refused 127.0.0.1 443
	wait_until 5 refused ::1 443
	reload_nginx "$(nginx_server 8080 again)" "$(nginx_server 8443 back)"
	wait_until 5 gets 127.0.0.1 443 'back 443'
	gets ::1 443 'back 443'
	wait_until 5 requests_are 60
	kill_server load
	is "$(grep -vc ^200 "$SKS_DIR/load.log")" 0
}

services() {
	status_jq '[.services[] | [.label, [.sockets[].cookie], .bindings]]'
}

# tests_nginx OPTION...: nginx -t of another installation, which binds and listens and wants the
# same ports as the first one has.
tests_nginx() {
	local NGINX
	nginx_conf other "$(nginx_server 9080 stranger)" "$(nginx_server 9443 stranger)"
	nginx_words -t -c "$SKS_DIR/nginx/other"
	run in_ns "$RUN" --socket "$SOCKET" -p '9080=80,8000-8003;9443=443' "$@" "${NGINX[@]}"
	is "$status" 0
	has "$output" 'test is successful'
}

@test "nginx -t of a second instance takes nothing" {
	local before
	nginx_conf conf "$(nginx_server 8080 plain)" "$(nginx_server 8443 other)"
	start_nginx
	before=$(services)
	start_load 80
	wait_until 5 requests_are 10
	tests_nginx
	has "$output" "is steered to \"@nginx-$(pid_of nginx)\" already"
	requests_are 10
	wait_until 5 requests_are 20
	kill_server load
	is "$(grep -vc ^200 "$SKS_DIR/load.log")" 0
	gets ::1 443 'other 443'
	is "$(services)" "$before"
}

@test "nginx -t of a second instance takes nothing, though it has the same label" {
	local before NGINX
	need nginx curl
	nginx_conf conf "$(nginx_server 8080 plain)" "$(nginx_server 8443 other)"
	nginx_words
	start_server nginx "$RUN" --socket "$SOCKET" -l web -p "$NGINX_SPEC" "${NGINX[@]}"
	wait_until 5 gets 127.0.0.1 80 'plain 80'
	wait_until 5 gets ::1 443 'other 443'
	before=$(services)
	tests_nginx -l web
	has "$output" "label \"web\" is served by another instance (process $(pid_of nginx))"
	gets 127.0.0.1 80 'plain 80'
	gets ::1 443 'other 443'
	is "$(services)" "$before"
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
	wait_until 5 requests_are 10
	haproxy_conf after
	kill -USR2 "$(pid_of haproxy)"
	wait_until 5 gets 127.0.0.1 80 'after 80 127.0.0.1'
	wait_until 5 gets ::1 8000 'after 8000 ::1'
	wait_until 5 requests_are 60
	kill_server load
	is "$(grep -vc ^200 "$SKS_DIR/load.log")" 0
}

# --- ways to share a listener ------------------------------------------------------------------------

start_workers() {
	start_steered workers "$1" "$PYTHON" "$BATS_TEST_DIRNAME/servers.py" "$2"
	wait_until 5 ask 127.0.0.1 7
	wait_until 5 ask ::1 7
}

# ask_at_once N PORT: holds N connections open at the same time, and prints who answers each.
ask_at_once() {
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) bash -c '
		for ((i = 0; i < $1; i++)); do
			exec {fd}<> "/dev/tcp/127.0.0.1/$2" && fds+=($fd) && echo hello >&"$fd" || exit
		done
		for fd in "${fds[@]}"; do
			read -r who port word <&"$fd" && [[ $port == "$2" && $word == hello ]] || exit
			echo "$who"
		done' ask "$@"
}

# ask_in_turn N ADDRESS PORT: asks N times, and prints which process answered each.
ask_in_turn() {
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) bash -c '
		for ((i = 0; i < $1; i++)); do
			{ echo hello >&9 && read -r who port word <&9; } 9<> "/dev/tcp/$2/$3" || exit
			[[ $port == "$3" && $word == hello ]] || exit
			echo "${who%.*}"
		done' ask "$@"
}

# Leaves in $WHO the processes of which one or another has answered.
# shellcheck disable=SC2207 # a list of numbers
ask_who() {
	local answers
	answers=$(ask_in_turn "$@")
	WHO=($(sort -u <<< "$answers"))
}

@test "prefork: three processes accept from one steered socket" {
	start_workers 7,77 prefork
	is "$(ask_at_once 3 77 | sort -u | wc -l)" 3
	is "$(ask_at_once 3 77 | cut -d. -f1 | sort -u | wc -l)" 3
	wait_sockets 1
	# One of them is killed: the socket is still there.
	kill -KILL "$(ask_at_once 1 7 | cut -d. -f1)"
	is "$(ask_at_once 2 77 | sort -u | wc -l)" 2
	# So is it when the process that bound it is gone.
	kill_server workers
	is "$(ask_at_once 2 77 | sort -u | wc -l)" 2
}

@test "listen in a child of the process that bound" {
	local who
	start_workers 7,77 child_listens
	who=$(ask_at_once 1 77 | cut -d. -f1)
	isnt "$who" "$(pid_of workers)"
	is "$(status_jq '.services[].sockets[].state')" listening
	wait_sockets 1
}

@test "threads: three of one process accept from one steered socket" {
	start_workers 7,77 threads
	is "$(ask_at_once 3 77 | sort -u | wc -l)" 3
	is "$(ask_at_once 3 7 | cut -d. -f1 | sort -u)" "$(pid_of workers)"
	wait_sockets 1
}

@test "threads that each bind and listen at the same moment" {
	local i clauses=()
	for i in {0..7}; do
		clauses+=("$((7777 + i))=$((7 + i))")
	done
	start_workers "$(IFS=';' && echo "${clauses[*]}")" binding_threads
	for i in {0..7}; do
		wait_until 5 ask 127.0.0.1 "$((7 + i))"
		has "$(ask ::1 "$((7 + i))" you)" " $((7 + i)) you"
	done
	wait_sockets 8
	is "$(log_of workers)" ''
}

@test "listen twice, the second time with a longer backlog" {
	start_workers 7,77 listen_twice
	has "$(ask 127.0.0.1 77 you)" ' 77 you'
	is "$(in_ns ss -Htln | awk '{ print $3 }')" 64
	wait_sockets 1
	is "$(log_of workers)" ''
}

@test "SO_REUSEPORT: three processes each bind, share the steered ports, and one may die" {
	local WHO
	start_workers 7,77 reuse_port
	wait_sockets 3
	ask_who 30 127.0.0.1 77
	is "${#WHO[@]}" 3
	kill -KILL "${WHO[0]}"
	wait_sockets 2
	ask_who 30 ::1 77
	is "${#WHO[@]}" 2
	kill -KILL "${WHO[0]}"
	wait_sockets 1
	ask_who 10 127.0.0.1 7
	is "${#WHO[@]}" 1
	kill -KILL "${WHO[0]}"
	wait_until 2 refused 127.0.0.1 77
	wait_until 2 refused ::1 7
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

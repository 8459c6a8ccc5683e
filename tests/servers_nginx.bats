#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests with nginx, unmodified, on steered ports: its server blocks, its workers, its reload,
# and a second instance that only reads a configuration.
# shellcheck disable=SC2030,SC2031 # bats makes each test a subshell, which run does not leave

load lib
load web

setup() {
	sks_setup
	start_helper
}

teardown() {
	sks_teardown
}

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
			$(nginx_paths "$SKS_DIR/nginx")
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

@test "nginx, reload: nothing is refused meanwhile; listeners come and go by the same spec" {
	nginx_conf conf "$(nginx_server 8080 plain)" "$(nginx_server 8443 other)"
	start_nginx
	start_load 80
	wait_until 20 requests_are 10
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
	wait_until 20 requests_are 60
	end_load
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
	wait_until 20 requests_are 10
	tests_nginx
	has "$output" "is steered to \"@nginx-$(pid_of nginx)\" already"
	requests_are 10
	wait_until 20 requests_are 20
	end_load
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

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of `sksteerctl metrics`: text that Prometheus' own parser takes, and what is in it; the
# answer to a scrape; the dashboard.
# shellcheck disable=SC2016 # what is in single quotes is jq's
# shellcheck disable=SC2154 # bats sets $stderr

bats_require_minimum_version 1.5.0
load acts

PARSE=("$BATS_TEST_DIRNAME/metrics.py")

setup() {
	sks_setup
	need jq curl /usr/bin/python3
	/usr/bin/python3 -c 'import prometheus_client' || fail 'python3-prometheus-client is not installed'
	cp "$BATS_TEST_DIRNAME/acts.py" "$PROGS"
}

# samples [ARGUMENT...]: of `metrics`, as metrics.py prints them.
samples() {
	ctl metrics "$@" | /usr/bin/python3 "${PARSE[@]}"
}

# value SAMPLE...: of these, of a service "mix" of root here; "-" where one is not there.
value() {
	local text sample words
	text=$(samples "${WHERE[@]}")
	for sample; do
		read -ra words <<< "$sample"
		sample="${words[0]} family=${words[1]} netns=$(ns_ino) protocol=${words[2]} "
		sample+="${words[3]:+${words[3]} }service=mix uid=0 "
		grep -F "$sample" <<< "$text" | sed 's/.* //' | grep . || echo -
	done | xargs
}
WHERE=()

mixed() {
	act mix SKSTEER_LABEL=mix SKSTEER_PORTS='any:53/udp;any:53,60-70;192.0.2.0/24:80'
	does mix 'open u4 udp 0.0.0.0 5353' 'open t tcp :: 5353'
}

# bats test_tags=sanitize
@test "metrics: every family has a type, a unit where it has one, and a help; the parser takes it" {
	start_helper
	mixed
	is "$(ctl metrics | tail -n 1)" '# EOF'
	is "$(ctl metrics | /usr/bin/python3 "${PARSE[@]}" families)" 'sksteer_build info
sksteer_steered counter
sksteer_refused counter
sksteer_errors counter
sksteer_sockets gauge
sksteer_bindings gauge
sksteer_helper_up gauge
sksteer_helper_registrations counter
sksteer_helper_denials counter
sksteer_helper_events_lost counter
sksteer_helper_uptime_seconds gauge seconds
sksteer_helper_build info'
	has "$(samples)" "sksteer_build_info layout=6 version=$(sed -n 's/^Version: //p' \
		"$SKS_ROOT/packaging/sksteer.pc.in") wire=3 1"
}

# bats test_tags=sanitize
@test "metrics: connections by their family and protocol, sockets by theirs, errors by reason" {
	start_helper
	mixed
	gets 127.0.0.1 53 t
	gets 127.0.0.1 61 t
	gets ::1 53 t
	gets_udp 127.0.0.1 53 u4
	does mix 'connect u4 127.0.0.1 9'
	refused_udp 127.0.0.1 53
	for all in '' --all; do
		WHERE=(${all:+"$all"})
		is "$(value 'sksteer_steered_total ipv4 tcp' 'sksteer_steered_total ipv6 tcp' \
			'sksteer_steered_total ipv4 udp' 'sksteer_steered_total ipv6 udp')" '2 1 1 0'
		is "$(value 'sksteer_errors_total ipv4 udp reason=not_receiving' \
			'sksteer_errors_total ipv4 udp reason=another_program' \
			'sksteer_errors_total ipv4 udp reason=other' \
			'sksteer_errors_total ipv4 tcp reason=not_receiving')" '1 0 0 0'
		is "$(value 'sksteer_sockets dual tcp' 'sksteer_sockets ipv4 tcp' \
			'sksteer_sockets ipv4 udp' 'sksteer_sockets ipv6 udp')" '1 0 1 0'
		is "$(value 'sksteer_bindings ipv4 tcp' 'sksteer_bindings ipv6 tcp' \
			'sksteer_bindings ipv4 udp')" '3 2 1'
	done
	kill_server mix
	refused 127.0.0.1 53
	WHERE=()
	is "$(value 'sksteer_refused_total ipv4 tcp' 'sksteer_sockets dual tcp' \
		'sksteer_steered_total ipv4 tcp')" '1 0 2'
	has "$(samples)" 'sksteer_helper_registrations_total 2'
}

@test "metrics: what is refused is a denial, and the helper's numbers are root's and its group's" {
	start_helper
	AS=nobody act low SKSTEER_PORTS=any:80
	tell low 'open t tcp 0.0.0.0 8080'
	has "$(samples)" 'sksteer_helper_denials_total 1'
	has "$(samples)" 'sksteer_helper_registrations_total 0'
	said=$(SKSTEER_SOCKET=$SOCKET as_user "$CTL" metrics | /usr/bin/python3 "${PARSE[@]}")
	has "$said" 'sksteer_helper_up 1'
	has_not "$said" denials
}

@test "metrics: while the helper is down, the services are there, and it is said that it is down" {
	start_helper
	mixed
	gets 127.0.0.1 53 t
	kill_helper
	is "$(value 'sksteer_steered_total ipv4 tcp' 'sksteer_sockets dual tcp')" '1 1'
	gets 127.0.0.1 53 t
	is "$(value 'sksteer_steered_total ipv4 tcp')" 2
	has "$(samples)" 'sksteer_helper_up 0'
	has_not "$(samples)" sksteer_helper_uptime
	# Who can't read the pins learns that much.
	run --separate-stderr as_user "$CTL" --socket "$SOCKET" metrics --all
	is "$status" 1
	has "$(/usr/bin/python3 "${PARSE[@]}" <<< "$output")" 'sksteer_helper_up 0'
	has "$stderr" "no helper at $SOCKET"
}

# a helper of a group of its own, whose are the pins, too.
start_grouped() {
	printf '#!/bin/sh\nexec setpriv --regid %s --clear-groups "%s" "$@"\n' "$1" "$HELPER" \
		> "$PROGS/grouped"
	chmod 755 "$PROGS/grouped"
	HELPER=$PROGS/grouped start_helper
}

@test "metrics: users see their own services, and the helper's group those of all namespaces" {
	local as=(setpriv --reuid 65533 --regid 65533 --groups 4242 --) each mode text
	start_grouped 4242
	mixed
	AS=nobody serve other any:8000 SKSTEER_LABEL=other 0.0.0.0#7776
	add_ns there
	NS=there serve far any:9000 SKSTEER_LABEL=far 0.0.0.0#7775
	text=$(SKSTEER_SOCKET=$SOCKET as_user "$CTL" metrics | /usr/bin/python3 "${PARSE[@]}")
	has "$text" 'service=other uid=65534'
	has_not "$text" service=mix
	run as_user "$CTL" --socket "$SOCKET" metrics --all
	has "$output" 'root and the helper'
	# Whether or not it sees the directory: the kernel maps no memory for who may only read.
	for mode in 700 711; do
		in_ns chmod "$mode" /sys/fs/bpf
		text=$(SKSTEER_SOCKET=$SOCKET in_ns "${as[@]}" "$CTL" metrics --all |
			/usr/bin/python3 "${PARSE[@]}")
		for each in service=mix service=other service=far "netns=$(ns_ino there)" \
			denials_total 'helper_up 1'; do
			has "$text" "$each"
		done
	done
	is "$(SKSTEER_SOCKET=$SOCKET in_ns "${as[@]}" "$CTL" status --all --json |
		jq -r '[.namespaces[].services[].label] | sort | join(" ")')" 'far mix other'
	kill_helper
	run --separate-stderr in_ns "${as[@]}" "$CTL" --socket "$SOCKET" metrics --all
	is "$status" 1
	has "$stderr" 'only root reads the pins'
	has "$output" 'sksteer_helper_up 0'
}

@test "metrics: a member of group 0 is nobody special" {
	start_helper
	mixed
	run in_ns setpriv --reuid 65533 --regid 0 --clear-groups -- "$CTL" --socket "$SOCKET" metrics --all
	is "$status" 1
	has_not "$output" mix
}

# never_less: until the file is there, the sum of what is steered and refused only grows. A byte in
# $SKS_DIR/looks for each look.
never_less() {
	local last=0 now
	while [[ ! -e $SKS_DIR/stop ]]; do
		now=$(ctl metrics | awk '/^sksteer_(steered|refused)_total.*service="mix"/ { sum += $2 }
			END { print sum + 0 }')
		((now >= last)) || fail "from $last to $now" || return
		last=$now
		printf . >> "$SKS_DIR/looks"
	done
}

has_looked() {
	(($(stat -c %s "$SKS_DIR/looks") >= $1))
}

@test "metrics: nothing goes backwards while servers come and go at other ports, and the maps grow" {
	local i watcher
	start_helper
	serve mix any:7,8 SKSTEER_LABEL=mix 0.0.0.0#7001
	storm_away 127.0.0.1 7 &
	STORM=$!
	: > "$SKS_DIR/looks"
	never_less > "$SKS_DIR/never.log" 2>&1 3>&- &
	watcher=$!
	for i in {2..40}; do
		# Twenty looks at least, however slow they are beside all this.
		((i % 2)) || wait_until 5 has_looked $((i / 2))
		kill_server mix
		serve mix any:7,8 SKSTEER_LABEL=mix 0.0.0.0#$((7000 + i))
		ctl bind "other$i" "127.0.0.9:$((30000 + i * 10))-$((30005 + i * 10))"
	done
	touch "$SKS_DIR/stop"
	wait "$watcher" || fail "$(cat "$SKS_DIR/never.log")"
	kill "$STORM" 2> /dev/null || :
	wait "$STORM" || :
	# As many as were asked for are counted.
	gets 127.0.0.1 7 mix
}

# storm_away ADDRESS PORT: connects all the time, and does not mind what comes of it.
storm_away() {
	in_ns setpriv --pdeathsig KILL /usr/bin/python3 -c '
import socket, sys
while True:
    s = socket.socket()
    try:
        s.connect((sys.argv[1], int(sys.argv[2])))
    except OSError:
        pass
    s.close()' "$1" "$2" < /dev/null > /dev/null 2>&1 3>&-
}

@test "metrics: what a program at the helper's socket calls a service is escaped" {
	cat > "$SKS_DIR/liar.py" <<- 'EOT'
		import fcntl, json, os, socket, struct, sys
		names = ['a"b\\c\nd\u00e9', '@x" 1']
		services = [{"label": name, "owner": {"uid": 0}, "sockets":
		             [{"family": "ipv4", "protocol": "tcp"}]} for name in names]
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		listener.bind(sys.argv[1] + ".new")
		listener.listen()
		os.rename(sys.argv[1] + ".new", sys.argv[1])
		while True:
		    conn = listener.accept()[0]
		    conn.send(struct.pack("=H6x", 3))
		    op = struct.unpack_from("=HH", conn.recv(1 << 16))[1]
		    fds = []
		    if op == 4:
		        fds = [os.memfd_create("x", os.MFD_ALLOW_SEALING)]
		        os.write(fds[0], json.dumps({"namespace": 7, "services": services}).encode())
		        fcntl.fcntl(fds[0], 1033, 0xF)
		    text = b"" if fds else json.dumps({"version": 'x"\\', "uptime": 1.5}).encode()
		    socket.send_fds(conn, [struct.pack("=HHiHHIQ464s", 3, 0, 0, 0, 0, 0, 0, text)], fds)
	EOT
	start_server liar /usr/bin/python3 "$SKS_DIR/liar.py" "$SOCKET"
	wait_until 5 test -S "$SOCKET"
	said=$(ctl metrics --bpffs "$SKS_DIR/none" | /usr/bin/python3 "${PARSE[@]}")
	has "$said" 'sksteer_sockets family=ipv4 netns=7 protocol=tcp service=a"b\c?d?? uid=0 1'
	has "$said" 'sksteer_sockets family=ipv4 netns=7 protocol=tcp service=@x" 1 uid=0 1'
	has "$said" 'version=x"\ '
	has "$said" 'sksteer_helper_uptime_seconds 1.5'
}

# --- a scrape ------------------------------------------------------------------------------------

# unit NAME: packaging's, with @SBINDIR@ filled in.
unit() {
	sed "s|@SBINDIR@|$PROGS|" "$SKS_ROOT/packaging/$1"
}

# scraped: what the units make of socket and service, without the hardening: Accept=yes, and the
# connection on standard input.
scraped() {
	local command
	command=$(unit sksteer-metrics@.service.in | sed -n 's/^ExecStart=//p')
	PORT=$(unit sksteer-metrics.socket | sed -n 's/^ListenStream=127\.0\.0\.1://p')
	is "$PORT" 9810
	# shellcheck disable=SC2086 # words
	start_server scrape env SKSTEER_SOCKET="$SOCKET" systemd-socket-activate --accept --inetd \
		-E SKSTEER_SOCKET -l "127.0.0.1:$PORT" $command
	wait_port "$PORT"
	URL=http://127.0.0.1:$PORT
}

get() {
	in_ns curl --silent --show-error --max-time 20 "$@"
}

@test "scrape: by curl and the units' command, as OpenMetrics" {
	local head
	need systemd-socket-activate
	start_helper
	mixed
	gets 127.0.0.1 53 t
	scraped
	head=$(get -D - -o "$SKS_DIR/body" "$URL/metrics" | tr -d '\r')
	is "$(head -n 1 <<< "$head")" 'HTTP/1.1 200 OK'
	has "$head" 'Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8'
	has "$head" "Content-Length: $(stat -c %s "$SKS_DIR/body")"
	has "$(/usr/bin/python3 "${PARSE[@]}" < "$SKS_DIR/body")" 'sksteer_steered_total family=ipv4'
	is "$(get --http1.0 -o /dev/null -w '%{http_code}' "$URL/metrics?from=here")" 200
	head=$(get -I "$URL/metrics" | tr -d '\r')
	has "$head" 'Content-Length: '
	is "$(head -n 1 <<< "$head")" 'HTTP/1.1 200 OK'
	for each in 404:/ 404:/metrics/ 404:/metricsx; do
		is "$(get -o /dev/null -w '%{http_code}' "$URL${each#*:}")" "${each%%:*}"
	done
	head=$(get -D - -o /dev/null -X POST -d x=1 "$URL/metrics" | tr -d '\r')
	is "$(head -n 1 <<< "$head")" 'HTTP/1.1 405 Method Not Allowed'
	has "$head" 'Allow: GET, HEAD'
	is "$(get -o /dev/null -w '%{http_code}' -H "X: $(printf '%09000d' 1)" "$URL/metrics")" 431
	kill_helper
	has "$(get "$URL/metrics")" 'sksteer_helper_up 0'
}

# says_http BYTES STATUS: what is answered to these, given to --http as they are.
says_http() {
	local said
	said=$(printf '%b' "$1" | SKSTEER_SOCKET=$SOCKET in_ns timeout 20 socat -t 20 - \
		EXEC:"$CTL metrics --http",socktype=1 | tr -d '\r' | head -n 1)
	is "$1: $said" "$1: $2"
}

# bats test_tags=sanitize
@test "scrape: what is no request is answered so, or not at all, and soon" {
	start_helper
	says_http 'GET /metrics HTTP/1.0\r\n\r\n' 'HTTP/1.1 200 OK'
	says_http 'GET /metrics HTTP/1.1\r\nHOST: x\r\n\r\n' 'HTTP/1.1 200 OK'
	says_http 'GET /metrics HTTP/1.1\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	# What follows a request is no part of it: the next one, a body.
	says_http 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n' 'HTTP/1.1 200 OK'
	says_http 'GET /metrics HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\na\0' 'HTTP/1.1 200 OK'
	says_http 'GET http://127.0.0.1:9810/metrics HTTP/1.1\r\nHost: x\r\n\r\n' 'HTTP/1.1 200 OK'
	says_http 'GET http://127.0.0.1:9810 HTTP/1.1\r\nHost: x\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET /metrics\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET  /metrics HTTP/1.0\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET metrics HTTP/1.0\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET /metrics HTTP/1.0 x\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET /met\0rics HTTP/1.0\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http '\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET /metrics SMTP/1.0\r\n\r\n' 'HTTP/1.1 400 Bad Request'
	says_http 'GET /metrics HTTP/2.0\r\n\r\n' 'HTTP/1.1 505 HTTP Version Not Supported'
	says_http 'get /metrics HTTP/1.0\r\n\r\n' 'HTTP/1.1 405 Method Not Allowed'
	says_http 'GET /metrics HTTP/1.0\r\n' ''
	says_http '' ''
}

@test "scrape: who says nothing is answered after five seconds, whoever else comes meanwhile" {
	local begin=$SECONDS
	need systemd-socket-activate
	start_helper
	scraped
	in_ns timeout 20 bash -c 'exec 9<> "/dev/tcp/127.0.0.1/$1" && cat <&9' - "$PORT" \
		> "$SKS_DIR/slow" &
	has "$(get "$URL/metrics")" sksteer_helper_up
	wait $!
	has "$(< "$SKS_DIR/slow")" '408 Request Timeout'
	((SECONDS - begin < 5 + 10 * SKS_SLOW)) || fail "$((SECONDS - begin)) s"
}

@test "scrape: the units are sound, and the service has next to no rights" {
	need systemd-analyze
	mkdir "$SKS_DIR/units"
	unit sksteer-metrics.socket > "$SKS_DIR/units/sksteer-metrics.socket"
	unit sksteer-metrics@.service.in > "$SKS_DIR/units/sksteer-metrics@.service"
	is "$(systemd-analyze verify --man=no "$SKS_DIR/units/sksteer-metrics.socket" 2>&1)" ''
	systemd-analyze security --offline=true --threshold=20 \
		"$SKS_DIR/units/sksteer-metrics@.service" > "$SKS_DIR/security.log"
}

# --- the dashboard -------------------------------------------------------------------------------

@test "dashboard: valid JSON, and every metric in it is one that there is" {
	local names known
	start_helper
	mixed
	known=$(samples | sed 's/ .*//' | sort -u)
	names=$(jq -r '.. | .expr?, .query? | strings' "$SKS_ROOT/packaging/grafana.json" |
		grep -o 'sksteer_[a-z_]*' | sort -u)
	is "$(comm -23 <(echo "$names") <(echo "$known"))" ''
	(($(wc -l <<< "$names") >= 10)) || fail "$names"
	is "$(jq '[.panels[].id] | length == (unique | length)' "$SKS_ROOT/packaging/grafana.json")" true
}

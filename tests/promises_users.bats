#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of promise 4 without a policy file: what a user gets by the built-in rule, and what
# only root gets.
# shellcheck disable=SC2154 # bats sets $stderr

load promises

# grants SPEC [ADDRESS#PORT...]: to user $AS, who has a server there for that moment. The ports are
# high ones, unless the test is about low ones.
grants() {
	SPEC=$1 SERVERS=("${@:2}")
	listen_all
	is "$stderr" ''
}

# refuses TEXT SPEC [ADDRESS#PORT...]: the server serves on, and says so.
refuses() {
	local text=$1
	SPEC=$2 SERVERS=("${@:3}")
	listen_all
	has "$stderr" "$text"
}

# $SERVERS, or one on every address, under the library; bind and listen return what they would.
listen_all() {
	local server words=()
	((${#SERVERS[@]})) || SERVERS=(0.0.0.0#7777)
	for server in "${SERVERS[@]}"; do
		if [[ $server == */udp ]]; then
			words+=(udp4 "bind=${server%/udp}")
		else
			words+=("$([[ $server == *:* ]] && echo tcp6 || echo tcp4)" "bind=$server" listen)
		fi
	done
	calls "${words[@]}"
	is "$(grep -vc ' ok$' <<< "$output")" 0
}

unprivileged_start() {
	in_ns sh -c "echo $1 > /proc/sys/net/ipv4/ip_unprivileged_port_start"
}

@test "promise 4: ports below ip_unprivileged_port_start are for root, and it is the socket's namespace that says" {
	export AS=nobody
	start_helper
	refuses 'port 80 is for root (net.ipv4.ip_unprivileged_port_start is 1024)' 80
	refuses 'port 1023 is for root' 2000,1023
	refuses 'port 1000 is for root' 1000-1100
	refuses 'port 53 is for root' any:53/udp 0.0.0.0#5353/udp
	grants 1024
	unprivileged_start 79
	grants 80
	refuses 'port 78 is for root (net.ipv4.ip_unprivileged_port_start is 79)' 80,78
	unprivileged_start 0
	grants 1
	unprivileged_start 9000
	refuses 'port 8999 is for root' 8999 0.0.0.0#9999
	grants 9000 0.0.0.0#9999
	# Another namespace has its own.
	add_ns other
	NS=other refuses 'port 80 is for root' 80
	AS=root grants 80
}

@test 'promise 4: "*" and ranges of more than 1024 ports are for root' {
	export AS=nobody
	start_helper
	refuses '*: "*" and ranges of more than 1024 ports are for root' '*'
	refuses '2000-3024: "*" and ranges of more than 1024 ports are for root' 2000-3024
	refuses '127.0.0.0/8:*: "*" and ranges' '127.0.0.0/8:*'
	refuses '*/udp: "*" and ranges' '*/udp' 0.0.0.0#5353/udp
	AS=root grants '*'
	AS=root grants 2000-3024
}

@test "promise 4: 256 ports a user, over all services and namespaces" {
	export AS=nobody
	start_helper
	refuses 'more than 256 ports for user 65534' 2000-2256
	refuses 'more than 256 ports for user 65534' '2000-2255;127.0.0.1:3000'
	grants 2000-2255
	serve first 2000-2199 0.0.0.0#7777
	silent first
	refuses 'more than 256 ports for user 65534' 3000-3056 0.0.0.0#7778
	add_ns other
	NS=other refuses 'more than 256 ports for user 65534' 2000-2056
	NS=other grants 2000-2055
	AS=user2 grants 3000-3255 0.0.0.0#7778
	AS=root grants 3000-4000 0.0.0.0#7778
	kill_server first
	grants 3000-3056 0.0.0.0#7778
}

@test "promise 4: 64 sockets a user" {
	local i addresses=()
	export AS=nobody
	start_helper
	for i in {1..64}; do
		addresses+=("127.0.0.$i#7777")
	done
	grants 2000 "${addresses[@]}"
	refuses 'more than 64 sockets for user 65534' 2000 "${addresses[@]}" 127.0.0.65#7777
	AS=root grants 2000 "${addresses[@]}" 127.0.0.65#7777
}

@test "promise 4: 16 labels a user, which outlive their servers" {
	local i
	export AS=nobody
	start_helper
	for i in {1..16}; do
		SKSTEER_LABEL=l$i grants $((2000 + i))
	done
	SKSTEER_LABEL=l17 refuses 'more than 16 labels for user 65534' 2017
	SKSTEER_LABEL=l16 grants 2018
	grants 2019
	SKSTEER_LABEL=l17 AS=user2 grants 2017
}

@test "promise 4: what another user's service has, live or down, is not to be had" {
	local taken="0.0.0.0/0:8080-8090/tcp is steered to another user's service already"
	export AS=user2
	start_helper
	AS=nobody serve web 8080-8090 SKSTEER_LABEL=web 0.0.0.0#7777
	refuses "$taken" 8080 0.0.0.0#7778
	refuses "$taken" 127.0.0.1:8090 0.0.0.0#7778
	refuses "$taken" 8000-8080 0.0.0.0#7778
	grants 8091 0.0.0.0#7778
	grants 8080/udp 0.0.0.0#7778/udp
	kill_server web
	refuses "$taken" 8080 0.0.0.0#7778
	refused 127.0.0.1 8080
	AS=nobody serve back 8080-8090 SKSTEER_LABEL=web 0.0.0.0#7777
	gets 127.0.0.1 8080 back
}

@test "promise 4: a port on which another user's socket listens is not to be had on an address of its" {
	export AS=nobody
	start_helper
	AS=user2 plain lo 127.0.0.1#8001 ::1#8006
	AS=root plain root 0.0.0.0#8002 ::#8003 0.0.0.0#8004/udp
	refuses '0.0.0.0/0:8001/tcp: port 8001 is held by a socket of user 65533 on 127.0.0.1' 8001
	refuses '127.0.0.0/8:8001/tcp: port 8001 is held' 127.0.0.0/8:8001
	refuses '0.0.0.0/0:8000-8001/tcp: port 8001 is held' 8000-8001
	refuses '127.0.0.0/8:8002/tcp: port 8002 is held by a socket of user 0 on every address' \
		127.0.0.0/8:8002
	# A dual-stack socket holds the port on both families.
	refuses '127.0.0.1:8003/tcp: port 8003 is held' 127.0.0.1:8003
	refuses '[::1]:8003/tcp: port 8003 is held' '[::1]:8003' ::#7777
	refuses '[::/0]:8006/tcp: port 8006 is held' 8006 ::#7777
	refuses '0.0.0.0/0:8004/udp: port 8004 is held' 8004/udp 0.0.0.0#7777/udp
	# Others go on as before.
	gets 127.0.0.1 8001 lo
	gets 127.0.0.1 8002 root
	# No address in common, no family, no protocol.
	grants 127.0.0.2:8001
	grants 8001 127.0.0.2#7777
	grants 8006
	grants 8004
	grants 8001/udp 0.0.0.0#7777/udp
	grants '[::1]:8002' ::#7777
	# Another namespace's sockets hold nothing here.
	add_ns other
	NS=other grants 8001,8002
}

@test "promise 4: a user may take from its own other server, and is told" {
	export AS=nobody
	start_helper
	plain mine 0.0.0.0#8001
	refuses 'another socket of user 65534 holds port 8001 and no longer gets new connections' 8001
	serve web 8001 0.0.0.0#7777
	gets 127.0.0.1 8001 web
	kill_server web
	wait_until 1 gets 127.0.0.1 8001 mine
}

@test "promise 4: root may take a longer prefix from a wildcard listener, not the same port everywhere" {
	start_helper
	AS=nobody plain theirs 0.0.0.0#8001 127.0.0.5#8002
	refuses '0.0.0.0/0:8001/tcp: port 8001 is held by a socket of user 65534 on every address' any:8001
	refuses '0.0.0.0/0:8001/tcp: port 8001 is held' 8001
	refuses '127.0.0.0/8:8002/tcp: port 8002 is held by a socket of user 65534 on 127.0.0.5' \
		127.0.0.0/8:8002
	serve ours 127.0.0.8/31:8001 0.0.0.0#7777
	silent ours
	gets 127.0.0.8 8001 ours
	gets 127.0.0.9 8001 ours
	gets 127.0.0.10 8001 theirs
	kill_server ours
	wait_until 1 gets 127.0.0.9 8001 theirs
}

@test "promise 4: labels are scoped by user" {
	start_helper
	AS=nobody serve one 8001 SKSTEER_LABEL=web 0.0.0.0#7771
	AS=user2 serve two 8002 SKSTEER_LABEL=web 0.0.0.0#7772
	serve three 8003 SKSTEER_LABEL=web 0.0.0.0#7773
	gets 127.0.0.1 8001 one
	gets 127.0.0.1 8002 two
	gets 127.0.0.1 8003 three
	is "$(status_jq '[.services[] | select(.label == "web") | .owner.uid] | sort | tojson')" \
		'[0,65533,65534]'
	AS=user2 serve four 8004 SKSTEER_LABEL=web 0.0.0.0#7774
	said four 'label "web" is served by another instance'
	kill_server one
	refused 127.0.0.1 8001
	AS=user2 serve five 8001 0.0.0.0#7775
	said five "is steered to another user's service already"
}

@test "promise 4: uid 0 without CAP_NET_ADMIN, as in a container, is a user like others" {
	start_helper
	AS=capless refuses 'ranges of more than 1024 ports are for root' '*'
	AS=capless grants 80 # it has CAP_NET_BIND_SERVICE: bind(2) would not deny it
	AS=powerless refuses 'port 80 is for root' 80
	AS=namespaced refuses 'port 80 is for root' 80
	AS=root grants 80
}

@test "promise 4: who has connected and then runs a setuid program may do no more than before" {
	need su
	start_helper
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	kill -STOP "$(helper_pid)"
	start_server probe "${AS_NOBODY[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" from-setuid
	wait_until 5 grep -q raised "$SKS_DIR/probe.log"
	kill -CONT "$(helper_pid)"
	wait_until 5 grep -q from-setuid "$SKS_DIR/probe.log"
	has "$(log_of probe)" 'EACCES 80: port 80 is for root'
}

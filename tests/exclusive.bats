#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of promise 4's exclusive ports: what is steered to one user no other one may bind,
# and what is not exclusive yields. All binds are real ones, by other users. Over namespaces and the
# helper's lives: exclusive_helper.bats.

load exclusive

# --- what is taken -----------------------------------------------------------------------------

# bats test_tags=kernels,since-6-1
@test "a port named alone is taken: for other users and root, whatever the address; not for its own" {
	free 0.0.0.0#8080 127.0.0.1#8080
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	taken 0.0.0.0#8080 127.0.0.1#8080 127.9.9.9#8080 ::#8080 ::ffff:127.0.0.1#8080
	AS=root taken 0.0.0.0#8080 127.0.0.1#8080
	free 0.0.0.0#8081 0.0.0.0#8079 0.0.0.0#8080/udp ::1#8080 ::#8080,v6only
	AS=nobody free 0.0.0.0#8080 127.0.0.1#8080
	reaches 127.0.0.1#8080=web
}

@test "a socket that has a port already is told so, whoever has the other one" {
	AS=nobody stand web SKSTEER_PORTS='8080;8053/udp' web=tcp:0.0.0.0#7777 web=udp:0.0.0.0#7777
	is "$(grabs 127.0.0.1#8080,again ::#8080,again 127.0.0.1#8053/udp,again)" \
		"$(printf '%s EINVAL\n' 127.0.0.1#8080,again ::#8080,again 127.0.0.1#8053/udp,again)"
}

@test "a range of at most 1024 is taken to both its ends, its neighbours are not" {
	in_ns sysctl -qw net.ipv4.ip_unprivileged_port_start=1
	AS=nobody stand web SKSTEER_PORTS=9001-9250 web=tcp:0.0.0.0#7777
	taken 127.0.0.1#{9001,9002,9100,9128,9249,9250}
	free 127.0.0.1#{9000,9251}
	kill_server web
	stand web SKSTEER_PORTS=1-1024 web=tcp:0.0.0.0#7777
	taken 127.0.0.1#{1,2,512,1023,1024}
	free 127.0.0.1#1025
	is "$(grabs 127.0.0.1#{1..1024} | grep -c EADDRINUSE)" 1024
}

@test "bound to 127.0.0.1, a server takes its ports there and nowhere else" {
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:127.0.0.1#7777
	taken 127.0.0.1#8080 0.0.0.0#8080 ::#8080 ::ffff:127.0.0.1#8080
	free 127.0.0.2#8080 ::#8080,v6only ::1#8080
}

@test "a prefix is taken: its addresses and the wildcard, not what does not meet it" {
	local_route 192.0.2.0/24
	AS=nobody stand web SKSTEER_PORTS='192.0.2.0/24:8080' web=tcp:0.0.0.0#7777
	taken 192.0.2.{0,1,255}#8080 0.0.0.0#8080 ::#8080
	free 127.0.0.5#8080 ::1#8080 ::#8080,v6only 192.0.2.1#8081
	AS=nobody free 192.0.2.1#8080 0.0.0.0#8080
	reaches 192.0.2.9#8080=web
}

@test "IPv6: a prefix, an address, every address" {
	local_route 2001:db8::/32
	AS=nobody stand web SKSTEER_PORTS='[2001:db8::/32]:8080;[::1]:8081;8082' web=tcp:::#7777,v6only
	taken 2001:db8::{,1}#8080 ::#8080 ::#8080,v6only ::1#8081 ::#8081 ::1#8082 2001:db8::1#8082
	free ::1#8080 0.0.0.0#{8080,8081,8082}
	reaches 2001:db8::9#8080=web ::1#8081=web ::1#8082=web
}

# bats test_tags=kernels,since-6-1
@test "a dual-stack server takes its ports for both families" {
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:::#7777
	taken 0.0.0.0#8080 127.0.0.1#8080 ::#8080 ::#8080,v6only ::1#8080
}

@test "UDP ports are taken from UDP alone, and by every user alike" {
	AS=nobody stand dns SKSTEER_PORTS=8053/udp dns=udp:0.0.0.0#7777
	taken 0.0.0.0#8053/udp 127.0.0.1#8053/udp ::#8053/udp
	free 0.0.0.0#8053 127.0.0.1#8054/udp ::1#8053/udp ::#8053/udp,v6only
	AS=nobody free 0.0.0.0#8053/udp
}

@test "127.0.0.5:80 and 192.0.2.0/24:80 do not meet: each user has one" {
	local_route 192.0.2.0/24
	in_ns sysctl -qw net.ipv4.ip_unprivileged_port_start=80
	LISTENS=1 holds_port other 127.0.0.5#80
	AS=nobody stand web SKSTEER_PORTS='192.0.2.0/24:80' web=tcp:127.0.0.1#7777
	said web
	reaches 192.0.2.1#80=web
	listening 80 127.0.0.5
	kill_server other
	free 127.0.0.5#80
}

@test "what another user's socket holds is refused: listening, UDP, and TCP that is only bound" {
	local why='is held by a socket of user 65533'
	LISTENS=1 holds_port other 127.0.0.1#8080
	holds_port dns 0.0.0.0#8053/udp
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	has "$(log_of web)" "port 8080 $why on 127.0.0.1"
	AS=nobody stand names SKSTEER_PORTS=8053/udp names=udp:0.0.0.0#7753
	has "$(log_of names)" "port 8053 $why on every address"
	free 127.0.0.1#8081
	taken 127.0.0.1#8080
	kernel_is 6.8 || skip 'before Linux 6.8 a socket that is only bound can not be seen'
	holds_port idle 127.0.0.1#8090
	AS=nobody stand more SKSTEER_PORTS=8090 more=tcp:0.0.0.0#7778
	has "$(log_of more)" "port 8090 $why on 127.0.0.1"
}

@test "what is refused takes nothing: no claim stays behind" {
	LISTENS=1 holds_port other 127.0.0.1#8081
	AS=nobody stand web SKSTEER_PORTS=8080-8082 web=tcp:0.0.0.0#7777
	has "$(log_of web)" 'port 8081 is held'
	free 127.0.0.1#8080 0.0.0.0#8082
	SKSTEER_SOCKET=$SOCKET run as_user "$CTL" bind idle any:8081,8090
	is "$status" 1
	free 127.0.0.1#8090
}

@test "a label's addresses are taken while its server is down, and free once they are unbound" {
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" bind web any:8080,8081,8082,8083
	taken 127.0.0.1#{8080,8083} ::1#8081
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" unbind web any:8081
	free 127.0.0.1#8081
	taken 127.0.0.1#{8080,8082}
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" unregister web
	free 127.0.0.1#{8080,8082,8083}
}

@test "two users have prefixes on a port: the wildcard is nobody's, until one of them is left" {
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" bind web 192.0.2.0/24:8080 '[2001:db8::/32]:8080'
	AS=nobody free 0.0.0.0#8080
	SKSTEER_SOCKET=$SOCKET as_user2 "$CTL" bind web 198.51.100.0/24:8080
	taken 0.0.0.0#8080 ::#8080 ::#8080,v6only
	AS=nobody taken 0.0.0.0#8080 ::#8080
	AS=nobody free ::#8080,v6only 127.0.0.1#8080
	SKSTEER_SOCKET=$SOCKET as_user2 "$CTL" unbind web 198.51.100.0/24:8080
	AS=nobody free 0.0.0.0#8080 ::#8080
	taken 0.0.0.0#8080
}

@test "root's prefix does not keep a wildcard listener from its restart: the longer wins" {
	local_route 192.0.2.0/24
	LISTENS=1 holds_port sshd 0.0.0.0#8022
	stand web SKSTEER_PORTS='192.0.2.0/24:8022' web=tcp:127.0.0.1#7777
	said web
	reaches 192.0.2.1#8022=web
	kill_server sshd
	free 0.0.0.0#8022
	taken 192.0.2.1#8022
}

# --- races -------------------------------------------------------------------------------------

# contest ADDRESS#PORT[/udp] ROUNDS [OPTION...]: two users in a storm, of whom never both get the port.
# It takes up to five times as many rounds: it is no storm while one of them has hardly ever won, and on
# a busy machine that is up to who has a processor.
contest() {
	local options=("${@:3}") got lost other both won=0 beaten=0 port=${1#*#} i
	port=${port%/udp}
	kernel_is 6.8 || options+=(-l)
	for i in 0 1 2 3 4; do
		read -r got lost other both < <(in_ns "$PROGS/contend" "${options[@]}" "$LIB" "$SOCKET" "$2" \
			"${1%%#*}#$((port + i * $2))${1##*[0-9]}")
		echo "$1: got $got, lost $lost, the other $other, both $both" >&2
		is "$both" 0
		is "$((got + lost))" "$2"
		won=$((won + got)) beaten=$((beaten + lost))
		((won < $2 / 20 || beaten < $2 / 20)) || return 0
	done
	fail 'one of them always won'
}

@test "a storm of binds against registrations: never have both the port" {
	contest 127.0.0.1#10001 150
	contest 0.0.0.0#11001/udp 100
	contest ::#12001 100
}

@test "a bind that a claim overtakes between the two looks is refused by the second" {
	AS=nobody stand web SKSTEER_PORTS=8080,45000 web=tcp:0.0.0.0#7777
	kill_helper
	in_ns rm "$BPFFS/claims/bind4" "$BPFFS/claims/bind6"
	taken 0.0.0.0#8080 127.0.0.1#8080 ::ffff:127.0.0.1#8080
	# Nor does it go by what IPV6_V6ONLY was then: another thread may have set it back since.
	taken ::#8080
	free ::#8080,v6only
	AS=nobody free 0.0.0.0#8080
	# It can't tell what was asked for: this one the kernel may have drawn.
	free 127.0.0.1#{0,8081,45000} ::1#8080
}

@test "the storm on one CPU, where the helper interrupts a bind" {
	(($(nproc) > 1)) || skip 'needs two CPUs'
	taskset -pc 0 "$(helper_pid)" > /dev/null
	contest 127.0.0.1#10001 300 -c 0
	contest ::#12001 200 -c 0
}

@test "the same where the kernel draws ports for clients" {
	contest 127.0.0.1#40001 150
}

# --- the server itself -------------------------------------------------------------------------

@test "a server that binds a steered port itself, later: nginx with listen 18080 and 18081" {
	need nginx
	mkdir "$SKS_DIR/nginx"
	chmod 777 "$SKS_DIR/nginx"
	printf '%s\n' 'daemon off; error_log stderr; pid nginx.pid; events { }' \
		'http { access_log off;' "$(nginx_paths .)" \
		'server { listen 18080; return 200 "first\n"; }' \
		'server { listen 18081; return 200 "second\n"; } }' > "$SKS_DIR/nginx/nginx.conf"
	start_server nginx "${AS_NOBODY[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS='18080=18081' nginx -p "$SKS_DIR/nginx" -c nginx.conf
	wait_port 18081
	taken 127.0.0.1#18081
	wait_until 5 sks_socket_count_is 1
	stop_server nginx
	start_server nginx "${AS_NOBODY[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS='18080=18081' nginx -p "$SKS_DIR/nginx" -c nginx.conf
	wait_port 18081
	has_not "$(log_of nginx)" 'bind()'
}

@test "killed and started again at once; a dead instance's label: no claim is in its way" {
	local i
	for i in 1 2 3 4 5; do
		AS=nobody stand web SKSTEER_LABEL=web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#8080 \
			web=tcp:0.0.0.0#7777
		said web
		taken 127.0.0.1#8080
		kill_server web
		taken 127.0.0.1#8080
		AS=nobody free 127.0.0.1#8080
	done
	# Another instance, another port of its own, and the steered one bound by the server itself.
	AS=nobody stand web SKSTEER_LABEL=web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7070 own=tcp:0.0.0.0#8080
	said web
	reaches 127.0.0.1#8080=web
}

# grabs_on: nobody binds the port over and over, and closes it again.
grabs_on() {
	start_server grabs "${AS_NOBODY[@]}" bash -c 'while "$@"; do :; done' - "$PROGS/grab" \
		127.0.0.1#8080{,,,,,,,,,,,,,,,,,,,}
	wait_until 5 says grabs '127.0.0.1#8080 done'
}

@test "its own user may bind a port while the helper tries whether others have it" {
	local i
	kernel_is 5.18 || skip 'before Linux 5.18 the helper has the port for a moment'
	kill_helper
	LD_PRELOAD=$PROGS/slow_bind.so start_helper # 10 ms from its bind(2) to its close(2)
	grabs_on
	for i in {1..10}; do
		SKSTEER_SOCKET=$SOCKET as_user "$CTL" bind web any:8080
		SKSTEER_SOCKET=$SOCKET as_user "$CTL" unbind web any:8080
	done
	# Two may still meet within a call.
	i=$(grep -c EADDRINUSE "$SKS_DIR/grabs.log" || :)
	((i < 20)) || fail "$i binds were refused"
}

@test "a low port that was granted is bound by the helper, unless another user has it steered" {
	kill_helper
	printf '[user 65534]\nports = 80,81\n[user 65533]\nports = 80,82\n' > "$SKS_DIR/policy"
	start_helper --policy "$SKS_DIR/policy"
	AS=nobody stand web SKSTEER_PORTS=80 web=tcp:0.0.0.0#7777
	said web
	in_ns "${AS_USER2[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS=1 \
		"$PROGS/grab" 127.0.0.1#80 127.0.0.1#82 > "$SKS_DIR/user2.txt" 2> "$SKS_DIR/user2.log"
	is "$(< "$SKS_DIR/user2.txt")" '127.0.0.1#80 EADDRINUSE'$'\n''127.0.0.1#82 done'
	AS=nobody stand own SKSTEER_PORTS=1 own=tcp:0.0.0.0#80 || :
	is "$(in_ns "${AS_NOBODY[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS=1 \
		"$PROGS/grab" 127.0.0.1#81 2> "$SKS_DIR/own.log")" '127.0.0.1#81 done'
}

# --- what yields -------------------------------------------------------------------------------

@test "-p '*' leaves sshd its port, and one that comes later gets its own within a second" {
	in_ns sysctl -qw net.ipv4.ip_unprivileged_port_start=22
	plain sshd sshd=tcp:0.0.0.0#22
	stand_run all -p '*' -- all=tcp:0.0.0.0#7777
	reaches 127.0.0.1#22=sshd 127.0.0.1#{23,80,2222}=all
	left_out_are 22/tcp
	plain late late=tcp:127.0.0.1#2222 wide=tcp:0.0.0.0#2200
	wait_until 1 left_out_are '22/tcp 2200/tcp 2222/tcp'
	reaches 127.0.0.1#2222=late 127.0.0.1#2200=wide 127.0.0.1#{80,2223}=all
	has "$(ctl status)" 'left out: 22,2200,2222'
	kill_server late
	wait_until 1 left_out_are 22/tcp
	reaches 127.0.0.1#{2200,2222}=all 127.0.0.1#22=sshd
	taken 127.0.0.1#22
	free 127.0.0.1#80 127.0.0.1#2222
}

@test "an address of its own is left out on the whole port, whoever comes; also for UDP and IPv6" {
	stand all SKSTEER_PORTS='*;*/udp' all=tcp:::#7777 all=udp:0.0.0.0#7777
	AS=user2 begin other other=tcp:::1#8080 other=udp:127.0.0.1#8053
	wait_until 5 says other ready
	wait_until 1 left_out_are '32768-60999/udp 8053/udp 8080/tcp'
	reaches ::1#8080=other 127.0.0.1#8081=all
}

@test "a range yields where the kernel draws ports for clients, and is exclusive beside it" {
	local_ports 40000 40009
	LISTENS=1 holds_port before 127.0.0.1#40001
	AS=nobody stand web SKSTEER_PORTS=39990-40020 web=tcp:0.0.0.0#7777
	said web
	left_out_are 40001/tcp
	taken 127.0.0.1#{39990,39999,40010,40020}
	free 127.0.0.1#{40000,40009}
	LISTENS=1 holds_port after 127.0.0.1#40005
	wait_until 1 left_out_are '40001/tcp 40005/tcp'
	kill_server before
	kill_server after
	wait_until 1 left_out_are ''
	reaches 127.0.0.1#{39990,40001,40005,40020}=web
	# Named alone it is taken, wherever it lies.
	AS=nobody stand alone SKSTEER_PORTS=40003 alone=tcp:127.0.0.1#7778
	taken 127.0.0.1#40003
}

@test "no port that the kernel draws ever fails, though all of them are somebody's" {
	local_ports 40000 40003
	AS=nobody stand web SKSTEER_PORTS=40000,40001,40002,40003 web=tcp:0.0.0.0#7777
	stand all SKSTEER_LABEL=all SKSTEER_PORTS='*' all=tcp:127.0.0.1#7778
	is "$(in_ns "${AS_USER2[@]}" "$PROGS/grab" -n 4 127.0.0.1#0 auto 0.0.0.0#0/udp)" \
		"127.0.0.1#0 done"$'\n'"auto done"$'\n'"0.0.0.0#0/udp done"
	taken 127.0.0.1#4000{0,1,2,3}
	# The range has moved onto what was taken before, and nobody has told the helper.
	AS=nobody stand more SKSTEER_PORTS=20000-20003 more=tcp:0.0.0.0#7779
	local_ports 20000 20003
	is "$(grabs 127.0.0.1#0 auto 0.0.0.0#0/udp)" \
		"127.0.0.1#0 done"$'\n'"auto done"$'\n'"0.0.0.0#0/udp done"
	# A client has a port as ever.
	reaches 127.0.0.1#7777=web
}

@test "where 100 namespaces have what yields, what comes later is left out in each" {
	local i ports=()
	for i in {1..100}; do
		add_ns "n$i"
		# One by one: the helper has no time for all of them at once.
		NS=n$i stand "in$i" SKSTEER_PORTS='*;*/udp' in=tcp:0.0.0.0#7777 in=udp:0.0.0.0#7777
	done
	stand all SKSTEER_LABEL=all SKSTEER_PORTS='*' all=tcp:0.0.0.0#7777
	for i in 2201 2203 2205; do
		ports+=("$i/tcp")
		LISTENS=1 holds_port "late$i" "127.0.0.1#$i"
		# A second, where nothing else runs: how long it takes is not tested here.
		wait_until 60 left_out_are "${ports[*]}"
		holds 1 left_out_are "${ports[*]}"      # then the looks are rare again
	done
}

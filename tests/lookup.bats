#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of `sksteerctl lookup`: what it says of a packet is what becomes of one that is sent.
# shellcheck disable=SC2016 # what is in single quotes is jq's
# shellcheck disable=SC2154 # bats sets $stderr

load instances

# looks STATUS ARGUMENT... -- LINE...: what is printed, as a whole, and nothing on stderr.
looks() {
	local expected=$1 arguments=()
	shift
	while [[ $1 != -- ]]; do
		arguments+=("$1")
		shift
	done
	shift
	run --separate-stderr ctl lookup "${arguments[@]}"
	is "$output" "$(printf '%s\n' "$@")"
	is "$stderr" ''
	is "$status" "$expected"
}

# fails STATUS TEXT ARGUMENT...: with that one line.
fails() {
	local expected=$1 text=$2
	shift 2
	run --separate-stderr ctl lookup "$@"
	is "$output" ''
	is "$stderr" "sksteerctl: $text"
	is "$status" "$expected"
}

# said_of FILTER ARGUMENT...: jq of the answer, whoever gets the packet.
said_of() {
	local filter=$1
	shift
	{ ctl lookup "$@" --json || :; } | jq -r "$filter"
}

# gives NAME ARGUMENT...: the packet goes to that server's process.
gives() {
	local name=$1
	shift
	is "$(said_of '"\(.verdict) \(.sockets | length) \(.sockets[0].pid)"' "$@")" \
		"steered 1 $(pid_of "$name")"
}

# from_port PLACE PORT: which listener a client at that port of 127.0.0.1 gets. PLACE: ADDRESS PORT.
from_port() {
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) socat -u \
		"TCP:$1:$2,bind=127.0.0.1:$3,reuseaddr,linger2=0" - | cut -d ' ' -f 1
}

@test "lookup: steered, of both families, to prefixes, ranges and \"*\"" {
	local pid
	stand web SKSTEER_LABEL=web SKSTEER_PORTS='any:80;127.0.0.0/24:90-99;127.0.0.7:95;80/udp' \
		web=tcp:::#7777
	stand all SKSTEER_LABEL=all SKSTEER_PORTS='any:*' all=tcp:127.0.0.1#7790
	pid=$(pid_of web)
	local service='  service  web of user root'
	local socket="  socket   *:7777/tcp, listening, weight 100, stand, pid $pid"
	looks 0 tcp 127.0.0.1 80 -- "127.0.0.1:80/tcp is steered to web: stand, pid $pid" "$service" \
		'  binding  any:80/tcp' "$socket"
	looks 0 tcp ::1 80 -- "[::1]:80/tcp is steered to web: stand, pid $pid" "$service" \
		'  binding  any:80/tcp' "$socket"
	looks 0 tcp 127.0.0.1 95 -- "127.0.0.1:95/tcp is steered to web: stand, pid $pid" "$service" \
		'  binding  127.0.0.0/24:90-99/tcp' "$socket"
	looks 0 tcp 127.0.0.7 95 -- "127.0.0.7:95/tcp is steered to web: stand, pid $pid" "$service" \
		'  binding  127.0.0.7:95/tcp' "$socket"
	pid=$(pid_of all)
	looks 0 tcp 127.0.1.1 95 -- "127.0.1.1:95/tcp is steered to all: stand, pid $pid" \
		'  service  all of user root' '  binding  0.0.0.0/0:*/tcp' \
		"  socket   127.0.0.1:7790/tcp, listening, weight 100, stand, pid $pid"
	looks 1 tcp ::1 95 -- '[::1]:95/tcp is not steered, and nobody listens there'
	looks 1 udp 127.0.0.1 80 -- '127.0.0.1:80/udp is not steered, and nobody listens there'
	# As status has them.
	is "$(said_of '.binding | del(.text)' tcp 127.0.0.1 95)" \
		"$(service '.bindings[] | select(.ports == "90-99")' web)"
	is "$(said_of '.sockets[0]' tcp 127.0.0.1 95)" "$(service '.sockets[0]' web)"
	reaches 127.0.0.1#80=web ::1#80=web 127.0.0.1#95=web 127.0.0.7#95=web 127.0.1.1#95=all ::1#95=refused
}

@test "lookup: however an address is spelt; and it is not counted" {
	local each
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:80 web=tcp:::#7777
	stand dns SKSTEER_LABEL=dns SKSTEER_PORTS=any:53/udp dns=udp:::#5353
	for each in ::1 '[::1]' 0:0::1 ::ffff:127.0.0.1 '[::ffff:127.0.0.1]' 127.0.0.1 127.0.0.1%lo '[::1%lo]' \
		'[::1]%lo' ::1%1; do
		echo "$each"
		gives web tcp "$each" 80
		gives dns udp "$each" 53
		gives dns udp "$each" 53 from "$([[ $each == *.* ]] && echo 192.0.2.1:7 || echo '[2001:db8::1]:7')"
	done
	is "$(said_of .address tcp ::ffff:127.0.0.1 80)" 127.0.0.1
	is "$(said_of .interface tcp 127.0.0.1%1 80)" lo
	is "$(said_of '.from | "\(.address) \(.port)"' tcp ::1 80 from '[2001:db8::1]:4')" '2001:db8::1 4'
	is "$(service '[.counters.steered, .counters.refused] | @csv' web)" 0,0
	is "$(service '[.counters.steered, .counters.refused] | @csv' dns)" 0,0
	reaches 127.0.0.1#80=web ::1#53/udp=dns
	is "$(service .counters.steered web)" 1
	is "$(service .counters.steered dns)" 1
	kill_server web
	looks 1 tcp ::1 80 -- '[::1]:80/tcp is refused by web: its server is down' \
		'  service  web of user root' '  binding  any:80/tcp'
	is "$(service .counters.refused web)" 0
}

@test "lookup: refused, also where a stranger listens; the helper killed" {
	local pid
	plain other other=tcp:0.0.0.0#80,reuse own=tcp:127.0.0.1#80,reuse
	pid=$(pid_of other)
	AS=nobody stand web SKSTEER_LABEL=web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	stand root SKSTEER_LABEL=root SKSTEER_PORTS=any:80 root=tcp:127.0.0.2#7778
	looks 0 tcp 127.0.0.1 80 -- "127.0.0.1:80/tcp is steered to root: stand, pid $(pid_of root)" \
		'  service  root of user root' '  binding  0.0.0.0/0:80/tcp' \
		"  socket   127.0.0.2:7778/tcp, listening, weight 100, stand, pid $(pid_of root)" \
		"  shadows  127.0.0.1:80/tcp, stand, pid $pid, user root" \
		"  shadows  0.0.0.0:80/tcp, stand, pid $pid, user root"
	kill_server root
	kill_server web
	kill_helper
	looks 1 tcp 127.0.0.2 80 -- '127.0.0.2:80/tcp is refused by root: its server is down' \
		'  service  root of user root' '  binding  0.0.0.0/0:80/tcp' \
		"  shadows  0.0.0.0:80/tcp, stand, pid $pid, user root"
	looks 1 tcp 127.0.0.1 8080 -- '127.0.0.1:8080/tcp is refused by web: its server is down' \
		'  service  web of user nobody' '  binding  0.0.0.0/0:8080/tcp'
	reaches 127.0.0.2#80=refused 127.0.0.1#8080=refused
}

@test "lookup: not steered, and where \"*\" leaves a port out" {
	plain other other=tcp:127.0.0.1#22 six=tcp:::#23 dns=udp:127.0.0.1#53
	looks 1 tcp 127.0.0.1 80 -- '127.0.0.1:80/tcp is not steered, and nobody listens there'
	looks 0 tcp 127.0.0.1 22 -- "127.0.0.1:22/tcp is not steered: it goes to stand, pid $(pid_of other)" \
		"  listener 127.0.0.1:22/tcp, stand, pid $(pid_of other), user root"
	looks 0 udp 127.0.0.1 53 -- "127.0.0.1:53/udp is not steered: it goes to stand, pid $(pid_of other)" \
		"  listener 127.0.0.1:53/udp, stand, pid $(pid_of other), user root"
	stand all SKSTEER_LABEL=all SKSTEER_PORTS='any:*' all=tcp:0.0.0.0#7790
	looks 0 tcp 127.0.0.1 23 -- "127.0.0.1:23/tcp is not steered: it goes to stand, pid $(pid_of other)" \
		'  left out 0.0.0.0/0:*/tcp of all' \
		"  listener *:23/tcp, stand, pid $(pid_of other), user root"
	gives all tcp 127.0.0.1 80
	reaches 127.0.0.1#22=other 127.0.0.1#23=six 127.0.0.1#80=all
}

@test "lookup: the one that replaced, and the one behind it" {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=any:80 old=tcp:127.0.0.1#7777
	stand new SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS=any:80 new=tcp:127.0.0.1#7777
	gives new tcp 127.0.0.1 80
	gives new tcp 127.0.0.1 7777
	is "$(said_of '.listeners[] | "\(.port) \(.pid)"' tcp 127.0.0.1 7777)" "7777 $(pid_of old)"
	kill_helper
	kill_server new
	gives old tcp 127.0.0.1 80
	is "$(said_of .sockets[0].state tcp 127.0.0.1 80)" replaced
	reaches 127.0.0.1#80=old 127.0.0.1#7777=old
}

@test "lookup: a server that is bound to another port than it asked for, and one that stands by" {
	local guard
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=any:80 old=tcp:0.0.0.0#7777
	stand new SKSTEER_LABEL=web SKSTEER_MODE=standby SKSTEER_PORTS=any:80 new=tcp:0.0.0.0#7777
	guard=$(service ".sockets[] | select(.pid == $(pid_of new)) | .bound_port" web)
	gives old tcp 127.0.0.1 80
	looks 1 tcp 127.0.0.1 "$guard" -- "127.0.0.1:$guard/tcp is refused by web: its server is bound there instead of to the port that it asked for, and only this machine reaches it there" \
		'  service  web of user root' "  binding  0.0.0.0/0:$guard/tcp" \
		"  shadows  0.0.0.0:$guard/tcp, stand, pid $(pid_of new), user root"
	looks 0 tcp 127.0.0.1%lo "$guard" -- "127.0.0.1%lo:$guard/tcp is not steered: it goes to stand, pid $(pid_of new)" \
		"  listener 0.0.0.0:$guard/tcp, stand, pid $(pid_of new), user root"
	reaches "127.0.0.1#$guard=new" 127.0.0.1#80=old
}

@test "lookup: sockets that share the work: from says which, and so it is" {
	local i wanted=() got=() name port shares=0
	stand a SKSTEER_LABEL=web SKSTEER_MODE=join SKSTEER_PORTS=any:80 a=tcp:127.0.0.1#7771
	stand b SKSTEER_LABEL=web SKSTEER_MODE=join=50 SKSTEER_PORTS=any:80 b=tcp:127.0.0.1#7771
	stand idle SKSTEER_LABEL=web SKSTEER_MODE=join=0 SKSTEER_PORTS=any:80 idle=tcp:127.0.0.1#7771
	is "$(ctl lookup tcp 127.0.0.1 80 | head -n 1)" \
		"127.0.0.1:80/tcp is steered to web: one of 2 sockets, as the client's address and port decide"
	is "$(said_of '[.sockets[] | "\(.pid) \(.weight)"] | sort | join(" ")' tcp 127.0.0.1 80)" \
		"$(printf '%s\n' "$(pid_of a) 100" "$(pid_of b) 50" | sort | paste -sd ' ')"
	for ((i = 0; i < 24; i++)); do
		port=$((20000 + 7 * i))
		name=$(said_of '.sockets[0].pid' tcp 127.0.0.1 80 from "127.0.0.1:$port")
		[[ $name == "$(pid_of a)" ]] && wanted+=(a) || wanted+=(b)
		got+=("$(from_port 127.0.0.1 80 "$port")")
	done
	is "${got[*]}" "${wanted[*]}"
	[[ ${got[*]} == *a* && ${got[*]} == *b* ]]
}

@test "lookup: SO_REUSEPORT: from says which member of the group" {
	local i wanted=() got=() name port
	export SKSTEER_INSTANCE=0123456789abcdef0123456789abcdef
	stand a SKSTEER_INSTANCE=$SKSTEER_INSTANCE SKSTEER_LABEL=web SKSTEER_PORTS=any:80 a=tcp:127.0.0.1#7771,reuse
	stand b SKSTEER_INSTANCE=$SKSTEER_INSTANCE SKSTEER_LABEL=web SKSTEER_PORTS=any:80 b=tcp:127.0.0.1#7771,reuse
	is "$(said_of '.sockets | length' tcp 127.0.0.1 80)" 2
	is "$(said_of '.sockets | length' tcp 127.0.0.1%lo 80)" 2
	for ((i = 0; i < 24; i++)); do
		port=$((20000 + 7 * i))
		name=$(said_of '.sockets[0].pid' tcp 127.0.0.1 80 from "127.0.0.1:$port")
		is "$(said_of '.sockets[0].pid' tcp 127.0.0.1%lo 80 from "127.0.0.1:$port")" "$name"
		[[ $name == "$(pid_of a)" ]] && wanted+=(a) || wanted+=(b)
		got+=("$(from_port 127.0.0.1 80 "$port")")
	done
	is "${got[*]}" "${wanted[*]}"
	[[ ${got[*]} == *a* && ${got[*]} == *b* ]]
}

@test "lookup: interfaces, and link-local addresses" {
	add_ns client
	veth main 192.0.2.1/24 client 192.0.2.2/24
	veth main fe80::77/64 client fe80::78/64
	stand here SKSTEER_LABEL=here SKSTEER_PORTS=any:80 here=tcp:0.0.0.0#7777,dev=lo
	stand wire SKSTEER_LABEL=wire SKSTEER_PORTS=any:80 wire=tcp:0.0.0.0#7778,dev=to-client
	stand link SKSTEER_LABEL=link SKSTEER_PORTS=81 link=tcp:fe80::77%to-client#7779
	gives here tcp 127.0.0.1%lo 80
	gives wire tcp 192.0.2.1%to-client 80
	gives link tcp fe80::77%to-client 81
	gives link tcp '[fe80::77%to-client]' 81 from '[fe80::78]:5'
	looks 1 tcp 192.0.2.1 80 -- '192.0.2.1:80/tcp is not steered, and nobody listens there' \
		'  but at   lo, to-client, where sockets of their own listen (ask for ADDR%INTERFACE)'
	looks 0 tcp fe80::77%to-client 7779 -- "[fe80::77%to-client]:7779/tcp is not steered: it goes to stand, pid $(pid_of link)" \
		"  listener [fe80::77%$(in_ns ip -j link show to-client | jq '.[0].ifindex')]:7779/tcp, stand, pid $(pid_of link), user root"
	is "$(service .counters.steered here),$(service .counters.steered wire),$(service .counters.steered link)" 0,0,0
	reaches 127.0.0.1#80=here
	NS=client reaches 192.0.2.1#80=wire 'fe80::77%to-main#81=link'
	kill_server wire
	looks 1 tcp 192.0.2.1%to-client 80 -- '192.0.2.1%to-client:80/tcp is refused by wire: its server is down' \
		'  service  wire of user root' '  binding  0.0.0.0/0:80/tcp'
}

@test "lookup: who is connected already; reply sockets are in nobody's way" {
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:80 web=tcp:0.0.0.0#7777,keep
	in_ns timeout 20 socat -u "TCP:127.0.0.1:80,bind=127.0.0.1:20001" EXEC:'sleep 20' 3>&- > /dev/null 2>&1 &
	wait_until 5 connected 20001
	looks 0 tcp 127.0.0.1 80 from 127.0.0.1:20001 -- \
		"127.0.0.1:80/tcp from 127.0.0.1:20001 is connected: stand, pid $(pid_of web)" \
		"  socket   127.0.0.1:80/tcp, stand, pid $(pid_of web), user root"
	gives web tcp 127.0.0.1 80 from 127.0.0.1:20002
	stand dns SKSTEER_LABEL=dns SKSTEER_PORTS=any:53/udp dns=udp:0.0.0.0#5353
	reaches 127.0.0.1#53/udp=dns
	wait_until 5 listening 53 '' udp
	is "$(said_of '.listeners | length' udp 127.0.0.1 53)" 0
	gives dns udp 127.0.0.1 53
}

connected() {
	[[ -n $(in_ns ss -Htn state established "sport = :$1") ]]
}

@test "lookup: a listener that is shut down takes nothing" {
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:80 web=tcp:0.0.0.0#7777 shutdown
	looks 1 tcp 127.0.0.1 80 -- '127.0.0.1:80/tcp is refused by web: its socket takes nothing: it is shut down, or connected' \
		'  service  web of user root' '  binding  0.0.0.0/0:80/tcp'
	reaches 127.0.0.1#80=refused
}

@test "lookup: another network namespace, by name, by process; and one where nothing is loaded" {
	add_ns other
	add_ns empty
	in_ns mkdir -p /run/netns
	in_ns touch /run/netns/red
	in_ns mount --bind "/proc/$(ns_pid other)/ns/net" /run/netns/red
	NS=other stand there SKSTEER_LABEL=there SKSTEER_PORTS=any:80 there=tcp:0.0.0.0#7777
	gives there tcp 127.0.0.1 80 --netns red
	gives there tcp 127.0.0.1 80 --netns "$(ns_pid other)"
	is "$(said_of .namespace tcp 127.0.0.1 80 --netns red)" "$(ns_ino other)"
	looks 1 tcp 127.0.0.1 80 -- '127.0.0.1:80/tcp is not steered, and nobody listens there'
	looks 1 tcp 127.0.0.1 80 --netns "$(ns_pid empty)" -- '127.0.0.1:80/tcp is not steered, and nobody listens there'
	fails 1 '--netns: "blue" is neither a name in /run/netns nor a running process' tcp 127.0.0.1 80 --netns blue
	fails 1 '--netns: "999999999" is neither a name in /run/netns nor a running process' tcp 127.0.0.1 80 --netns 999999999
	in_ns umount /run/netns/red
}

@test "lookup: an address that no packet is for is remarked on" {
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=192.0.2.0/24:80 web=tcp:0.0.0.0#7777
	looks 0 tcp 192.0.2.7 80 -- "192.0.2.7:80/tcp is steered to web: stand, pid $(pid_of web)" \
		'  service  web of user root' '  binding  192.0.2.0/24:80/tcp' \
		"  socket   0.0.0.0:7777/tcp, listening, weight 100, stand, pid $(pid_of web)" \
		'  note     192.0.2.7 is not local to this host: ip route add local 192.0.2.7 dev lo'
	local_route 192.0.2.0/24
	is "$(said_of .note tcp 192.0.2.7 80)" null
	reaches 192.0.2.7#80=web
}

@test "lookup: who may not read the pins is told so; pins of another layout" {
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:80 web=tcp:0.0.0.0#7777
	run as_user "$CTL" lookup tcp 127.0.0.1 80
	is "$output" "sksteerctl: lookup: only root reads the pins in $BPFFS (Permission denied)"
	is "$status" 1
	kill_helper
	in_ns "$PROGS/pins" foreign "$BPFFS/net-$(ns_ino)"
	run ctl lookup tcp 127.0.0.1 80
	is "$(wc -l <<< "$output")" 1
	has "$output" 'map layout 2'
	is "$status" 1
}

# bats test_tags=sanitize
@test "lookup: wrong words, each quoted" {
	fails 2 'lookup: "sctp": the protocol is tcp or udp' sctp 127.0.0.1 80
	fails 2 'lookup: "TCP": the protocol is tcp or udp' TCP 127.0.0.1 80
	fails 2 'lookup: "0": not a port from 1 to 65535' tcp 127.0.0.1 0
	fails 2 'lookup: "65536": not a port from 1 to 65535' tcp 127.0.0.1 65536
	fails 2 'lookup: "080": not a port from 1 to 65535' tcp 127.0.0.1 080
	fails 2 'lookup: "http": not a port from 1 to 65535' tcp 127.0.0.1 http
	fails 2 'lookup: "192.0.2.0/24": one address is asked for, not a prefix' tcp 192.0.2.0/24 80
	fails 2 'lookup: "[2001:db8::/32]": one address is asked for, not a prefix' tcp '[2001:db8::/32]' 80
	fails 2 'lookup: "localhost": neither an IPv4 nor an IPv6 address' tcp localhost 80
	fails 2 'lookup: "": an address is missing' tcp '' 80
	fails 2 'lookup: "127.1": not an IPv4 address, nor an IPv6 address in brackets' tcp 127.1 80
	fails 2 'lookup: "01.2.3.4": an IPv4 address is written without leading zeros' tcp 01.2.3.4 80
	fails 2 'lookup: "::g": not an IPv6 address' tcp ::g 80
	fails 2 'lookup: "0.0.0.0": names no address' tcp 0.0.0.0 80
	fails 2 'lookup: "::": names no address' tcp :: 80
	fails 2 'lookup: "224.0.0.1": multicast and broadcast are never steered' udp 224.0.0.1 80
	fails 2 'lookup: "ff02::1%lo": multicast and broadcast are never steered' udp ff02::1%lo 80
	fails 2 'lookup: "[::1": its bracket is not closed, or something follows it' tcp '[::1' 80
	fails 2 'lookup: "[::1]:80": its bracket is not closed, or something follows it' tcp '[::1]:80' 80
	fails 2 'lookup: "[::1%lo]%lo": it names two interfaces' tcp '[::1%lo]%lo' 80
	fails 2 'lookup: "fe80::1": a link-local address needs its interface, as in fe80::1%eth0' tcp fe80::1 80
	fails 1 'lookup: "nope0": there is no such interface here' tcp fe80::1%nope0 80
	fails 1 'lookup: "0": there is no such interface here' tcp 127.0.0.1%0 80
	fails 2 'lookup: "127.0.0.1%": no interface follows the "%"' tcp 127.0.0.1% 80
	local client='a client is ADDR:PORT, as 198.51.100.1:4000 or [2001:db8::1]:4000'
	fails 2 'lookup: "to": only "from ADDR:PORT" may follow the port' tcp 127.0.0.1 80 to 127.0.0.1:1
	fails 2 'lookup: "from": ADDR:PORT is missing after it' tcp 127.0.0.1 80 from
	fails 2 "lookup: \"127.0.0.1\": $client" tcp 127.0.0.1 80 from 127.0.0.1
	fails 2 "lookup: \"::1:80\": $client" tcp ::1 80 from ::1:80
	fails 2 "lookup: \"[::1]80\": $client" tcp ::1 80 from '[::1]80'
	fails 2 'lookup: "127.0.0.1:0": not a port from 1 to 65535' tcp 127.0.0.1 80 from 127.0.0.1:0
	fails 2 'lookup: "[::1]:80": a client has an address of the family that it dials' tcp 127.0.0.1 80 from '[::1]:80'
	fails 2 'lookup: "[::1%lo]": where it arrives stands in the address that is dialled' tcp ::1 80 from '[::1%lo]:80'
	local needs='it takes PROTO, ADDR and PORT, and at most "from ADDR:PORT" (see lookup --help)'
	fails 2 "lookup: $needs"
	fails 2 "lookup: $needs" tcp 127.0.0.1
	fails 2 "lookup: unexpected argument \"more\": $needs" tcp 127.0.0.1 80 from 127.0.0.1:1 more
	is "$(ctl lookup --help | head -n 1)" \
		'Usage: sksteerctl lookup PROTO ADDR PORT [from ADDR:PORT] [--json] [OPTION]...'
	fails 2 'lookup: --all is an option of status, metrics, watch' tcp 127.0.0.1 80 --all
	fails 2 "lookup: \"$(printf '1%.0s' {1..200})\": too long for an address" tcp "$(printf '1%.0s' {1..200})" 80
}

# random_place: ADDRESS#PORT, mostly near some binding.
random_place() {
	echo "127.$((RANDOM % 2)).$((RANDOM % 4)).$((1 + RANDOM % 6))#$((1000 + RANDOM % 64))"
}

@test "lookup: hundreds of overlapping bindings: what it says of random places is what clients find" {
	local i name specs places=() answers expected='' place pid
	for name in a b c; do
		specs=("any:$((1000 + RANDOM % 20))-$((1020 + RANDOM % 40))")
		for ((i = 0; i < 100; i++)); do
			case $((RANDOM % 3)) in
			0) specs+=("127.0.$((RANDOM % 4)).$((1 + RANDOM % 6)):$((1000 + RANDOM % 60))") ;;
			1) specs+=("127.$((RANDOM % 2)).$((RANDOM % 4)).0/24:$((1000 + RANDOM % 30))-$((1030 + RANDOM % 30))") ;;
			2) specs+=("127.$((RANDOM % 2)).0.0/16:$((1000 + RANDOM % 60))") ;;
			esac
		done
		echo "$name: ${specs[*]}"
		# What another one has already moves over.
		ctl bind "$name" "${specs[@]}" > /dev/null 2>&1
	done
	stand a SKSTEER_LABEL=a a=tcp:0.0.0.0#7771
	stand b SKSTEER_LABEL=b b=tcp:127.0.0.1#7772
	plain own own=tcp:0.0.0.0#106{0,1,2}
	# Nobody serves "c".
	(($(status_jq '[.services[].bindings[]] | length') > 150))
	for ((i = 0; i < $(soaks 80 3000); i++)); do
		places+=("$(random_place)")
	done
	places+=('127.0.0.1#1061')
	for place in "${places[@]}"; do
		read -r answers pid <<< "$(said_of '"\(.verdict | sub(" "; "_")) \(.sockets[0].pid // .listeners[0].pid)"' \
			tcp "${place%#*}" "${place#*#}")"
		case $answers,$pid in
		steered,"$(pid_of a)") expected+="$place a"$'\n' ;;
		steered,"$(pid_of b)") expected+="$place b"$'\n' ;;
		not_steered,"$(pid_of own)") expected+="$place own"$'\n' ;;
		refused,* | not_steered,null) expected+="$place refused"$'\n' ;;
		*) fail "$place: $answers $pid" ;;
		esac
	done
	is "$(dial -s 127.9.9.9 "${places[@]}")" "${expected%$'\n'}"
	for name in a b own refused; do
		has "$expected" " $name"
	done
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the grammar end to end: which clause opens what, on real sockets. Which of
# several wins: precedence.bats; what can't be steered: steering_refused.bats.

load stand

WEB4=web=tcp:0.0.0.0#7777
WEB6=web=tcp:::#7777,v6only
DUAL=web=tcp:::#7777

# --- ports ------------------------------------------------------------------------------------

# bats test_tags=kernels
@test "a list opens each of its ports and none beside them, on both families" {
	stand web SKSTEER_PORTS=7,77,777 "$WEB4" "$WEB6"
	reaches 127.0.0.1#{7,77,777,7777}=web ::1#{7,77,777,7777}=web \
		127.0.0.1#{6,8,76,78,776,778}=refused ::1#{6,8,76,78,776,778}=refused
	said web
}

@test "a range opens both its ends and all between, not its neighbours" {
	stand web SKSTEER_PORTS=1-3,8000-8100,65530-65535 "$DUAL"
	reaches {127.0.0.1,::1}#{1-3,8000-8100,65530-65535}=web \
		{127.0.0.1,::1}#{4,7999,8101,65529}=refused
}

@test "each clause has its own where" {
	stand web SKSTEER_PORTS='7,8;127.0.0.2:9,10-12;[::1]:13' "$DUAL"
	reaches {127.0.0.1,127.0.0.2,::1}#7-8=web 127.0.0.2#9-12=web ::1#13=web \
		{127.0.0.1,::1}#9-12=refused {127.0.0.1,127.0.0.2}#13=refused
}

@test "*: every port but those that other sockets hold; sshd survives, and status says so" {
	plain sshd sshd=tcp:0.0.0.0#22
	plain cups cups=tcp:127.0.0.1#631
	plain other other=tcp:::#50000
	stand web SKSTEER_PORTS='*' "$WEB4" "$WEB6"
	is "$(dial -s 127.0.0.9 127.0.0.1#1-65535)" "127.0.0.1#1-21 web
127.0.0.1#22 sshd
127.0.0.1#23-630 web
127.0.0.1#631 cups
127.0.0.1#632-49999 web
127.0.0.1#50000 other
127.0.0.1#50001-65535 web"
	reaches ::1#{1,21,23,7777,65535}=web ::1#50000=other
	is "$(service '.left_out[] | "\(.protocol) \(.ports)"')" "tcp 22
tcp 631
tcp 50000"
	is "$(service '.bindings[] | .ports')" "*
*"
	said web
}

@test "a range wider than 1024 leaves out what others hold, one of 1024 does not" {
	plain other other=tcp:0.0.0.0#8500
	stand wide SKSTEER_PORTS=8000-9024 wide=tcp:0.0.0.0#7777
	reaches 127.0.0.1#8000-8499=wide 127.0.0.1#8500=other 127.0.0.1#8501-9024=wide \
		127.0.0.1#{7999,9025}=refused
	is "$(service '.left_out[].ports')" 8500
	kill_server wide
	stand narrow SKSTEER_PORTS=8000-9023 narrow=tcp:0.0.0.0#7777
	reaches 127.0.0.1#8000-9023=narrow
	is "$(service '.left_out | length')" 0
}

@test "a narrow range over another user's socket is refused, and names it" {
	local told='sksteer: 0.0.0.0/0:8499-8501/tcp: port 8500 is held by a socket of user 65534'
	AS=nobody begin other other=tcp:0.0.0.0#8500
	wait_until 5 says other ready
	stand web SKSTEER_PORTS=8499-8501 "$WEB4"
	reaches 127.0.0.1#7777=web 127.0.0.1#{8499,8501}=refused 127.0.0.1#8500=other
	said web "$told on every address"
}

@test "* and wide ranges are for root" {
	local spec
	for spec in '*' 2000-4000 '*/udp'; do
		AS=nobody stand web SKSTEER_PORTS="$spec" "$WEB4" dns=udp:0.0.0.0#5353
		reaches 127.0.0.1#7777=web 127.0.0.1#{1,3000}=refused 127.0.0.1#3000/udp=refused
		has "$(log_of web)" '"*" and ranges of more than 1024 ports are for root'
		kill_server web
	done
}

# --- where ------------------------------------------------------------------------------------

# bats test_tags=kernels
@test "an IPv4 prefix, an address, /32: each opens its addresses and not their neighbours" {
	local_route 192.0.0.0/16
	stand web SKSTEER_PORTS='192.0.2.0/24:53;192.0.2.7:80,81;192.0.2.9/32:82' "$DUAL"
	reaches 192.0.2.{0,1,7,255}#53=web {192.0.1.255,192.0.3.0,127.0.0.1}#53=refused \
		192.0.2.7#80-81=web 192.0.2.{6,8}#80-81=refused \
		192.0.2.9#82=web 192.0.2.{8,10}#82=refused ::1#53=refused
	said web
}

@test "an IPv6 prefix, an address, /128: each opens its addresses and not their neighbours" {
	local_route 2001:db0::/28
	stand web SKSTEER_PORTS='[2001:db8::/32]:53;[2001:db8::7]:80;[2001:db8::9/128]:82' "$DUAL"
	reaches 2001:db8::{,1,ffff}#53=web 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff#53=web \
		{2001:db7:ffff:ffff:ffff:ffff:ffff:ffff,2001:db9::,::1}#53=refused \
		2001:db8::7#80=web 2001:db8::{6,8}#80=refused \
		2001:db8::9#82=web 2001:db8::{8,a}#82=refused 127.0.0.1#53=refused
	said web
}

@test "prefixes that end within a byte" {
	local_route 10.0.0.0/8 2001:db8::/32
	stand web SKSTEER_PORTS='10.96.0.0/11:53;10.1.2.128/25:54;[2001:db8:e000::/35]:55' "$DUAL"
	reaches {10.96.0.0,10.127.255.255}#53=web {10.95.255.255,10.128.0.0}#53=refused \
		10.1.2.{128,255}#54=web {10.1.2.127,10.1.3.0}#54=refused \
		2001:db8:{e000::,ffff::1}#55=web 2001:db8:{dfff::1,:1}#55=refused
}

# bats test_tags=kernels
@test "any: opens every address of the families that the socket accepts; 0.0.0.0/0 and [::/0] one" {
	local_route 192.0.2.0/24 2001:db8::/32
	stand web SKSTEER_PORTS='any:90;0.0.0.0/0:91;[::/0]:92' web=tcp:127.0.0.1#7777 \
		web=tcp:::1#7777
	reaches {127.0.0.1,127.0.0.2,192.0.2.1,::1,2001:db8::1}#90=web \
		{127.0.0.2,192.0.2.1}#91=web {::1,2001:db8::1}#91=refused \
		{::1,2001:db8::1}#92=web {127.0.0.1,192.0.2.1}#92=refused \
		{127.0.0.2,192.0.2.1,2001:db8::1}#7777=refused
	kill_server web
	stand web SKSTEER_PORTS=any:90 web=tcp:127.0.0.1#7777
	reaches {127.0.0.1,192.0.2.1}#90=web {::1,2001:db8::1}#90=refused
}

@test "default where: a wildcard socket opens every address of its families" {
	local_route 192.0.2.0/24 2001:db8::/32
	stand web SKSTEER_PORTS=7 "$WEB4"
	reaches {127.0.0.1,127.9.9.9,192.0.2.1}#7=web {::1,2001:db8::1}#7=refused
	kill_server web
	stand web SKSTEER_PORTS=7 "$WEB6"
	reaches {127.0.0.1,192.0.2.1}#7=refused {::1,2001:db8::1}#7=web
	kill_server web
	stand web SKSTEER_PORTS=7 "$DUAL"
	reaches {127.0.0.1,192.0.2.1,::1,2001:db8::1}#7=web
}

@test "default where: what is bound to one address opens that, and other machines see nothing" {
	add_ns peer
	veth main 192.0.2.1/24 peer 192.0.2.2/24
	veth main 2001:db8::1/64 peer 2001:db8::2/64
	stand web SKSTEER_PORTS=7 web=tcp:127.0.0.1#7777
	reaches 127.0.0.1#7=web {127.0.0.2,192.0.2.1,::1,2001:db8::1}#7=refused
	NS=peer reaches {192.0.2.1,2001:db8::1}#{7,7777}=refused
	kill_server web
	stand web SKSTEER_PORTS=7 web=tcp:::1#7777
	reaches ::1#7=web {127.0.0.1,192.0.2.1,2001:db8::1}#7=refused
	NS=peer reaches {192.0.2.1,2001:db8::1}#{7,7777}=refused
	kill_server web
	stand web SKSTEER_PORTS=7 web=tcp:192.0.2.1#7777 web=tcp:2001:db8::1#7777
	reaches {192.0.2.1,2001:db8::1}#7=web {127.0.0.1,::1}#7=refused
	NS=peer reaches {192.0.2.1,2001:db8::1}#7=web
}

@test "a prefix that is not local is warned about, and the route that is named makes it work" {
	local routes told
	local_route 192.0.2.0/24
	stand web SKSTEER_PORTS='198.51.100.0/24:80;[2001:db8::/32]:80;192.0.2.0/24:80' "$DUAL"
	told='sksteer: 198.51.100.0/24 is not local to this host: '
	told+='ip route add local 198.51.100.0/24 dev lo; 2001:db8::/32 is not local to this host: '
	told+='ip route add local 2001:db8::/32 dev lo'
	said web "$told"
	reaches 192.0.2.1#80=web 198.51.100.1#80=ENETUNREACH 2001:db8::1#80=ENETUNREACH
	routes=$(grep -o 'ip route add local [^;]*' "$SKS_DIR/web.log")
	in_ns sh -e -c "$routes"
	reaches {192.0.2.1,198.51.100.1,2001:db8::1}#80=web
}

@test "a listener on an IPv4-mapped address is an IPv4 one" {
	stand web SKSTEER_PORTS='7;127.0.0.1:7777=8' web=tcp:::ffff:127.0.0.1#7777
	reaches 127.0.0.1#7-8=web {127.0.0.2,::1}#7-8=refused
	kill_server web
	stand web SKSTEER_PORTS=7 web=tcp:::ffff:0.0.0.0#7777
	reaches 127.0.0.{1,2}#7=web ::1#7=refused
	said web
}

# --- listeners --------------------------------------------------------------------------------

@test "a clause that names its listener by port means all sockets on that port" {
	stand web SKSTEER_PORTS='8080=80,81' a=tcp:127.0.0.1#8080 b=tcp:::1#8080 c=tcp:0.0.0.0#9090
	reaches 127.0.0.1#80-81=a ::1#80-81=b 127.0.0.2#80=refused 127.0.0.2#9090=c
}

@test "a clause that names its listener by address and port means that one" {
	stand web SKSTEER_PORTS='127.0.0.1:8080=80;[::1]:8080=81' a=tcp:127.0.0.1#8080 \
		b=tcp:::1#8080
	reaches 127.0.0.1#80=a 127.0.0.1#81=refused ::1#81=b ::1#80=refused
	kill_server web
	stand web SKSTEER_PORTS='127.0.0.1:8080=any:80;127.0.0.2:8080=any:81' \
		a=tcp:127.0.0.1#8080 b=tcp:127.0.0.2#8080 c=tcp:::#8080,v6only
	reaches 127.0.0.{1,2,3}#80=a 127.0.0.{1,2,3}#81=b ::1#80-81=refused
	kill_server web
	stand web SKSTEER_PORTS='0.0.0.0:8080=80;[::]:8080=81' a=tcp:0.0.0.0#8080 \
		b=tcp:::#8080,v6only
	reaches 127.0.0.1#80=a 127.0.0.1#81=refused ::1#81=b ::1#80=refused
}

@test "[::]:8080= names a dual-stack listener, which opens both families" {
	stand web SKSTEER_PORTS='[::]:8080=80' web=tcp:::#8080
	reaches {127.0.0.1,::1}#80=web
}

@test "several listeners, each with its ports; one that is not named gets none" {
	stand web SKSTEER_PORTS='80=8000-8002;443=8443;444=any:8444' a=tcp:0.0.0.0#80 \
		b=tcp:0.0.0.0#443 c=tcp:0.0.0.0#9000
	reaches 127.0.0.1#8000-8002=a 127.0.0.1#8443=b 127.0.0.1#{8003,8442,8444}=refused
	is "$(service '.waiting[]')" any:8444
	is "$(service '[.sockets[].port] | sort | join(" ")')" '80 443'
	said web
}

@test "several sockets could serve a clause: the wildcard one does" {
	stand web SKSTEER_PORTS='any:80;127.0.0.2/32:81' a=tcp:127.0.0.1#7777,reuse \
		w=tcp:0.0.0.0#7777,reuse b=tcp:127.0.0.2#7777,reuse
	reaches 127.0.0.{1,2,3}#80=w 127.0.0.2#81=w 127.0.0.1#7777=a 127.0.0.2#7777=b
	said web
}

@test "several sockets could serve a clause: else the one whose address lies inside where" {
	stand web SKSTEER_PORTS='127.0.0.2/31:80;127.0.0.1:81' a=tcp:127.0.0.1#7777 \
		b=tcp:127.0.0.2#7777
	reaches 127.0.0.{2,3}#80=b 127.0.0.1#80=refused 127.0.0.1#81=a
	said web
}

@test "several sockets could serve a clause: else the error says to name the listener's address" {
	local spec
	for spec in any:80 127.0.0.0/8:80; do
		stand web SKSTEER_PORTS=$spec a=tcp:127.0.0.1#7777 b=tcp:127.0.0.2#7777
		has "$(log_of web)" "could serve ${spec/any/0.0.0.0\/0}/tcp: name the listener's address"
		# The first came when it was the only one; the second serves what it bound.
		reaches 127.0.0.{1,2}#80=a 127.0.0.1#7777=a 127.0.0.2#7777=b
		is "$(service '.sockets[].address')" 127.0.0.1
		kill_server web
		stand web SKSTEER_PORTS="127.0.0.2:7777=$spec" a=tcp:127.0.0.1#7777 \
			b=tcp:127.0.0.2#7777
		reaches 127.0.0.{1,2}#80=b
		said web
		kill_server web
	done
}

@test "the first listener is the first that named a port; a second port is not steered" {
	stand web SKSTEER_PORTS=7 x=tcp:0.0.0.0#0 a=tcp:0.0.0.0#7777 b=tcp:0.0.0.0#8888 \
		c=tcp:::#7777,v6only
	reaches 127.0.0.1#7=a ::1#7=c 127.0.0.1#8888=b
	is "$(service '[.sockets[] | "\(.address) \(.port)"] | sort | join(", ")')" \
		'0.0.0.0 7777, :: 7777'
	said web
}

@test "every member of a SO_REUSEPORT group is steered to" {
	stand web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777,reuse b=tcp:0.0.0.0#7777,reuse \
		c=tcp:0.0.0.0#7777,reuse
	is "$(service '.sockets | length')" 3
	# shellcheck disable=SC2046 # forty arguments
	is "$(dial $(printf '127.0.0.1#7 %.0s' {1..60}) | sort -u)" "127.0.0.1#7 a
127.0.0.1#7 b
127.0.0.1#7 c"
}

# --- UDP --------------------------------------------------------------------------------------

# bats test_tags=kernels
@test "/udp: lists, ranges and prefixes; a clause is of one protocol" {
	local_route 192.0.2.0/24 2001:db8::/32
	stand dns SKSTEER_PORTS='53,60-62/udp;192.0.2.0/24:70/udp;[2001:db8::/32]:71/udp;80' \
		dns=udp:0.0.0.0#5353 dns=udp:::#5353,v6only web=tcp:::#7777
	reaches {127.0.0.1,::1}#{53,60-62}/udp=dns {127.0.0.1,::1}#{52,54,59,63,80}/udp=refused \
		192.0.2.9#70/udp=dns {127.0.0.1,2001:db8::9}#70/udp=refused \
		2001:db8::9#71/udp=dns {::1,192.0.2.9}#71/udp=refused \
		{127.0.0.1,::1}#80=web {127.0.0.1,::1}#{53,60}=refused
}

@test "/udp: default where, any:, listener clauses" {
	local_route 192.0.2.0/24
	stand dns SKSTEER_PORTS='5353=53/udp;5354=any:54/udp' a=udp:127.0.0.1#5353 \
		b=udp:127.0.0.1#5354 c=udp:::#5355
	reaches 127.0.0.1#53/udp=a 192.0.2.1#53/udp=refused {127.0.0.1,192.0.2.1}#54/udp=b \
		::1#{53,54}/udp=refused ::1#5355/udp=c
}

# local_ports FIRST LAST: which the kernel gives to clients from now on.
local_ports() {
	in_ns sh -c "echo $1 $2 > /proc/sys/net/ipv4/ip_local_port_range"
}

@test "UDP * and wide ranges leave out ip_local_port_range; a port there named alone counts" {
	plain other other=udp:0.0.0.0#123
	local_ports 40000 40100
	stand dns SKSTEER_PORTS='*/udp;40050/udp' dns=udp:0.0.0.0#5353
	# A client whose own port is steered never hears an answer.
	local_ports 40060 40100
	FROM=127.0.0.9 reaches 127.0.0.1#{1,39999,40050,40101,65535}/udp=dns \
		127.0.0.1#123/udp=other 127.0.0.1#{40000-40049,40051-40100}/udp=refused
	reaches 127.0.0.1#1=refused
	is "$(service '.left_out[] | "\(.protocol) \(.ports)"')" "udp 123
udp 40000-40100"
	kill_server dns
	local_ports 40000 40100
	stand dns SKSTEER_PORTS=39000-41000/udp dns=udp:0.0.0.0#5353
	local_ports 50000 60000
	reaches 127.0.0.1#{39999,40101}/udp=dns 127.0.0.1#40000-40100/udp=refused
	kill_server dns
	local_ports 40000 40100
	stand dns SKSTEER_PORTS=40010-40020/udp dns=udp:0.0.0.0#5353
	local_ports 50000 60000
	reaches 127.0.0.1#40010-40020/udp=dns 127.0.0.1#{40009,40021}/udp=refused
	kill_server dns
	# TCP has no such trouble.
	local_ports 40000 40100
	stand web SKSTEER_PORTS='*' "$WEB4"
	FROM=127.0.0.9 reaches 127.0.0.1#{39999,40000,40100,40101}=web
}

# --- interfaces -------------------------------------------------------------------------------

two_peers() {
	add_ns p1
	add_ns p2
	veth main 192.0.2.1/24 p1 192.0.2.2/24
	veth main 198.51.100.1/24 p2 198.51.100.2/24
	veth main fe80::1/64 p1 fe80::2/64
	veth main fe80::1/64 p2 fe80::2/64
}

# bats test_tags=kernels,since-6-1
@test "a listener bound to a device is steered for what arrives there, any: or not" {
	local spec
	two_peers
	for spec in 7 any:7; do
		stand web SKSTEER_PORTS=$spec web=tcp:0.0.0.0#7777,dev=to-p1
		NS=p1 reaches 192.0.2.1#{7,7777}=web
		NS=p2 reaches 198.51.100.1#{7,7777}=refused
		reaches 127.0.0.1#{7,7777}=refused
		said web
		kill_server web
		wait_sockets 0
	done
	stand dns SKSTEER_PORTS=any:53/udp dns=udp:0.0.0.0#5353,dev=to-p1
	NS=p1 reaches 192.0.2.1#53/udp=dns
	NS=p2 reaches 198.51.100.1#53/udp=refused
	reaches 127.0.0.1#53/udp=refused
}

@test "a link-local listener is steered for what arrives on its link" {
	two_peers
	stand web SKSTEER_PORTS='7;any:8' web=tcp:fe80::1%to-p1#7777
	NS=p1 reaches fe80::1%to-main#{7,8,7777}=web
	NS=p2 reaches fe80::1%to-main#{7,8,7777}=refused
	reaches ::1#{7,8}=refused
	said web
}

@test "two listeners, one for each device, share a target" {
	two_peers
	stand web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777,dev=to-p1 b=tcp:0.0.0.0#7777,dev=to-p2
	NS=p1 reaches 192.0.2.1#7=a
	NS=p2 reaches 198.51.100.1#7=b
	said web
}

@test "a user's listener on a device does not keep root from more prefixes on its port" {
	two_peers
	local_route 10.0.0.0/8
	AS=nobody stand user SKSTEER_PORTS=any:8080 user=tcp:0.0.0.0#7777,dev=to-p1
	NS=p1 reaches 192.0.2.1#8080=user
	stand root SKSTEER_PORTS="$(printf '10.%s.0.0/16:8080;' 1 2 3 4)10.5.0.0/16:8080" \
		root=tcp:127.0.0.1#7778
	said root
	reaches 10.{1,2,3,4,5}.0.1#8080=root
}

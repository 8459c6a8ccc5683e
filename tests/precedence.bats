#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of precedence: which of several targets that meet at an address and port wins, within
# a spec and across services.

load stand

WEB4=web=tcp:0.0.0.0#7777
WEB6=web=tcp:::#7777,v6only

@test "precedence: the longer prefix, then the narrower range, then *; the lower of two as wide" {
	local ranges='1002=8000-9100;1003=8000-8100;1004=8050;1006=8080-8082;1007=8082-8084'
	local_route 192.0.2.0/24
	stand web SKSTEER_PORTS="1001=*;$ranges;1005=192.0.2.0/24:*" \
		a=tcp:0.0.0.0#1001 b=tcp:0.0.0.0#1002 c=tcp:0.0.0.0#1003 d=tcp:0.0.0.0#1004 \
		e=tcp:0.0.0.0#1005 f=tcp:0.0.0.0#1006 g=tcp:0.0.0.0#1007
	reaches 127.0.0.1#{1,7999,9101}=a 127.0.0.1#{8101,9100}=b 127.0.0.1#{8000,8049,8051,8100}=c \
		127.0.0.1#8050=d 127.0.0.1#8080-8082=f 127.0.0.1#8083-8084=g \
		192.0.2.1#{1,8000,8050,8082,9100,65535}=e
}

@test "precedence: a port that a wide range leaves out does not change who wins beside it" {
	stand b SKSTEER_PORTS=3000-5000 b=tcp:0.0.0.0#3500
	stand a SKSTEER_PORTS=2000-4000 a=tcp:0.0.0.0#1001
	is "$(status_jq '[.services[] | .left_out[].ports] | join(" ")')" 3500
	reaches 127.0.0.1#2000-3499=a 127.0.0.1#3500=b 127.0.0.1#3501-4000=a 127.0.0.1#4001-5000=b
}

@test "precedence: across services, whichever came first" {
	local order name
	declare -A spec=([a]=192.0.2.0/24:* [b]=any:53 [c]=192.0.2.128/25:53) \
		port=([a]=7001 [b]=7002 [c]=7003)
	local_route 192.0.2.0/24
	for order in 'a b c' 'c b a' 'b c a'; do
		for name in $order; do
			stand "$name" SKSTEER_PORTS="${spec[$name]}" "$name=tcp:127.0.0.1#${port[$name]}"
		done
		reaches 192.0.2.{1,127}#53=a 192.0.2.{128,255}#53=c 127.0.0.1#53=b \
			192.0.2.{1,129}#{54,7002}=a 127.0.0.1#54=refused
		for name in $order; do
			said "$name"
			kill_server "$name"
		done
		wait_sockets 0
	done
}

# nested ADDRESS FROM TO: sets SPEC and WANTED for the prefixes of that address, by turns of
# listener 1001 (a) and 1002 (b). An address that differs first in bit n has /n as its longest.
nested() {
	local len
	for ((len = $2; len <= $3; len++)); do
		if ((len % 2)); then
			SPEC+=";1001=$(prefix_of "$1" "$len"):53" WANTED+=("$(flip "$1" "$len")#53=a")
		else
			SPEC+=";1002=$(prefix_of "$1" "$len"):53" WANTED+=("$(flip "$1" "$len")#53=b")
		fi
	done
}

# The address is 10.0.0.0 or 2001:db8::, whose own bits end before any length that is asked for.
prefix_of() {
	if [[ $1 == *:* ]]; then echo "[$1/$2]"; else echo "$1/$2"; fi
}

# flip ADDRESS N: with bit N, counted from 0, set.
flip() {
	if [[ $1 == 10.0.0.0 ]]; then
		printf '10.%d.%d.%d' $((1 << (31 - $2) >> 16 & 255)) $((1 << (31 - $2) >> 8 & 255)) \
			$((1 << (31 - $2) & 255))
	else
		printf '2001:db8:%x:%x:%x:%x:%x:%x' "$(group "$2" 2)" "$(group "$2" 3)" \
			"$(group "$2" 4)" "$(group "$2" 5)" "$(group "$2" 6)" "$(group "$2" 7)"
	fi
}

group() {
	echo $(($1 / 16 == $2 ? 1 << (15 - $1 % 16) : 0))
}

@test "4, 5 and 40 prefixes on one port, IPv4 and IPv6: the longest wins in each case" {
	local n i
	local_route 10.0.0.0/8 172.16.0.0/16 2001:db8::/32
	for n in 4 5 40; do
		SPEC='' WANTED=()
		nested 10.0.0.0 8 $((n < 24 ? 7 + n : 31))
		nested 2001:db8:: 33 $((32 + n))
		for ((i = 24; i < n; i++)); do # where no further ones nest
			SPEC+=";1001=172.16.$i.0/24:53" WANTED+=("172.16.$i.9#53=a")
		done
		stand web SKSTEER_PORTS="${SPEC#;}" a=tcp:127.0.0.1#1001 b=tcp:127.0.0.1#1002 \
			a=tcp:::1#1001 b=tcp:::1#1002
		reaches "${WANTED[@]}" 127.0.0.1#53=refused ::1#53=refused 10.0.0.1#54=refused
		said web
		kill_server web
		wait_sockets 0
	done
}

@test "status lists bindings in the order in which they win" {
	local_route 192.0.2.0/24 2001:db8::/32
	local prefixes='192.0.2.0/24:80;[2001:db8::/48]:80;192.0.2.1:81;192.0.2.0/24:*'
	stand web SKSTEER_PORTS="*;8000-9100;8050;$prefixes;8000-8100" "$WEB4" "$WEB6"
	is "$(service '.bindings[] | "\(.prefix) \(.ports)"' | grep -v ::/0)" "2001:db8::/48 80
192.0.2.1 81
192.0.2.0/24 80
192.0.2.0/24 *
0.0.0.0/0 8050
0.0.0.0/0 8000-8100
0.0.0.0/0 8000-9100
0.0.0.0/0 *"
	is "$(service '.bindings[] | "\(.prefix) \(.ports)"' | grep ::/0)" "::/0 8050
::/0 8000-8100
::/0 8000-9100
::/0 *"
}

@test "long specs: 600 prefixes on a port, and every third port up to 8000" {
	local prefixes ports i
	local_route 10.0.0.0/8
	for ((i = 0; i < 600; i++)); do
		prefixes+=";10.1.$((i / 60)).$((i % 60 * 4))/31:53"
	done
	ports=$(seq -s, 2 3 8000)
	((${#prefixes} < 16384 && ${#ports} < 16384))
	stand a SKSTEER_PORTS="${prefixes#;}" a=tcp:127.0.0.1#9001
	stand b SKSTEER_PORTS="$ports" b=tcp:127.0.0.1#9002
	reaches 10.1.0.{0,1}#53=a 10.1.0.{2,3}#53=refused 10.1.9.{236,237}#53=a \
		10.1.9.{238,239}#53=refused 127.0.0.1#{2,53,5000,7997,8000}=b \
		127.0.0.1#{3,4,7998,7999}=refused
	said a
	said b
}

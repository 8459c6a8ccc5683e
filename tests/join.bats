#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of mode join: independent instances of a label share its connections by weight.

load instances

# joined NAME WEIGHT WORD...: of the label "web" with port 7. WEIGHT may be empty.
joined() {
	stand "$1" SKSTEER_LABEL=web SKSTEER_MODE="join${2:+=$2}" SKSTEER_PORTS="${PORTS-any:7}" "${@:3}"
}

# shares N PLACE NAME=PERCENT...: of N connections, as far as chance allows: six times its standard
# deviation, and half a point for what 256 places cannot divide. 2 points of 20 000 are more.
shares() {
	local n=$1 each name percent got
	run -0 in_ns "$PROGS/rush" -n "$n" name "$2"
	for each in "${@:3}"; do
		name=${each%=*} percent=${each#*=}
		got=$(sed -n "s/^$name answered //p" <<< "$output")
		awk -v n="$n" -v p="$percent" -v got="${got:-0}" 'BEGIN {
			p /= 100; off = got / n - p; if (off < 0) off = -off
			exit !(p == 0 || p == 1 ? off == 0 : off <= 6 * sqrt(p * (1 - p) / n) + 0.005)
		}' || fail "$name: ${got:-0} of $n, not $percent %" || return
	done
	is "$(grep -c answered <<< "$output")" "$(printf '%s\n' "${@:3}" | grep -vc '=0$')"
}

@test "join: two with the same port have half of the connections each" {
	joined a '' a=tcp:0.0.0.0#7777,tell
	joined b '' b=tcp:0.0.0.0#7777,tell
	said a 'a is 7777'
	said b 'b is 7777'
	shares 4000 127.0.0.1#7 a=50 b=50
	shares 4000 127.0.0.1#7777 a=50 b=50
}

@test "join: three with ports of their own" {
	joined a '' a=tcp:0.0.0.0#7777
	joined b '' b=tcp:0.0.0.0#7778
	joined c 200 c=tcp:0.0.0.0#7779
	shares 4000 127.0.0.1#7 a=25 b=25 c=50
	reaches 127.0.0.1#7777=a 127.0.0.1#7778=b 127.0.0.1#7779=c
}

@test "join, sksteer-run: one that does not join at first, and both families" {
	stand_run a -l web -p any:7 -- a=tcp:0.0.0.0#7777 a=tcp:::#7777,v6only
	stand_run b -l web --join=300 -p any:7 -- b=tcp:0.0.0.0#7777 b=tcp:::#7777,v6only
	shares 4000 127.0.0.1#7 a=25 b=75
	shares 4000 ::1#7 a=25 b=75
}

@test "join: a dual-stack one" {
	joined a '' a=tcp:::#7777
	joined b 25 b=tcp:::#7777
	shares 4000 127.0.0.1#7 a=80 b=20
	shares 4000 ::1#7 a=80 b=20
}

# bats test_tags=soak
@test "join: 10 beside 90 has a tenth" {
	local n each places=(127.0.0.1#7)
	n=$(soaks 4000 20000)
	joined big 90 big=tcp:0.0.0.0#7777
	joined small 10 small=tcp:0.0.0.0#7777
	shares "$n" 127.0.0.1#7 big=90 small=10
}

# bats test_tags=soak
@test "join: a canary grows from 1 to 99 in a storm, live: no connection is lost" {
	local i n
	n=$(soaks 2000 20000)
	joined old 99 old=tcp:0.0.0.0#7777
	joined new 1 new=tcp:0.0.0.0#7777
	rush storm -r 1000 name 127.0.0.1#7
	for i in 1 10 50 90 99; do
		ctl weight web "$(pid_of new)" "$i"
		ctl weight web "$(pid_of old)" $((100 - i))
		shares "$n" 127.0.0.1#7 old=$((100 - i)) new="$i"
	done
	is "$(service '[.sockets[].weight] | sort | join(" ")' web)" '1 99'
	ctl weight web "$(pid_of old)" 0
	shares "$n" 127.0.0.1#7 old=0 new=100
	drain old
	kill_server old
	rush_goes_on storm
	end_rush storm
}

@test "join=0: it stands by, and serves when the others have gone" {
	joined a '' a=tcp:0.0.0.0#7777
	joined b 0 b=tcp:0.0.0.0#7777
	shares 400 127.0.0.1#7 a=100 b=0
	kill_server a
	reaches 127.0.0.1#{7,7777}=b
}

@test "weight: of a process that is not of the label, of no label, of a weight that is none" {
	joined a '' a=tcp:0.0.0.0#7777
	plain other other=tcp:0.0.0.0#8888
	run ctl weight web "$(pid_of other)" 10
	is "$status" 1
	has "$output" "$(pid_of other)"
	run ctl weight none "$(pid_of a)" 10
	is "$status" 1
	has "$output" none
	for each in 65536 -1 ten ''; do
		run ctl weight web "$(pid_of a)" "$each"
		is "$status" 2
		has "$output" "$each"
	done
	reaches 127.0.0.1#7=a
}

@test "join: another spec than the label's is refused by name, none is the label's" {
	joined a '' a=tcp:0.0.0.0#7777
	PORTS=any:8 joined b '' b=tcp:0.0.0.0#7778
	has "$(log_of b)" 'sksteer: '
	reaches 127.0.0.1#7=a 127.0.0.1#8=refused 127.0.0.1#7778=b
	kill_server b
	stand c SKSTEER_LABEL=web SKSTEER_MODE=join c=tcp:0.0.0.0#7777
	shares 2000 127.0.0.1#7 a=50 c=50
}

# bats test_tags=soak
@test "join: one leaves and comes again: nobody is refused, the others' connections are served" {
	local i refused
	joined a '' a=tcp:0.0.0.0#7777
	joined b '' b=tcp:0.0.0.0#7777
	rush storm -r 1000 -c 4 name 127.0.0.1#7
	for ((i = 0; i < $(soaks 10 100); i++)); do
		kill_server b
		joined b '' b=tcp:0.0.0.0#7777
		said b
	done
	kill -TERM "$(pid_of storm)"
	wait_server storm 30 || :
	# What the dead one had in its hands, at most, each time.
	refused=$(grep -c ECONNREFUSED "$SKS_DIR/storm.log" || :)
	is "$refused" 0 || fail "$(log_of storm)"
	(($(sed -n 's/.* connections, \([0-9]*\) failures.*/\1/p' "$SKS_DIR/storm.log") <= 4 * i)) ||
		fail "$(log_of storm)"
	shares 2000 127.0.0.1#7 a=50 b=50
}

@test "join: one that is drained first leaves without a trace" {
	joined a '' a=tcp:0.0.0.0#7777
	joined b '' b=tcp:0.0.0.0#7777
	rush storm -r 1000 name 127.0.0.1#7
	ctl weight web "$(pid_of a)" 0
	drain a
	kill_server a
	rush_goes_on storm
	end_rush storm
}

@test "join: UDP: a client stays with its server while others come and go" {
	local port who
	PORTS=any:53/udp joined a '' a=udp:0.0.0.0#5353
	PORTS=any:53/udp joined b '' b=udp:0.0.0.0#5354
	for port in {40001..40012}; do
		who+=$(from_port "$port")
	done
	has "$who" a
	has "$who" b
	PORTS=any:53/udp joined c 0 c=udp:0.0.0.0#5355
	kill_server c
	for port in {40001..40012}; do
		again+=$(from_port "$port")
	done
	is "$again" "$who"
}

# from_port PORT: who answers it by UDP.
from_port() {
	REST=0.1 ask_udp 127.0.0.1 53 who "bind=127.0.0.1:$1" | cut -d ' ' -f 1
}

@test "join: without the helper the weights go on, and one that dies leaves nobody refused" {
	joined a 25 a=tcp:0.0.0.0#7777
	joined b 75 b=tcp:0.0.0.0#7777
	kill_helper
	shares 2000 127.0.0.1#7 a=25 b=75
	kill_server b
	run -0 in_ns "$PROGS/rush" -n 500 name 127.0.0.1#7
	has "$output" 'a answered 500'
	start_helper
	joined b 75 b=tcp:0.0.0.0#7777
	shares 2000 127.0.0.1#7 a=25 b=75
}

@test "join: replaced as one, by a new instance; and they have it again when that one goes" {
	joined a '' a=tcp:0.0.0.0#7777
	joined b '' b=tcp:0.0.0.0#7777
	stand new SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS=any:7 new=tcp:0.0.0.0#7777
	shares 400 127.0.0.1#7 new=100
	kill_server new
	wait_until 3 shares 2000 127.0.0.1#7 a=50 b=50
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of many bindings: changes of thousands of ports under a connect storm, and a
# namespace that grows to 100 000 bindings. What a full one refuses: unit/scale_test.

load promises

setup() {
	sks_setup
	need jq
}

# ports FIRST COUNT STEP: so many ports that are no range.
ports() {
	seq -s , "$1" "$3" $(($1 + ($2 - 1) * $3))
}

# bindings_are LABEL COUNT
bindings_are() {
	is "$(status_jq "[.services[] | select(.label == \"$1\") | .bindings[]] | length")" "$2"
}

# each bind|unbind LABEL SPEC...: each by itself, for one request has at most 16 KiB of specs.
each() {
	local verb=$1 label=$2 spec
	shift 2
	for spec in "$@"; do
		ctl "$verb" "$label" "$spec" || fail "$verb $label failed"
	done
}

@test "thousands of ports come and go in a storm: no connection is lost" {
	local i
	start_helper
	serve web 7 SKSTEER_LABEL=web 0.0.0.0#7777
	storm web 127.0.0.1 7
	for ((i = 0; i < 8; i++)); do
		each bind web "$(ports $((1001 + i)) 2500 3)" "$(ports 20001 2000 2)"
		gets 127.0.0.1 $((1001 + i)) web
		gets 127.0.0.1 20003 web
		storm_goes_on 50
		each unbind web "$(ports $((1001 + i)) 2500 3)" "$(ports 20001 2000 2)"
		refused 127.0.0.1 20003
		storm_goes_on 50
	done
	end_storm
	bindings_are web 1
	audit
}

@test "a port that moves from label to label in a storm is served by one of them all the time" {
	local i
	start_helper
	serve web 7,9 SKSTEER_LABEL=one 0.0.0.0#7777
	start_server other env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_LABEL=two \
		SKSTEER_PORTS=8 "$PROGS/serve" web 0.0.0.0#8888
	wait_until 5 says_ready other
	each bind one 77
	storm web 127.0.0.1 77
	for ((i = 0; i < 30; i++)); do
		run ctl bind two 77
		has "$output" '77 moved over from "one"'
		storm_goes_on 10
		ctl bind one 77
		storm_goes_on 10
	done
	end_storm
	bindings_are one 3
	bindings_are two 1
}

@test "narrower and longer ones come and go around a port in a storm: it stays with its server" {
	local i
	start_helper
	serve web 127.0.0.0/8:700 SKSTEER_LABEL=web 0.0.0.0#7777
	serve wide '*' SKSTEER_LABEL=wide 0.0.0.0#8888
	storm web 127.0.0.1 700
	for ((i = 0; i < 20; i++)); do
		# Else the /16, which is longer than the storm's /8, would take it.
		ctl bind web 127.0.0.1:700
		ctl bind wide any:600-900 '127.0.0.0/16:650-750;127.0.0.2:700' 10.0.0.0/8:700
		gets 127.0.0.2 700 wide
		gets 127.0.0.3 700 wide
		storm_goes_on 10
		ctl unbind wide 127.0.0.0/16:650-750 127.0.0.2:700
		gets 127.0.0.2 700 web
		ctl unbind web 127.0.0.1:700
		ctl unbind wide any:600-900 10.0.0.0/8:700
		storm_goes_on 10
	done
	end_storm
}

# many LABEL FIRST: binds 2500 single ports on each of 4 prefixes.
many() {
	local prefix specs=()
	for prefix in 10.1.0.0/16 10.1.2.0/24 192.0.2.0/24 198.51.100.7; do
		specs+=("$prefix:$(ports "$2" 2500 1)")
	done
	each bind "$1" "${specs[@]}"
}

@test "100 000 bindings: new servers come at once, every one is found, and the next helper takes up" {
	local i before
	start_helper
	serve web 7 SKSTEER_LABEL=web 0.0.0.0#7777
	storm web 127.0.0.1 7
	for ((i = 0; i < 10; i++)); do
		many "m$i" $((1000 + 2500 * i))
	done
	storm_goes_on 50
	end_storm
	is "$(status_jq '[.services[] | select(.label != "web") | .bindings[]] | length')" 100000
	# Its listen(2) waits no more than a second for the answer, and says so when none comes.
	serve m7 '' SKSTEER_LABEL=m7 0.0.0.0#8888
	silent m7
	in_ns ip route add local 10.1.0.0/16 dev lo
	gets 10.1.2.3 18500 m7
	gets 10.1.3.3 20999 m7
	refused 10.1.2.3 16000
	before=$(status_of_all | sha256sum)
	kill_helper
	start_helper
	is "$(status_of_all | sha256sum)" "$before"
	gets 10.1.2.3 18500 m7
	serve late 9 0.0.0.0#9999
	gets 127.0.0.1 9 late
	kill_server m7
	refused 10.1.2.3 18500
	wait_until 5 audit
}

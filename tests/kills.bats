#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of a helper that is killed at each of its system calls (progs/killat.c), from the
# moment when a request comes until it has forgotten about it: the next helper finds what was before
# or what was to come, and nobody else notices.

load instances

# Every state is a text: services, their bindings, and who has their sockets.
state() {
	local name names=''
	for name in "${!SKS_PID[@]}"; do
		names+="s/-${SKS_PID[$name]}\b/-$name/;"
	done
	status_jq '.services[] | .label, (.bindings | map("binds \(.prefix) \(.ports)") | sort[]),
		(.waiting | sort[] | "waits for \(.)"),
		(.sockets | map("\(.family) \(.port) \(.state) \(.weight) of process-\(.pid)") | sort[])' |
		sed "$names" | sort_services
}

# The services in the order of their labels, their lines as they are.
sort_services() {
	awk '!/^(binds|waits|ipv)/ { label = $0 } { print label "\t" NR "\t" $0 }' |
		sort -t $'\t' -k 1,1 -k 2,2n | cut -f 3
}

# struck OP N: the helper dies before its Nth call of what OP_begins starts, and the next one starts.
# Status 1: it was through with that before.
struck() {
	local killer status=0
	: > "$SKS_DIR/killat.out"
	: > "$SKS_DIR/op.log"
	"$PROGS/killat" "$(helper_pid)" "$2" > "$SKS_DIR/killat.out" 2>&1 3>&- &
	killer=$!
	wait_until 5 grep -qx ready "$SKS_DIR/killat.out"
	"$1_begins"
	until "$1_is_done" || sks_is_gone "$killer"; do
		sleep 0.01
	done
	kill -TERM "$killer" 2> /dev/null || :
	wait "$killer" || status=$?
	if ((status == 0)); then
		kill_helper # which is dead, and is waited for
		start_helper
	fi
	wait_until 10 "$1_is_done"
	((status == 0 || status == 3)) || fail "$(cat "$SKS_DIR/killat.out")"
	return "$((status != 0))"
}

# is_whole OP N BEFORE AFTER: it is one or the other, all of the records are those of one state, and
# it is as OP_shows tells from outside: "$1_shows yes" or "$1_shows no".
is_whole() {
	local now when
	when="call $2 ($(tail -n 1 "$SKS_DIR/killat.out"))"
	now=$(state)
	[[ $now == "$3" || $now == "$4" ]] ||
		fail "$when:"$'\n'"$now"$'\n--- expected\n'"$3"$'\n--- or\n'"$4" || return
	audited || fail "$when" || return
	"$1_shows" "$([[ $now == "$4" ]] && echo yes || echo no)" ||
		fail "$when"$'\n'"$now"$'\n'"$(log_of op)"
}

state_is() {
	is "$(state)" "$1"
}

# lost_syns: how many connections were tried again by a kernel that had heard nothing, in $NS.
lost_syns() {
	# shellcheck disable=SC2016 # awk's
	in_ns awk '$1 == "TcpExt:" && !n { n = split($0, names); next }
		$1 == "TcpExt:" { for (i = 2; i <= n; i++) if (names[i] == "TCPSynRetrans") print $i }' /proc/net/netstat
}

# killed_at_each OP [STEP]: and another label's clients see nothing of it.
killed_at_each() {
	local op=$1 step=${2:-1} before after i
	stand other SKSTEER_LABEL=other SKSTEER_PORTS=any:9 other=tcp:0.0.0.0#9999
	before=$(state)
	struck "$op" 100000 && fail 'so many calls?'
	after=$(state)
	isnt "$after" "$before"
	is_whole "$op" 0 "$after" "$after"
	"${op}_is_undone"
	wait_until 5 state_is "$before"
	rush others -r 200 -c 4 name 127.0.0.1#9
	for ((i = 1; i < 3000; i += step)); do
		struck "$op" "$i" || break
		is_whole "$op" "$i" "$before" "$after"
		"${op}_is_undone"
		wait_until 5 state_is "$before"
	done
	((i > 10)) || fail "only $i calls"
	end_rush others
	is "$(lost_syns)" 0
}

# --- a registration -----------------------------------------------------------------------------

registration_begins() {
	begin op SKSTEER_PORTS=any:7,8 op=tcp:::#7777
}

registration_is_done() {
	says op ready
}

# Who is told that nothing is steered may be steered: the answer was lost. Never the other way.
registration_shows() {
	if [[ $1 == yes ]]; then
		reaches {127.0.0.1,::1}#{7,8,7777}=op
	else
		has "$(log_of op)" 'went away'
		reaches {127.0.0.1,::1}#{7,8}=refused {127.0.0.1,::1}#7777=op
	fi
}

registration_is_undone() {
	kill_server op
}

# bats test_tags=soak
@test "the helper killed at each call of a registration: all of it is there or nothing" {
	killed_at_each registration
}

# --- a replace ----------------------------------------------------------------------------------

replace_begins() {
	begin op SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS=any:8,10 op=tcp:::#7777
}

replace_is_done() {
	says op ready
}

# One that was asked nothing was put nowhere, and its bind(2) fails as without us.
replace_shows() {
	if [[ $1 == yes ]]; then
		has_not "$(log_of op)" EADDRINUSE
		reaches {127.0.0.1,::1}#7=refused {127.0.0.1,::1}#{8,10,7777}=op
	else
		has "$(log_of op)" 'op bind EADDRINUSE'
		reaches {127.0.0.1,::1}#{7,8,7777}=old {127.0.0.1,::1}#10=refused
	fi
}

replace_is_undone() {
	kill_server op
}

# bats test_tags=soak
@test "the helper killed at each call of a replace: the one instance or the other" {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=any:7,8 old=tcp:::#7777
	killed_at_each replace "$(soaks 2 1)"
}

# --- what sksteerctl asks for -------------------------------------------------------------------

# ctl_begins WORD...
ctl_begins() {
	start_server op env SKSTEER_SOCKET="$SOCKET" "$CTL" "$@"
}

ctl_is_done() {
	sks_is_gone "$(pid_of op)"
}

unbind_begins() {
	ctl_begins unbind web any:8 127.0.0.2:11
}

unbind_is_done() {
	ctl_is_done
}

unbind_shows() {
	if [[ $1 == yes ]]; then
		reaches 127.0.0.1#7=old 127.0.0.1#8=refused 127.0.0.2#11=refused
	else
		reaches 127.0.0.1#7-8=old 127.0.0.2#11=old
	fi
}

unbind_is_undone() {
	ctl bind web any:8 127.0.0.2:11 > /dev/null 2>&1 || :
}

# bats test_tags=soak
@test "the helper killed at each call of an unbind: all of it has gone or nothing" {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=any:7 old=tcp:0.0.0.0#7777
	ctl bind web any:8 127.0.0.2:11
	killed_at_each unbind "$(soaks 3 1)"
}

# What moves from label to label, what comes and what goes, and a label that does.
apply_begins() {
	cat > "$SKS_DIR/list.json" <<- 'END'
		{ "services": [ { "label": "web", "bindings": [ "any:10", "any:12" ] },
		                { "label": "new", "bindings": [ "any:13" ] },
		                { "label": "api", "bindings": [ "any:8" ] } ] }
	END
	ctl_begins apply "$SKS_DIR/list.json"
}

apply_is_done() {
	ctl_is_done
}

apply_shows() {
	if [[ $1 == yes ]]; then
		reaches 127.0.0.1#{7,10,12}=web 127.0.0.1#{8,14}=api 127.0.0.1#{11,13}=refused
	else
		reaches 127.0.0.1#{7,8,10}=web 127.0.0.1#{11,14}=api 127.0.0.1#{12,13}=refused
	fi
}

apply_is_undone() {
	had_before
}

had_before() {
	ctl apply - > /dev/null <<- 'END'
		{ "services": [ { "label": "web", "bindings": [ "any:8", "any:10" ] },
		                { "label": "api", "bindings": [ "any:11" ] },
		                { "label": "old", "bindings": [ "any:15" ] } ] }
	END
}

# bats test_tags=soak
@test "the helper killed at each call of an apply: all of it is done or nothing" {
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:7 web=tcp:0.0.0.0#7777
	stand api SKSTEER_LABEL=api SKSTEER_PORTS=any:14 api=tcp:0.0.0.0#8888
	had_before
	killed_at_each apply "$(soaks 3 1)"
}

weight_begins() {
	ctl_begins weight web "$(pid_of two)" 300
}

weight_is_done() {
	ctl_is_done
}

weight_shows() {
	local answers
	answers=$(in_ns "$PROGS/rush" -n 1000 name 127.0.0.1#7 | sed -n 's/^two answered //p')
	if [[ $1 == yes ]]; then
		((answers > 650))
	else
		((answers < 600))
	fi || fail "$answers"
}

weight_is_undone() {
	ctl weight web "$(pid_of two)" 100
}

# bats test_tags=soak
@test "the helper killed at each call of a change of a weight: the places are those of one" {
	stand one SKSTEER_LABEL=web SKSTEER_MODE=join SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	stand two SKSTEER_LABEL=web SKSTEER_MODE=join SKSTEER_PORTS=any:7 two=tcp:0.0.0.0#7777
	killed_at_each weight "$(soaks 3 1)"
}

unregister_begins() {
	ctl_begins unregister web
}

unregister_is_done() {
	ctl_is_done
}

unregister_shows() {
	if [[ $1 == yes ]]; then
		reaches 127.0.0.1#7-8=refused 127.0.0.1#7777=old
	else
		reaches 127.0.0.1#7-8=new
	fi
}

unregister_is_undone() {
	local i
	for i in old new; do
		[[ -z $(service .label web) ]] || return 0
		kill_server "$i"
	done
	web_is_served
}

# web_is_served: by two instances.
web_is_served() {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=any:7,8 old=tcp:0.0.0.0#7777
	stand new SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS=any:7,8 new=tcp:0.0.0.0#7777
}

# bats test_tags=soak
@test "the helper killed at each call of an unregistration: all of it has gone or nothing" {
	web_is_served
	killed_at_each unregister "$(soaks 3 1)"
}

# --- a promotion --------------------------------------------------------------------------------

promote_begins() {
	start_server op /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" promote
}

promote_is_done() {
	sks_is_gone "$(pid_of op)"
}

promote_shows() {
	if [[ $1 == yes ]]; then
		reaches {127.0.0.1,::1}#{8,10,7777}=new 127.0.0.1#7=refused
	else
		reaches {127.0.0.1,::1}#{7,8,7777}=old 127.0.0.1#10=refused
	fi
}

promote_is_undone() {
	kill_server new
	new_stands_by
}

new_stands_by() {
	stand new SKSTEER_LABEL=web SKSTEER_MODE=standby SKSTEER_PORTS=any:8,10 new=tcp:0.0.0.0#7777 \
		new=tcp:::#7777,v6only
}

# bats test_tags=soak
@test "the helper killed at each call of a promotion: the one instance or the other" {
	need /usr/bin/python3
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=any:7,8 old=tcp:0.0.0.0#7777 old=tcp:::#7777,v6only
	new_stands_by
	killed_at_each promote "$(soaks 3 1)"
}

# --- between two calls --------------------------------------------------------------------------

@test "killed when a replace is published and its sockets are in no chain yet: the next helper goes on" {
	stand old SKSTEER_LABEL=cut SKSTEER_PORTS=any:7 old=tcp:::#7777
	stand new SKSTEER_LABEL=cut SKSTEER_MODE=replace SKSTEER_PORTS=any:7 new=tcp:::#7777
	kill_helper
	in_ns "$PROGS/pins" unchain "$BPFFS/net-$(ns_ino)"
	not audited
	start_helper
	audited
	reaches {127.0.0.1,::1}#{7,7777}=new
	kill_server new
	reaches {127.0.0.1,::1}#{7,7777}=old
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl: its command line, weight, unregister, bind, unbind, unload, and which
# network namespace it is about. What status shows: status.bats.
# shellcheck disable=SC2016 # what is in single quotes is jq's
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
# shellcheck disable=SC2154 # bats sets $stderr

load ctl

pins() {
	in_ns ls "$BPFFS/net-$(ns_ino)"
}

# --- the command line --------------------------------------------------------------------------

# bats test_tags=sanitize
@test "wrong usage: status 2, and the word that is wrong is quoted" {
	fails 2 'no verb is given'
	fails 2 '"frobnicate" is no verb' frobnicate
	fails 2 '--frobnicate: no such option' status --frobnicate
	fails 2 '-x: no such option' status -x
	fails 2 '--json=yes: takes no argument' status --json=yes
	fails 2 '--netns needs an argument' status --netns
	fails 2 '--socket: "" is not a path' status --socket ''
	fails 2 '--bpffs: "" is not a path' status --bpffs ''
	fails 2 'status: unexpected argument "more": it takes at most a LABEL' status web more
	fails 2 'bind: it takes a LABEL and at least one SPEC' bind web
	fails 2 'unbind: it takes a LABEL and at least one SPEC' unbind
	fails 2 'unload: unexpected argument "web": it takes no argument' unload web
	fails 2 'bind: --json is an option of status, lookup, watch' bind web 80 --json
	fails 2 'unload: --all is an option of status' unload --all
	fails 2 'status: --drain is an option of upgrade' status --drain 3
	fails 2 'upgrade: --json is an option of status, lookup, watch' upgrade web --json -- true
	fails 2 'upgrade: it takes a LABEL, and a command after "--"' upgrade
	fails 2 'upgrade: it takes a LABEL, and a command after "--"' upgrade web
	fails 2 'upgrade: it takes a LABEL, and a command after "--"' upgrade web --
	fails 2 'upgrade: it takes a LABEL, and a command after "--"' upgrade -- true
	fails 2 'upgrade: unexpected argument "true"' upgrade web true
	fails 2 'upgrade: unexpected argument "80"' upgrade web 80 -- true
	fails 2 'upgrade: "a/b" is not a label: ' upgrade a/b -- true
	fails 2 '--signal: "SIGFOO" is no signal' upgrade web --signal SIGFOO -- true
	fails 2 '--signal: "0" is no signal' upgrade web --signal 0 -- true
	fails 2 '--signal: "65" is no signal' upgrade web --signal 65 -- true
	fails 2 '--timeout: "0" is not a number of seconds from 1 to 86400' upgrade web --timeout 0 -- true
	fails 2 '--drain: "1s" is not a number of seconds from 0 to 86400' upgrade web --drain 1s -- true
	fails 2 '--ready needs an argument' upgrade web --ready
	fails 2 'weight: it takes a LABEL, a process id and a weight' weight web 1
	fails 2 'weight: "0" is not a process id from 1 to 2147483647' weight web 0 1
	fails 2 'weight: "65536" is not a weight from 0 to 65535' weight web 1 65536
	fails 2 'weight: "-1" is not a weight' weight web 1 -- -1
	fails 2 'unregister: it takes a LABEL' unregister
	fails 2 'unregister: "a b" is not a label: ' unregister 'a b'
}

@test "help goes to stdout, overall and for each verb" {
	run_ctl --help
	is "$status" 0
	is "$stderr" ''
	overall=$output
	has "$overall" 'Usage: sksteerctl [OPTION]... VERB'
	for verb in status bind unbind upgrade weight unregister unload policy metrics watch; do
		has "$overall" $'\n  '"$verb "
		run_ctl "$verb" --help
		is "$status" 0
		has "$output" "Usage: sksteerctl $verb"
		has "$output" '--netns NAME|PID'
	done
}

# bats test_tags=sanitize
@test "a spec that does not parse is wrong usage: the item is quoted, with its place and its argument" {
	start_helper
	fails 2 'bind: "9-3" at character 4: the range ends before it begins' bind web 80,9-3
	fails 2 'bind: SPEC 2: "9-3" at character 1: ' bind web 80 9-3
	fails 2 'unbind: "0" at character 1: ' unbind web 0
	fails 2 'bind: "" at character 1: the spec is empty' bind web ''
	fails 2 '"192.0.2.1/24"' bind web 192.0.2.1/24:53
	fails 2 'a binding of a label names no listener' bind web 80=8000
	fails 2 'at most 16384 bytes' bind web "$(printf '80,%.0s' {1..4000})80" \
		"$(printf '81,%.0s' {1..4000})81"
	fails 2 'at most 16384 bytes' bind web "$(printf '80,%.0s' {1..6000})80"
	is "$(status_jq '.services | length')" 0
}

@test "a label that is none is quoted" {
	fails 2 'bind: "@ncat-1" is not a label: ' bind @ncat-1 80
	fails 2 'unbind: "a b" is not a label: ' unbind 'a b' 80
	fails 2 'bind: "" is not a label: ' bind '' 80
	fails 2 'is not a label: ' bind "$(printf 'x%.0s' {1..64})" 80
	fails 1 'no helper at ' bind "$(printf 'x%.0s' {1..63})" 80
}

@test "no helper, and one that does not answer, are told apart" {
	fails 1 "no helper at $SOCKET: start one as root: sksteerd --socket $SOCKET" bind web 80
	fails 1 "no helper at /nowhere/sock: " unbind web 80 --socket /nowhere/sock
	SOCKET='' fails 1 'no helper at /run/sksteer/helper.sock: start one as root: sksteerd' bind web 80
	is "${stderr##*: }" sksteerd
	start_helper
	kill -STOP "$(helper_pid)"
	fails 1 "the helper at $SOCKET does not answer" bind web 80
	fails 1 "the helper at $SOCKET does not answer" unload
}

@test "a report that could not be written is a failure" {
	run in_ns sh -c '"$0" status --json > /dev/full' "$CTL"
	is "$status" 1
	has "$output" 'No space left on device'
	# Nor is it tried for ever.
	run in_ns timeout 20 sh -c '"$0" status --watch > /dev/full' "$CTL"
	is "$status" 1
	is "$output" 'sksteerctl: standard output: No space left on device'
}

@test "status --watch ends, and is content, when nobody reads it any more" {
	in_ns timeout 20 "$CTL" status --watch=1 2> "$SKS_DIR/piped.log" | head -n 1 > /dev/null
	is "${PIPESTATUS[0]}" 0
	is "$(< "$SKS_DIR/piped.log")" ''
}

# bats test_tags=sanitize
@test "started without standard streams, it takes nothing that it opens for one" {
	start_helper
	for verb in 'status --watch' 'bind web 80' 'status --json' metrics; do
		run in_ns timeout 20 sh -c '"$0" --socket "$1" $2 >&-' "$CTL" "$SOCKET" "$verb"
		[[ $verb != bind* ]] || is "$status:$output" 0:
		[[ $verb == bind* ]] || is "$status:$output" '1:sksteerctl: standard output: Bad file descriptor'
	done
	run in_ns timeout 20 sh -c '"$0" --socket "$1" apply - <&-' "$CTL" "$SOCKET"
	is "$status:$output" '1:sksteerctl: apply: standard input: Bad file descriptor'
	run in_ns timeout 20 sh -c '"$0" --socket "$1" bind web 0.0.0.0/0:81 2>&-' "$CTL" "$SOCKET"
	is "$status:$output" 0:
}

# --- weight and unregister ---------------------------------------------------------------------

@test "weight: the share of one of several servers, told by status" {
	start_helper
	stood one SKSTEER_PORTS=7 "$PROGS/stand" one=tcp:0.0.0.0#7777
	stood two SKSTEER_MODE=join "$PROGS/stand" two=tcp:0.0.0.0#7777
	does weight web "$(pid_of one)" 0
	run -0 in_ns "$PROGS/rush" -n 200 name 127.0.0.1#7
	has "$output" 'two answered 200'
	is "$(service web '[.sockets[] | .weight] | sort | join(" ")')" '0 100'
	fails 1 "process $(helper_pid) has no socket of label \"web\"" weight web "$(helper_pid)" 5
	fails 1 'nowhere' weight nowhere "$(pid_of one)" 5
}

@test "unregister: the label goes, and its server runs on" {
	start_helper
	stood one SKSTEER_PORTS=7 "$PROGS/stand" one=tcp:0.0.0.0#7777
	does bind web 8
	does unregister web
	refused 127.0.0.1 7
	refused 127.0.0.1 8
	is "$(in_ns "$PROGS/dial" 127.0.0.1#7777)" '127.0.0.1#7777 one'
	is "$(status_jq '.services | length')" 0
	fails 1 'web' unregister web
	kill_helper
	fails 1 "no helper at $SOCKET" unregister web
	fails 1 "no helper at $SOCKET" weight web 1 1
}

# --- bind and unbind ---------------------------------------------------------------------------

# bats test_tags=sanitize
@test "bind before the server is there: it waits, and is steered when the server comes" {
	start_helper
	does bind web 80,443 any:8000-8001
	is "$(service web '.waiting | join(" ")')" '80 443'
	# Where a binding says where, it refuses until its server comes: no stranger gets it.
	is "$(service web '[.bindings[].prefix] | join(" ")')" '0.0.0.0/0 ::/0'
	start_server stranger socat TCP-LISTEN:8000,fork EXEC:cat
	wait_port 8000
	refused 127.0.0.1 8000
	echo_server web '' web 7777
	is "$(service web '.waiting | length')" 0
	for port in 80 443 8000 8001; do
		answers 127.0.0.1 "$port"
		answers ::1 "$port"
	done
	refused 127.0.0.1 8002
	does unbind web 443
	refused 127.0.0.1 443
	answers 127.0.0.1 80
	does bind web 444
	answers 127.0.0.1 444
	does unbind web 80 444 any:8000-8001
	refused 127.0.0.1 80
	answers 127.0.0.1 7777
}

@test "a label goes with its last binding when it has no server" {
	start_helper
	does bind web 80,81
	does unbind web 80
	is "$(service web '.waiting | join(" ")')" 81
	does unbind web 81
	is "$(status_jq '.services | length')" 0
	fails 1 'no label "web"' unbind web 81
}

@test "unbinding what is not bound is an error, and changes nothing" {
	start_helper
	fails 1 'no label "web"' unbind web 80
	echo_server web '' web 7777
	does bind web 80,82
	fails 1 '"web" has no binding 81' unbind web 80 81
	fails 1 '"web" has no binding 80/udp' unbind web 80/udp
	fails 1 '"web" has no binding any:80' unbind web any:80
	answers 127.0.0.1 80
	is "$(service web '[.bindings[].ports] | unique | join(" ")')" '80 82'
}

@test "all SPECs are bound or none" {
	start_helper
	start_server other "${AS_NOBODY[@]}" ncat -lk 2200 --exec /bin/cat
	wait_port 2200
	echo_server web '' web 7777
	run_ctl bind web 80 2200
	is "$status" 1
	has "$stderr" 2200
	refused 127.0.0.1 80
	is "$(service web '.bindings | length')" 0
	is "$(service web '.waiting | length')" 0
}

# bats test_tags=sanitize
@test "what another label of one's own has moves over, and is said to" {
	start_helper
	echo_server one '' one 7777
	echo_server two '' two 7778
	does bind one 80,81
	run_ctl bind two 81
	is "$status:$output" 0:
	is "$stderr" 'sksteerctl: note: 81 moved over from "one"'
	is "$(service one '[.bindings[].ports] | unique | join(" ")')" 80
	is "$(service two '[.bindings[].ports] | unique | join(" ")')" 81
	kill_server two
	wait_until 5 refused 127.0.0.1 81
	answers 127.0.0.1 80
}

@test "a prefix that is not local is bound with a note that has the very route" {
	start_helper
	echo_server web '' web 7777
	run_ctl bind web 192.0.2.0/24:53
	is "$status" 0
	is "$stderr" 'sksteerctl: note: 192.0.2.0/24 is not local to this host: ip route add local 192.0.2.0/24 dev lo'
	in_ns ip route add local 192.0.2.0/24 dev lo
	answers 192.0.2.7 53
	refused 127.0.0.1 53
}

@test "a user binds to the own label, within what the user may have" {
	start_helper
	echo_server web '' web 7777
	echo_server mine '' web 8777 "${AS_NOBODY[@]}"
	user=(as_user "$CTL" --socket "$SOCKET")
	"${user[@]}" bind web 8000
	is "$(status_jq '.services[] | select(.bindings != []) | .owner.uid')" 65534
	answers 127.0.0.1 8000
	run "${user[@]}" bind web 80
	is "$status" 1
	has "$output" 'port 80 is for root'
	does bind web 8001
	run "${user[@]}" unbind web 8001
	is "$status" 1
	has "$output" 'has no binding 8001'
	answers 127.0.0.1 8001
}

# --- unload --------------------------------------------------------------------------------------

@test "unload takes the pins away, and the traffic stops" {
	start_helper
	echo_server web 7 web 7777
	answers 127.0.0.1 7
	pins
	run as_user "$CTL" --socket "$SOCKET" unload
	is "$status" 1
	has "$output" 'only root unloads'
	answers 127.0.0.1 7
	run_ctl unload
	is "$status:$stderr" 0:
	is "$output" 'unloaded: nothing is steered in this network namespace any more'
	refused 127.0.0.1 7
	answers 127.0.0.1 7777
	run pins
	isnt "$status" 0
	is "$(status_jq '.services | length')" 0
	fails 1 'nothing is loaded' unload
	echo_server again 8 again 7778
	answers 127.0.0.1 8
}

# bats test_tags=sanitize
@test "unload without a helper takes the pins away itself" {
	start_helper
	echo_server web 7 web 7777
	kill_helper
	answers 127.0.0.1 7
	run as_user "$CTL" --socket "$SOCKET" unload
	is "$status" 1
	has "$output" "no helper at $SOCKET"
	answers 127.0.0.1 7
	run_ctl unload
	is "$status:$stderr" 0:
	is "$output" "unloaded without a helper: the pins in $BPFFS/net-$(ns_ino) are gone"
	wait_until 2 refused 127.0.0.1 7
	run pins
	isnt "$status" 0
	fails 1 "no helper at $SOCKET, and nothing is loaded below $BPFFS" unload
}

@test "unload does not pull the pins from under a helper at another socket" {
	start_helper
	echo_server web 7 web 7777
	fails 1 "but one uses $BPFFS: name its --socket" unload --socket "$SKS_DIR/elsewhere.sock"
	answers 127.0.0.1 7
	pins
}

# --- namespaces ----------------------------------------------------------------------------------

@test "--netns: by name, by path and by process" {
	add_ns other
	start_helper
	NS=other echo_server web 7 web 7777
	in_ns mkdir /run/netns
	in_ns touch /run/netns/blue /run/netns/plain
	in_ns mount --bind "/proc/$(ns_pid other)/ns/net" /run/netns/blue
	is "$(status_jq '.services | length')" 0
	for name in blue /run/netns/blue "/proc/$(ns_pid other)/ns/net" "$(ns_pid other)"; do
		is "$(ctl --netns "$name" status --json | jq -r '"\(.namespace) \(.services[].label)"')" \
			"$(ns_ino other) web"
	done
	does bind web 8 --netns blue
	NS=other answers 127.0.0.1 8
	does unbind web 8 --netns "$(pid_of web)"
	NS=other refused 127.0.0.1 8
	fails 1 '"red" is ' unload --netns red
	fails 1 '"red" is neither a name in /run/netns nor a running process' status --netns red
	fails 1 '"999999999" is neither a name' status --netns 999999999
	fails 1 '"/run/netns/red" is not there' status --netns /run/netns/red
	fails 1 '"plain" is not a network namespace' status --netns plain
	fails 1 '"" is ' status --netns ''
	run as_user "$CTL" --socket "$SOCKET" status --netns blue
	is "$status" 1
	has "$output" 'only root enters "blue"'
	run_ctl unload --netns blue
	is "$status" 0
	NS=other refused 127.0.0.1 7
}

# bats test_tags=sanitize
@test "status --all: every namespace with its name, the dead ones not" {
	add_ns other
	add_ns third
	start_helper
	echo_server here 7 here 7777
	NS=other echo_server there 7 there 7777
	NS=third echo_server gone 7 gone 7777
	in_ns mkdir /run/netns
	in_ns touch /run/netns/blue
	in_ns mount --bind "/proc/$(ns_pid other)/ns/net" /run/netns/blue
	kill_helper
	is "$(ctl status --all --json | jq '.namespaces | length')" 3
	kill_server gone
	kill -KILL "$(ns_pid third)"
	wait_until 5 namespaces_are 2
	is "$(ctl status --all --json | jq -r '.namespaces[] | "\(.namespace) \(.services[].label)"' | sort)" \
		"$(printf '%s\n' "$(ns_ino) here" "$(ns_ino other) there" | sort)"
	run_ctl status --all
	is "$status:$stderr" 0:
	has "$output" "network namespace $(ns_ino) (this one)"$'\nhere (root)  0 steered\n'
	has "$output" "network namespace $(ns_ino other) \"blue\""$'\nthere (root)  0 steered\n'
	run_ctl status there --all
	has "$output" there
	has_not "$output" here$'\n'
	has_not "$output" "$(ns_ino) (this one)"
}

namespaces_are() {
	is "$(ctl status --all --json | jq '.namespaces | length')" "$1"
}

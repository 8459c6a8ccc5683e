#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl: what status shows and where it has it from, bind, unbind, unload.
# shellcheck disable=SC2016 # what is in single quotes is jq's
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
# shellcheck disable=SC2154 # bats sets $stderr

bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
	need jq ncat python3
}

teardown() {
	sks_teardown
}

# echo_server NAME PORTS LABEL PORT [AS...]: ncat that echoes; returns when it is registered.
echo_server() {
	local name=$1 ports=$2 label=$3 port=$4
	shift 4
	start_server "$name" "$@" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		${ports:+SKSTEER_PORTS="$ports"} ${label:+SKSTEER_LABEL="$label"} \
		ncat -lk "$port" --exec /bin/cat
	wait_until 5 registered "$port"
}

# registered PORT: both of ncat's listeners are.
registered() {
	is "$(status_jq "[.services[].sockets[] | select(.port == $1)] | length")" 2
}

# service LABEL FILTER: jq of that service.
service() {
	status_jq ".services[] | select(.label == \"$1\") | $2"
}

# run_ctl ARGUMENT...: sets $status, $output and $stderr.
run_ctl() {
	run --separate-stderr ctl "$@"
}

# fails STATUS PART ARGUMENT...: with one line on stderr that has PART, and nothing on stdout.
fails() {
	local expected=$1 part=$2
	shift 2
	run_ctl "$@"
	is "$status" "$expected"
	has "$stderr" "$part"
	has "$stderr" 'sksteerctl: '
	has_not "$stderr" $'\n'
	is "$output" ''
}

# does ARGUMENT...: succeeds and says nothing.
does() {
	run_ctl "$@"
	is "$status" 0
	is "$output$stderr" ''
}

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

# --- status ------------------------------------------------------------------------------------

# bats test_tags=sanitize
@test "status where nothing is loaded, with and without a helper" {
	local nothing='nothing is steered in this network namespace'
	for turn in without with; do
		[[ $turn == without ]] || start_helper
		run_ctl status
		is "$status:$output:$stderr" "0:$nothing:"
		is "$(ctl status --json | jq -c .)" "{\"namespace\":$(ns_ino),\"services\":[]}"
		run_ctl status --all
		is "$status:$output" '0:nothing is steered in any network namespace'
		is "$(ctl status --all --json | jq -c .)" '{"namespaces":[]}'
		fails 1 'no service "web" in this network namespace' status web
		fails 1 'no service "web" in any network namespace' status web --all --json
	done
}

@test "status claims nothing where it sees neither a bpffs nor a helper" {
	fails 1 "no bpffs is mounted at $SKS_DIR/bpf, and no helper at $SOCKET" status \
		--bpffs "$SKS_DIR/bpf"
	fails 1 "$SKS_DIR/bpf" status --all --bpffs "$SKS_DIR/bpf"
}

@test "status asks the helper where the pins are not to be seen" {
	start_helper
	echo_server web 7 web 7777
	is "$(ctl status --json --bpffs "$SKS_DIR/bpf")" "$(ctl status --json)"
}

# bats test_tags=sanitize
@test "status --json has every field of the contract" {
	start_helper
	echo_server web '7;192.0.2.0/24:53,60-70;[2001:db8::/32]:53' web 7777
	ctl bind web 53/udp
	answers 127.0.0.1 7
	is "$(status_jq .namespace)" "$(ns_ino)"
	is "$(status_jq '.services | length')" 1
	is "$(service web '[.owner.uid, .ephemeral] | @csv')" 0,false
	is "$(service web '.sockets | length')" 2
	is "$(service web '.sockets[] | select(.family == "ipv4") |
		[.protocol, .address, .port, .pid, .state, .weight] | join(" ")')" \
		"tcp 0.0.0.0 7777 $(pid_of web) listening 100"
	is "$(service web '.sockets[] | select(.family == "ipv6") | .address')" ::
	is "$(service web '[.sockets[].cookie | type == "number" and . > 0] | unique | @csv')" true
	is "$(service web '.sockets | unique_by(.cookie) | length')" 2
	is "$(service web '.bindings | map(.protocol + " " + .prefix + " " + .ports) | join(";")')" \
		'tcp 2001:db8::/32 53;tcp 192.0.2.0/24 53;tcp 192.0.2.0/24 60-70;tcp 0.0.0.0/0 7;tcp ::/0 7'
	is "$(service web '.waiting | @csv')" '"53/udp"'
	is "$(service web '.left_out | length')" 0
	is "$(service web '.counters | [.steered, .refused, .errors] | @csv')" 1,0,0
	kill_server web
	wait_until 5 refused 127.0.0.1 7
	is "$(service web '.sockets | length')" 0
	(($(service web .counters.refused) > 0))
}

@test "the cookie of status is the socket's" {
	start_helper
	echo_server web 7 web 7777
	cookies=$(in_ns ss -Htlne 'sport = :7777' | sed 's/.*sk:\([0-9a-f]*\).*/0x\1/' |
		xargs printf '%d\n' | sort -n | xargs)
	is "$(service web '.sockets | map(.cookie) | sort | join(" ")')" "$cookies"
}

# bats test_tags=sanitize
@test "status is read at a glance: the service, its sockets, what is steered to it" {
	start_helper
	echo_server web 7,77,777 '' 7777
	answers 127.0.0.1 77
	answers ::1 777
	pid=$(pid_of web)
	run_ctl status
	is "$status:$stderr" 0:
	is "${lines[0]}" "@ncat-$pid (root)  2 steered"
	# Which listener comes first is ncat's choice.
	is "$(printf '%s\n' "${lines[@]:1:2}" | sort)" \
"  -> 0.0.0.0:7777/tcp  ncat $pid, listening
  -> [::]:7777/tcp     ncat $pid, listening"
	is "${lines[3]}" '  <- any:7,77,777/tcp'
	is "${#lines[@]}" 4
}

@test "status: a server that is down, one that never came, and what waits" {
	start_helper
	echo_server web 7 web 7777
	ctl bind web 53/udp
	ctl bind later 88
	kill_server web
	wait_until 5 refused 127.0.0.1 7
	run_ctl status
	has "$output" $'later (root)  0 steered\n  -> no server yet\n'
	is "$(grep -c 'waiting for a listener' <<< "$output")" 2
	has "$output" $'\n  waiting for a listener: 53/udp\n'
	has "$output" $'\n  waiting for a listener: 88'
	grep -Eqx 'web \(root\)  0 steered, [0-9]+ refused' <<< "$output"
	has "$output" $' refused\n  -> down (refusing)\n  <- any:7/tcp\n'
	run_ctl status later
	is "$status" 0
	has "$output" later
	has_not "$output" web
	is "$(ctl status later --json | jq -r '[.services[].label] | join(" ")')" later
}

# python_listens FAMILY ADDRESS PORT N SPEC: N SO_REUSEPORT sockets of one process.
python_listens() {
	cat > "$SKS_DIR/listens.py" <<- 'EOF'
		import socket, sys, time
		kept = []
		for _ in range(int(sys.argv[4])):
		    s = socket.socket(getattr(socket, sys.argv[1]))
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
		    s.bind((sys.argv[2], int(sys.argv[3])))
		    s.listen()
		    kept.append(s)
		time.sleep(1000)
	EOF
	start_steered "python$3" "$5" python3 "$SKS_DIR/listens.py" "$1" "$2" "$3" "$4"
	wait_sockets "$4"
}

@test "status: one dual-stack listener, and one per worker" {
	start_helper
	python_listens AF_INET6 :: 8080 3 any:80-89
	is "$(status_jq '.services[].sockets[0] | .family + " " + .address')" 'dual ::'
	run_ctl status
	is "${lines[1]}" "  -> *:8080/tcp  python3 $(pid_of python8080) (3 sockets), listening"
	is "${lines[2]}" '  <- any:80-89/tcp'
	is "${#lines[@]}" 3
}

@test "status: what is open at one address only is not called any" {
	start_helper
	python_listens AF_INET 127.0.0.1 8080 1 '80;0.0.0.0/0:81'
	run_ctl status
	is "${lines[1]}" "  -> 127.0.0.1:8080/tcp  python3 $(pid_of python8080), listening"
	is "${lines[2]}" '  <- 127.0.0.1:80/tcp'
	is "${lines[3]}" '  <- 0.0.0.0/0:81/tcp'
}

# stood NAME WORD...: progs/stand.c as label web, when it is ready. SKSTEER_X=... may come first.
stood() {
	local name=$1
	shift
	start_server "$name" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_LABEL=web "$@"
	wait_until 5 grep -qx ready "$SKS_DIR/$name.log"
}

@test "status: who stands by, who was replaced, and weights" {
	start_helper
	stood one SKSTEER_PORTS=7 "$PROGS/stand" one=tcp:0.0.0.0#7777
	stood two SKSTEER_MODE=replace "$PROGS/stand" two=tcp:0.0.0.0#7777
	stood three SKSTEER_MODE=join=50 "$PROGS/stand" three=tcp:0.0.0.0#7777
	stood four SKSTEER_MODE=standby "$PROGS/stand" four=tcp:0.0.0.0#7777
	run_ctl status
	is "$status:$stderr" 0:
	is "$(sed -n 's/^  -> 0\.0\.0\.0:7777\/tcp  //p' <<< "$output" | sort)" \
		"$(printf 'stand %s\n' "$(pid_of one), replaced" "$(pid_of two), listening" \
			"$(pid_of three), listening, weight 50" "$(pid_of four), standby" | sort)"
	is "${#lines[@]}" 6
}

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

# bats test_tags=sanitize
@test "status is cut where it would be long, and --json is not" {
	start_helper
	ports=$(printf '%s,' {101..249})250
	echo_server web "$ports" web 7777
	is "$(service web '.bindings | length')" 300
	run_ctl status
	is "$status" 0
	has "$output" '... and 110 more'
	has "$output" 'any:101,102,'
	has_not "$output" ,141
	fits 80 "$output"
}

# fits COLUMNS TEXT
fits() {
	local wide
	wide=$(awk '{ if (length > m) m = length } END { print m }' <<< "$2")
	((wide <= $1)) || fail "$wide columns: $2"
}

# on_terminal COLUMNS [X=...]... ARGUMENT...: sksteerctl on a terminal so wide, without its carriage returns.
on_terminal() {
	local columns=$1 vars=()
	shift
	while [[ $1 == *=* && $1 != --* ]]; do
		vars+=("$1")
		shift
	done
	in_ns env TERM=xterm "${vars[@]}" SKSTEER_SOCKET="$SOCKET" timeout 20 \
		script -qec "stty cols $columns; $CTL $*" /dev/null < /dev/null | tr -d '\r'
}

@test "status on a terminal: colours, unless NO_COLOR is set or it has none, and its width" {
	local bold=$'\e[1mweb\e[0m (root)' text
	need script
	start_helper
	echo_server web "$(printf '%s,' {101..249})250" web 7777
	has "$(on_terminal 80 status)" "$bold"
	for each in NO_COLOR=1 TERM=dumb; do
		text=$(on_terminal 80 "$each" status)
		has_not "$text" $'\e'
		is "$text" "$(ctl status)"
	done
	has "$(on_terminal 80 NO_COLOR= status)" "$bold"
	text=$(on_terminal 160 NO_COLOR=1 status)
	fits 160 "$text"
	(($(wc -l <<< "$text") < $(ctl status | wc -l))) || fail "$text"
	fits 50 "$(on_terminal 50 NO_COLOR=1 status)"
	has_not "$(ctl status)" $'\e'
	kill_server web
	wait_sockets 0
	has "$(on_terminal 80 status)" $'\e[31mdown (refusing)\e[0m'
}

@test "status: 80 columns also for the longest of names and addresses" {
	local label
	label=$(printf '%063d' 1)
	start_helper
	python_listens AF_INET6 ::1 8080 1 '[2001:db8:1111:2222:3333:4444:5555:6666]:80-85,90'
	stood one SKSTEER_LABEL="$label" SKSTEER_PORTS='any:7;192.0.2.128/25:1000-1010' \
		"$PROGS/stand" one=tcp:127.0.0.1#7777
	run_ctl status
	fits 80 "$output"
	has "$output" "$label"
	has "$output" '<- [2001:db8:1111:2222:3333:4444:5555:6666]:90,80-85/tcp'
}

# blocks N: as many were shown.
blocks() {
	(($(grep -c ', every 1 s$' "$SKS_DIR/watch.log") >= $1))
}

@test "status --watch: block after block, with what comes a second, until a signal" {
	start_helper
	echo_server web 7 web 7777
	start_server watch env SKSTEER_SOCKET="$SOCKET" "$CTL" status --watch=1
	wait_until 10 blocks 2
	has "$(log_of watch)" 'web (root)  0 steered (0.0/s)'
	answers 127.0.0.1 7
	wait_until 10 grep -Eq '^web \(root\)  1 steered \((0\.[1-9]|1\.[0-9])/s\)$' "$SKS_DIR/watch.log"
	wait_until 10 grep -qFx 'web (root)  1 steered (0.0/s)' "$SKS_DIR/watch.log"
	# Where nobody is to be asked, the pins say it.
	kill_helper
	refused 127.0.0.1 7778
	kill -INT "$(pid_of watch)"
	wait_server watch
	has_not "$(log_of watch)" $'\e'
	# A block is what status says, after the line with the time.
	is "$(grep -c . "$SKS_DIR/watch.log")" "$(($(grep -c ' every 1 s$' "$SKS_DIR/watch.log") * 5))"
	fails 2 '--watch: "0" is not a number of seconds' status --watch=0
	fails 2 'unload: --watch is an option of status' unload --watch
}

@test "status --watch on a terminal draws over what it has shown; --json is an object after the other" {
	local drawn
	start_helper
	echo_server web 7 web 7777
	in_ns env TERM=xterm SKSTEER_SOCKET="$SOCKET" timeout 20 script -qefc "$CTL status --watch=1" \
		"$SKS_DIR/typed" < /dev/null > /dev/null 2>&1 3>&- &
	drawn=$!
	wait_until 10 grep -qF $'\e[H\e[J' "$SKS_DIR/typed"
	kill -INT "$(own_pids sksteerctl)"
	wait "$drawn"
	start_server watch env SKSTEER_SOCKET="$SOCKET" "$CTL" status --watch=1 --json
	wait_until 10 grep -q rates "$SKS_DIR/watch.log"
	kill -TERM "$(pid_of watch)"
	wait_server watch
	is "$(jq -s '[.[].services[0].rates.steered] | unique | tojson' -r "$SKS_DIR/watch.log")" '[null,0]'
}

# bats test_tags=sanitize
@test "the ports that \"*\" leaves to others are named, by status and in --json" {
	start_helper
	start_server other "${AS_NOBODY[@]}" ncat -4lk 127.0.0.1 2200 --exec /bin/cat
	wait_port 2200
	echo_server web '*' web 7777
	service web '.left_out[] | .protocol + " " + .ports' | grep -Fx 'tcp 2200'
	run_ctl status
	has "$output" $'\n  left out: '
	grep -Eq '^  left out: (.*,)?2200(,|$)' <<< "$output"
	has "$output" 'any:*/tcp'
}

# bats test_tags=sanitize
@test "status is true while the helper is dead: who serves, who has gone, what comes back" {
	start_helper
	echo_server web 7 web 7777
	echo_server brief 8 '' 7778
	kill_helper
	answers 127.0.0.1 7
	is "$(status_jq '[.services[].sockets[]] | length')" 4
	is "$(service web .counters.steered)" 1
	run_ctl status
	is "$status:$stderr" 0:
	has "$output" any:7/tcp
	kill_server brief
	wait_sockets 2
	is "$(status_jq '[.services[].label] | join(" ")')" web
	kill_server web
	wait_sockets 0
	run_ctl status web
	has "$output" 'down (refusing)'
	fails 1 'no helper at' bind web 80
	start_helper
	echo_server web 7 web 7777
	answers 127.0.0.1 7
	is "$(service web '.sockets[0].pid')" "$(pid_of web)"
}

# bats test_tags=sanitize
@test "a user sees the own services alone, and nothing without a helper" {
	start_helper
	echo_server web 7 web 7777
	echo_server mine 8007 web 8777 "${AS_NOBODY[@]}"
	user=(as_user "$CTL" --socket "$SOCKET" status)
	is "$("${user[@]}" --json | jq -c '[.services[] | [.label, .owner.uid, .sockets[0].port]]')" \
		'[["web",65534,8777]]'
	is "$(status_jq '.services | length')" 2
	run "${user[@]}"
	is "$status" 0
	is "${lines[0]}" "web ($(getent passwd 65534 | cut -d: -f1))  0 steered"
	has_not "$output" 7777
	run --separate-stderr as_user2 "$CTL" --socket "$SOCKET" status
	is "$status:$output" '0:nothing of yours is steered in this network namespace'
	run as_user2 "$CTL" --socket "$SOCKET" status web
	is "$status:$output" '1:sksteerctl: no service "web" of yours in this network namespace'
	run as_user "$CTL" --socket "$SOCKET" status --all
	is "$status" 1
	has "$output" 'is for root'
	kill_helper
	run "${user[@]}"
	is "$status" 1
	is "$output" "sksteerctl: only root reads the pins in $BPFFS, and no helper at $SOCKET: start one as root: sksteerd --socket $SOCKET"
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

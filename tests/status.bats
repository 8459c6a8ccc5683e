#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl status: what it shows, where it has it from, to whom, and how it looks.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own
# shellcheck disable=SC2154 # bats sets $stderr

load ctl

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

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl upgrade: what it prints, what clients notice (nothing), and what is
# left where it fails.
# shellcheck disable=SC2016 # what is in single quotes is another shell's
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load instances

# begin_upgrade NAME [OPTION]... -- CMD...: of web. What it prints is in steps.log and errors.log,
# and what CMD does in NAME.log. Returns at once.
begin_upgrade() {
	local name=$1 options=() user=()
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	: > "$SKS_DIR/$name.log"
	: > "$SKS_DIR/steps.log"
	: > "$SKS_DIR/errors.log"
	chmod 666 "$SKS_DIR"/{steps,errors,"$name"}.log
	[[ ${AS:-} != nobody ]] || user=("${AS_NOBODY[@]}")
	start_server upgrade "${user[@]}" env --default-signal=INT SKSTEER_SOCKET="$SOCKET" bash -c '
		exec "$@" >> "$0/steps.log" 2>> "$0/errors.log"' "$SKS_DIR" \
		"$CTL" upgrade web "${options[@]}" -- bash -c 'exec "$@" >> "$0" 2>&1' "$SKS_DIR/$name.log" "$@"
}

# upgrade NAME [OPTION]... -- CMD...: the same; returns its status. The new server has that name.
upgrade() {
	local status=0
	begin_upgrade "$@"
	wait_server upgrade 60 || status=$?
	SKS_PID[$1]=$(started)
	return "$status"
}

# started: the process that the last upgrade started.
started() {
	sed -n 's/^started: process \([0-9]*\): .*/\1/p' "$SKS_DIR/steps.log"
}

# steps LINE...: what the last upgrade printed, exactly, after the first line, which says CMD.
steps() {
	is "$(tail -n +2 "$SKS_DIR/steps.log")" "$(IFS=$'\n' && echo "$*")"
}

# errors [LINE...]: what it complained of, exactly.
errors() {
	is "$(cat "$SKS_DIR/errors.log")" "$(IFS=$'\n' && echo "$*")"
}

has_step() {
	grep -q "$1" "$SKS_DIR/steps.log"
}

# real_bound: the port that the new one was bound to.
real_bound() {
	sed -n 's/.* (bound to port \([0-9]*\))$/\1/p' "$SKS_DIR/steps.log" | head -n 1
}

# no_trace NAME: of a new one that failed: no process, no socket, and the old one serves.
no_trace() {
	wait_until 5 sks_is_gone "$(started)"
	is "$(service '[.sockets[].state] | unique | join(" ")' web)" listening
}

# web_old [OPTION]: what runs before, with an option of its listener.
web_old() {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=7,77 "old=tcp:0.0.0.0#7777${1:+,$1}"
}

# is_gone NAME
is_gone() {
	sks_is_gone "$(pid_of "$1")"
}

# --- it succeeds --------------------------------------------------------------------------------

# bats test_tags=sanitize
@test "upgrade: each step is told, the ports move, and the old one is ended" {
	local old
	web_old
	old=$(pid_of old)
	upgrade new -- "$PROGS/stand" new=tcp:0.0.0.0#7777,tell
	says new 'new is 7777'
	steps "standing by: 0.0.0.0:7777 (bound to port $(real_bound))" \
		"moved: \"web\" is served by process $(pid_of new)" \
		'drained: no connection waits at the old listener' \
		"signalled: process $old, SIGTERM" "ended: process $old"
	errors
	isnt "$(real_bound)" 7777
	reaches 127.0.0.1#{7,77,7777}=new
	sks_is_gone "$old"
	is "$(service '[.sockets[] | .state, .port] | join(" ")' web)" 'listening 7777'
}

# upgraded KIND NAME [OPTION]...: web becomes another real server of that kind.
upgraded() {
	local kind=$1 name=$2 CMD
	shift 2
	sks_command "$kind" "$name"
	upgrade "$name" "$@" -- "${CMD[@]}" || fail "$(cat "$SKS_DIR/errors.log")"
}

# upgraded_in_a_storm KIND PER_SECOND [OPTION]...
upgraded_in_a_storm() {
	local kind=$1 least=$2 i
	shift 2
	real web0 "$kind"
	storms "$kind"
	for ((i = 1; i <= $(soaks 3 100); i++)); do
		upgraded "$kind" "web$i" "$@"
		has_step "^signalled: process $(pid_of "web$((i - 1))"), "
		has_step "^ended: process $(pid_of "web$((i - 1))")$"
		rush_goes_on storm 20
	done
	end_storms "$(soaks 0 "$least")"
	[[ $(sks_rush_of "$kind") == http ]] || return 0
	while ((--i >= 0)); do
		(($(answered storm "web$i") > 0)) || fail "web$i answered nobody"
	done
}

# bats test_tags=soak
@test "upgrade: python3 -m http.server in a storm: no connection is lost" {
	need /usr/bin/python3 curl
	upgraded_in_a_storm python 1000 --ready 'curl -fs "http://$SKSTEER_READY_ADDR/"'
	has_step '^ready: "curl -fs "http://$SKSTEER_READY_ADDR/"" succeeded$'
}

# bats test_tags=soak
@test "upgrade: nginx in a storm, told to QUIT: no connection is lost" {
	need nginx
	upgraded_in_a_storm nginx 1000 --signal QUIT
	has_step ', SIGQUIT$'
}

# bats test_tags=soak
@test "upgrade: redis in a storm: no connection is lost" {
	need redis-server redis-cli
	upgraded_in_a_storm redis 1000 --ready 'redis-cli -p "${SKSTEER_READY_ADDR##*:}" ping'
}

# bats test_tags=soak
@test "upgrade: ncat in a storm: no connection is lost" {
	need ncat
	upgraded_in_a_storm ncat 500
}

# bats test_tags=soak
@test "upgrade: stand in a storm, with half-open connections: no connection is lost" {
	local i
	stand web0 SKSTEER_LABEL=web SKSTEER_PORTS=80 web0=tcp:0.0.0.0#7777
	late_acks 80
	rush storm -c 40 name 127.0.0.1#80
	for ((i = 1; i <= $(soaks 5 50); i++)); do
		upgrade "web$i" -- "$PROGS/stand" "web$i=tcp:0.0.0.0#7777"
		is_gone "web$((i - 1))"
	done
	rush_goes_on storm
	end_rush storm
	while ((--i >= 0)); do
		(($(answered storm "web$i") > 0)) || fail "web$i answered nobody"
	done
}

# nginx_daemon NAME: sets CMD to one that leaves its terminal, and its first process.
nginx_daemon() {
	sks_command nginx "$1"
	sed -i 's/daemon off/daemon on/' "$SKS_DIR/$1.d/conf"
}

# first_has_ended NAME: a command that succeeds once the daemon's master is nobody's child whom we have
# started.
first_has_ended() {
	cat <<- EOT
		first=\$(sed -n 's/^started: process \([0-9]*\): .*/\1/p' $SKS_DIR/steps.log)
		test -s $SKS_DIR/$1.d/pid &&
			test "\$(ps -o ppid= -p "\$(cat $SKS_DIR/$1.d/pid)" | tr -d ' ')" != "\$first"
	EOT
}

@test "upgrade: a daemon, whose first process has ended: its master is told to end" {
	local CMD i old
	need nginx
	nginx_daemon web0
	start_server web0 "$RUN" --socket "$SOCKET" -l web -p any:80 -- "${CMD[@]}"
	wait_server web0
	rush storm -c 6 http 127.0.0.1#80 ::1#80
	for i in 1 2 3; do
		old=$(cat "$SKS_DIR/web$((i - 1)).d/pid")
		nginx_daemon "web$i"
		upgrade "web$i" --signal QUIT --ready "$(first_has_ended "web$i")" -- "${CMD[@]}"
		has_step "^moved: \"web\" is served by process $(cat "$SKS_DIR/web$i.d/pid")$"
		has_step "^signalled: process $old, SIGQUIT$"
		has_step "^ended: process $old$"
		sks_is_gone "$old"
	done
	rush_goes_on storm
	end_rush storm
}

@test "upgrade: a command under sksteer-run" {
	web_old
	upgrade new -- "$RUN" --socket "$SOCKET" -l web -p 8 -- "$PROGS/stand" new=tcp:0.0.0.0#7777,tell
	says new 'new is 7777'
	reaches 127.0.0.1#{8,7777}=new
	wait_until 2 reaches 127.0.0.1#{7,77}=refused
}

# bats test_tags=sanitize
@test "upgrade: every listener of the old one is waited for, and one that does not come is named" {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS='7777=7;7778=8' a=tcp:0.0.0.0#7777 \
		b=tcp:0.0.0.0#7778
	upgrade both -- bash -c '"$@" & sleep 0.3; wait' "$PROGS/stand" "$PROGS/stand" \
		c=tcp:0.0.0.0#7777 d=tcp:0.0.0.0#7778
	is "$(grep -c '^standing by: ' "$SKS_DIR/steps.log")" 2
	reaches 127.0.0.1#{7,7777}=c 127.0.0.1#{8,7778}=d
	upgrade one -- "$PROGS/stand" e=tcp:0.0.0.0#7777
	has_step '^note: nothing stands by for port 7778, where "web" listens now$'
	reaches 127.0.0.1#{7,7777}=e
	wait_until 2 reaches 127.0.0.1#{8,7778}=refused
}

# A server has a moment for its second listener: until then the old one serves that family.
# bats test_tags=sanitize
@test "upgrade: each family of a port is waited for, and one that does not come is named" {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=7 a=tcp:0.0.0.0#7777 a6=tcp:::#7777,v6only
	upgrade four -- "$PROGS/stand" b=tcp:0.0.0.0#7777
	has_step '^note: nothing stands by for port 7777 by IPv6, where "web" listens now$'
	reaches 127.0.0.1#{7,7777}=b ::1#{7,7777}=refused
	upgrade dual -- "$PROGS/stand" c=tcp:::#7777
	has_step '^note: nothing' && fail "$(cat "$SKS_DIR/steps.log")"
	upgrade six -- "$PROGS/stand" d6=tcp:::#7777,v6only
	has_step '^note: nothing stands by for port 7777 by IPv4, where "web" listens now$'
}

@test "upgrade: UDP" {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=any:53/udp old=udp:0.0.0.0#5353,reuse
	upgrade new -- "$PROGS/stand" new=udp:0.0.0.0#5353,reuse
	reaches 127.0.0.1#53/udp=new
	is_gone old
}

@test "upgrade: an unprivileged user's own server" {
	AS=nobody stand old SKSTEER_LABEL=web SKSTEER_PORTS=2000 old=tcp:0.0.0.0#7777
	AS=nobody upgrade new --ready 'true' -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	reaches 127.0.0.1#{2000,7777}=new
	is_gone old
}

@test "upgrade: a label whose server is down: it is started, and has the port itself" {
	web_old
	kill_server old
	wait_until 2 reaches 127.0.0.1#7=refused
	upgrade new --ready 'true' -- "$PROGS/stand" new=tcp:0.0.0.0#7777,tell
	says new 'new is 7777'
	steps 'registered: 0.0.0.0:7777' 'ready: "true" succeeded' \
		"moved: \"web\" is served by process $(pid_of new)"
	reaches 127.0.0.1#{7,77,7777}=new
}

# bats test_tags=sanitize
@test "upgrade: all who join or share are replaced, and ended" {
	local name
	web_old
	stand joined SKSTEER_LABEL=web SKSTEER_MODE=join joined=tcp:0.0.0.0#7777
	stand shared SKSTEER_LABEL=web SKSTEER_MODE=share shared=tcp:0.0.0.0#7777
	upgrade new -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	for name in old joined shared; do
		has_step "^signalled: process $(pid_of "$name"), SIGTERM$"
		has_step "^ended: process $(pid_of "$name")$"
	done
	reaches 127.0.0.1#{7,77,7777}=new
}

@test "upgrade: one that was replaced before is left alone" {
	web_old
	stand older SKSTEER_LABEL=web SKSTEER_MODE=replace older=tcp:0.0.0.0#7777
	upgrade new -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	is_gone older
	is_gone old && fail 'it was ended'
	reaches 127.0.0.1#{7,77,7777}=new
}

@test "upgrade: the helper is killed meanwhile, and the next one goes on" {
	web_old keep
	hold client 127.0.0.1 7
	hears client 'old 7'
	begin_upgrade new --ready "test -e $SKS_DIR/go" -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^standing by: '
	kill_helper
	start_helper
	touch "$SKS_DIR/go"
	wait_until 5 has_step '^waiting for 1 connection'
	kill_helper
	kill_server client
	wait_server upgrade
	errors
	reaches 127.0.0.1#{7,77,7777}=new
	is_gone old
}

@test "upgrade: killed while the new one stands by: the next one names it" {
	local status=0
	web_old
	begin_upgrade new --ready false -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^standing by: '
	kill_server upgrade
	reaches 127.0.0.1#{7,77,7777}=old
	run -1 ctl upgrade web -- true
	is "$output" "sksteerctl: upgrade: process $(started) stands by for \"web\" already"
	kill "$(started)"
	wait_until 5 sks_is_gone "$(started)"
	upgrade next -- "$PROGS/stand" next=tcp:0.0.0.0#7777
	reaches 127.0.0.1#{7,77,7777}=next
}

@test "upgrade: servers that may not be looked into: the new one is found, the old one is not ended" {
	local status=0
	AS=nobody stand old SKSTEER_LABEL=web SKSTEER_PORTS=2000 hide old=tcp:0.0.0.0#7777
	AS=nobody upgrade new -- "$PROGS/stand" hide new=tcp:0.0.0.0#7777 || status=$?
	is "$status" 1
	errors 'sksteerctl: upgrade: no process that you may see holds the old listener: it is not signalled'
	reaches 127.0.0.1#{2000,7777}=new
	is_gone old && fail 'it was ended'
	# It is none of root's.
	run -1 ctl upgrade web -- true
	is "$output" 'sksteerctl: upgrade: no label "web" of yours in this network namespace'
}

@test "upgrade: what the old one leaves behind with its listener is named" {
	need /usr/bin/python3
	cp "$BATS_TEST_DIRNAME/servers.py" "$PROGS"
	start_steered old 7 env SKSTEER_LABEL=web /usr/bin/python3 "$PROGS/servers.py" prefork
	wait_sockets 1
	upgrade new -- /usr/bin/python3 "$PROGS/servers.py" prefork
	has_step "^signalled: process $(pid_of old), SIGTERM$"
	has_step '^note: process [0-9]* still has the old listener open$'
	asks_new() { [[ $(ask 127.0.0.1 7) =~ ' 7 hello' ]]; }
	asks_new
}

# --- drain --------------------------------------------------------------------------------------

@test "upgrade: what a client is in the middle of is finished by the old one" {
	local old CMD
	need /usr/bin/python3 curl
	real old python
	old=$(pid_of old)
	head -c 40000000 /dev/urandom > "$SKS_DIR/old.d/large"
	start_server client curl -sS --limit-rate 12M -o "$SKS_DIR/got" http://127.0.0.1/large
	wait_until 5 test -s "$SKS_DIR/got"
	# However long the new one takes to start.
	kill -STOP "$(pid_of client)"
	sks_command python new
	begin_upgrade new -- "${CMD[@]}"
	wait_until 20 has_step '^waiting for 1 connection that the old instance holds, 10 s at most$'
	kill -CONT "$(pid_of client)"
	wait_server upgrade 60
	errors
	has_step '^drained: the old instance holds no connection$'
	has_step "^ended: process $old$"
	wait_server client 10
	cmp "$SKS_DIR/got" "$SKS_DIR/old.d/large"
}

@test "upgrade: the drain has an end, and what is left is told" {
	web_old keep
	hold client 127.0.0.1 7
	hears client 'old 7'
	upgrade new --drain 1 -- "$PROGS/stand" new=tcp:0.0.0.0#7777,keep
	has_step '^waiting for 1 connection that the old instance holds, 1 s at most$'
	has_step '^note: the old instance still holds 1 connection$'
	is_gone old
	hold other 127.0.0.1 7
	upgrade next --drain 0 -- "$PROGS/stand" next=tcp:0.0.0.0#7777,keep
	has_step '^waiting' && fail 'it waited'
	has_step '^note: the old instance still holds 1 connection$'
}

# bats test_tags=sanitize
@test "upgrade: what waits to be accepted, and what is half open, is served by the old one" {
	begin old SKSTEER_LABEL=web SKSTEER_PORTS=7 old=tcp:0.0.0.0#7777,keep pause
	wait_until 5 says old paused
	hold client 127.0.0.1 7
	begin_upgrade new -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^moved: '
	holds 1 not has_step '^drained: '
	kill -USR1 "$(pid_of old)"
	hears client 'old 7'
	still_talks client
	wait_until 5 has_step '^drained: no connection waits at the old listener$'
	wait_until 5 has_step '^waiting for 1 connection that'
	kill_server client
	wait_server upgrade
	is_gone old
}

# --- it fails -----------------------------------------------------------------------------------

# late CMD: under a name by which it is found again.
late() {
	cp "$(command -v "$1")" "$PROGS/late"
	LATE=$PROGS/late
}

# fails STATUS ERROR [OPTION]... -- CMD...: in a storm that loses nothing; no trace is left.
fails() {
	local expected=$1 error=$2 status=0
	shift 2
	[[ -n ${SKS_PID[old]:-} ]] || web_old
	rush storm -c 6 -r 500 name 127.0.0.1#{7,77}
	upgrade new "$@" || status=$?
	rush_goes_on storm 50
	end_rush storm
	is "$(answered storm old)" "$(rushed storm)"
	errors "sksteerctl: upgrade: $error"
	is "$status" "$expected"
	is "$(tail -n 1 "$SKS_DIR/steps.log")" '"web" is served as before'
	gone late
	is "$(service '[.sockets[].state] | unique | join(" ")' web)" listening
	reaches 127.0.0.1#{7,77,7777}=old
}

@test "upgrade: a command that ends: the old one goes on" {
	fails 1 '"bash" ended with status 3 before it registered a listener' -- sh -c 'exit 3'
	fails 1 '"bash" ended with status 0 before it registered a listener' -- true
	fails 1 '"bash" was ended by SIGSEGV before it registered a listener' -- sh -c 'kill -SEGV $$'
	fails 1 '"bash" ended with status 127 before it registered a listener' -- /nowhere/server
	fails 1 '"bash" ended with status 0 before it registered a listener' -- \
		sh -c 'setsid sleep 0.3 & exit 0'
}

@test "upgrade: a command that cannot be started: the old one goes on" {
	local status=0
	web_old
	for word in /nowhere/server nowhere-server; do
		run -1 ctl upgrade web -- "$word"
		is "$output" "sksteerctl: upgrade: cannot start \"$word\": No such file or directory
\"web\" is served as before"
	done
	run -1 ctl upgrade web -- "$SKS_DIR"
	has "$output" 'Permission denied'
}

@test "upgrade: a command that never listens is ended in time: the old one goes on" {
	late sleep
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- "$LATE" 1000
	has_step "^stopped: process $(started)$"
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- \
		sh -c 'setsid "$0" 1000 & exit 0' "$LATE"
}

@test "upgrade: a command that ends at no SIGTERM is killed" {
	late sleep
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- \
		sh -c 'trap "" TERM; "$0" 1000 & "$0" 1000' "$LATE"
}

@test "upgrade: a command that listens elsewhere than the label's server is ended in time" {
	late "$PROGS/stand"
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=7777=7,77 old=tcp:0.0.0.0#7777
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- "$LATE" new=tcp:0.0.0.0#7778
	says new ready
}

@test "upgrade: a command that cannot bind what the old one's spec leaves to it ends" {
	late "$PROGS/stand"
	plain stranger stranger=tcp:0.0.0.0#7778
	fails 1 '"bash" registered no listener within 1 s' --timeout 1 -- "$LATE" new=tcp:0.0.0.0#7778
	says new 'new bind EADDRINUSE'
}

# bats test_tags=sanitize
@test "upgrade: --ready that does not succeed: the new one is ended, the old one goes on" {
	local seconds=$((2 * SKS_SLOW))
	late "$PROGS/stand"
	fails 1 "--ready: \"exit 7\" did not succeed within $seconds s: its last status was 7" \
		--timeout "$seconds" --ready 'exit 7' -- "$LATE" new=tcp:0.0.0.0#7777
	has_step '^standing by: '
	fails 1 "--ready: \"sleep 1000\" did not succeed within $seconds s: it never ended" \
		--timeout "$seconds" --ready 'sleep 1000' -- "$LATE" new=tcp:0.0.0.0#7777
	fails 1 '"bash" ended with status 4 before the move' --ready 'exit 1' -- \
		sh -c '"$1" "$2" & until grep -q "^standing by: " "$0/steps.log"; do sleep 0.02; done
			kill "$!"; exit 4' "$SKS_DIR" "$LATE" new=tcp:0.0.0.0#7777
	fails 1 '--ready: no TCP listener that could be asked stands by' --ready true -- \
		"$LATE" new=udp:0.0.0.0#7777
}

@test "upgrade: --ready finds the new one at SKSTEER_READY_ADDR, not the old one" {
	web_old
	upgrade new --ready 'echo "$SKSTEER_READY_ADDR" > '"$SKS_DIR/addr"'
		"'"$PROGS/dial"'" "${SKSTEER_READY_ADDR%:*}#${SKSTEER_READY_ADDR##*:}" | grep " new$"' \
		-- "$PROGS/stand" new=tcp:0.0.0.0#7777
	is "$(cat "$SKS_DIR/addr")" "127.0.0.1:$(real_bound)"
	upgrade six --ready 'echo "$SKSTEER_READY_ADDR" > '"$SKS_DIR/addr" -- \
		"$PROGS/stand" six=tcp:::1#7777
	is "$(cat "$SKS_DIR/addr")" '[::1]:7777'
}

# bats test_tags=sanitize
@test "upgrade: interrupted before the move, the new one is ended" {
	local sig status
	late "$PROGS/stand"
	web_old
	for sig in TERM INT HUP; do
		begin_upgrade new --ready 'exit 1' -- "$LATE" new=tcp:0.0.0.0#7777
		wait_until 5 has_step '^standing by: '
		kill "-$sig" "$(pid_of upgrade)"
		status=0
		wait_server upgrade || status=$?
		is "$status" $((128 + $(kill -l "$sig")))
		errors "sksteerctl: upgrade: SIG$sig came before the move"
		gone late
		reaches 127.0.0.1#{7,77,7777}=old
	done
}

@test "upgrade: of two at a time one is refused, and the other succeeds" {
	late "$PROGS/stand"
	web_old
	begin_upgrade new --ready "test -e $SKS_DIR/go" -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^standing by: '
	run -1 ctl upgrade web -- "$LATE" second=tcp:0.0.0.0#7777
	is "$output" "sksteerctl: upgrade: process $(started) stands by for \"web\" already"
	touch "$SKS_DIR/go"
	wait_server upgrade
	reaches 127.0.0.1#{7,77,7777}=new
}

@test "upgrade: a new one that ends after the move: the old one has the traffic back, and no signal" {
	local status=0
	web_old keep
	hold client 127.0.0.1 7
	hears client 'old 7'
	begin_upgrade new -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^waiting for 1 connection'
	kill -KILL "$(started)"
	wait_server upgrade || status=$?
	is "$status" 1
	errors 'sksteerctl: upgrade: the new instance has closed its listeners after the move: the old one is not signalled, and serves "web" again'
	reaches 127.0.0.1#{7,77,7777}=old
	still_talks client
}

@test "upgrade: interrupted after the move, it says what is left" {
	local status=0
	web_old keep
	hold client 127.0.0.1 7
	hears client 'old 7'
	begin_upgrade new -- "$PROGS/stand" new=tcp:0.0.0.0#7777
	wait_until 5 has_step '^waiting for 1 connection'
	kill "$(pid_of upgrade)"
	wait_server upgrade || status=$?
	is "$status" 143
	errors 'sksteerctl: upgrade: SIGTERM came after the move: the new instance serves "web", and the old one is not signalled'
	reaches 127.0.0.1#{7,77,7777}=new
	still_talks client
}

@test "upgrade: an old one that does not end in time is said" {
	local status=0
	start_server old env --ignore-signal=TERM LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_LABEL=web SKSTEER_PORTS=7 "$PROGS/stand" old=tcp:0.0.0.0#7777
	wait_sockets 1
	upgrade new --timeout 3 -- "$PROGS/stand" new=tcp:0.0.0.0#7777 || status=$?
	is "$status" 1
	errors "sksteerctl: upgrade: process $(pid_of old) has not ended within 3 s of SIGTERM"
	reaches 127.0.0.1#{7,7777}=new
}

@test "upgrade: no such label, and no helper" {
	run -1 ctl upgrade web -- true
	is "$output" 'sksteerctl: upgrade: no label "web" of yours in this network namespace'
	kill_helper
	run -1 ctl upgrade web -- true
	has "$output" "sksteerctl: upgrade: no helper at $SOCKET: start one as root: sksteerd"
}

@test "upgrade: from a shell that had started the old one itself" {
	start_server shell bash -c '
		LD_PRELOAD=$1 SKSTEER_SOCKET=$2 SKSTEER_LABEL=web SKSTEER_PORTS=7 \
			"$0" old=tcp:0.0.0.0#7777 &
		echo $! > "$4/old.pid"
		while ! test -e "$4/go"; do sleep 0.02; done
		export SKSTEER_SOCKET=$2
		exec "$3" upgrade web -- "$0" new=tcp:0.0.0.0#7777' \
		"$PROGS/stand" "$LIB" "$SOCKET" "$CTL" "$SKS_DIR"
	wait_sockets 1
	touch "$SKS_DIR/go"
	wait_server shell
	grep -q "^ended: process $(cat "$SKS_DIR/old.pid")$" "$SKS_DIR/shell.log"
	reaches 127.0.0.1#{7,7777}=new
}

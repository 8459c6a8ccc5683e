#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl upgrade where it succeeds: what it prints, what clients notice (nothing),
# and what the old server finishes. Where it fails: upgrade_fails.bats.
# shellcheck disable=SC2016 # what is in single quotes is another shell's
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

load upgrade

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

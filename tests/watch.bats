#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of `sksteerctl watch`: which events there are, who sees them, and that nobody waits for
# who does not read.
# shellcheck disable=SC2016 # what is in single quotes is jq's
# shellcheck disable=SC2154 # bats sets $stderr

load stand

# watching NAME [ARGUMENT...]: `watch`, as user $AS in $NS; returns when the helper knows it.
watching() {
	local name=$1 AS_WHO
	shift
	as_who
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${AS_WHO[@]}" "$CTL" --socket "$SOCKET" watch "$@"
	wait_until 5 waits_for_events "$(pid_of "$name")"
}

# Signals, who reads it, and events: it waits for three things only once the helper knows it.
waits_for_events() {
	is "$(cut -d ' ' -f 3 "/proc/$1/syscall")" 0x3
}

# Sockets that the helper has open.
watchers() {
	in_ns find "/proc/$(helper_pid)/fd" -lname 'socket:*' | wc -l
}

# events NAME FILTER [SELECT]: of the JSON lines that it has printed.
events() {
	jq -r "select(${3:-true}) | $2" "$SKS_DIR/$1.log"
}

# saw NAME FILTER VALUE: soon, some event has it.
saw() {
	wait_until 5 grep_event "$@"
}

grep_event() {
	events "$1" "$2" | grep -qFx -- "$3"
}

# bats test_tags=sanitize
@test "watch: registered, replaced, closed, drained, back to the earlier one, unregistered" {
	watching all --json
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	saw all '"\(.event) \(.service) \(.uid) \(.pid) \(.process) \(.socket.port) \(.socket.state)"' \
		"registered web 0 $(pid_of one) stand 7777 listening"
	stand two SKSTEER_LABEL=web SKSTEER_MODE=replace two=tcp:0.0.0.0#7777
	saw all '"\(.event) \(.pid) \(.reason)"' \
		"replaced $(pid_of two) in the place of process $(pid_of one)"
	kill_server one
	saw all '"\(.event) \(.pid) \(.socket.state)"' "closed $(pid_of one) replaced"
	saw all '"\(.event) \(.service) \(.pid)"' "drained web $(pid_of one)"
	stand three SKSTEER_LABEL=web SKSTEER_MODE=replace three=tcp:0.0.0.0#7777
	kill_server three
	saw all '"\(.event) \(.pid) \(.reason)"' \
		"replaced $(pid_of two) process $(pid_of three) has ended"
	ctl unregister web
	saw all '"\(.event) \(.pid) \(.reason)"' "closed $(pid_of two) its label was unregistered"
	is "$(events all .event | uniq | xargs)" \
		'registered replaced registered closed drained replaced registered closed replaced closed'
	# Each is a line by itself, with when and where.
	is "$(events all '.time | test("^20[0-9-]{8}T[0-9:]{8}\\.[0-9]{3}Z$")' | sort -u)" true
	is "$(events all .namespace | sort -u)" "$(ns_ino)"
	is "$(grep -c . "$SKS_DIR/all.log")" "$(events all .event | wc -l)"
}

@test "watch: a promotion replaces, and a server that is started anew does not" {
	watching all --json
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	ctl upgrade web --drain 0 -- env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" "$PROGS/stand" \
		two=tcp:0.0.0.0#7777 < /dev/null > "$SKS_DIR/upgrade.log" 2>&1 3>&-
	saw all '.event' replaced
	saw all '.event' drained
	is "$(events all .event | xargs)" 'registered registered replaced closed drained'
	kill "$(service '.sockets[0].pid' web)"
	wait_sockets 0
	stand three SKSTEER_LABEL=web SKSTEER_PORTS=any:7 three=tcp:0.0.0.0#7777
	saw all '.pid' "$(pid_of three)"
	is "$(events all .event | grep -c replaced)" 1
}

@test "watch: what is denied, with the reason that was given" {
	local option denied
	watching all --json
	AS=nobody begin low SKSTEER_PORTS=any:80 low=tcp:0.0.0.0#8080
	saw all '"\(.event) \(.uid) \(.process) \(.reason)"' \
		"denied 65534 stand $(wait_until 5 says low ready &&
			sed -n 's/^sksteer: //p' "$SKS_DIR/low.log")"
	watching words
	run as_user "$CTL" --socket "$SOCKET" bind web 80
	is "$status" 1
	wait_until 5 grep -q denied "$SKS_DIR/words.log"
	[[ $(log_of words) =~ ^20[^\ ]+Z\ denied\ web\ of\ nobody\ process\ [0-9]+\ \(sksteerctl\)\ net-$(ns_ino):\ .*port\ 80 ]] ||
		fail "$(log_of words)"
	echo '{"services": [{"label": "web", "bindings": ["81"]}]}' > "$SKS_DIR/list.json"
	for option in '' --dry-run; do
		denied=$(ctl metrics | sed -n 's/^sksteer_helper_denials_total //p')
		SKSTEER_SOCKET=$SOCKET run as_user "$CTL" apply $option "$SKS_DIR/list.json"
		is "$status" 1
		is "$(ctl metrics | sed -n 's/^sksteer_helper_denials_total //p')" "$((denied + 1))"
	done
	saw all '"\(.event) \(.service) \(.process) \(.reason)"' "denied null sksteerctl ${output#sksteerctl: }"
}

@test "watch: the lines that people read" {
	local t='^20[0-9T:.-]+Z '
	watching words
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	kill_server one
	wait_until 5 grep -q closed "$SKS_DIR/words.log"
	is "$(sed -E "s/$t//" "$SKS_DIR/words.log")" \
"registered web of root 0.0.0.0:7777/tcp process $(pid_of one) (stand) net-$(ns_ino)
closed web of root 0.0.0.0:7777/tcp process $(pid_of one) net-$(ns_ino)"
}

# bats test_tags=sanitize
@test "watch: users see their own events alone, each in his namespace; root with --all everybody's" {
	add_ns there
	watching all --json --all
	watching here --json
	AS=nobody watching mine --json
	AS=user2 watching theirs --json
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	AS=nobody stand two SKSTEER_PORTS=any:2000 two=tcp:0.0.0.0#7776
	AS=nobody NS=there stand far SKSTEER_PORTS=any:2000 far=tcp:0.0.0.0#7776
	AS=user2 stand last SKSTEER_LABEL=last SKSTEER_PORTS=any:3000 last=tcp:0.0.0.0#7775
	# Each of them is written by a process of its own.
	saw all .pid "$(pid_of last)"
	saw here .pid "$(pid_of last)"
	saw mine .pid "$(pid_of two)"
	saw theirs .pid "$(pid_of last)"
	is "$(events all .pid | xargs)" "$(pid_of one) $(pid_of two) $(pid_of far) $(pid_of last)"
	is "$(events here .pid | xargs)" "$(pid_of one) $(pid_of two) $(pid_of last)"
	is "$(events mine .pid)" "$(pid_of two)"
	is "$(events theirs .pid)" "$(pid_of last)"
	run as_user "$CTL" --socket "$SOCKET" watch --all
	is "$status" 1
	has "$output" 'root and the helper'
}

@test "watch: a namespace that is gone" {
	add_ns brief
	watching all --json --all
	NS=brief stand one SKSTEER_LABEL=web SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	ino=$(ns_ino brief)
	kill_server one
	kill -KILL "$(ns_pid brief)"
	saw all '"\(.event) \(.namespace)"' "namespace-gone $ino"
}

# many NAME N: N sockets of one process at one port, each registered by itself.
many() {
	cat > "$SKS_DIR/many.py" <<- 'EOT'
		import resource, socket, sys, time
		resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
		kept = []
		for _ in range(int(sys.argv[1])):
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
		    s.bind(("0.0.0.0", 7777))
		    s.listen()
		    kept.append(s)
		print("ready", flush=True)
		time.sleep(1000)
	EOT
	: > "$SKS_DIR/$1.log"
	start_server "$1" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS=any:7 \
		/usr/bin/python3 "$SKS_DIR/many.py" "$2"
	wait_until 60 says "$1" ready
}

# accounted NAME N: it has been told of that many, one by one or as lost.
accounted() {
	is "$(jq -s 'map(.lost // 1) | add' "$SKS_DIR/$1.log")" "$2"
}

# bats test_tags=sanitize
@test "watch: one that is stopped while 1000 sockets come keeps nobody waiting, and learns what it missed" {
	local lost
	watching quick --json
	watching stopped --json
	many plain 1000
	kill_server plain
	wait_until 10 accounted quick 2000
	kill -STOP "$(pid_of stopped)"
	many other 1000
	# The library gives up after a second, and asks no more: each was answered in time.
	is "$(log_of other)" ready
	wait_sockets 1000
	wait_until 10 accounted quick 3000
	is "$(events quick .pid '.event == "registered"' | grep -cx "$(pid_of other)")" 1000
	lost=$(ctl metrics | sed -n 's/^sksteer_helper_events_lost_total //p')
	((lost > 0)) || fail 'none were lost: this tests nothing'
	kill -CONT "$(pid_of stopped)"
	wait_until 10 accounted stopped 3000
	(($(jq -s 'map(.lost // 0) | add' "$SKS_DIR/stopped.log") > 0))
	# And from then on, all.
	kill_server other
	wait_until 10 accounted stopped 4000
}

@test "watch: it goes on with the next helper, and says so" {
	watching all --json
	kill_helper
	saw all .event helper-gone
	start_helper
	saw all .event helper-back
	stand one SKSTEER_LABEL=web SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	saw all .event registered
	is "$(events all .event | xargs)" 'helper-gone helper-back registered'
}

@test "watch: without a helper, it says how to start one" {
	kill_helper
	run ctl watch
	is "$status" 1
	has "$output" "no helper at $SOCKET"
}

@test "watch: a signal ends it with status 0, and so does who no longer reads" {
	local begin
	for signal in INT TERM; do
		watching all
		kill "-$signal" "$(pid_of all)"
		wait_server all
	done
	# Without an event: it does not have to write to notice.
	in_ns env SKSTEER_SOCKET="$SOCKET" timeout 10 "$CTL" watch 2> "$SKS_DIR/piped.log" | true
	is "${PIPESTATUS[0]}" 0
	is "$(< "$SKS_DIR/piped.log")" ''
}

@test "watch: what can't be written ends it, and is an error" {
	start_server full sh -c 'exec "$0" --socket "$1" watch > /dev/full' "$CTL" "$SOCKET"
	wait_until 5 waits_for_events "$(pid_of full)"
	stand one SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	run wait_server full
	is "$status" 1
	is "$(log_of full)" 'sksteerctl: standard output: No space left on device'
}

@test "watch: the process is the one that has registered, which may have been sksteerctl" {
	watching all --json
	plain web a=tcp:127.0.0.1#7777
	ctl register web --pid "$(pid_of web)"
	saw all '"\(.event) \(.process) \(.socket.port)"' 'registered sksteerctl 7777'
}

@test "watch: so many a user, who makes room by ending one" {
	local i
	for i in {1..4}; do
		AS=nobody watching "w$i"
	done
	run as_user "$CTL" --socket "$SOCKET" watch
	is "$status" 1
	has "$output" 'too many watch already'
	AS=user2 watching other
	kill_server w1
	AS=nobody watching again
}

# bats test_tags=sanitize
@test "watch: who has it sends nothing, and the helper lets go of who has gone" {
	local before
	before=$(watchers)
	watching all
	kill_server all
	stand one SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777
	wait_until 5 is_again "$before"
}

@test "watch: what happens after somebody has gone is not lost to him" {
	local i
	watching gone
	watching stays --json
	kill_server gone
	for i in 1 2 3; do
		run as_user "$CTL" --socket "$SOCKET" bind web 80
	done
	is "$(ctl metrics | grep -E '_(denials|events_lost)_total ' | xargs)" \
		'sksteer_helper_denials_total 3 sksteer_helper_events_lost_total 0'
	wait_until 5 accounted stays 3
}

is_again() {
	is "$(watchers)" "$1"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of mode share: a new instance of a label gets the very socket of one that runs, and
# both serve.

load instances

# first NAME WORD..., second NAME WORD...: of the label "web" with port 7.
first() {
	stand "$1" SKSTEER_LABEL=web SKSTEER_PORTS="${PORTS:-any:7}" "${@:2}"
}

second() {
	stand "$1" SKSTEER_LABEL=web SKSTEER_MODE=share SKSTEER_PORTS="${PORTS:-any:7}" "${@:2}"
}

# both_answer PLACE: and nobody else does.
both_answer() {
	local answers
	answers=$(in_ns "$PROGS/rush" -n 400 -c 32 name "$1" | sed -n 's/ answered .*//p' | sort | xargs)
	is "$answers" "$2 $3"
}

inodes_of() {
	in_ns ss -Htlnep | grep "pid=$(pid_of "$1")," | grep -o 'ino:[0-9]*' | sort
}

# bats test_tags=kernels
@test "share: both serve, with one socket" {
	first one one=tcp:0.0.0.0#7777
	second two two=tcp:0.0.0.0#7777,tell
	said two 'two is 7777'
	is "$(inodes_of two)" "$(inodes_of one)"
	wait_until 10 both_answer 127.0.0.1#7 one two
	wait_until 10 both_answer 127.0.0.1#7777 one two
}

@test "share, sksteer-run: the same, and a third" {
	local i
	for i in 1 2 3; do
		stand_run "web$i" -l web --share -p 7 -- "web$i=tcp:0.0.0.0#7777"
		said "web$i"
	done
	is "$(inodes_of web3)" "$(inodes_of web1)"
	kill_server web1
	wait_until 10 both_answer 127.0.0.1#7 web2 web3
	kill_server web3
	reaches 127.0.0.1#{7,7777}=web2
	kill_server web2
	reaches 127.0.0.1#{7,7777}=refused
}

@test "share: each listener of two families and two ports" {
	PORTS='7777=7;7778=8' first one a=tcp:0.0.0.0#7777 a6=tcp:::#7777,v6only b=tcp:0.0.0.0#7778
	PORTS='7777=7;7778=8' second two c=tcp:0.0.0.0#7777 c6=tcp:::#7777,v6only d=tcp:0.0.0.0#7778
	said two
	is "$(inodes_of two)" "$(inodes_of one)"
}

@test "share: what is set before bind is kept: FD_CLOEXEC, and the descriptor's number" {
	first one one=tcp:0.0.0.0#7777
	second two two=tcp:0.0.0.0#7777
	has "$(grep ^flags: "/proc/$(pid_of two)/fdinfo/3")" 02004002
	is "$(open_fds "$(pid_of two)")" "$(open_fds "$(pid_of one)")"
}

@test "share: the one that shuts its listener down does not take the other's along" {
	first one one=tcp:0.0.0.0#7777
	second two two=tcp:0.0.0.0#7777 shutdown close
	said two
	reaches 127.0.0.1#{7,7777}=one
	second three three=tcp:0.0.0.0#7777
	begin four SKSTEER_LABEL=web SKSTEER_MODE=share SKSTEER_PORTS=any:7 four=tcp:0.0.0.0#7777 \
		pause shutdown
	wait_until 5 says four paused
	kill -USR1 "$(pid_of four)"
	wait_until 5 says four ready
	kill_server one
	kill_server four
	reaches 127.0.0.1#{7,7777}=three
}

@test "share: the first one, too, may shut it down" {
	begin one SKSTEER_LABEL=web SKSTEER_PORTS=any:7 one=tcp:0.0.0.0#7777 pause shutdown close
	wait_until 5 says one paused
	second two two=tcp:0.0.0.0#7777
	kill -USR1 "$(pid_of one)"
	wait_until 5 says one ready
	reaches 127.0.0.1#{7,7777}=two
}

@test "a listener that nobody shares is shut down as ever" {
	first one one=tcp:0.0.0.0#7777 shutdown
	said one
	reaches 127.0.0.1#{7,7777}=refused
}

@test "share: UDP, both get datagrams" {
	PORTS=any:53/udp first one one=udp:0.0.0.0#5353
	PORTS=any:53/udp second two two=udp:0.0.0.0#5353
	said two
	kill_server one
	reaches 127.0.0.1#53/udp=two
	PORTS=any:53/udp second three three=udp:0.0.0.0#5353
	said three
	kill_server two
	reaches 127.0.0.1#53/udp=three
}

# is_refused REASON WORD: a second one with that socket gets what bind(2) gives, and is told why.
is_refused() {
	second two "$2"
	says two "two bind EADDRINUSE"
	has "$(log_of two)" "$1"
	is "$(inodes_of two)" ''
	reaches 127.0.0.1#{7,7777}=one
	kill_server two
}

@test "share: a socket of another kind is refused with the reason, and bind(2) says what it would" {
	first one one=tcp:0.0.0.0#7777
	is_refused 'cannot be shared: this one is for another address' two=tcp:127.0.0.1#7777
	is_refused 'cannot be shared: this one is of another family' two=tcp:::#7777
	kill_server one
	first one one=tcp:::#7777
	is_refused 'cannot be shared: this one is of another family' two=tcp:0.0.0.0#7777
	is_refused 'cannot be shared: this one is of another family' two=tcp:::#7777,v6only
	kill_server one
	first one one=tcp:0.0.0.0#7777,block
	is_refused 'O_NONBLOCK' two=tcp:0.0.0.0#7777
}

@test "share: of a process that is not to be traced nothing is taken" {
	export AS=nobody PORTS=any:1025
	first one one=tcp:0.0.0.0#7777 hide
	second two two=tcp:0.0.0.0#7777
	says two "two bind EADDRINUSE"
	has "$(log_of two)" 'cannot be shared: '
	is "$(inodes_of two)" ''
	reaches 127.0.0.1#{1025,7777}=one
}

@test "share: another user's server is a stranger" {
	AS=nobody stand one SKSTEER_LABEL=web SKSTEER_PORTS=1025 one=tcp:0.0.0.0#7777
	AS=user2 stand two SKSTEER_LABEL=web SKSTEER_MODE=share SKSTEER_PORTS=1025 two=tcp:0.0.0.0#7777
	says two 'two bind EADDRINUSE'
	is "$(inodes_of two)" ''
	AS=nobody stand three SKSTEER_LABEL=web SKSTEER_MODE=share SKSTEER_PORTS=1025 \
		three=tcp:0.0.0.0#7777
	said three
	is "$(inodes_of three)" "$(inodes_of one)"
}

@test "share: a label that is down is just taken, and another port just bound" {
	second one one=tcp:0.0.0.0#7777
	said one
	reaches 127.0.0.1#7=one
}

@test "share: without a helper, as without us" {
	first one one=tcp:0.0.0.0#7777
	kill_helper
	second two two=tcp:0.0.0.0#7777
	says two 'two bind EADDRINUSE'
	reaches 127.0.0.1#{7,7777}=one
}

# strike NAME: kill -9, and what it had accepted then is noted: those its clients lose, no others.
strike() {
	kill -STOP "$(pid_of "$1")"
	wait_until 5 grep -q '^State:.T' "/proc/$(pid_of "$1")/status"
	in_ns ss -Htnp | awk -v pid="pid=$(pid_of "$1")," 'index($0, pid) { sub(/.*:/, "", $5); print $5 }' \
		>> "$SKS_DIR/struck"
	kill_server "$1"
}

# end_struck_rush NAME: no connection failed but those.
end_struck_rush() {
	local status=0
	kill -TERM "$(pid_of "$1")"
	wait_server "$1" 30 || status=$?
	sed -n 's/^connection .* from port \([0-9]*\) to .*/\1/p' "$SKS_DIR/$1.log" | sort \
		> "$SKS_DIR/lost"
	is "$(comm -23 "$SKS_DIR/lost" <(sort -u "$SKS_DIR/struck"))" '' || fail "$(log_of "$1")"
	is "$(sed -n 's/.* connections, \([0-9]*\) failures.*/\1/p' "$SKS_DIR/$1.log")" \
		"$(wc -l < "$SKS_DIR/lost")"
}

# bats test_tags=soak
@test "share: kill -9 of either in a storm: only what it had accepted is lost" {
	local i
	: > "$SKS_DIR/struck"
	first web0 web0=tcp:0.0.0.0#7777
	rush storm -r 2000 name 127.0.0.1#7
	for ((i = 1; i <= $(soaks 10 100); i++)); do
		second "web$i" "web$i=tcp:0.0.0.0#7777"
		rush_goes_on storm 50
		# Now the older, now the younger.
		if ((i % 2)); then
			strike "web$((i - 1))"
		else
			strike "web$i"
			SKS_PID[web$i]=$(pid_of "web$((i - 1))")
		fi
		rush_goes_on storm 50
	done
	end_struck_rush storm
}

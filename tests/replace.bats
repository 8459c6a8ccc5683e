#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of mode replace: a new instance of a label takes over from one that runs, and gives
# back to it.

load instances

# started FORM NAME SPEC WORD...: by the environment alone, or by sksteer-run. (A new instance; the
# first of a label is one too.)
started() {
	local form=$1 name=$2 spec=$3
	shift 3
	case $form in
	raw) stand "$name" SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS="$spec" "$@" ;;
	run) stand_run "$name" -l web --replace -p "$spec" -- "$@" ;;
	esac
}

# --- it takes over ------------------------------------------------------------------------------

takes_over() {
	started "$1" old 7,77 old=tcp:0.0.0.0#7777,tell,keep
	hold before 127.0.0.1 7
	hears before 'old 7'
	started "$1" new 7,77 new=tcp:0.0.0.0#7777,tell
	said old 'old is 7777'
	said new 'new is 7777'
	reaches 127.0.0.1#{7,77,7777}=new 127.0.0.2#{7,77,7777}=new
	still_talks before
	kill_server new
	reaches 127.0.0.1#{7,77,7777}=old
	still_talks before
	kill_server old
	reaches 127.0.0.1#{7,77}=refused
}

# bats test_tags=kernels
@test "replace, raw: the new one has the ports, the old one its connections; and all when the new one goes" {
	takes_over raw
}

@test "replace, sksteer-run: the new one has the ports, the old one its connections; and all when the new one goes" {
	takes_over run
}

@test "replace: what waits to be accepted by the old one is served by it" {
	local i
	begin old SKSTEER_LABEL=web SKSTEER_PORTS=7 old=tcp:0.0.0.0#7777 pause
	wait_until 5 says old paused
	for i in 1 2 3; do
		hold "client$i" 127.0.0.1 7
	done
	started raw new 7 new=tcp:0.0.0.0#7777
	reaches 127.0.0.1#7=new
	is_idle old && fail 'nothing waits'
	kill -USR1 "$(pid_of old)"
	for i in 1 2 3; do
		hears "client$i" 'old 7'
	done
	reaches 127.0.0.1#7=new
}

@test "replace: the new one's own port is refused to others, and serves this machine" {
	local port
	add_ns peer
	veth main 192.0.2.1/24 peer 192.0.2.2/24
	veth main 2001:db8::1/64 peer 2001:db8::2/64
	started raw old 7 old=tcp:::#7777
	started raw new 7 new=tcp:::#7777
	port=$(real_ports new)
	isnt "$port" 7777
	is "$(real_ports old)" 7777
	NS=peer reaches {192.0.2.1,2001:db8::1}#{7,7777}=new {192.0.2.1,2001:db8::1}#"$port"=refused
	reaches {127.0.0.1,::1}#{7,7777}=new
	is "$(dial "127.0.0.1#$port")" "127.0.0.1#$port new"
	kill_server new
	NS=peer reaches {192.0.2.1,2001:db8::1}#{7,7777}=old
	# It is anybody's again.
	plain other other="tcp:0.0.0.0#$port"
	NS=peer wait_until 1 reaches 192.0.2.1#"$port"=other
}

@test "replace: ten times, and back through those that live" {
	local i
	for i in {1..10}; do
		started raw "web$i" 7,77 "web$i=tcp:0.0.0.0#7777,tell"
		said "web$i" "web$i is 7777"
		reaches 127.0.0.1#{7,77,7777}="web$i"
	done
	wait_sockets 10
	kill_server web5
	kill_server web1
	reaches 127.0.0.1#{7,77,7777}=web10
	for i in 10 9 8 7; do
		kill_server "web$i"
		reaches 127.0.0.1#{7,77,7777}="web$((i - 1))"
	done
	kill_server web6
	reaches 127.0.0.1#{7,77,7777}=web4
	started raw more 7,77 more=tcp:0.0.0.0#7777,tell
	said more 'more is 7777'
	reaches 127.0.0.1#{7,77,7777}=more
	for i in more web4 web3; do
		kill_server "$i"
	done
	reaches 127.0.0.1#{7,77,7777}=web2
	kill_server web2
	reaches 127.0.0.1#{7,77}=refused
}

@test "replace: the old one gone, its port leads to the new one, and to the one after that" {
	add_ns peer
	veth main 192.0.2.1/24 peer 192.0.2.2/24
	started raw one 7 one=tcp:0.0.0.0#7777
	started raw two 7 two=tcp:0.0.0.0#7777
	kill_server one
	NS=peer reaches 192.0.2.1#{7,7777}=two
	started raw three 7 three=tcp:0.0.0.0#7777,tell
	said three 'three is 7777'
	NS=peer reaches 192.0.2.1#{7,7777}=three
	kill_server two
	NS=peer reaches 192.0.2.1#{7,7777}=three
}

@test "replace: with SO_REUSEPORT the new one does not share with the old one" {
	started raw old 7 old=tcp:0.0.0.0#7777,reuse
	started raw new 7 new=tcp:0.0.0.0#7777,reuse
	run -0 in_ns "$PROGS/rush" -n 400 name 127.0.0.1#7 127.0.0.1#7777
	has "$output" 'new answered 400'
	has_not "$output" old
	kill_server new
	reaches 127.0.0.1#{7,7777}=old
}

@test "replace: the members of the new one's group are one instance" {
	started raw old 7 old=tcp:0.0.0.0#7777,reuse fork other=tcp:0.0.0.0#7777,reuse
	started raw new 7 new=tcp:0.0.0.0#7777,reuse fork next=tcp:0.0.0.0#7777,reuse
	run -0 in_ns "$PROGS/rush" -n 400 name 127.0.0.1#7 127.0.0.1#7777
	has_not "$output" old
	has_not "$output" other
}

@test "replace: two listeners that the spec names, and two families" {
	started raw old '7777=7;7778=8' a=tcp:0.0.0.0#7777 a6=tcp:::#7777,v6only b=tcp:0.0.0.0#7778 \
		b6=tcp:::#7778,v6only
	started raw new '7777=7;7778=8' c=tcp:0.0.0.0#7777,tell c6=tcp:::#7777,v6only,tell \
		d=tcp:0.0.0.0#7778,tell d6=tcp:::#7778,v6only,tell
	said new 'c is 7777' 'c6 is 7777' 'd is 7778' 'd6 is 7778'
	reaches 127.0.0.1#{7,7777}=c ::1#{7,7777}=c6 127.0.0.1#{8,7778}=d ::1#{8,7778}=d6
	kill_server new
	reaches 127.0.0.1#{7,7777}=a ::1#{7,7777}=a6 127.0.0.1#{8,7778}=b ::1#{8,7778}=b6
}

@test "replace: a listener that the new one opens later than its first is the old one's until then" {
	started raw old '7777=7;7778=8' a=tcp:0.0.0.0#7777 b=tcp:0.0.0.0#7778
	begin new SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS='7777=7;7778=8' \
		c=tcp:0.0.0.0#7777 pause d=tcp:0.0.0.0#7778
	wait_until 5 says new paused
	kill -USR1 "$(pid_of new)"
	wait_until 5 says new ready
	reaches 127.0.0.1#{7,7777}=c 127.0.0.1#{8,7778}=d
	kill_server new
	reaches 127.0.0.1#{7,7777}=a 127.0.0.1#{8,7778}=b
}

@test "replace: the server's own port below 1024" {
	started raw old 80,81 old=tcp:0.0.0.0#80
	started raw new 80,81 new=tcp:0.0.0.0#80,tell
	said new 'new is 80'
	reaches 127.0.0.1#80-81=new
	kill_server new
	reaches 127.0.0.1#80-81=old
}

@test "replace: an address of its own" {
	started raw old any:7 old=tcp:127.0.0.1#7777
	started raw new any:7 new=tcp:127.0.0.1#7777,tell
	said new 'new is 7777'
	reaches 127.0.0.1#7777=new 127.0.0.2#7777=refused 127.0.0.{1,2}#7=new
}

@test "replace: another port than the old one's is just bound" {
	started raw old 7 old=tcp:0.0.0.0#7777
	started raw new 7 new=tcp:0.0.0.0#8888,tell
	said new 'new is 8888'
	is "$(real_ports new)" 8888
	reaches 127.0.0.1#{7,8888}=new 127.0.0.1#7777=old
	kill_server new
	wait_until 1 reaches 127.0.0.1#{7,7777}=old
}

@test "replace: UDP servers that may both be bound: the new one has the datagrams" {
	started raw old any:53/udp old=udp:0.0.0.0#5353
	started raw new any:53/udp new=udp:0.0.0.0#5353
	reaches 127.0.0.1#53/udp=new
	kill_server new
	reaches 127.0.0.1#53/udp=old
}

@test "replace: nobody's servers" {
	AS=nobody started raw old 1025,1026 old=tcp:0.0.0.0#7777
	AS=nobody started raw new 1025,1026 new=tcp:0.0.0.0#7777,tell
	said new 'new is 7777'
	reaches 127.0.0.1#{1025,1026,7777}=new
	kill_server new
	reaches 127.0.0.1#{1025,1026,7777}=old
}

# --- specs --------------------------------------------------------------------------------------

@test "replace: the new one's spec counts, and the old one's again when it has gone" {
	started raw old 7,8 old=tcp:0.0.0.0#7777
	ctl bind web 9
	started raw new 8,10 new=tcp:0.0.0.0#7777
	reaches 127.0.0.1#7=refused 127.0.0.1#{8,9,10}=new
	kill_server new
	wait_until 2 reaches 127.0.0.1#{7,8,9}=old 127.0.0.1#10=refused
}

@test "replace: a label alone keeps the spec that is there" {
	started raw old 7,8 old=tcp:0.0.0.0#7777
	stand new SKSTEER_LABEL=web SKSTEER_MODE=replace new=tcp:0.0.0.0#7777
	said new
	reaches 127.0.0.1#{7,8,7777}=new
	kill_server new
	reaches 127.0.0.1#{7,8,7777}=old
}

@test "replace: a spec that is refused takes nothing over" {
	local spec
	stand other SKSTEER_PORTS=3000 other=tcp:0.0.0.0#7776
	AS=nobody started raw old 2000 old=tcp:0.0.0.0#7777
	for spec in 2001,80 2001,3000; do
		AS=nobody started raw new "$spec" new=tcp:0.0.0.0#7778
		has "$(log_of new)" "${spec#*,}"
		reaches 127.0.0.1#{2000,7777}=old 127.0.0.1#2001=refused 127.0.0.1#3000=other \
			127.0.0.1#7778=new
		kill_server new
	done
}

# --- as without us ------------------------------------------------------------------------------

@test "replace: a port that another label or a stranger has is taken, as without us" {
	stand other SKSTEER_LABEL=other SKSTEER_PORTS=9 other=tcp:0.0.0.0#7778
	plain stranger stranger=tcp:0.0.0.0#7779
	started raw old 7 old=tcp:0.0.0.0#7777
	started raw new 7 a=tcp:0.0.0.0#7778 b=tcp:0.0.0.0#7779
	said new 'a bind EADDRINUSE' 'b bind EADDRINUSE'
	reaches 127.0.0.1#{7,7777}=old 127.0.0.1#{9,7778}=other 127.0.0.1#7779=stranger
}

@test "replace: another user's server of that label is a stranger" {
	AS=nobody started raw old 1025 old=tcp:0.0.0.0#7777
	AS=user2 started raw new 1026 new=tcp:0.0.0.0#7777
	says new 'new bind EADDRINUSE'
	reaches 127.0.0.1#{1025,7777}=old
}

@test "replace: a label that is down is just taken" {
	local i
	for i in 1 2 3; do
		started raw "web$i" 7 "web$i=tcp:0.0.0.0#7777,tell"
		said "web$i" "web$i is 7777"
		is "$(real_ports "web$i")" 7777
		reaches 127.0.0.1#{7,7777}="web$i"
		kill_server "web$i"
		reaches 127.0.0.1#{7,7777}=refused
	done
}

@test "replace: its own port twice, as without us" {
	started raw old 7 old=tcp:0.0.0.0#7777
	started raw new 7 new=tcp:0.0.0.0#7777,fresh again=tcp:0.0.0.0#7777,fresh
	said new 'again bind EADDRINUSE'
	reaches 127.0.0.1#{7,7777}=new
}

@test "replace: without a helper, as without us" {
	started raw old 7 old=tcp:0.0.0.0#7777
	kill_helper
	started raw new 7 new=tcp:0.0.0.0#7777
	says new 'new bind EADDRINUSE'
	reaches 127.0.0.1#{7,7777}=old
}

@test "replace: a helper that dies between bind and listen: the next one has it, or listen fails" {
	local i
	started raw old 7 old=tcp:0.0.0.0#7777
	for i in one none; do
		begin new SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS=7 \
			new=tcp:0.0.0.0#7777,bound,tell pause listen
		wait_until 5 says new paused
		says new 'new is 7777'
		kill_helper
		[[ $i == none ]] || start_helper
		kill -USR1 "$(pid_of new)"
		wait_until 5 says new ready
		if [[ $i == none ]]; then
			says new 'new listen EADDRINUSE'
			is "$(real_ports new)" ''
			reaches 127.0.0.1#{7,7777}=old
		else
			reaches 127.0.0.1#{7,7777}=new
		fi
		kill_server new
	done
	start_helper
	reaches 127.0.0.1#{7,7777}=old
	wait_until 2 audited
}

@test "replace: without a helper, what the new one leaves goes back to the old one" {
	started raw old 7,77 old=tcp:0.0.0.0#7777
	started raw new 7,77 new=tcp:0.0.0.0#7777
	kill_helper
	reaches 127.0.0.1#{7,77,7777}=new
	kill_server new
	reaches 127.0.0.1#{7,77,7777}=old
	start_helper
	reaches 127.0.0.1#{7,77,7777}=old
	wait_sockets 1
}

@test "replace: where the new one is not steered at all nothing changes" {
	started raw old 7 old=tcp:0.0.0.0#7777
	stand new SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS=8888=7 new=tcp:0.0.0.0#7777
	said new 'new bind EADDRINUSE'
	reaches 127.0.0.1#{7,7777}=old
}

# --- storms -------------------------------------------------------------------------------------

# replaced_in_a_storm KIND PER_SECOND: the old one is killed as soon as its connections are done.
replaced_in_a_storm() {
	local kind=$1 i
	real web0 "$kind"
	storms "$kind"
	for ((i = 1; i <= $(soaks 3 100); i++)); do
		real "web$i" "$kind" --replace
		drain "web$((i - 1))"
		kill_all "web$((i - 1))"
	done
	end_storms "$(soaks 0 "$2")"
	[[ $(sks_rush_of "$kind") == http ]] || return 0
	while ((--i > 0)); do
		(($(answered storm "web$i") > 0)) || fail "web$i answered nobody"
	done
}

# bats test_tags=soak
@test "replace: python3 -m http.server in a storm: no connection is lost" {
	need /usr/bin/python3
	replaced_in_a_storm python 1000
}

# bats test_tags=soak
@test "replace: nginx in a storm: no connection is lost" {
	need nginx
	replaced_in_a_storm nginx 1000
}

# bats test_tags=soak
@test "replace: redis in a storm: no connection is lost" {
	need redis-server
	replaced_in_a_storm redis 1000
}

# bats test_tags=soak
@test "replace: ncat in a storm: no connection is lost" {
	need ncat
	replaced_in_a_storm ncat 600
}

# Any instant will do, so this is no wait for anything.
random_pause() {
	sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
}

# begins NAME: a stand that replaces, in the background.
begins() {
	begin "$1" SKSTEER_LABEL=web SKSTEER_MODE=replace SKSTEER_PORTS=any:80 "$1=tcp:::#7777"
}

# bats test_tags=soak
@test "replace: the helper killed at any instant of it in a storm: no connection is lost" {
	local i
	begins web0
	wait_until 5 says web0 ready
	rush storm -c 8 -r 1400 name 127.0.0.1#80 ::1#80
	for ((i = 1; i <= $(soaks 5 100); i++)); do
		begins "web$i"
		random_pause
		kill_helper
		start_helper
		wait_until 5 says "web$i" ready
		# Who found no helper to ask got what bind(2) gives, and is not steered.
		if [[ $(log_of "web$i") != ready ]]; then
			kill_server "web$i"
			begins "web$i"
			wait_until 5 says "web$i" ready
		fi
		is "$(log_of "web$i")" ready
		rush_goes_on storm 20
		drain "web$((i - 1))"
		kill_server "web$((i - 1))"
	done
	end_rush storm "$(soaks 0 1000)"
	is "$(service '.sockets[].pid' web)" "$(pid_of "web$((i - 1))")"
	wait_until 2 audited
}

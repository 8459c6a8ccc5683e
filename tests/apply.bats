#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl apply: what a bindings file makes of labels, and what is said of one
# that is wrong (corpus/apply). Whose labels and ports: apply_users.bats. Killed in the middle:
# kills.bats. Lists that no client of ours sends: bad_input.bats.
# shellcheck disable=SC2154 # bats sets $stderr

load apply

# --- what it does -------------------------------------------------------------------------------

# bats test_tags=sanitize
@test "apply: what labels have becomes what the file lists, and is said line by line" {
	stand web SKSTEER_LABEL=web web=tcp:0.0.0.0#7777 web=udp:0.0.0.0#5353
	stand api SKSTEER_LABEL=api api=tcp:::#8888
	apply web 80 any:443 127.0.0.2:8000-8010 53,54/udp and api 81,9000-9002
	does '+ api 81/tcp' '+ api 9000-9002/tcp' '+ web 53/udp' '+ web 54/udp' '+ web 80/tcp' \
		'+ web 127.0.0.2:8000-8010/tcp' '+ web any:443/tcp'
	reaches 127.0.0.1#{80,443}=web 127.0.0.2#8010=web 127.0.0.1#8010=refused \
		127.0.0.1#53/udp=web {127.0.0.1,::1}#{81,9002}=api
	apply web 80 any:443 127.0.0.2:8000-8010 53,54/udp and api 81,9000-9002
	does
	# The same, spelt otherwise.
	apply api 9000-9002 81/tcp 81 and web any:443 443/udp 53-53/udp 54/udp 80,80 127.0.0.2/32:8000-8010
	does '+ web 443/udp'
	apply web any:80,443 and api
	does '+ web any:80/tcp' '- api 81/tcp' '- api 9000-9002/tcp' '- web 53/udp' '- web 54/udp' \
		'- web 80/tcp' '- web 127.0.0.2:8000-8010/tcp' '- web 443/udp'
	reaches 127.0.0.1#{80,443}=web {127.0.0.1,::1}#{81,9002}=refused 127.0.0.2#8010=refused \
		127.0.0.1#54/udp=refused 127.0.0.1#7777=web 127.0.0.1#8888=api
	audited
}

@test "apply: with prefixes, IPv6 and UDP, labels before their servers, and two on one port" {
	local_route 192.0.2.0/24 2001:db8::/32
	apply web 192.0.2.0/24:80 '[2001:db8::/32]:80' and api 192.0.2.7:80 '[2001:db8::7]:80' \
		and dns any:53,54/udp
	does '+ api 192.0.2.7:80/tcp' '+ api [2001:db8::7]:80/tcp' '+ dns any:53/udp' '+ dns any:54/udp' \
		'+ web 192.0.2.0/24:80/tcp' '+ web [2001:db8::/32]:80/tcp'
	plain stranger stranger=tcp:::#80 stranger=udp:::#54
	reaches 192.0.2.{1,7}#80=refused 2001:db8::{1,7}#80=refused 127.0.0.1#80=stranger \
		{127.0.0.1,::1}#{53,54}/udp=refused
	stand web SKSTEER_LABEL=web web=tcp:::#7777
	stand api SKSTEER_LABEL=api api=tcp:::#8888
	stand dns SKSTEER_LABEL=dns dns=udp:::#5353
	reaches 192.0.2.1#80=web 192.0.2.7#80=api 2001:db8::1#80=web 2001:db8::7#80=api \
		{127.0.0.1,::1}#53/udp=dns
	apply web 192.0.2.0/24:80
	does '- api 192.0.2.7:80/tcp' '- api [2001:db8::7]:80/tcp' '- dns any:53/udp' \
		'- dns any:54/udp' '- web [2001:db8::/32]:80/tcp'
	reaches 192.0.2.{1,7}#80=web 2001:db8::1#80=stranger {127.0.0.1,::1}#54/udp=stranger
}

# bats test_tags=sanitize
@test "apply: a target moves from label to label, and a label that has nothing left is gone" {
	stand web SKSTEER_LABEL=web web=tcp:0.0.0.0#7777
	apply web any:80 any:81 and api any:82 any:53/udp and none any:83
	is "$(status_jq '[.services[].label] | sort | join(" ")')" 'api none web'
	apply api any:80 any:82 and web any:81,83
	does '+ api any:80/tcp' '+ web any:83/tcp' '- api any:53/udp' '- none any:83/tcp' \
		'- web any:80/tcp'
	is "$(status_jq '[.services[].label] | sort | join(" ")')" 'api web'
	reaches 127.0.0.1#{80,82}=refused 127.0.0.1#{81,83}=web
	apply web and api and never
	is "$status" 0
	is "$(status_jq '[.services[].label] | join(" ")')" web
	audited
}

@test "apply: specs of servers, and what has no label, stay as they are" {
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:80,81 web=tcp:0.0.0.0#7777
	stand eph SKSTEER_PORTS=any:90 eph=tcp:0.0.0.0#9999
	apply web any:82
	does '+ web any:82/tcp'
	reaches 127.0.0.1#80-82=web 127.0.0.1#90=eph
	# Of its own spec: listed, it would outlast the spec.
	apply web any:80 any:82
	does '+ web any:80/tcp'
	apply web any:82
	does '- web any:80/tcp'
	reaches 127.0.0.1#80-82=web
	apply web any:80
	does '+ web any:80/tcp' '- web any:82/tcp'
	kill_server web
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:84 web=tcp:0.0.0.0#7777
	reaches 127.0.0.1#{80,84}=web 127.0.0.1#{81,82}=refused
	apply --allow-empty
	does '- web any:80/tcp'
	reaches 127.0.0.1#84=web 127.0.0.1#80=refused 127.0.0.1#90=eph
}

@test "apply: what another label has by its server's spec is refused, and nothing else is done" {
	local before
	stand web SKSTEER_LABEL=web web=tcp:0.0.0.0#7777
	stand api SKSTEER_LABEL=api SKSTEER_PORTS=any:80 api=tcp:0.0.0.0#8888
	ctl bind web any:90
	ctl bind api any:91
	before=$(everything)
	apply web any:80,81
	fails '0.0.0.0/0:80/tcp is steered to "api" already'
	# Nor where both change, or two labels open the same place by different words.
	apply web any:80,81 and api any:92
	fails '0.0.0.0/0:80/tcp is steered to "api" already'
	apply web 85 and api 0.0.0.0/0:85
	fails '0.0.0.0/0:85/tcp is steered to "web" already'
	is "$(everything)" "$before"
	reaches 127.0.0.1#80=api 127.0.0.1#81=refused 127.0.0.1#90=web 127.0.0.1#91=api
}

# bats test_tags=sanitize
@test "apply: --dry-run says the same and changes nothing" {
	local before said
	apply --dry-run web 80 and api any:81
	does '+ api any:81/tcp' '+ web 80/tcp'
	is "$(status_jq '.services | length')" 0
	stand web SKSTEER_LABEL=web web=tcp:0.0.0.0#7777
	apply web 80 81 and api any:82 # in the way of nobody yet
	before=$(everything)
	apply --dry-run web 80 83 any:82
	said=$output
	does '+ web 83/tcp' '+ web any:82/tcp' '- api any:82/tcp' '- web 81/tcp'
	apply --dry-run --allow-empty
	does '- api any:82/tcp' '- web 80/tcp' '- web 81/tcp'
	is "$(everything)" "$before"
	reaches 127.0.0.1#80-81=web 127.0.0.1#82-83=refused
	apply web 80 83 any:82
	is "$output" "$said"
	apply --dry-run web 80 83 any:82
	does
	audited
}

@test "apply: the name - is standard input" {
	list web 80 > "$SKS_DIR/list.json"
	SKSTEER_SOCKET=$SOCKET run --separate-stderr in_ns "$CTL" apply - < "$SKS_DIR/list.json"
	does '+ web 80/tcp'
	SKSTEER_SOCKET=$SOCKET run --separate-stderr in_ns "$CTL" apply - < /dev/null
	fails 'apply: standard input: it is empty'
}

@test "apply: in another network namespace, by name of a process" {
	add_ns other
	list web any:80 > "$SKS_DIR/list.json"
	apply_file "$SKS_DIR/list.json" --netns "$(ns_pid other)"
	does '+ web any:80/tcp'
	is "$(status_jq '.services | length')" 0
	is "$(NS=other status_jq '.services[].label')" web
	apply --allow-empty
	does
	is "$(NS=other status_jq '.services[].label')" web
	apply_file "$SKS_DIR/list.json" --netns nowhere
	is "$status" 1
	has "$stderr" '--netns: "nowhere" is neither'
}

@test "apply: a port that stays, one that moves and one that comes and goes, in storms: none is lost" {
	local round # bats has an i of its own
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:9 web=tcp:0.0.0.0#7777
	stand api SKSTEER_LABEL=api SKSTEER_PORTS=any:19 web=tcp:0.0.0.0#8888
	apply web any:80 any:81
	rush stays name 127.0.0.1#80
	rush moves name 127.0.0.1#81
	for ((round = 0; round < 30; round++)); do
		apply api any:81 any:1000-1100 and web any:80 127.0.0.2:82
		is "$status" 0
		rush_goes_on moves 20
		apply web any:80 any:81 127.0.0.0/8:1000-2000
		is "$status" 0
		rush_goes_on stays 20
	done
	end_rush stays
	end_rush moves
	audited
}

# --- many ----------------------------------------------------------------------------------------

@test "apply: 100 000 bindings come, some change, all go, in a storm, and the next helper has them" {
	local file=$SKS_DIR/many.json
	stand web SKSTEER_LABEL=web SKSTEER_PORTS=any:7 web=tcp:0.0.0.0#7777
	stand some SKSTEER_LABEL=m7 some=tcp:0.0.0.0#8888
	local_route 10.0.7.0/24
	rush storm name 127.0.0.1#7
	many 100 1000 > "$file"
	apply_file "$file"
	is "$status" 0
	is "${#lines[@]}" 100000
	reaches 10.0.7.0#1000=some 10.0.7.249#1999=some 10.0.7.1#1000=refused
	rush_goes_on storm
	many 100 1001 > "$file"
	apply_file "$file"
	is "${#lines[@]}" 100
	is "${lines[7]}" '+ m7 10.0.7.0:2000/tcp'
	kill_helper
	start_helper
	apply_file "$file"
	does
	reaches 10.0.7.0#2000=some
	many 500 200 > "$file"
	apply_file "$file"
	is "$(grep -c '^+' <<< "$output") $(grep -c '^-' <<< "$output")" '80000 80100'
	reaches 10.0.7.199#1199=some 10.0.7.0#2000=refused
	apply --allow-empty
	is "${#lines[@]}" 100000
	end_rush storm
	is "$(status_jq '[.services[].label] | sort | join(" ")')" 'm7 web'
	audited
}

@test "apply: a namespace has no room for so many: all stays as it was" {
	local before
	apply web any:80
	before=$(everything)
	many 4096 1 > "$SKS_DIR/many.json"
	apply_file "$SKS_DIR/many.json"
	fails 'this namespace has no room for more services (4096)'
	many 4097 0 > "$SKS_DIR/many.json"
	apply_file "$SKS_DIR/many.json"
	fails "apply: $SKS_DIR/many.json: it lists 4097 services, and a namespace has room for 4096"
	is "$(everything)" "$before"
	audited
}

# --- what is wrong with a file -------------------------------------------------------------------

# bats test_tags=sanitize
@test "apply: a file that is wrong: the very error, its place, and nothing is changed" {
	local file before
	apply web any:80
	before=$(everything)
	cd "$BATS_TEST_DIRNAME/corpus/apply"
	for file in *.json; do
		apply_file "$file"
		is "$status:$output:$stderr" "1::$(< "${file%.json}.err")"
	done
	is "$(everything)" "$before"
	is "$(printf '%s\n' *.err | wc -l)" "$(printf '%s\n' *.json | wc -l)"
}

@test "apply: a file that is not there, is none, may not be read, or has no end" {
	apply_file "$SKS_DIR/nothing"
	fails "apply: $SKS_DIR/nothing: No such file or directory"
	apply_file "$SKS_DIR"
	fails "apply: $SKS_DIR: Is a directory"
	list web 80 > "$SKS_DIR/secret"
	chmod 600 "$SKS_DIR/secret"
	AS=nobody apply_file "$SKS_DIR/secret"
	fails "apply: $SKS_DIR/secret: Permission denied"
	apply_file /dev/zero
	fails 'apply: /dev/zero: it has more than 128 MiB'
	is "$(status_jq '.services | length')" 0
}

# bats test_tags=sanitize
@test "apply: no service is an error unless it is asked for; wrong usage" {
	ctl bind web 80
	apply
	fails "apply: $SKS_DIR/list.json: it lists no service, which would unbind all that you have: --allow-empty does that"
	apply --dry-run
	is "$status" 1
	is "$(service .label)" web
	apply --allow-empty --dry-run
	does '- web 80/tcp'
	apply --allow-empty
	does '- web 80/tcp'
	is "$(status_jq '.services | length')" 0
	run ctl apply
	is "$status:$output" '2:sksteerctl: apply: it takes a FILE (see apply --help)'
	run ctl apply one two
	is "$status" 2
	run ctl bind web 80 --dry-run
	is "$status:$output" '2:sksteerctl: bind: --dry-run is an option of apply'
	run ctl status --allow-empty
	is "$status" 2
}

@test "apply: no helper, one that does not answer, and an earlier one that has no apply" {
	kill -STOP "$(helper_pid)"
	apply web 80
	fails "the helper at $SOCKET does not answer"
	kill_helper
	apply web 80
	fails "no helper at $SOCKET: start one as root: sksteerd --socket $SOCKET"
	rm -f "$SOCKET"
	cat > "$SKS_DIR/old.py" <<- 'END'
		import socket, struct, sys
		server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		server.bind(sys.argv[1])
		server.listen()
		while True:
		    conn, _ = server.accept()
		    conn.send(struct.pack("=H6x", 3))
		    conn.recv(4096)
		    conn.send(struct.pack("=HHiHHIQ464s", 3, 0, -71, 0, 0, 0, 0, b"malformed request"))
	END
	start_server old /usr/bin/python3 "$SKS_DIR/old.py" "$SOCKET"
	wait_until 5 accepts "$SOCKET"
	apply web 80
	fails "the helper at $SOCKET is of an earlier version, which has no apply: restart it"
}

# The helper looks which ports of ranges others have, at the change and from time to time.
@test "apply: sockets of others are listed once, not for each of many labels" {
	local words=() n used
	start_server crowd /usr/bin/python3 -c '
import signal, socket
socks = [socket.create_server(("127.0.0.1", 0), backlog=1) for _ in range(4000)]
print("ready", flush=True)
signal.pause()'
	wait_until 20 grep -qx ready "$SKS_DIR/crowd.log"
	for n in {1..150}; do
		words+=(and "label$n" "192.0.2.$n:35000-35015")
	done
	used=$(used_ms "$(helper_pid)")
	apply "${words[@]:1}"
	is "$status $(wc -l <<< "$output")" '0 150'
	holds 3 uses_at_most "$(helper_pid)" $((used + 600))
}

@test "apply: nothing is left in the helper" {
	local before i
	AS=nobody apply web 8080
	apply web any:80
	wait_until 2 reports_are_forgotten
	before=$(open_fds "$(helper_pid)")
	for i in {1..40}; do
		AS=nobody apply web $((8000 + i))
		is "$status" 0
		apply web $((i + 100))
		AS=nobody apply web 80
		is "$status" 1
	done
	wait_until 2 no_more_fds_than "$before"
	stop_helper
}

no_more_fds_than() {
	(($(open_fds "$(helper_pid)") <= $1))
}

# What a client has read, the helper has open until it next looks.
reports_are_forgotten() {
	is "$(find "/proc/$(helper_pid)/fd" -lname '*sksteer-report*')" ''
}

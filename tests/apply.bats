#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl apply: what a bindings file makes of labels, and what is said of one
# that is wrong (corpus/apply). Killed in the middle: kills.bats. Lists that no client of ours sends:
# bad_input.bats.
# shellcheck disable=SC2154 # bats sets $stderr

load instances

# apply [OPTION]... [LABEL BINDING... [and LABEL BINDING...]...]: of a file that lists these, as user
# $AS in $NS; sets $status, $output and $stderr.
apply() {
	local options=()
	while [[ ${1:-} == --?* ]]; do
		options+=("$1")
		shift
	done
	list "$@" > "$SKS_DIR/list.json"
	apply_file "$SKS_DIR/list.json" "${options[@]}"
}

# apply_file FILE [OPTION]...
apply_file() {
	local as=()
	case ${AS:-root} in
	nobody) as=("${AS_NOBODY[@]}") ;;
	user2) as=("${AS_USER2[@]}") ;;
	esac
	SKSTEER_SOCKET=$SOCKET run --separate-stderr in_ns timeout --signal=KILL $((60 * SKS_SLOW)) \
		"${as[@]}" "$CTL" apply "$@"
}

# list [LABEL BINDING... [and LABEL BINDING...]...]: as JSON.
list() {
	jq -n '[$ARGS.positional | join("\n") | select(. != "") | split("\nand\n")[] | split("\n") |
		{ label: .[0], bindings: .[1:] }] | { services: . }' --args "$@"
}

# does LINE...: what apply has just printed; "" for nothing to do.
does() {
	local expected
	expected=$(printf '%s\n' "$@")
	is "$status:$stderr" '0:'
	is "$output" "${expected:-nothing to do}"
}

# fails TEXT: with one line, and nothing printed.
fails() {
	is "$status:$output" '1:'
	is "$stderr" "sksteerctl: $1"
}

# bindings LABEL: of that label, sorted.
bindings() {
	service '[.bindings[] | "\(.prefix) \(.ports)/\(.protocol)"] | sort | join(" ")' "$1"
}

everything() {
	status_jq 'del(.services[].counters) | tojson'
}

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

# many LABELS BINDINGS: so many labels, each with so many single ports at addresses of its own.
many() {
	jq -nc --argjson labels "$1" --argjson bindings "$2" '{ services: [range($labels) as $i |
		{ label: "m\($i)", bindings: [range($bindings) |
			"10.\($i / 256 | floor).\($i % 256).\(. % 250):\(1000 + .)"] }] }'
}

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

# --- users ---------------------------------------------------------------------------------------

# bats test_tags=sanitize
@test "apply: a user's labels are its own, root's are root's" {
	apply web any:8080
	AS=nobody apply web 8081 and api 8000-8010
	does '+ api 8000-8010/tcp' '+ web 8081/tcp'
	AS=user2 apply --allow-empty
	does
	AS=nobody stand mine SKSTEER_LABEL=web mine=tcp:0.0.0.0#7777
	reaches 127.0.0.1#8081=mine 127.0.0.1#8080=refused
	apply --allow-empty
	does '- web any:8080/tcp'
	reaches 127.0.0.1#8081=mine
	AS=nobody apply web 8082
	does '+ web 8082/tcp' '- api 8000-8010/tcp' '- web 8081/tcp'
	reaches 127.0.0.1#8082=mine 127.0.0.1#8081=refused
	is "$(service .owner.uid)" 65534
}

# refused TEXT LABEL BINDING...: to nobody, who is told that, also of a dry run, and keeps what it has.
refused_to_nobody() {
	local text=$1 before option
	shift
	before=$(everything)
	for option in '' --dry-run; do
		AS=nobody apply $option "$@"
		fails "$text"
		is "$(everything)" "$before"
	done
}

@test "apply: what the policy or a quota says no to, or others have, leaves all as it was" {
	local rule='the built-in rule' labels=() i
	AS=nobody stand mine SKSTEER_LABEL=mine mine=tcp:0.0.0.0#7777
	AS=nobody apply mine 8080 8081
	start_server theirs "${AS_USER2[@]}" "$PROGS/stand" theirs=tcp:0.0.0.0#8443
	wait_until 5 says theirs ready
	AS=user2 apply theirs any:8444
	AS=user2 stand served SKSTEER_LABEL=theirs served=tcp:0.0.0.0#7778
	apply root 127.0.0.1:8445
	refused_to_nobody "80: port 80 is for root (net.ipv4.ip_unprivileged_port_start is 1024), and /etc/sksteer/policy.conf does not grant it to user 65534" \
		mine 8080 80
	refused_to_nobody "*: \"*\" and ranges of more than 1024 ports are for root ($rule)" mine '*'
	refused_to_nobody "more than 256 ports for user 65534 ($rule)" mine 8080 8081 20000-20254
	refused_to_nobody "more than 256 ports for user 65534 ($rule)" mine 20000-20127 \
		and other 20200-20328
	for i in {10..25}; do
		labels+=("l$i" "90$i" and)
	done
	refused_to_nobody "more than 16 labels for user 65534 ($rule)" "${labels[@]}" mine 8080
	refused_to_nobody '0.0.0.0/0:8443/tcp: port 8443 is held by a socket of user 65533 on every address' \
		mine 8443
	refused_to_nobody "0.0.0.0/0:8444/tcp is steered to another user's service already" mine any:8444
	reaches 127.0.0.1#808{0,1}=mine 127.0.0.1#8443=theirs 127.0.0.1#8444=served
	audited
}

@test "apply: with a policy file: labels and ports that it grants, and what was granted stays" {
	stop_helper
	printf '%s\n' '[user nobody]' 'ports = 80,443' 'labels = web-*' > "$SKS_DIR/policy.conf"
	start_helper --policy "$SKS_DIR/policy.conf"
	AS=nobody apply web-1 80 8080 and web-2 443
	does '+ web-1 80/tcp' '+ web-1 8080/tcp' '+ web-2 443/tcp'
	refused_to_nobody "label \"www\" is not for user 65534 ($SKS_DIR/policy.conf:3)" web-1 80 and www 8081
	printf '%s\n' '[user nobody]' 'max-ports = 2' > "$SKS_DIR/policy.conf"
	kill -HUP "$(helper_pid)"
	wait_until 5 grep -q 'policy' "$SKS_DIR/helper.log"
	AS=nobody apply web-1 80 8080 and web-2 443
	does
	AS=nobody apply web-1 80
	does '- web-1 8080/tcp' '- web-2 443/tcp'
	AS=nobody apply web-1
	refused_to_nobody '80: port 80 is for root (net.ipv4.ip_unprivileged_port_start is 1024), and '"$SKS_DIR/policy.conf does not grant it to user 65534" \
		web-1 80
}

@test "apply: a list that no user could be granted is not even read, and nobody waits for it" {
	many 100 1000 > "$SKS_DIR/many.json"
	AS=nobody apply_file "$SKS_DIR/many.json"
	fails 'the list has more than 34336 bytes, which is more than user 65534 could be granted'
	is "$(status_jq '.services | length')" 0
}

# grabs WORD PLACE...: what user2 gets who binds each.
grabs() {
	local word=$1
	shift
	is "$(in_ns "${AS_USER2[@]}" "$PROGS/grab" "$@")" "$(printf "%s $word\n" "$@")"
}

@test "apply: what is asked for dry, refused or dropped is free to others, and what moves never is" {
	local round
	AS=nobody stand mine SKSTEER_LABEL=mine mine=tcp:0.0.0.0#7777
	AS=nobody apply --dry-run mine any:8080
	is "$status" 0
	AS=nobody apply mine any:8080,80
	is "$status" 1
	grabs 'done' 0.0.0.0#8080
	AS=nobody apply mine any:8080,8081 and other any:8082
	grabs EADDRINUSE 0.0.0.0#808{0,1,2}
	: > "$SKS_DIR/storm.log"
	start_server storm "${AS_USER2[@]}" /usr/bin/python3 -c '
import socket
tries = 0
while True:
    for port in 8080, 8081:
        try:
            with socket.socket() as sock:
                sock.bind(("0.0.0.0", port))
            print("got", port, flush=True)
        except OSError:
            tries += 1
            tries % 100 or print("refused", flush=True)'
	wait_until 5 says storm refused
	for round in {1..30}; do
		AS=nobody apply other any:8080 and mine any:8081
		is "$status" 0
		AS=nobody apply mine any:8080,8081
		is "$status" 0
	done
	kill_server storm
	is "$(sort -u "$SKS_DIR/storm.log")" refused
	grabs 'done' 0.0.0.0#8082
	AS=nobody apply --allow-empty
	grabs 'done' 0.0.0.0#808{0,1,2}
	audited
}

# A process of nobody's that listens at 19 000 addresses and ports.
hold() {
	: > "$SKS_DIR/hold.log"
	start_server hold "${AS_NOBODY[@]}" /usr/bin/python3 -c '
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (19500, 19500))
kept = []
for port in range(2000, 21000):
    kept.append(socket.create_server(("127.0.0.2", port)))
print("ready", flush=True)
time.sleep(1000)'
	wait_until 60 says hold ready
}

# helper_us: processor time of the helper and of its workers.
helper_us() {
	local pids
	read -ra pids <<< "$(pids_of helper)"
	printf '/proc/%s/schedstat\n' "${pids[@]}" | xargs cat | awk '{ ns += $1 } END { printf "%d\n", ns / 1000 }'
}

# fastest N: the us for which apply keeps the helper busy, at best, of so many labels each of which has
# a range that yields. Not how long it takes: that is up to what else runs.
fastest() {
	local best=60000000 began took
	jq -nc --argjson n "$1" '{ services: [range($n) | { label: "l\(.)", bindings: [
		"127.0.0.1:\(40000 + 2 * .)-\(40001 + 2 * .)"] }] }' > "$SKS_DIR/list.json"
	for _ in 1 2 3; do
		began=$(helper_us)
		AS=nobody apply_file "$SKS_DIR/list.json" --dry-run
		took=$(($(helper_us) - began))
		is "$status:${#lines[@]}" "0:$1"
		((took > best)) || best=$took
	done
	echo "$best"
}

@test "apply: many labels make others wait hardly longer than one, however many sockets there are" {
	local one sixteen
	hold
	one=$(fastest 1)
	sixteen=$(fastest 16)
	((sixteen < 4 * one)) || fail "1 label takes $one us, 16 take $sixteen"
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

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteerctl apply between users: what one may apply, what it gets of what others
# have, and that it doesn't make them wait.

load apply

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

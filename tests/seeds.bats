#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests that replay what sksteer was founded on: one echo server on 127.0.0.1:7777, and
# ports 7, 77 and 777 opened on its one socket. Seed 000 (section 3, with 3.4: everything pinned)
# does it on the loopback; seed 001 on a machine's outer address, for another machine.

load lib

setup() {
	sks_setup
	need ncat jq
	ECHO=(ncat -4lke /bin/cat 127.0.0.1 7777)
}

teardown() {
	sks_teardown
}

# scan ADDRESS: which of the ports 1-1000 are open, as nmap -sT finds them.
scan() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_ns timeout --signal=KILL $((20 * SKS_SLOW)) bash -c '
		for port in {1..1000}; do
			: 9<> "/dev/tcp/$0/$port" && echo "$port"
		done 2> /dev/null' "$1" | xargs
}

# pinned KIND NAME: what bpftool says of it, as JSON.
pinned() {
	in_ns "$BPFTOOL" -j "$1" show pinned "$BPFFS/net-$(ns_ino)/$2"
}

# The namespace's own inode number, as a process in it reads it.
own_ino() {
	in_ns readlink /proc/self/ns/net | tr -dc 0-9
}

# As `ss -e` shows it after "sk:".
cookie_of_7777() {
	in_ns ss -4Htlne 'sport = 7777' | grep -o 'sk:[0-9a-f]*' | cut -d: -f2
}

# The values of the socket map in use, in the same notation.
steered_cookies() {
	in_ns "$BPFTOOL" -j map dump pinned "$BPFFS/net-$(ns_ino)/sockets" |
		jq -r '.[] | select(.value | type == "array") | .value | reverse | map(.[2:]) | add' |
		sed 's/^0*//'
}

# not_pinned ID...: those of these maps without a name in the bpffs, but for a program's constants,
# which nobody needs to find.
not_pinned() {
	in_ns "$BPFTOOL" -j --bpffs map show | jq -r --arg ids "$*" '
		($ids | split(" ")) as $ids | .[]
		| select((.id | tostring | IN($ids[])) and (.name | endswith(".rodata") | not))
		| select(any(.pinned[]?; startswith("'"$BPFFS/net-$(ns_ino)/"'")) | not) | .name'
}

is_pinned_and_whole() {
	local program link
	program=$(pinned prog program)
	link=$(pinned link link)
	is "$(jq -r .type <<< "$program")" sk_lookup
	is "$(jq -r .attach_type <<< "$link")" sk_lookup
	is "$(jq -r .type <<< "$link")" netns
	is "$(jq -r .prog_id <<< "$link")" "$(jq -r .id <<< "$program")"
	is "$(jq -r .netns_ino <<< "$link")" "$(own_ino)"
	is "$(pinned map sockets | jq -r .type)" sockmap
	has " $(jq -r '.map_ids | map(tostring) | join(" ")' <<< "$program") " \
		" $(pinned map sockets | jq -r .id) "
	# shellcheck disable=SC2046 # a list of numbers
	is "$(not_pinned $(jq -r '.map_ids[]' <<< "$program"))" ''
}

# bats test_tags=kernels
@test "seed 000: closed before, open after, and the echo comes back through the loopback" {
	local word words=(Steer on multiple ports) ports=(7 77 777 7777)
	start_helper
	start_server plain "${ECHO[@]}"
	wait_answer 127.0.0.1 7777
	is "$(scan 127.0.0.1)" ''
	kill_server plain

	start_steered echo 7,77,777 "${ECHO[@]}"
	wait_answer 127.0.0.1 7
	is "$(scan 127.0.0.1)" '7 77 777'
	for word in 0 1 2 3; do
		is "$(ask 127.0.0.1 "${ports[word]}" "${words[word]}")" "${words[word]}"
	done
	# One socket, on the port that the server chose, does it all.
	is "$(in_ns ss -Htln | awk '{ print $4 }')" 127.0.0.1:7777
	is "$(scan 127.0.0.2)" ''
	is "$(scan ::1)" ''

	kill_server echo
	wait_until 2 refused 127.0.0.1 7
	is "$(scan 127.0.0.1)" ''
}

# bats test_tags=kernels
@test "seed 000: maps, program and link are pinned, and outlive the one who loaded them" {
	start_helper
	start_steered echo 7,77,777 "${ECHO[@]}"
	wait_answer 127.0.0.1 7
	is_pinned_and_whole
	is "$(steered_cookies)" "$(cookie_of_7777)"
	kill_helper
	is_pinned_and_whole
	is "$(steered_cookies)" "$(cookie_of_7777)"
	is "$(scan 127.0.0.1)" '7 77 777'
}

# bats test_tags=kernels
@test "seed 001: not widened unasked, and by any: open to another machine" {
	start_helper
	add_ns peer
	veth main 192.0.2.1/24 peer 192.0.2.2/24
	start_steered echo 7,77,777 "${ECHO[@]}"
	wait_answer 127.0.0.1 7
	is "$(NS=peer scan 192.0.2.1)" ''
	NS=peer refused 192.0.2.1 7777
	kill_server echo

	start_steered echo any:7,77,777 "${ECHO[@]}"
	wait_answer 127.0.0.1 7
	is "$(NS=peer scan 192.0.2.1)" '7 77 777'
	is "$(NS=peer ask 192.0.2.1 7 Hip)" Hip
	is "$(NS=peer ask 192.0.2.1 77 hip)" hip
	is "$(NS=peer ask 192.0.2.1 777 'hooray!')" 'hooray!'
	# any: is of the ports that it names: the server's own stays where it was bound.
	NS=peer refused 192.0.2.1 7777
	is "$(scan 192.0.2.1)" '7 77 777'
	is "$(scan 127.0.0.1)" '7 77 777'
	is_pinned_and_whole
	is "$(steered_cookies)" "$(cookie_of_7777)"
}

@test "seed 001: the other machine's own ports are not touched" {
	start_helper
	add_ns peer
	veth main 192.0.2.1/24 peer 192.0.2.2/24
	start_steered echo any:7,77,777 "${ECHO[@]}"
	wait_answer 127.0.0.1 7
	is "$(NS=peer scan 192.0.2.2)" ''
	is "$(NS=peer scan 127.0.0.1)" ''
	is "$(scan 192.0.2.2)" ''
	in_ns test ! -e "$BPFFS/net-$(ns_ino peer)"
}

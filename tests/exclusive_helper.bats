#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of exclusive ports over namespaces, over the helper's lives, and of the hooks at the
# root of the cgroups: what holds while the helper is down, what is left, and what holds without hooks.

load exclusive

# hooks: the links of them that are pinned, as numbers in JSON.
hooks() {
	local pin
	for pin in $(in_ns find "$BPFFS" \
		-path '*/claims*' \( -name 'bind[46]' -o -name 'post[46]' \)); do
		in_ns "$BPFTOOL" -j link show pinned "$pin"
	done | jq -cs 'map(.id)'
}

# hooks_are N [HOOKS]: so many are pinned or, of HOOKS that once were, still there. The kernel frees one
# some time after the last that held it is gone.
hooks_are() {
	is "$(in_ns "$BPFTOOL" -j link show | jq --argjson ours "$(jq -cs add <<< "$(hooks) ${2:-[]}")" \
		'map(select(.id | IN($ours[]))) | length')" "$1"
}

@test "another namespace is not concerned, and each has its own claims" {
	add_ns other
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	NS=other free 0.0.0.0#8080
	NS=other AS=nobody stand there SKSTEER_PORTS=8081 there=tcp:0.0.0.0#7777
	NS=other taken 0.0.0.0#8081
	NS=other free 0.0.0.0#8080
	free 0.0.0.0#8081
	taken 0.0.0.0#8080
	NS=other ctl unload
	NS=other free 0.0.0.0#8081
	taken 0.0.0.0#8080
}

@test "nothing of ours keeps a namespace alive, and its claims go with it" {
	local cookies
	AS=nobody stand here SKSTEER_PORTS=8080 here=tcp:0.0.0.0#7777
	cookies=$(claimed_namespaces)
	add_ns other
	veth main 192.0.2.1/24 other 192.0.2.2/24
	NS=other AS=nobody stand there SKSTEER_PORTS=8081 there=tcp:0.0.0.0#7777
	isnt "$(claimed_namespaces)" "$cookies"
	kill_server there
	kill -KILL "$(ns_pid other)"
	wait_until 5 not in_ns ip link show to-other
	wait_until 10 claimed_namespaces_are "$cookies" # the kernel, too, takes its time
}

claimed_namespaces() {
	in_ns "$BPFTOOL" -j map dump pinned "$BPFFS/claims/trie" |
		jq -c '[.[] | .formatted.key.netns // .key.netns] | unique'
}

claimed_namespaces_are() {
	is "$(claimed_namespaces)" "$1"
}

@test "the helper is down: ports stay taken; the next one goes on, and nothing is left in between" {
	local before
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	kill_helper
	taken 0.0.0.0#8080
	AS=nobody free 0.0.0.0#8080
	before=$(hooks)
	hooks_are 4
	start_helper
	taken 0.0.0.0#8080
	wait_until 2 hooks_are 4 "$before"
	kill_helper
	kill_server web
	taken 0.0.0.0#8080
	start_helper
	wait_until 1 free 0.0.0.0#8080
}

@test "helpers killed at any moment leave no claim for good" {
	local i
	for i in 1 2 3 4 5 6; do
		AS=nobody begin "web$i" SKSTEER_PORTS=$((8080 + i)) "web=tcp:0.0.0.0#$((7770 + i))"
		kill_helper
		wait_until 5 says "web$i" ready
		kill_server "web$i"
		start_helper
	done
	wait_until 1 free 0.0.0.0#808{1,2,3,4,5,6}
	is "$(in_ns find "$BPFFS" -maxdepth 1 -name 'claims-*')" ''
}

# The claims, one a line. The next helper makes them anew of the records.
claims() {
	in_ns "$BPFTOOL" -j map dump pinned "$BPFFS/claims/trie" |
		jq -c '.[] | .formatted // . | [.key, .value]' | sort
}

# One change of somebody's labels, which may well be refused.
change_something() {
	local specs=(any:8080 any:8000-8063 any:8010-8020 any:8064-8127 192.0.2.0/24:8080
		192.0.2.7:8080 192.0.2.0/24:8000-8010 '[2001:db8::/32]:8080' any:8080/udp
		127.0.0.1:8080/udp any:39990-40020 any:50000)
	local users=("${AS_NOBODY[*]}" "${AS_USER2[*]}" '') user verb=bind
	read -ra user <<< "${users[RANDOM % 3]}"
	((RANDOM % 3)) || verb=unbind
	SKSTEER_SOCKET=$SOCKET in_ns "${user[@]}" "$CTL" "$verb" "label$((RANDOM % 2))" \
		"${specs[RANDOM % ${#specs[@]}]}" >> "$SKS_DIR/changes.txt" 2>&1
}

@test "what is taken is what the records say, after many changes, refused ones too" {
	local i k before done=0 refused=0
	RANDOM=5
	LISTENS=1 holds_port other 127.0.0.1#{8005,8080} # so that some are refused late
	for i in 1 2 3 4 5; do
		for k in {1..30}; do
			if change_something; then done=$((done + 1)); else refused=$((refused + 1)); fi
		done
		before=$(claims)
		((${#before} > 500)) || fail 'hardly anything was taken'
		kill_helper
		start_helper
		is "$(claims)" "$before"
	done
	((done > 30 && refused > 30)) || fail "$done were done, $refused refused"
}

@test "a helper that died while it replaced the hooks: they hold, and go with the rest" {
	local before
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	kill_helper
	before=$(hooks)
	in_ns mv "$BPFFS/claims" "$BPFFS/claims-new"
	taken 127.0.0.1#8080
	start_helper
	taken 127.0.0.1#8080
	is "$(in_ns find "$BPFFS" -name 'claims*')" "$BPFFS/claims"
	kill_helper
	before=$(jq -cs add <<< "$before $(hooks)")
	in_ns mv "$BPFFS/claims" "$BPFFS/claims-new"
	ctl unload
	is "$(in_ns find "$BPFFS" -mindepth 1)" ''
	wait_until 2 hooks_are 0 "$before"
}

@test "where the kernel no longer draws ports a range goes on to yield: nobody loses a listener" {
	local_ports 40000 40009
	AS=nobody stand web SKSTEER_PORTS=39990-40020 web=tcp:0.0.0.0#7777
	plain other other=tcp:127.0.0.1#40005
	wait_until 1 left_out_are 40005/tcp
	local_ports 50000 50009
	holds 1 reaches 127.0.0.1#40005=other 127.0.0.1#40006=web
	AS=nobody stand more SKSTEER_PORTS=49990-50020 more=tcp:0.0.0.0#7778
	free 127.0.0.1#50000
	reaches 127.0.0.1#40005=other 127.0.0.1#50001=more
}

@test "unload leaves nothing at the root of the cgroups, with a helper and without" {
	local before
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	before=$(hooks)
	hooks_are 4
	ctl unload
	wait_until 2 hooks_are 0 "$before"
	free 0.0.0.0#8080
	kill_server web
	add_ns other
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	NS=other AS=nobody stand there SKSTEER_PORTS=8081 there=tcp:0.0.0.0#7777
	kill_helper
	before=$(hooks)
	hooks_are 4
	has "$(ctl unload)" 'unloaded without a helper'
	free 0.0.0.0#8080
	NS=other taken 0.0.0.0#8081
	has "$(NS=other ctl unload)" 'unloaded without a helper'
	wait_until 2 hooks_are 0 "$before"
	is "$(in_ns find "$BPFFS" -mindepth 1)" ''
}

@test "without hooks: said once, ports are looked at all the same, and an usurper gets no traffic" {
	kill_helper
	: > "$SKS_DIR/helper.log"
	LD_PRELOAD=$PROGS/no_cgroups.so start_helper
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	said web
	is "$(grep -c 'but not taken' "$SKS_DIR/helper.log")" 1
	is "$(status_jq .ports_taken)" false
	has "$(ctl status)" 'ports are not taken: others may bind them'
	is "$(ctl status | awk 'length > 80')" ''
	LISTENS=1 holds_port usurper 127.0.0.1#8080
	reaches 127.0.0.1#8080=web
	AS=nobody stand more SKSTEER_PORTS=8090 more=tcp:0.0.0.0#7778
	LISTENS=1 holds_port other 127.0.0.1#8091
	AS=nobody stand late SKSTEER_PORTS=8091 late=tcp:0.0.0.0#7779
	has "$(log_of late)" 'port 8091 is held by a socket of user 65533'
}

# Those of the hierarchy are the machine's: all of its mounts show them.
cgroup_options() {
	in_ns sed -n 's/^[^ ]* [^ ]* cgroup2 \([^ ]*\) .*/\1/p' "/proc/$1/mounts" | head -n 1
}

# The same helper, as the first process of a PID namespace in which no cgroups are mounted.
hide_cgroups() {
	ln -s "$HELPER" "$SKS_DIR/sksteerd"
	HELPER=$SKS_DIR/hidden
	cat > "$HELPER" <<-END
		#!/bin/bash
		echo \$\$ > /mnt/cgroup.procs
		exec unshare --mount --pid --kill-child --mount-proc bash -c '
			umount --all --lazy --types cgroup2
			exec $SKS_DIR/sksteerd "\$@"' bash "\$@"
	END
	chmod 755 "$HELPER"
}

@test "the options of the machine's cgroups stay, and ports are taken also where no cgroups are mounted" {
	local before how
	kill_helper
	before=$(cgroup_options 1)
	in_ns mount -t cgroup2 -o nsdelegate,memory_recursiveprot none /mnt
	for how in mounted hidden; do
		[[ $how == mounted ]] || hide_cgroups
		: > "$SKS_DIR/helper.log"
		start_helper
		has_not "$(log_of helper)" 'not taken'
		has "$(cgroup_options self)" nsdelegate,memory_recursiveprot
		kill_helper
	done
	in_ns umount /mnt
	in_ns mount -t cgroup2 -o "${before:-rw}" none /mnt
}

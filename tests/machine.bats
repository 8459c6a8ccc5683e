#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what the helper leaves alone: the rest of the machine, and other programs' files.

load lib

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

# refuses TEXT ARGUMENT...: the helper says that, and does not start.
refuses() {
	run in_ns timeout 10 "$HELPER" "${@:2}"
	is "$status" 1
	has "$output" "$1"
}

# answers_at PATH: whoever listens there is still reached.
answers_at() {
	is "$(in_ns timeout 5 socat -u "UNIX-CONNECT:$1" - < /dev/null)" there
}

@test "what others have at the path of the helper's socket is neither removed nor taken over" {
	echo kept > "$SKS_DIR/file"
	ln -s file "$SKS_DIR/link"
	start_server other socat "UNIX-LISTEN:$SKS_DIR/stream,fork" SYSTEM:'echo there'
	start_server packets socat "UNIX-LISTEN:$SKS_DIR/packets,type=5,fork" SYSTEM:'sleep 30'
	wait_until 5 accepts "$SKS_DIR/stream"
	wait_until 5 accepts "$SKS_DIR/packets"
	refuses "cannot listen on $SKS_DIR/file: Socket operation on non-socket" --socket "$SKS_DIR/file"
	refuses "cannot listen on $SKS_DIR/link: Socket operation on non-socket" --socket "$SKS_DIR/link"
	refuses "cannot listen on $SKS_DIR/stream: Address already in use" --socket "$SKS_DIR/stream"
	refuses "cannot listen on $SKS_DIR/packets: Address already in use" --socket "$SKS_DIR/packets"
	is "$(cat "$SKS_DIR/file" "$SKS_DIR/link" | xargs)" 'kept kept'
	answers_at "$SKS_DIR/stream"
	[[ -S $SKS_DIR/packets ]]
}

@test "a socket that a killed helper has left is replaced, also while it is still ending" {
	local i
	need flock
	for ((i = 0; i < 20; i++)); do
		start_helper
		kill -KILL "$(helper_pid)"
		# It has let go of its locks then, of its socket perhaps not yet.
		in_ns flock "$SOCKET.lock" flock "$BPFFS" true
	done
	start_helper
	stop_helper
	[[ ! -e $SOCKET ]]
	# One that ends when somebody connects.
	start_server ending socat "UNIX-LISTEN:$SOCKET,type=5,unlink-close=0" EXEC:true
	wait_until 5 accepts "$SOCKET"
	start_helper
	stop_helper
}

@test "a helper that ends leaves what another program has put at its path" {
	start_helper
	rm "$SOCKET"
	start_server other socat "UNIX-LISTEN:$SOCKET,fork" SYSTEM:'echo there'
	wait_until 5 accepts "$SOCKET"
	stop_helper
	answers_at "$SOCKET"
}

@test "no bpffs is mounted over files of others" {
	mkdir "$SKS_DIR/full" "$SKS_DIR/empty"
	touch "$SKS_DIR/full/.file"
	refuses "cannot use the bpffs directory $SKS_DIR/full: Directory not empty" \
		--socket "$SOCKET" --bpffs "$SKS_DIR/full"
	in_ns test -e "$SKS_DIR/full/.file"
	BPFFS=$SKS_DIR/empty start_helper
	is "$(in_ns stat -f -c %T "$SKS_DIR/empty")" bpf_fs
	stop_helper
	in_ns umount "$SKS_DIR/empty"
}

# What others can see: mounts, sysctls, numbers of namespaces.
seen() {
	in_ns cat /proc/self/mounts
	in_ns sysctl -a 2> /dev/null | grep -E '^(kernel\.(.*bpf|yama|perf)|net\.)' | sort
	in_ns ip netns list-id
}

# attached N: so many links to the test's network namespace.
attached() {
	is "$(in_ns "$BPFTOOL" -j link show |
		jq --argjson ino "$(ns_ino)" 'map(select(.netns_ino == $ino)) | length')" "$1"
}

@test "mounts, sysctls and namespaces' numbers stay as they are, and unload takes the program out" {
	local before
	need jq
	before=$(seen)
	start_helper
	start_steered web 7,77,9000-9010 ncat -4lke /bin/cat 127.0.0.1 7777
	wait_answer 127.0.0.1 77
	is "$(seen)" "$before"
	attached 1
	ctl unload
	wait_until 5 attached 0
	stop_helper
	is "$(in_ns find "$BPFFS" -mindepth 1)" ''
	is "$(seen)" "$before"
}

@test "two programs of one network namespace: each steers what is its own, and another helper's stays" {
	local second=$SKS_DIR/second.sock
	need jq
	start_helper
	start_steered web 7 ncat -4lke /bin/cat 127.0.0.1 7777
	wait_answer 127.0.0.1 7
	start_server second "$HELPER" --socket "$second" --bpffs /sys/fs/bpf/second
	wait_until 5 accepts "$second"
	SOCKET=$second start_steered other 8 ncat -4lke /bin/cat 127.0.0.1 8888
	wait_answer 127.0.0.1 8
	attached 2
	answers 127.0.0.1 7
	SOCKET=$second BPFFS=/sys/fs/bpf/second ctl unload
	wait_until 5 attached 1
	answers 127.0.0.1 7
}

# attach CGROUP: the program that is pinned there, as bpftool does unless it is told otherwise.
attach() {
	in_ns "$BPFTOOL" cgroup attach "$1" bind4 pinned /sys/fs/bpf/other
}

@test "beside the bind hooks others may attach theirs to any cgroup, but at the root not as the only ones" {
	local cgroups=$SKS_DIR/cgroups own=$SKS_DIR/cgroups/${SKS_DIR##*/} hook
	need jq
	mount_cgroups "$cgroups"
	start_helper
	start_steered web 7 ncat -4lke /bin/cat 127.0.0.1 7777
	wait_answer 127.0.0.1 7
	hook=$(in_ns find "$BPFFS" -path '*/claims*' -name bind4)
	hook=$(in_ns "$BPFTOOL" -j link show pinned "$hook" | jq .prog_id)
	in_ns "$BPFTOOL" prog pin id "$hook" /sys/fs/bpf/other
	in_ns mkdir "$own"
	attach "$own"
	in_ns rmdir "$own"
	run attach "$cgroups"
	isnt "$status" 0
	has "$output" 'failed to attach program'
}

@test "a helper that sksteer-run has started is in the command's control group and namespaces" {
	local cgroups=$SKS_DIR/cgroups own=$SKS_DIR/cgroups/${SKS_DIR##*/}
	mount_cgroups "$cgroups"
	in_ns mkdir "$own"
	add_ns other
	# shellcheck disable=SC2016 # of the inner shell
	NS=other start_server web bash -c 'echo $$ > "$1"; shift; exec "$@"' - "$own/cgroup.procs" \
		"$RUN" -p 7 ncat -4lke /bin/cat 127.0.0.1 7777
	NS=other wait_answer 127.0.0.1 7
	in_ns grep -qx "$(own_pids sksteerd)" "$own/cgroup.procs"
	[[ /proc/$(own_pids sksteerd)/ns/net -ef /proc/$(ns_pid other)/ns/net ]]
	kill_server web
	wait_until 5 in_ns rmdir "$own"
}

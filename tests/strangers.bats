#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sockets that their senders keep locked or lingering: the helper refuses them, and
# others do not notice. See also unit/stranger_test.

load lib

WAITS='user 65534 makes us wait for the lock of a socket that it sends'

setup() {
	sks_setup
	cp "$BATS_TEST_DIRNAME"/{wire_probe,locked}.py "$PROGS"
	start_helper
}
teardown() { sks_teardown; }

# locked.py, at most for so long.
LOCKED=(timeout --signal=KILL 60 env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3)

locked() {
	in_ns "${LOCKED[@]}" "$PROGS/locked.py" "$SOCKET" "$@"
}

# leave CASE: its sender has gone, and so are its copies of what it sent.
leave() {
	kill -STOP "$(helper_pid)"
	start_server "$1" "${LOCKED[@]}" "$PROGS/locked.py" "$SOCKET" "$1"
	wait_until 5 grep -q left "$SKS_DIR/$1.log"
	kill -CONT "$(helper_pid)"
}

# A server of another user gets what it asks for, and its listen(2) takes no second: then it would be
# served without us, and say so.
bystander_is_served() {
	start_server "by$1" "${AS_USER2[@]}" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS="$1" socat "TCP-LISTEN:$((10000 + $1)),fork" PIPE
	wait_until 5 steers_to "$1"
	has_not "$(log_of "by$1")" sksteer
}

steers_to() {
	[[ $(in_ns bash -c "echo $1 | socat -T 2 - TCP:127.0.0.1:$1") == "$1" ]]
}

@test "a socket that its process keeps locked is refused, and so is its user until a while after" {
	is "$(locked once)" "$(printf '%s\n' \
		"ETIMEDOUT $WAITS" \
		"EBUSY $WAITS" \
		"EBUSY $WAITS")"
	bystander_is_served 1234
	has "$(< "$SKS_DIR/helper.log")" 'user 65534 keeps a socket locked that it has sent'
}

@test "one that stays locked for ever keeps nobody else from being served, and the helper can end" {
	start_server locked "${LOCKED[@]}" "$PROGS/locked.py" "$SOCKET" keep
	wait_until 5 grep -q ETIMEDOUT "$SKS_DIR/locked.log"
	bystander_is_served 1234
	bystander_is_served 1235
	stop_helper
	start_helper
	bystander_is_served 1236
}

# box NAME UID: as who runs containers in user namespaces makes them, root; UID is its root's.
box() {
	sks_hold "$1" unshare --user --net
	echo "0 $2 65536" | tee "/proc/$(ns_pid "$1")/gid_map" > "/proc/$(ns_pid "$1")/uid_map"
}

@test "a container in a user namespace that root has made stalls for itself, not for the next one" {
	box one 300000
	box two 400000
	start_server locked "${LOCKED[@]}" "$PROGS/locked.py" "$SOCKET" keep \
		"$(ns_pid one)"
	wait_until 5 grep -q ETIMEDOUT "$SKS_DIR/locked.log"
	has "$(locked honest "$(ns_pid one)")" 'EBUSY user 365534 makes us wait'
	is "$(locked honest "$(ns_pid two)")" 'steered'
}

@test "who has subordinate uids stalls as one user, whichever of these comes" {
	stop_helper
	echo 'nobody:300000:65536' > "$SKS_DIR/subuid"
	in_ns mount --bind "$SKS_DIR/subuid" /etc/subuid
	start_helper
	SKS_UID=300000 start_server locked "${LOCKED[@]}" "$PROGS/locked.py" "$SOCKET" keep
	wait_until 5 grep -q ETIMEDOUT "$SKS_DIR/locked.log"
	has "$(SKS_UID=365535 locked honest)" 'EBUSY user 365535 makes us wait'
	has "$(locked honest)" "EBUSY $WAITS"
	is "$(SKS_UID=365536 locked honest)" 'steered'
}

# Threads of the kernel that wait for the lock of a socket in a map that goes.
waiting_threads() {
	grep -sl __lock_sock /proc/*/stack | xargs -r grep -sl sock_map_free | sort
}

no_more_wait() {
	[[ -z $(comm -13 "$SKS_DIR/before" <(waiting_threads)) ]]
}

# has_steered N: locked.log says so, so many times.
has_steered() {
	(($(grep -c steered "$SKS_DIR/locked.log") == $1))
}

@test "a registered socket that stays locked keeps no thread of the kernel when its map grows" {
	waiting_threads > "$SKS_DIR/before"
	start_server locked "${LOCKED[@]}" "$PROGS/locked.py" "$SOCKET" grow
	wait_until 15 has_steered 64
	holds 1 no_more_wait
	ctl unload
	holds 1 no_more_wait
}

@test "a locked socket beside a request that needs none" {
	is "$(locked status)" "ETIMEDOUT $WAITS"
	bystander_is_served 1234
}

@test "sockets that linger when they are closed: in a record that nobody reads, and too many in one" {
	leave unread
	bystander_is_served 1234
	leave many
	bystander_is_served 1235
	bystander_is_served 1236
}

keeps_locked() {
	grep -q 'user 65534 keeps a socket locked' "$SKS_DIR/helper.log"
}

@test "a reply socket that stays locked when its service ends makes its user wait, and nobody else" {
	start_server locked "${LOCKED[@]}" "$PROGS/locked.py" "$SOCKET" reply
	wait_until 5 keeps_locked
	is "$(log_of locked)" $'steered\nsteered'
	bystander_is_served 1234
	has "$(locked honest)" "EBUSY $WAITS"
	bystander_is_served 1235
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what the helper makes of requests that no client of ours sends: each gets its named
# error, no descriptor stays in the helper, and the helper goes on. The cases are in wire_probe.py.
# bats file_tags=sanitize

load promises

setup() {
	sks_setup
	need /usr/bin/python3
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	start_helper
	# The first registration opens the namespace's maps, and the first of a user those of its sysctls
	# that say what users may have. They stay open.
	serve web 7 0.0.0.0#7777
	AS=nobody serve first 2000 0.0.0.0#7776
	kill_server first
	wait_until 5 helper_rests
	FDS=$(open_fds "$(helper_pid)")
}

# probe CASE...: as user $AS in $NS.
probe() {
	local AS_WHO
	as_who
	in_ns "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" "$@"
}

# answer TEXT CASE...: what each of them gets.
answer() {
	local text=$1 name
	shift
	is "$(probe "$@")" "$(for name; do echo "$name: $text"; done)"
}

has_fds() {
	is "$(open_fds "$(helper_pid)")" "$1"
}

goes_on() {
	wait_until 2 has_fds "$FDS"
	serve other 8 0.0.0.0#8888
	silent other
	gets 127.0.0.1 8 other
	gets 127.0.0.1 7 web
}

# The end of every test; a leak that a sanitizer sees is said at exit.
unharmed() {
	goes_on
	stop_helper
}

# refuses TEXT ARGUMENT...: sksteerd says that, last, and does not start.
refuses() {
	local text=$1
	shift
	run timeout 5 "$HELPER" "$@"
	is "$status" 2
	is "${lines[-1]}" "sksteerd: $text"
}

@test "bad input: a command line that is none" {
	refuses '--idle-exit: "soon" is not a number from 0 to 86400' --idle-exit soon
	refuses '--idle-exit: "" is not a number from 0 to 86400' --idle-exit ''
	refuses '--ready-fd: "65536" is not a number from 0 to 65535' --ready-fd=65536
	refuses '--socket: "" is not a path' --socket ''
	refuses '--bpffs: "" is not a path' --bpffs=
	refuses '--policy: "" is not a path' --policy ''
	refuses 'unexpected argument "more"' --idle-exit 1 more
}

@test "bad input: records that are none" {
	answer 'no answer' nothing
	answer 'EPROTO malformed request: not one of version 3' one-byte half-a-request a-byte-short \
		a-byte-long version-0 op-0 op-17 op-65535 mode-5 \
		weight-of-none weight-of-replace register-with-address port-without-family \
		address-of-another-family address-beyond-ipv4 reserved-bytes label-without-end \
		label-with-more-behind spec-len-too-small spec-len-too-large spec-len-of-4g noise
	answer 'EPROTO a request of version 1 of the wire, and sksteerd speaks version 3: update your client, the older one' version-1
	answer 'EPROTO a request of version 4 of the wire, and sksteerd speaks version 3: update sksteerd, the older one' version-4
	unharmed
}

@test "bad input: fields that are not for what is asked" {
	answer 'EPROTO malformed request: not one of version 3' register-with-{scope,pid} \
		check-with-scope status-with-{port,scope} tally-with-scope watch-with-{scope,pid} open-without-address open-of-another-family \
		open-with-scope-of-ipv4 open-beyond-ipv4 open-with-pid \
		promote-with-{address,port,weight,pid} unregister-with-pid weight-without-pid \
		weight-with-{mode,port} shared-with-{address,port,weight}
	unharmed
}

@test "bad input: lists to be applied that are none" {
	local AS
	for AS in root nobody; do
		answer 'EPROTO malformed request: not one of version 3' \
			apply-with-{spec,label,mode,pid,flag,port}
		answer 'EPROTO more than one descriptor came along' apply-of-two
		answer 'EINVAL the list is not in a memfd that is sealed against changes' \
			apply-of-{nothing,socket,path,device,pipe,file,unsealed,writable,future-write} \
			apply-of-{shrinking,growing,path-of-memfd}
		answer 'EBADF the list cannot be read: Bad file descriptor' apply-of-write-only
		answer 'EINVAL line 2 has no end' apply-of-endless
		answer 'EINVAL line 1: no label stands before 80' apply-of-no-label
		answer 'EINVAL line 1: "@" and no label after it' apply-of-label-{empty,nul}
		answer 'EINVAL label "web" is listed twice' apply-of-label-twice
		answer 'EINVAL line 2: "" at character 1: the spec is empty' apply-of-line-empty
		answer 'EINVAL line 2: "80?80" at character 1: only printable ASCII is allowed' \
			apply-of-line-nul
		answer 'EINVAL line 2: "8080?" at character 1: blanks are not allowed' apply-of-line-cr
		answer 'EINVAL line 2: 8081: a binding of a label names no listener' apply-of-listener
		answer 'EINVAL 8080 is listed for "web" and for "api"' apply-of-target-twice
	done
	AS=root
	answer 'E2BIG line 4097: more than 4096 labels' apply-of-labels
	AS=nobody answer 'EFBIG the list has more than 34336 bytes, which is more than user 65534 could be granted' \
		apply-of-long
	unharmed
}

@test "bad input: reply sockets that are none, or are to be nowhere" {
	answer 'EPROTO malformed request: not one of version 3' \
		reply-without-{cookie,port,address} reply-of-another-family reply-beyond-ipv4 \
		reply-with-{scope-of-ipv4,mode,spec,label,pid} \
		reply-to-{an-address-alone,a-port-alone,beyond-ipv4}
	answer 'ENOTSOCK the descriptor is not a socket' reply-of-{path,device}
	answer 'EBADF no descriptor came along' reply-of-nothing
	answer 'EPROTO more than one descriptor came along' reply-of-two
	answer 'EPROTONOSUPPORT the socket is neither TCP nor UDP (protocol 136)' reply-of-udplite
	answer 'EPROTONOSUPPORT the socket is raw (protocol 17, type 3)' reply-of-raw
	answer 'EPROTONOSUPPORT the socket is not UDP' reply-of-tcp
	answer 'EISCONN the socket is connected' reply-of-connected
	answer 'ENOENT 127.0.0.1:53/udp: no UDP socket with that cookie is registered here' reply-of-none
	unharmed
}

@test "bad input: records that are too long" {
	answer 'E2BIG the request is too long: a spec has at most 16384 bytes' spec-of-16385 \
		spec-of-64k record-of-200k
	answer steered spec-of-16384-valid
	unharmed
}

@test "bad input: records out of turn" {
	answer steered before-the-greeting second-record
	unharmed
}

@test "bad input: no descriptor, or more than one" {
	answer 'EBADF no descriptor came along' no-descriptor
	answer 'EPROTO more than one descriptor came along' two-descriptors five-descriptors \
		two-hundred-descriptors
	answer 'done' descriptor-with-status
	unharmed
}

@test "bad input: descriptors of anything else" {
	answer 'ENOTSOCK the descriptor is not a socket' file directory path-only device pipe epoll
	answer 'EAFNOSUPPORT the socket is neither IPv4 nor IPv6 (address family 1)' unix itself
	answer 'EAFNOSUPPORT the socket is neither IPv4 nor IPv6 (address family 16)' netlink
	answer 'EAFNOSUPPORT the socket is neither IPv4 nor IPv6 (address family 17)' packet
	answer 'EPROTONOSUPPORT the socket is neither TCP nor UDP (protocol 1)' raw
	answer 'EPROTONOSUPPORT the socket is neither TCP nor UDP (protocol 136)' udplite
	unharmed
}

@test "bad input: an MPTCP or SCTP listener" {
	answer 'EPROTONOSUPPORT the socket is MPTCP, which the kernel cannot steer' mptcp
	# Debian's kernel loads its module on demand; others may be without.
	probe sctp > "$SKS_DIR/sctp"
	grep -Eqx 'sctp: (EPROTONOSUPPORT .* \(protocol 132\)|this kernel has none)' "$SKS_DIR/sctp"
	unharmed
}

@test "bad input: sockets that do not listen, or that are connected" {
	answer 'EINVAL the socket is not bound' unbound unbound-udp
	answer 'EINVAL the socket does not listen' bound-not-listening listened-once
	answer 'EISCONN the socket is connected' connected accepted connected-udp
	unharmed
}

@test "bad input: the last close of a socket that lingers keeps nobody waiting" {
	local began took
	began=$(now_ms)
	answer 'EISCONN the socket is connected' lingering
	took=$(($(now_ms) - began))
	((took < 5000 * SKS_SLOW))
	unharmed
}

@test "bad input: nor does one in a record that is not read, one too many, or one in another's queue" {
	answer 'in time' lingering-behind lingering-one-too-many lingering-in-a-queue
	unharmed
}

@test "bad input: a socket of another namespace" {
	add_ns other
	is "$(in_ns /usr/bin/python3 - "${SKS_HOLDER[other]}" "$PROGS/wire_probe.py" "$SOCKET" << 'END'
import os, socket, sys
pid, probe, path = sys.argv[1:]
home = os.open("/proc/self/ns/net", os.O_RDONLY)
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.setns(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY), 0) == 0
sock = socket.create_server(("127.0.0.1", 7777))
assert libc.setns(home, 0) == 0
os.dup2(sock.fileno(), 3)
os.execv(sys.executable, [sys.executable, probe, path, "of-another-namespace"])
END
)" 'of-another-namespace: EXDEV the socket is of another network namespace than its sender'
	unharmed
}

@test "bad input: specs that do not parse are quoted, in printable text" {
	is "$(probe spec-backwards spec-port-0 spec-empty-item spec-blank spec-rubbish spec-zero-bytes \
		spec-not-ascii spec-host-bits spec-mapped spec-no-length spec-two-listeners \
		spec-of-16384-dots spec-of-16384-commas neither-ports-nor-label)" "$(cat << 'END'
spec-backwards: EINVAL "9-3" at character 1: the range ends before it begins
spec-port-0: EINVAL "0" at character 1: there is no port 0
spec-empty-item: EINVAL "," at character 3: a port is missing after it
spec-blank: EINVAL " 81" at character 4: blanks are not allowed
spec-rubbish: EINVAL "80x" at character 1: not a port, a range or *
spec-zero-bytes: EINVAL "80?80?80?80?80?80?80?80?80?" at character 1: only printable ASCII is allowed
spec-not-ascii: EINVAL "???[31m" at character 1: only printable ASCII is allowed
spec-host-bits: EINVAL "192.0.2.1/24" at character 1: has bits beyond its length: write 192.0.2.0/24
spec-mapped: EINVAL "[::ffff:192.0.2.0/120]" at character 1: IPv4-mapped: write 192.0.2.0/24
spec-no-length: EINVAL "0.0.0.0" at character 1: names no address: write any, or 0.0.0.0/0
spec-two-listeners: EINVAL "80" at character 8: an earlier clause gives this to another listener
spec-of-16384-dots: EINVAL "..............................................................." at character 1: not a port, a range or *
spec-of-16384-commas: EINVAL "," at character 1: a port is missing before it
neither-ports-nor-label: EINVAL neither ports nor a label
END
)"
	services_are "@serve-$(pid_of web)"
	unharmed
}

@test "bad input: labels that are none, also from sksteerctl's side" {
	answer 'EINVAL a label is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}' {,bound-}label-of-a-dash \
		{,bound-}label-with-a-blank {,bound-}label-with-a-slash {,bound-}label-like-ours \
		{,bound-}label-with-escapes {,bound-}label-not-ascii
	services_are "@serve-$(pid_of web)"
	unharmed
}

@test "bad input: what only sksteerctl asks" {
	answer 'EINVAL neither without a label nor without a spec' bind-without-label bind-without-spec
	answer 'EINVAL 8: a binding of a label names no listener' bind-with-listener
	answer 'ENOENT no label "nobodys" of user 0 here' unbind-nobodys
	AS=nobody answer 'EPERM only root unloads' unload
	unharmed
}

idle_has_come() {
	not helper_rests || [[ -s $SKS_DIR/idle.log ]]
}

@test "bad input: a connection that says nothing is dropped, and others are served meanwhile" {
	local i
	# On a busy machine its second may be over before the other has started, but not each time.
	for i in {1..10}; do
		: > "$SKS_DIR/idle.log"
		start_server idle /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" idle
		wait_until 5 idle_has_come
		serve other 9 0.0.0.0#9999
		[[ -s $SKS_DIR/idle.log ]] || break
		((i < 10)) || fail 'the other waited for it'
		wait_server idle
		kill_server other
	done
	silent other
	gets 127.0.0.1 9 other
	wait_server idle
	# After the second that a server would wait; a busy machine may be late.
	is "$(sed 's/after [1-9]\.[0-9] s/in time/' "$SKS_DIR/idle.log")" \
		'idle: no answer in time'
	unharmed
}

@test "bad input: what is refused is not steered, whatever was found out before" {
	is "$(probe taken)" 'taken: EADDRINUSE 127.0.0.1:8888/tcp is steered to'
	unharmed
}

@test "bad input: clients that hang up, with and without a descriptor on its way" {
	answer gone hundred-gone hundred-gone-with-descriptor
	unharmed
}

# N connections of its clients, at this moment.
keeps_no_more_than() {
	(($(open_fds "$(helper_pid)") <= FDS + $1))
}

@test "bad input: 200 connections of one user keep no other user out" {
	local i AS_WHO
	AS=nobody as_who
	start_server hoard "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" hoard 200
	wait_until 5 grep -q hoarding "$SKS_DIR/hoard.log"
	for i in {1..5}; do
		AS=user2 serve "user$i" "$((2000 + i))" "0.0.0.0#$((7000 + i))"
		silent "user$i"
		AS=root serve "root$i" "$((3000 + i))" "0.0.0.0#$((8000 + i))"
		silent "root$i"
	done
	gets 127.0.0.1 2005 user5
	gets 127.0.0.1 3005 root5
	# It is as busy as it can be: more is for others.
	wait_until 5 keeps_no_more_than 128
	kill_server hoard
	unharmed
}

@test "bad input: a hundred processes of a user with dear requests hardly keep others waiting" {
	local AS_WHO i
	AS=nobody as_who
	kill -STOP "$(helper_pid)"
	start_server crowd "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" crowd 120
	wait_until 20 grep -q crowded "$SKS_DIR/crowd.log"
	kill -CONT "$(helper_pid)"
	for i in {1..12}; do
		AS=user2 serve "user$i" "$((2000 + i))" "0.0.0.0#$((7000 + i))"
		silent "user$i"
	done
	gets 127.0.0.1 2012 user12
	kill_server crowd
}

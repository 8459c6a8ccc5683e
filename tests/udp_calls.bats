#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the calls by which a UDP server may receive and answer: whichever it uses, answers
# come from the address and port that were asked, and the server sees what it would see without us.

load udp

# serves WORD...: such a server answers at 53, 77 and its own port: one client that asks them in turn,
# one by one and many at a time, and several clients.
serves() {
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN" "$@"
	right -n 60 "${ALL[@]}"
	right -n 600 -w 30 "${ALL[@]}"
	right -n 600 -w 30 -b -k 7 "${ALL[@]}"
}

# serves_in_turn WORD...: one that forgets by which datagram it was asked, so that no client has asked
# two of its ports at a time.
serves_in_turn() {
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN" "$@"
	right -n 60 "${ALL[@]}"
	right -n 300 -w 20 -k 20 127.0.0.1#53
	right -n 300 -w 20 -k 20 127.0.0.1#77
	right -n 60 -k 4 "${ALL[@]}"
}

@test "the tests' server calls what it says, the fortified variants too" {
	need nm
	run nm -D --undefined-only "$PROGS/udpecho"
	for call in recvfrom recvmsg recvmmsg recv read readv sendto sendmsg sendmmsg send write connect \
		setsockopt getsockopt dup dup2 dup3 __recv_chk __recvfrom_chk __read_chk; do
		[[ $output == *" $call"* ]] || fail "$call is not called"
	done
}

@test "the tests' client says what is wrong" {
	start_echo echo "$OWN"
	start_echo other 0.0.0.0#5354
	right -n 9 127.0.0.1#5353 127.0.0.1#5354
	verdict '0 right, 2 refused' 127.0.0.1#53 127.0.0.1#77
	# An AnyIP address, and a server that does not care by which it was asked.
	local_route 192.0.2.0/24
	verdict '0 right, 1 wrong' -s 127.0.0.1 192.0.2.7#5353
	verdict '0 right, 1 lost' -t 50 -W LATE 127.0.0.1#5353
}

@test "recvfrom, its peeks, recvmsg, recvmmsg, fortified; sendto, sendmsg, sendmmsg: each with each" {
	local recv send
	for recv in recvfrom peek peekfrom recvfrom_chk recvmsg; do
		for send in sendto sendmsg sendmmsg; do
			serves recv=$recv send=$send
		done
	done
	for send in sendto sendmsg sendmmsg; do
		serves recv=recvmmsg send=$send batch=8
	done
}

@test "a batch is answered from the last to the first" {
	serves recv=recvmmsg send=sendmmsg batch=16 reverse
	serves recv=recvmmsg send=sendto batch=16 reverse wait=epoll
}

@test "batches of 64 from one client to three ports: each server keeps them apart" {
	local i
	for ((i = 0; i < 8; i++)); do
		echoes echo SKSTEER_PORTS="$SPEC" "$OWN" recv=recvmmsg send=sendmmsg batch=64
		right -n 1280 -w 64 -b "${ALL[@]}"
		right -n 1280 -w 64 -b "${ALL[@]}" 127.0.0.1#53
	done
}

@test "answers to a copy of the peer's address" {
	local recv
	for recv in recvfrom recvmsg peekfrom; do
		serves_in_turn recv=$recv send=sendto copies
		serves_in_turn recv=$recv send=sendmsg copies
	done
}

@test "epoll by edges, select, poll, with a socket that does not block" {
	local wait
	for wait in epoll select poll; do
		serves wait=$wait
		serves wait=$wait recv=recvmsg send=sendmsg
		serves wait=$wait recv=recvmmsg send=sendmmsg batch=8
	done
}

@test "four threads on one socket, each with its own buffers" {
	serves threads=4
	serves threads=4 recv=recvmsg send=sendmsg
	serves threads=4 recv=recvmmsg send=sendmmsg batch=8 reverse
	right -n 20000 -w 64 -k 16 "${ALL[@]}"
}

@test "four threads, no two datagrams of a client to the same port in a row: 30 000 are right" {
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN" threads=4 wait=poll
	right -n 30000 -w 48 "${ALL[@]}"
}

@test "a child for each answer" {
	serves_in_turn by=fork
	serves_in_turn by=fork recv=recvmsg send=sendmsg
}

@test "a child that was there before the first datagram, and is handed them" {
	serves_in_turn by=child
	serves_in_turn by=child recv=recvmsg send=sendmsg
}

@test "descriptors: dup, dup2, dup3, fcntl; received by one, answered by another" {
	local how
	for how in dup dup2 dup3 dupfd cloexec split; do
		serves fd=$how
	done
	serves fd=split recv=recvmmsg send=sendmmsg batch=8
	serves fd=dup2 wait=epoll
}

@test "a server that closes, after each answer, what it does not know" {
	serves close
	serves close recv=recvmsg send=sendmsg
	is "$(fds echo)" 4
}

@test "a server that is no root any more when it is asked" {
	serves drop=65534
	is "$(in_ns stat -c %u "/proc/$(pid_of echo)")" 65534
}

# --- connected sockets --------------------------------------------------------------------------

# first_peer TARGET WORD...: a server that connects to its first peer.
first_peer() {
	local target=$1
	shift
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN" connect=self "$@"
	right -n 30 -w 5 "$target"
}

@test "connect to the first peer: recv, read, readv, fortified; send, write" {
	local recv send
	for recv in recv read readv recv_chk read_chk; do
		for send in send write; do
			first_peer 127.0.0.1#53 recv=$recv send=$send
		done
		first_peer 127.0.0.1#5353 recv=$recv send=write
	done
	first_peer 127.0.0.1#77 recv=recvfrom send=sendto
	first_peer 127.0.0.1#77 recv=recvmsg send=sendmsg
	first_peer 127.0.0.1#77 recv=recv send=write wait=poll
	first_peer 127.0.0.1#77 recv=recv send=send fd=dup2
	first_peer 127.0.0.1#77 recv=read send=write drop=65534
}

@test "what waits while the server connects is not lost" {
	local i
	for ((i = 0; i < 10; i++)); do
		echoes echo SKSTEER_PORTS="$SPEC" "$OWN" connect=self recv=recv send=send
		right -n 20 -w 20 127.0.0.1#53
	done
}

@test "a socket of its own for each peer, as QUIC servers have" {
	local recv
	for recv in recv read recv_chk; do
		echoes echo SKSTEER_PORTS="$SPEC" "$OWN,reuse" connect=fresh recv=$recv send=send
		right -n 80 -k 8 127.0.0.1#53
		right -n 80 -k 8 127.0.0.1#77
		right -n 80 -k 8 127.0.0.1#5353
	done
	stop_echo echo
	wait_until 2 no_udp_sockets
}

# --- what the server sees -----------------------------------------------------------------------

# told_alike PORT WORD... [-- ARGUMENT...]: what such a server is told, when it is asked at that port
# under the library, is what it is told when it is asked at its own without us. Left in $TOLD.
told_alike() {
	local port=$1 words=() plain
	shift
	while (($#)) && [[ $1 != -- ]]; do
		words+=("$1")
		shift
	done
	shift || :
	stop_echo echo
	start_echo plain 0.0.0.0#5353 tell show "${words[@]}"
	right "$@" "$ADDRESS#5353"
	plain=$(told plain)
	stop_echo plain
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN" tell show "${words[@]}"
	right "$@" "$ADDRESS#$port"
	TOLD=$(told echo)
	is "$TOLD" "${plain//"$ADDRESS#5353"/"$ADDRESS#$port"}"
}

WISHES=pktinfo,origdst,ttl,tos,err,stampns,ovfl

@test "control messages: all that it asked for, in order, with the port that was asked" {
	local ADDRESS=127.0.0.1 port
	for port in 5353 53; do
		told_alike $port recv=recvmsg ask=$WISHES
		has "$TOLD" "IP_ORIGDSTADDR(127.0.0.1#$port)"
		told_alike $port recv=recvmsg later=$WISHES send=sendmsg from
		has "$TOLD" "IP_ORIGDSTADDR(127.0.0.1#$port)"
		told_alike $port recv=recvmmsg batch=8 ask=$WISHES send=sendmmsg -- -n 20 -w 1
		has "$TOLD" IP_PKTINFO
		told_alike $port recv=recvmsg ask=stamp,stamping,ttl
	done
}

@test "control messages: none that it did not ask for" {
	local ADDRESS=127.0.0.1 port
	for port in 5353 53; do
		told_alike $port recv=recvmsg
		is "$TOLD" "IP_RECVORIGDSTADDR 0 in 4
recvmsg 11 name 16 control 0 flags"
		told_alike $port recv=recvmsg ask=pktinfo
		has_not "$TOLD" IP_ORIGDSTADDR
		told_alike $port recv=recvmmsg batch=4 ask=ttl,stamp
		has_not "$TOLD" IP_ORIGDSTADDR
		told_alike $port recv=recvmsg ask=origdst,ttl unask=origdst
		has_not "$TOLD" IP_ORIGDSTADDR
		has "$TOLD" 'IP_RECVORIGDSTADDR 0 in 4'
		told_alike $port recv=recvmsg later=origdst,pktinfo unask=origdst
		has "$TOLD" 'IP_RECVORIGDSTADDR 0 in 4'
	done
}

@test "control messages: as little room as it gave" {
	local ADDRESS=127.0.0.1 port room
	for port in 5353 53; do
		for room in 0 1 15 16 17 24 31 32 40 56 64; do
			told_alike $port recv=recvmsg control=$room
			told_alike $port recv=recvmsg control=$room ask=pktinfo,ttl
			told_alike $port recv=recvmsg control=$room ask=ttl,origdst,tos
		done
		told_alike $port recv=recvmmsg batch=2 control=40 ask=pktinfo,ttl
		has "$TOLD" MSG_CTRUNC
	done
}

@test "control messages of IPv6, and of IPv4 on a dual-stack socket" {
	local ADDRESS port
	told_v6() {
		stop_echo echo
		start_echo plain ::#5353 tell show "$@"
		right "$ADDRESS#5353"
		plain=$(told plain)
		stop_echo plain
		echoes echo SKSTEER_PORTS="$SPEC" ::#5353 tell show "$@"
		right "$ADDRESS#$port"
		is "$(told echo)" "${plain//"$ADDRESS#5353"/"$ADDRESS#$port"}"
	}
	for ADDRESS in 127.0.0.1 ::1; do
		for port in 5353 53; do
			told_v6 recv=recvmsg
			told_v6 recv=recvmsg ask=$WISHES
			told_v6 recv=recvmsg later=$WISHES send=sendmsg from
			told_v6 recv=recvmsg ask=pktinfo control=40
			told_v6 recv=recvmmsg batch=4 ask=ttl,origdst
			told_v6 recv=recvmsg later=origdst,ttl unask=origdst
		done
	done
}

@test "datagrams that are longer than the room for them" {
	local ADDRESS=127.0.0.1 port recv
	for port in 5353 53; do
		for recv in recvmsg recvfrom peekfrom peek recvfrom_chk; do
			told_alike $port recv=$recv room=20 -- -x -l 100
			told_alike $port recv=$recv room=20 trunc -- -x -l 100
		done
		has "$TOLD" '__recvfrom_chk 100 name 16'
		told_alike $port recv=recvmmsg batch=4 room=20 -- -x -l 100
		has "$TOLD" MSG_TRUNC
	done
}

@test "long ones: 60 000 bytes, and what no interface takes in one piece" {
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN" recv=recvmsg send=sendmsg
	right -n 30 -w 3 -l 60000 "${ALL[@]}"
	right -n 30 -w 3 -l 65507 "${ALL[@]}"
	echoes echo SKSTEER_PORTS="$SPEC" "$OWN"
	right -n 30 -w 3 -l 65507 "${ALL[@]}"
}

@test "segments: what UDP_GRO has put together goes back by UDP_SEGMENT" {
	local ADDRESS=127.0.0.1 port
	for port in 5353 53; do
		told_alike $port recv=recvmsg ask=gro send=sendmsg segment -- -n 40 -g 10 -w 10 -l 500
		has "$TOLD" 'UDP_GRO(500)'
		told_alike $port recv=recvmmsg batch=1 ask=gro,pktinfo send=sendmmsg segment from \
			-- -n 40 -g 10 -w 10 -l 500
		has "$TOLD" 'UDP_GRO(500)'
	done
}

# leave PORT: a client that is gone when its answer comes.
leave() {
	verdict '0 right, 1 lost' -t 0 -W LATE "127.0.0.1#$1"
	right -W GO "127.0.0.1#$1"
}

# told_of_errors NAME TIMES
told_of_errors() {
	is "$(grep -c 'MSG_ERRQUEUE.*IP_RECVERR(ECONNREFUSED' "$SKS_DIR/$1.log")" "$2"
}

# The kernel asks the program whose an ICMP error is: so it comes to the server, by whichever socket
# the answer has left.
@test "the error queue has what came of answers, and nobody is disturbed" {
	local wait
	for wait in block poll; do
		stop_echo echo
		start_echo plain "$OWN" recv=recvmsg ask=err,origdst wait=$wait tell
		leave 5353
		wait_until 5 told_of_errors plain 1
		stop_echo plain
		echoes echo SKSTEER_PORTS="$SPEC" "$OWN" recv=recvmsg ask=err,origdst wait=$wait tell
		leave 5353
		wait_until 5 told_of_errors echo 1
		is "$(told echo)" "$(told plain)"
		leave 53
		leave 77
		wait_until 5 told_of_errors echo 3
		right -n 60 "${ALL[@]}"
		leave 53
		wait_until 5 told_of_errors echo 4
		right -n 60 -w 10 "${ALL[@]}"
	done
}

# odd ADDRESS PORT [VARIABLE=VALUE]...: what comes of odd calls of a socket at ADDRESS#5353, asked at
# PORT; of those with wild pointers, where $WILD is set.
odd() {
	local address=$1 port=$2
	shift 2
	in_ns timeout $((20 * SKS_SLOW)) env "$@" "$PROGS/udpodd" "$address#5353" "$port" ${WILD:+wild} 2>&1
}

# odd_alike ADDRESS PORT VARIABLE=VALUE
odd_alike() {
	odd "$1" 5353 > "$SKS_DIR/plain"
	grep -qx 'dup3 to itself: EINVAL\|sendmmsg, nowhere: EFAULT' "$SKS_DIR/plain"
	odd "$@" LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" > "$SKS_DIR/odd" || :
	diff "$SKS_DIR/plain" "$SKS_DIR/odd"
}

@test "odd arguments: what the kernel says" {
	odd_alike 127.0.0.1 5353 A=b
	odd_alike 127.0.0.1 5353 SKSTEER_PORTS=7
	odd_alike 127.0.0.1 5353 SKSTEER_PORTS='5354=53/udp'
	odd_alike 127.0.0.1 5353 SKSTEER_PORTS="$SPEC"
	odd_alike ::1 5353 SKSTEER_PORTS="$SPEC"
}

@test "odd arguments at a steered port: what the kernel says" {
	odd_alike 127.0.0.1 53 SKSTEER_PORTS="$SPEC"
	odd_alike ::1 53 SKSTEER_PORTS="$SPEC"
}

# What the kernel says of a socket that is in a map, and the library sets right.
@test "odd arguments where no preload is: receiving into nothing, and FIONREAD, see nothing" {
	local expected='recv MSG(_PEEK MSG)?_TRUNC into nothing: 0|  flags 0|  0'
	odd 127.0.0.1 5353 > "$SKS_DIR/plain"
	in_ns timeout $((20 * SKS_SLOW)) "$RUN" --socket "$SOCKET" --engine seccomp -p "$SPEC" -- \
		"$PROGS/udpodd" '127.0.0.1#5353' 5353 > "$SKS_DIR/odd" 2>&1
	is "$(diff "$SKS_DIR/plain" "$SKS_DIR/odd" | grep '^>' | grep -vxE "> ($expected)")" ''
	grep -qx 'recv MSG_TRUNC into nothing: 0' "$SKS_DIR/odd"
}

@test "FIONREAD is what a program does first with a socket that the one before it has bound" {
	start_steered heir "$SPEC" /usr/bin/python3 -c '
import fcntl, os, select, socket, struct, sys, termios
if sys.argv[1:] != ["anew"]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 5353))
    os.dup2(sock.fileno(), 0)
    os.execv(sys.executable, [*sys.orig_argv, "anew"])
print("ready", flush=True)
select.select([0], [], [])
print(struct.unpack("i", fcntl.ioctl(0, termios.FIONREAD, bytes(4)))[0], flush=True)'
	wait_until 10 is_ready heir
	printf 'six..\n' | in_ns socat -u - UDP:127.0.0.1:53
	wait_until 10 grep -qx 6 "$SKS_DIR/heir.log"
}

@test "pointers that lead nowhere: what the kernel says" {
	local WILD=yes
	odd_alike 127.0.0.1 5353 SKSTEER_PORTS=7
	odd_alike 127.0.0.1 5353 SKSTEER_PORTS='5354=53/udp'
	odd_alike 127.0.0.1 5353 SKSTEER_PORTS="$SPEC"
}

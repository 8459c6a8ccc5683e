#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the raw form: the very command of the README, with a helper that runs already.
# bats file_tags=sanitize
# shellcheck disable=SC2016 # what is in single quotes is for the server's own shell

load lib

setup() {
	sks_setup
	need ncat
	# Where the library looks by itself: the command says nothing of a helper.
	# shellcheck disable=SC2034 # lib.bash reads it
	SOCKET=/run/sksteer/helper.sock
	start_helper
}

teardown() {
	sks_teardown
}

# raw CMD...: as it is typed once libsksteer.so lies where ld.so looks.
raw() {
	start_server raw env LD_LIBRARY_PATH="$PROGS" LD_PRELOAD=libsksteer.so \
		SKSTEER_PORTS=7,77,777 "$@"
}

# tell ADDRESS PORT TEXT: connects, sends a line, and waits until the server has hung up.
tell() {
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) bash -c '
		exec 9<> "/dev/tcp/$1/$2" && printf "%s\n" "$3" >&9 && cat <&9' tell "$@"
}

heard() {
	is "$(log_of raw)" "$1"
}

@test "ncat -l 7777: one connection, by any of its ports, and then all are closed" {
	local place address port other
	for place in 127.0.0.1#7 ::1#77 127.0.0.1#777 ::1#7777; do
		address=${place%#*} port=${place#*#}
		: > "$SKS_DIR/raw.log"
		raw ncat -l 7777
		wait_until 5 tell "$address" "$port" "by $port"
		wait_server raw
		heard "by $port"
		for other in 7 77 777 7777; do
			refused 127.0.0.1 "$other"
			refused ::1 "$other"
		done
	done
}

@test "ncat -lk 7777 --exec /bin/cat: four ports answer on both families, and go with it" {
	local port
	raw ncat -lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	wait_answer ::1 7
	for port in 7 77 777 7777; do
		answers 127.0.0.1 "$port" "v4 $port"
		answers ::1 "$port" "v6 $port"
	done
	refused 127.0.0.1 8
	refused ::1 776
	kill_server raw
	# A child of ncat's that is just ending holds its sockets a moment longer.
	for port in 7 77 777 7777; do
		wait_until 2 refused 127.0.0.1 "$port"
		wait_until 2 refused ::1 "$port"
	done
}

@test "the accepted socket has the port that was dialled, and the client's own address" {
	local port
	add_ns away
	veth main 192.0.2.1/24 away 192.0.2.2/24
	veth main 2001:db8::1/64 away 2001:db8::2/64
	raw ncat -lk 7777 --sh-exec 'read -r word; echo "$word $NCAT_LOCAL_ADDR $NCAT_LOCAL_PORT $NCAT_REMOTE_ADDR"'
	wait_until 5 ask 127.0.0.1 7
	wait_until 5 ask ::1 7
	for port in 7 77 777 7777; do
		is "$(ask 127.0.0.1 "$port" you)" "you 127.0.0.1 $port 127.0.0.1"
		is "$(ask ::1 "$port" you)" "you ::1 $port ::1"
		is "$(NS=away ask 192.0.2.1 "$port" you)" "you 192.0.2.1 $port 192.0.2.2"
		is "$(NS=away ask 2001:db8::1 "$port" you)" "you 2001:db8::1 $port 2001:db8::2"
	done
}

# What the verifier had to walk through, as the kernel counted it (5.16).
verified_insns() {
	in_ns /usr/bin/python3 -c '
import ctypes, re, sys
fd = ctypes.CDLL("libbpf.so.1").bpf_obj_get(sys.argv[1].encode())
print(re.search(r"verified_insns:\s*(\d+)", open(f"/proc/self/fdinfo/{fd}").read())[1])' \
		"$BPFFS/net-$(ns_ino)/program"
}

@test "the first server of a namespace does not wait long for the program to be loaded" {
	raw ncat -lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7
	# With twice as many, a busy machine took longer than the library waits. A helper without
	# CAP_PERFMON also has what the processor may speculate verified, a tenth more.
	(($(verified_insns) < 36000)) || fail "$(verified_insns) instructions to verify"
}

@test "without SKSTEER_PORTS the library does nothing" {
	local port
	start_server raw env LD_LIBRARY_PATH="$PROGS" LD_PRELOAD=libsksteer.so \
		ncat -lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 7777
	grep -q /libsksteer.so "/proc/$(pid_of raw)/maps"
	for port in 7 77 777; do
		refused 127.0.0.1 "$port"
		refused ::1 "$port"
	done
	is "$(log_of helper)" ''
	is "$(log_of raw)" ''
}

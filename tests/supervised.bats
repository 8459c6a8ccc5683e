#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the seccomp engine with programs that say exactly what their calls came to: what
# is steered and what is not, by whom, and under which label. The command beside it:
# supervised_command.bats; the supervisor's death: supervised_kills.bats.
# shellcheck disable=SC2016 # what is in single quotes is for the command's own shell
# shellcheck disable=SC2154 # bats sets $stderr
# bats file_tags=sanitize

load supervised

# --- what is steered -----------------------------------------------------------------------------

# bats test_tags=kernels
@test "a static server: its ports on both families, and -v says which engine, and why" {
	runs web root -v -p 7,77 -- "$PROGS/stand" 'web=tcp:::#7777' 'other=tcp:0.0.0.0#7778'
	wait_until 5 says web ready
	reaches 127.0.0.1#{7,77,7777}=web ::1#{7,77,7777}=web 127.0.0.1#7778=other ::1#7778=refused
	is "$(log_of web | grep -v -e found -e ready)" "sksteer-run: engine seccomp: $PROGS/stand is statically linked
sksteer: [::]:7777/tcp steered: 7,77"
	kill_server web
	reaches 127.0.0.1#{7,77}=refused ::1#{7,77}=refused
}

@test "an ordinary user's: the same, under its name, by the built-in rule" {
	runs web nobody -p 8077 -- "$PROGS/stand" web=tcp:0.0.0.0#7777
	wait_until 5 says web ready
	reaches 127.0.0.1#8077=web
	is "$(service .owner.uid)" 65534
	has "$(service .label)" @stand-
	is "$(service '.sockets[0].pid')" "$(pid_of web)"
	said web
	run_as nobody -p 80 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7778 listen
	is "$output" $'bind ok\nlisten ok'
	is "$stderr" 'sksteer: 80: port 80 is for root (net.ipv4.ip_unprivileged_port_start is 1024), and /etc/sksteer/policy.conf does not grant it to user 65534'
}

@test "the first listener whose bind named a port, and no other; named ones, each its own" {
	runs web root -p 7 -- "$PROGS/stand" drawn=tcp:0.0.0.0#0 first=tcp:0.0.0.0#7777 second=tcp:0.0.0.0#7778
	wait_until 5 says web ready
	reaches 127.0.0.1#7=first
	kill_server web
	runs web root -p '7777=7;127.0.0.1:7778=8' -- "$PROGS/stand" a=tcp:0.0.0.0#7777 b=tcp:127.0.0.1#7778
	wait_until 5 says web ready
	reaches 127.0.0.1#{7=a,8=b}
}

@test "where: no wider than it is bound, unless told to" {
	add_ns other
	veth main 192.0.2.1/24 other 192.0.2.2/24
	runs web root -p '7;any:8' -- "$PROGS/stand" web=tcp:127.0.0.1#7777
	wait_until 5 says web ready
	reaches 127.0.0.1#{7,8}=web 192.0.2.1#{7=refused,8=web}
}

@test "UDP: steered when bind returns, and refused when the server has gone" {
	runs web root -p 7/udp -- "$PROGS/stand" web=udp:0.0.0.0#7777
	wait_until 5 says web ready
	reaches 127.0.0.1#7/udp=web
	kill_server web
	reaches 127.0.0.1#7/udp=refused
}

@test "'*' leaves out what the server itself opens later" {
	runs web root -p '*' -- "$PROGS/stand" first=tcp:0.0.0.0#7777 second=tcp:127.0.0.1#7778
	wait_until 5 says web ready
	reaches 127.0.0.1#{1,80,65000}=first 127.0.0.1#7778=second
}

@test "children, threads, and what they start in turn" {
	run_as root --engine seccomp -p '7777=7;7778=8' -- sh -c "
		$PROGS/calls tcp4 bind=127.0.0.1#7777 thread listen & wait \$!
		exec $PROGS/calls tcp4 fork bind=127.0.0.1#7778 listen name"
	is "$status" 0
	is "$stderr" ''
	runs web root --engine seccomp -v -p 7 -- sh -c "$PROGS/stand fork web=tcp:0.0.0.0#7777; :"
	wait_until 5 says web ready
	reaches 127.0.0.1#7=web
	has "$(log_of web)" 'sksteer-run: engine seccomp'
}

@test "a dynamic program under --engine seccomp: no library in it, the same steering" {
	runs web root --engine seccomp -p 7 -- "$SKS_BUILD/tests/stand" web=tcp:0.0.0.0#7777
	wait_until 5 says web ready
	reaches 127.0.0.1#7=web
	has_not "$(< "/proc/$(pid_of web)/maps")" libsksteer
}

@test "MPTCP: refused by socket(2), so that programs fall back to TCP" {
	run_as root -p 7 -- "$PROGS/calls" mptcp bind=127.0.0.1#7777 listen
	is "$status" 2
	is "$stderr" 'calls: socket: Protocol not supported'
	run_as root -p 7 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	is "$output" $'bind ok\nlisten ok'
}

@test "MPTCP under the library: the listener works, and one line says why it is not steered" {
	run --separate-stderr in_ns env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS=7 \
		"$SKS_BUILD/tests/calls" mptcp bind=127.0.0.1#7777 listen
	is "$output" $'bind ok\nlisten ok'
	is "$stderr" 'sksteer: the socket is MPTCP, which the kernel cannot steer'
}

@test "what it says is what the library says" {
	local spec
	: > "$SKS_DIR/taken.log"
	start_server taken "${AS_USER2[@]}" "$PROGS/stand" taken=tcp:0.0.0.0#8077
	wait_until 5 says taken ready
	for spec in 8077 80 '*' 2000-4000; do
		run_as nobody -p "$spec" -- "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
		local supervised=$output/$stderr
		run_as nobody -p "$spec" -- "$SKS_BUILD/tests/calls" tcp4 bind=127.0.0.1#7777 listen
		is "$supervised" "$output/$stderr"
		has "$supervised" 'sksteer: '
	done
}

# --- strict ----------------------------------------------------------------------------------------

@test "--strict: what can't be steered fails, before anything is open" {
	run_as nobody --strict -p 80 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7777
	is "$output" 'bind EACCES'
	run_as nobody --strict -p 80/udp -- "$PROGS/calls" udp4 bind=127.0.0.1#7777
	is "$output" 'bind EACCES'
	run_as nobody --strict -p 8077 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen state
	is "$output" $'bind ok\nlisten ok\nlistens'
	kill_helper
	run_as nobody --strict -p 8077 -- "$PROGS/calls" tcp4
	is "$status" 125
	is "$output" ''
}

@test "--strict, and the helper goes after the start: bind fails, and nothing listens" {
	mkfifo "$SKS_DIR/go"
	runs web root --engine seccomp --strict -p 7 -- sh -c "read -r _ < $SKS_DIR/go; exec $PROGS/calls tcp4 bind=127.0.0.1#7777"
	wait_until 5 two_watch "$(pid_of web)"
	kill_helper
	echo > "$SKS_DIR/go"
	wait_server web
	has "$(log_of web)" 'bind ECONNREFUSED'
	has "$(log_of web)" "sksteer: no helper at $SOCKET: 7 not steered"
}

# --- others ----------------------------------------------------------------------------------------

@test "who asks is the process that listens: root's command that has become another user" {
	run_as root --engine seccomp -p 80 -- "${AS_NOBODY[@]}" "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	is "$output" $'bind ok\nlisten ok'
	is "$stderr" 'sksteer: 80: port 80 is for root (net.ipv4.ip_unprivileged_port_start is 1024), and /etc/sksteer/policy.conf does not grant it to user 65534'
	run_as root --engine seccomp -p 80/udp -- "${AS_NOBODY[@]}" "$PROGS/calls" udp4 bind=127.0.0.1#7777
	is "$output" 'bind ok'
	has "$stderr" 'port 80 is for root'
	runs web root --engine seccomp -p 8077 -- "${AS_NOBODY[@]}" "$PROGS/stand" web=tcp:127.0.0.1#7777
	wait_until 5 says web ready
	reaches 127.0.0.1#8077=web
	is "$(service .owner.uid)" 65534
}

@test "root that has given up a capability is not root for us either" {
	run_as root --engine seccomp -p '*' -- setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	is "$output" $'bind ok\nlisten ok'
	has "$stderr" '"*"'
}

@test "nobody binds for a process what it may not bind itself" {
	run_as root --engine seccomp -p 8077 -- "${AS_NOBODY[@]}" "$PROGS/calls" tcp4 bind=127.0.0.1#80
	is "$output" 'bind EACCES'
	run_as root --engine seccomp -p 80=8077/udp -- "${AS_NOBODY[@]}" "$PROGS/calls" udp4 bind=127.0.0.1#80
	is "$output" 'bind EACCES'
	run_as root --engine seccomp -p 8077 -- "$PROGS/calls" tcp4 bind=127.0.0.1#80
	is "$output" 'bind ok'
}

@test "ports that the policy grants are bound by a static server, and no others" {
	printf '[user 65534]\nports = 80\n' > "$SKS_DIR/policy.conf"
	chmod 644 "$SKS_DIR/policy.conf"
	stop_helper
	start_helper --policy "$SKS_DIR/policy.conf"
	run_as nobody -- "$PROGS/calls" tcp4 bind=0.0.0.0#80 listen name
	is "$output" $'bind ok\nlisten ok\nname 0.0.0.0#80'
	is "$stderr" ''
	run_as nobody -- "$PROGS/calls" tcp4 bind=0.0.0.0#81
	is "$output" 'bind EACCES'
	has "$stderr" 'port 81 is for root'
	run_as root --engine seccomp -- "${AS_NOBODY[@]}" "$PROGS/calls" tcp4 bind=0.0.0.0#80 listen
	is "$output" $'bind ok\nlisten ok'
	run_as nobody -- "$PROGS/calls" tcp4 bind=0.0.0.0#80 listen tcp4 bind=0.0.0.0#80
	is "${lines[2]}" 'bind EADDRINUSE'
}

@test "another network namespace: where the socket is, its ports are" {
	add_ns other
	runs web root --engine seccomp -p 7 -- nsenter "--net=/proc/$(ns_pid other)/ns/net" "$PROGS/stand" web=tcp:0.0.0.0#7777
	wait_until 5 says web ready
	NS=other reaches 127.0.0.1#7=web
	reaches 127.0.0.1#7=refused
	said web
}

@test "another user namespace: not steered, which one line says, and it serves" {
	run_as root --engine seccomp -p 7 -- unshare --user --map-root-user "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	is "$output" $'bind ok\nlisten ok'
	has "$stderr" ', which is in another user namespace: nothing is steered to it'
}

@test "what can't be looked into serves, and under --strict does not" {
	runs web root --engine seccomp -p 8077 -- setpriv --reuid 65533 --clear-groups --inh-caps=-all "$PROGS/stand" hide web=tcp:127.0.0.1#7777
	wait_until 5 says web ready
	reaches 127.0.0.1#{7777=web,8077=web} # root may look into everything
	kill_server web
	runs web nobody -p 8077 -- "$PROGS/stand" hide web=tcp:127.0.0.1#7777
	wait_until 5 says web ready
	reaches 127.0.0.1#{7777=web,8077=refused}
	kill_server web
	run_as root --engine seccomp --strict -p 7 -- unshare --user --map-root-user "$PROGS/calls" tcp4 bind=127.0.0.1#7777
	is "$output" 'bind EPERM'
}

# under_yama ARGUMENT...: sksteer-run of nobody, under a kernel that has Yama, as far as that matters.
# Its stderr has to be its own for it to be opened again.
under_yama() {
	yama_scope_is_1
	run as_user env RUN="$RUN --socket $SOCKET" YAMA="$PROGS/yama.so" bash -c \
		'set -o pipefail; LD_PRELOAD=$YAMA $RUN "$@" 2>&1 | cat' - "$@"
	in_ns umount /proc/sys/kernel
}

@test "Yama's ptrace_scope 1: a user's command is steered, a child of it not, which one line says" {
	local steered='sksteer: 127.0.0.1:7777/tcp steered: 8077'
	local closed='not permitted (kernel.yama.ptrace_scope is 1): nothing is steered to it'
	under_yama -v -p 8077 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen
	has "$output" $'bind ok\n'"$steered"$'\nlisten ok'
	under_yama -p 8077 --engine seccomp -- sh -c "$PROGS/calls tcp4 bind=127.0.0.1#7777 listen; :"
	has "$output" $'bind ok\nsksteer: cannot take a socket from process '
	has "$output" ": $closed"$'\nlisten ok'
	under_yama -p 8077/udp --engine seccomp -- sh -c "$PROGS/calls udp4 bind=127.0.0.1#7777; :"
	has "$output" 'sksteer: cannot look into process '
	has "$output" ": $closed"$'\nbind ok'
	under_yama --strict -p 8077 --engine seccomp -- sh -c "$PROGS/calls tcp4 bind=127.0.0.1#7777 listen; :"
	has "$output" 'listen EPERM'
}

@test "whoever makes the supervisor wait keeps others waiting once" {
	need python3
	cp "$BATS_TEST_DIRNAME/slow_bind.py" "$PROGS"
	runs web root --engine seccomp -p 7 -- sh -c "python3 $PROGS/slow_bind.py 8 &
		until grep -q binding $SKS_DIR/web.log; do sleep 0.02; done
		exec $PROGS/stand web=tcp:127.0.0.1#7777"
	wait_until 12 says web ready # eight times three seconds would be too long
	reaches 127.0.0.1#7=web
}

@test "the same warning is written once, whoever acts" {
	run_as root --engine seccomp -p 80 -- "${AS_NOBODY[@]}" "$PROGS/calls" tcp4 bind=127.0.0.1#7777 listen listen listen
	is "$output" $'bind ok\nlisten ok\nlisten ok\nlisten ok'
	is "$(grep -c 'port 80 is for root' <<< "$stderr")" 1
}

# --- labels ----------------------------------------------------------------------------------------

@test "a label: refused while it is served, and served again when its server is back" {
	runs one root -l web -p 7 -- "$PROGS/stand" one=tcp:127.0.0.1#7777
	wait_until 5 says one ready
	run_as root -l web -p 7 -- "$PROGS/calls" tcp4 bind=127.0.0.1#7778 listen
	is "$output" $'bind ok\nlisten ok'
	has "$stderr" 'label "web" is served by another instance'
	kill_server one
	reaches 127.0.0.1#7=refused
	runs two root -l web -- "$PROGS/stand" two=tcp:127.0.0.1#7779
	wait_until 5 says two ready
	reaches 127.0.0.1#7=two
}

@test "--replace at the very same port: the new one has it, the old one takes over when it ends" {
	runs one root -l web -p 7 -- "$PROGS/stand" one=tcp:127.0.0.1#7777,fresh
	wait_until 5 says one ready
	runs two root -l web --replace -p 7 -- "$PROGS/stand" two=tcp:127.0.0.1#7777,fresh
	wait_until 5 says two ready
	said two
	reaches 127.0.0.1#{7,7777}=two
	kill_server two
	reaches 127.0.0.1#{7,7777}=one
}

@test "--join: both serve; --share: both serve by one socket" {
	runs one root -l web -p 7 -- "$PROGS/stand" one=tcp:127.0.0.1#7777
	wait_until 5 says one ready
	runs two root -l web --join -p 7 -- "$PROGS/stand" two=tcp:127.0.0.1#7777
	wait_until 5 says two ready
	is "$(in_ns "$PROGS/rush" -n 200 -c 8 name 127.0.0.1#7 | sed -n 's/ answered .*//p' | sort | xargs)" 'one two'
	kill_server two
	runs three root -l web --share -p 7 -- "$PROGS/calls" tcp4 cloexec bind=127.0.0.1#7777 listen flags name
	wait_server three
	is "$(log_of three)" $'bind ok\nlisten ok\ncloexec\nname 127.0.0.1#7777'
}

@test "sksteerctl upgrade of a static server" {
	runs one root -l web -p any:7 -- "$PROGS/stand" one=tcp:127.0.0.1#7777
	wait_until 5 says one ready
	run in_ns env SKSTEER_SOCKET="$SOCKET" "$CTL" upgrade web -- "$PROGS/stand" two=tcp:127.0.0.1#7777
	is "$status" 1
	has "$output" "$PROGS/stand is statically linked: a preload cannot reach it: say -- sksteer-run -l web $PROGS/stand ..."
	: > "$SKS_DIR/two.log"
	in_ns env SKSTEER_SOCKET="$SOCKET" "$CTL" upgrade web --drain 0 -- "$RUN" -l web -p any:7 -- \
		"$PROGS/stand" two=tcp:127.0.0.1#7777 >> "$SKS_DIR/two.log" 2>&1 3>&- < /dev/null
	wait_until 5 sks_is_gone "$(pid_of one)"
	reaches 127.0.0.1#{7,7777}=two
}

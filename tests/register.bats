#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of `sksteerctl register`: sockets of processes that run already, and of service
# managers, become a label's.
# shellcheck disable=SC2016 # what is in single quotes is for another shell
# shellcheck disable=SC2154 # bats sets $stderr
# bats file_tags=sanitize

load stand
load systemd

teardown() {
	unboot_systemd
	sks_teardown
}

# run_ctl ARGUMENT...: sets $status, $output and $stderr; as nobody if $AS says so.
run_ctl() {
	local user=()
	[[ ${AS:-root} == root ]] || user=("${AS_NOBODY[@]}")
	run --separate-stderr in_ns env SKSTEER_SOCKET="$SOCKET" "${user[@]}" "$CTL" "$@"
}

does() {
	run_ctl "$@"
	is "$status" 0
	is "$output$stderr" ''
}

# fails STATUS TEXT ARGUMENT...: with that one line, and nothing else.
fails() {
	run_ctl "${@:3}"
	is "$status" "$1"
	is "$stderr" "sksteerctl: $2"
	is "$output" ''
}

# flags PID: of each of its descriptors, and which file it is.
flags() {
	local fd
	for fd in "/proc/$1/fd"/*; do
		echo "$fd $(readlink "$fd") $(grep flags "/proc/$1/fdinfo/${fd##*/}")"
	done
}

@test "the listeners of a running process: all of a port, whatever their addresses" {
	local pid before
	plain web a4=tcp:127.0.0.1#7777 a6=tcp:::1#7777 b4=tcp:127.0.0.2#7777
	pid=$(pid_of web)
	before=$(flags "$pid")
	does bind web 7
	reaches 127.0.0.1#7=refused
	does register web --pid "$pid"
	reaches 127.0.0.1#7=a4 ::1#7=a6 127.0.0.2#7=b4
	is "$(flags "$pid")" "$before"
	is "$(service '[.sockets[].pid] | unique | @csv' web)" "$pid"
	kill_server web
	reaches 127.0.0.1#7=refused ::1#7=refused
}

@test "a socket that is another service's stays so, which is an error; the same again is none" {
	local pid
	plain web a=tcp:127.0.0.1#7777
	pid=$(pid_of web)
	does register web --pid "$pid"
	does register web --pid "$pid"
	fails 1 'this socket is registered already: as web' register api --pid "$pid"
	stand one SKSTEER_PORTS=7 one=tcp:127.0.0.1#7778
	fails 1 "this socket is registered already: as @stand-$(pid_of one)" register api --pid "$(pid_of one)"
	is "$(ctl status --json | jq -r '[.services[].label] | sort | @csv')" "\"@stand-$(pid_of one)\",\"web\""
}

@test "many ports: as many are named as a line takes, and that there are more" {
	plain web a=tcp:127.0.0.1#{10000..10029}
	run_ctl register web --pid "$(pid_of web)"
	is "$status" 1
	has "$stderr" "has sockets at 10000/tcp, 10001/tcp, "
	has "$stderr" "/tcp, ...: say which with --port"
}

@test "several ports: which one is to be said, by port or descriptor" {
	plain web a=tcp:0.0.0.0#7777 b=tcp:0.0.0.0#7778 c=udp:0.0.0.0#7779
	local pid fd
	pid=$(pid_of web)
	fails 1 "register: process $pid has sockets at 7777/tcp, 7778/tcp, 7779/udp: say which with --port" register web --pid "$pid"
	fails 1 "register: process $pid has no socket at port 80/tcp, but at 7777/tcp, 7778/tcp, 7779/udp" register web --pid "$pid" --port 80
	fails 1 "register: process $pid has no socket at port 7777/udp, but at 7777/tcp, 7778/tcp, 7779/udp" register web --pid "$pid" --port 7777/udp
	does register web --pid "$pid" --port 7778
	does bind web 7
	does register dns --pid "$pid" --port 7779/udp
	does bind dns 53/udp
	fd=$(find "/proc/$pid/fd" -lname "socket:*$(in_ns ss -Htlnep 'sport = 7777' | grep -o 'ino:[0-9]*' | cut -d: -f2)*")
	does register third --pid "$pid" --fd "${fd##*/}"
	does bind third 8
	reaches 127.0.0.1#7=b 127.0.0.1#53/udp=c 127.0.0.1#8=a
}

@test "high descriptors, and more than one of the same socket" {
	cat > "$SKS_DIR/high.py" <<-'EOT'
		import os, socket, sys
		s = socket.create_server(("127.0.0.1", 7777))
		os.dup2(s.fileno(), 900)
		os.dup2(s.fileno(), 901)
		s.close()
		print("ready", flush=True)
		s = socket.socket(fileno=900)
		while True:
		    c = s.accept()[0]
		    c.sendall(b"high %d\n" % c.getsockname()[1])
		    c.close()
	EOT
	: > "$SKS_DIR/high.log"
	start_server high python3 "$SKS_DIR/high.py"
	wait_until 5 says high ready
	does register web --pid "$(pid_of high)"
	does bind web 7
	is "$(ask 127.0.0.1 7)" 'high 7'
	is "$(service '.sockets | length' web)" 1
}

@test "again is no harm, and a socket that came since joins; another process is refused" {
	: > "$SKS_DIR/web.log"
	start_server web "$PROGS/stand" a=tcp:127.0.0.1#7777 pause b=tcp:::1#7777
	wait_until 5 says web paused
	does register web --pid "$(pid_of web)"
	does register web --pid "$(pid_of web)"
	does bind web 7
	kill -USR1 "$(pid_of web)"
	wait_until 5 says web ready
	does register web --pid "$(pid_of web)"
	reaches 127.0.0.1#7=a ::1#7=b
	plain other other=tcp:127.0.0.1#7778
	run_ctl register web --pid "$(pid_of other)"
	is "$status" 1
	has "$stderr" 'label "web" is served by another instance'
	reaches 127.0.0.1#7=a
}

@test "a user: its own processes, by the rules for it; nobody else's" {
	: > "$SKS_DIR/own.log"
	start_server own "${AS_NOBODY[@]}" "$PROGS/stand" own=tcp:127.0.0.1#7777
	wait_until 5 says own ready
	AS=nobody does register web --pid "$(pid_of own)"
	AS=nobody does bind web 8077
	reaches 127.0.0.1#8077=own
	is "$(service .owner.uid web)" 65534
	plain roots roots=tcp:127.0.0.1#7778
	AS=nobody fails 1 "register: process $(pid_of roots): only root and its own user may take its sockets" register other --pid "$(pid_of roots)"
}

@test "where Yama forbids it, that is what a user is told" {
	: > "$SKS_DIR/own.log"
	start_server own "${AS_NOBODY[@]}" "$PROGS/stand" own=tcp:127.0.0.1#7777
	wait_until 5 says own ready
	yama_scope_is_1
	run --separate-stderr as_user env LD_PRELOAD="$PROGS/yama.so" SKSTEER_SOCKET="$SOCKET" \
		"$CTL" register web --pid "$(pid_of own)"
	in_ns umount /proc/sys/kernel
	is "$status" 1
	is "$stderr" "sksteerctl: register: process $(pid_of own): only root may take its sockets (kernel.yama.ptrace_scope is 1)"
}

@test "bad words are quoted, and what is not there is named" {
	local pid
	start_server idle sleep infinity
	pid=$(pid_of idle)
	wait_until 5 sks_has_become "$pid" sleep
	fails 2 '--pid: "x" is not a number from 1 to 2147483647' register web --pid x
	fails 2 '--pid: "0" is not a number from 1 to 2147483647' register web --pid 0
	fails 2 '--fd: "-1" is not a number from 0 to 2147483647' register web --pid 1 --fd -1
	fails 2 '--port: "0" is not a port, as 80, 80/tcp or 53/udp' register web --pid 1 --port 0
	fails 2 '--port: "80/sctp" is not a port, as 80, 80/tcp or 53/udp' register web --pid 1 --port 80/sctp
	fails 2 '--port: "70000" is not a port, as 80, 80/tcp or 53/udp' register web --pid 1 --port 70000
	fails 2 'register: --fd and --port both say which socket: give one' register web --pid 1 --fd 3 --port 80
	fails 2 'register: --fd is a descriptor of the process that --pid names' register web --fd 3
	fails 2 'status: --pid is an option of register' status --pid 1
	fails 2 'register: it takes a LABEL (see register --help)' register
	fails 2 'register: "a b" is not a label: a letter or digit, then up to 62 letters, digits, "_", "." or "-"' register 'a b'
	fails 1 'register: there is no process 2147483647' register web --pid 2147483647
	fails 1 "register: process $pid has no listening TCP and no bound UDP socket" register web --pid "$pid"
	fails 1 "register: process $pid has no descriptor 77" register web --pid "$pid" --fd 77
	fails 1 "register: descriptor 0 of process $pid is no listening TCP and no bound UDP socket" register web --pid "$pid" --fd 0
	fails 1 'register: no --pid, and no sockets were passed: LISTEN_FDS is not set' register web
}

@test "no helper, another namespace: said, and nothing is registered" {
	plain web web=tcp:127.0.0.1#7777
	add_ns other
	NS=other run_ctl register web --pid "$(pid_of web)"
	is "$status" 1
	is "$stderr" 'sksteerctl: the socket is of another network namespace than its sender'
	run_ctl register web --pid "$(pid_of web)" --netns "$(pid_of web)"
	is "$status" 0
	kill_helper
	run_ctl register more --pid "$(pid_of web)"
	is "$status" 1
	has "$stderr" "no helper at $SOCKET"
}

@test "register, unregister: the server runs on, and may come back" {
	plain web web=tcp:127.0.0.1#7777
	does register web --pid "$(pid_of web)"
	does bind web 7
	reaches 127.0.0.1#7=web
	does unregister web
	reaches 127.0.0.1#{7=refused,7777=web}
	does register web --pid "$(pid_of web)"
	does bind web 8
	does bind web 8 # as a unit does that is started again
	reaches 127.0.0.1#{7=refused,8=web}
}

# --- sockets that are passed -----------------------------------------------------------------------

# activated: systemd-socket-activate of a shell that registers what it was passed as "web", and becomes
# a server with it.
activated() {
	: > "$SKS_DIR/web.log"
	start_server web env SKSTEER_SOCKET="$SOCKET" CTL="$CTL" systemd-socket-activate \
		-E SKSTEER_SOCKET -E CTL -l 127.0.0.1:7777 bash -c '
		(LISTEN_PID=$BASHPID exec "$CTL" register web) && echo registered
		exec python3 -c "import os, socket
s = socket.socket(fileno=3)
s.setblocking(True)
while True:
    c = s.accept()[0]
    c.sendall(b\"web %d\\n\" % c.getsockname()[1])
    c.close()"'
	wait_port 7777
	# It starts what it has to with the first client.
	in_ns timeout 5 bash -c 'exec 9<> /dev/tcp/127.0.0.1/7777'
}

@test "systemd-socket-activate: what it passes is registered" {
	need systemd-socket-activate
	does bind web 7
	activated
	wait_until 5 says web registered
	is "$(ask 127.0.0.1 7)" 'web 7'
	is "$(service '.sockets[0].port' web)" 7777
	kill_server web
	reaches 127.0.0.1#7=refused
}

# passed FDS NAMES ARGUMENT...: sksteerctl with that many sockets: of ports 7001, 7002, ...
passed() {
	cat > "$SKS_DIR/pass.py" <<-'EOT'
		import os, socket, sys
		n, names, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
		os.closerange(3, 100)
		kept = []
		for i in range(n):
		    kept.append(socket.create_server(("127.0.0.1", 7001 + i)))
		    os.set_inheritable(kept[-1].fileno(), True)
		child = os.fork()
		if child == 0:
		    os.environ.update(LISTEN_FDS=str(n), LISTEN_PID=str(os.getpid() + int(os.environ.get("WRONG", 0))))
		    if names:
		        os.environ["LISTEN_FDNAMES"] = names
		    os.execvp(command[0], command)
		status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
		print("status", status, flush=True)
		if status == 0:
		    os.execvp("sleep", ["sleep", "infinity"])
	EOT
	: > "$SKS_DIR/passed.log"
	start_server passed env SKSTEER_SOCKET="$SOCKET" python3 "$SKS_DIR/pass.py" "$1" "$2" "$CTL" "${@:3}"
	wait_until 5 grep -q ^status "$SKS_DIR/passed.log"
	# Else it ends, and the next one wants the same ports.
	says passed 'status 0' || wait_server passed
}

@test "LISTEN_FDS: the one that is named as the label, or the port that is said" {
	passed 3 dns:web:web.socket register web
	says passed 'status 0'
	is "$(service '[.sockets[].port] | @csv' web)" 7002
	kill_server passed
	passed 3 '' register web
	says passed 'status 1'
	says passed 'sksteerctl: register: LISTEN_FDS has sockets at 7001/tcp, 7002/tcp, 7003/tcp: say which with --port'
	passed 3 '' register web --port 7003
	says passed 'status 0'
	is "$(service '[.sockets[].port] | @csv' web)" 7003
}

@test "LISTEN_FDS: for another process, none, or not a number" {
	WRONG=1 passed 1 '' register web
	says passed 'sksteerctl: register: the sockets of LISTEN_FDS are for process [0-9]*, and this is [0-9]*'
	LISTEN_FDS=x LISTEN_PID=1 fails 1 'register: LISTEN_FDS: "x" is not a number from 1 to 16384' register web
	LISTEN_FDS=0 LISTEN_PID=1 fails 1 'register: LISTEN_FDS: "0" is not a number from 1 to 16384' register web
	LISTEN_FDS=1 fails 1 'register: no --pid, and no sockets were passed: LISTEN_PID is not set' register web
}

# --- systemd itself --------------------------------------------------------------------------------

@test "a socket unit, the unit beside it from the guide, and a server that knows nothing of us" {
	local first
	need python3
	need_systemd
	unit web.target <<-'EOT'
		[Unit]
		DefaultDependencies=no
		Wants=web.socket web-steer.service
	EOT
	unit web.socket <<-'EOT'
		[Unit]
		DefaultDependencies=no
		[Socket]
		ListenStream=127.0.0.1:7777
	EOT
	unit web.service <<-EOT
		[Unit]
		DefaultDependencies=no
		[Service]
		ExecStart=/usr/bin/python3 $SKS_DIR/server.py
	EOT
	unit web-steer.service <<-EOT
		[Unit]
		DefaultDependencies=no
		After=web.socket
		[Service]
		Type=oneshot
		Sockets=web.socket
		ExecStart=$CTL --socket $SOCKET register web
		ExecStartPost=$CTL --socket $SOCKET bind web 7
	EOT
	cat > "$SKS_DIR/server.py" <<-'EOT'
		import os, socket
		listener = socket.socket(fileno=3)
		listener.setblocking(True)
		while True:
		    client = listener.accept()[0]
		    client.recv(100)
		    client.sendall(b"web %d %d\n" % (client.getsockname()[1], os.getpid()))
		    client.close()
	EOT
	boot_systemd web.target
	wait_until 20 ask 127.0.0.1 7
	first=$(ask 127.0.0.1 7)
	has "$first" 'web 7 '
	# The server ends, and with the next client comes another one: systemd has kept the socket.
	kill -KILL "$(own_server)"
	wait_until 5 answers_otherwise "$first"
	unboot_systemd
	reaches 127.0.0.1#7=refused
}

# own_server: as seen from outside.
own_server() {
	pgrep -f "python3 $SKS_DIR/server.py"
}

answers_otherwise() {
	local said
	said=$(ask 127.0.0.1 7)
	has "$said" 'web 7 '
	isnt "$said" "$1"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of ports that the policy file grants: who gets them and who does not, bound or
# steered, which files are refused, and hostile requests. Servers: authbind_servers.bats.
# bats file_tags=sanitize
# shellcheck disable=SC2154 # bats sets $stderr

load authbind

FOR_ROOT='(net.ipv4.ip_unprivileged_port_start is 1024)'

# denied PLACE PORT WORD...: the bind is, as without us, and one line says so. PLACE and PORT as the
# helper spells them.
denied() {
	local place=$1 port=$2
	shift 2
	binds "$INSTANCE" "$@"
	is "$output" 'bind EACCES'
	is "$stderr" "sksteer: $place: port $port is for root $FOR_ROOT, and $POLICY does not grant it to user ${SKS_UID:-65534}"
}

# --- who gets what -----------------------------------------------------------------------------------

@test "authbind: what is not granted is denied as without us" {
	policy '[user nobody]' 'ports = 80'
	export AS=nobody
	denied 0.0.0.0/0:81 81 tcp4 bind=0.0.0.0#81
	denied 127.0.0.1:1023 1023 tcp4 bind=127.0.0.1#1023
	denied 0.0.0.0/0:80/udp 80 udp4 bind=0.0.0.0#80
	denied '[::1]:81' 81 tcp6 bind=::1#81
	has "$(log_of helper)" "opens [::1]:81 in net-$(ns_ino): [::1]:81: port 81 is for root"
	# Said once, however often it is tried.
	binds "$INSTANCE" tcp4 bind=0.0.0.0#81 bind=0.0.0.0#81 bind=0.0.0.0#80
	is "$output" $'bind EACCES\nbind EACCES\nbind ok'
	is "${#stderr_lines[@]}" 1
	# Another user, a user in a user namespace of its own, and root that has lost its capabilities.
	AS=user2 SKS_UID=65533 denied 0.0.0.0/0:80 80 tcp4 bind=0.0.0.0#80
	AS=powerless SKS_UID=0 denied 0.0.0.0/0:80 80 tcp4 bind=0.0.0.0#80
	AS=namespaced SKS_UID=0 denied 0.0.0.0/0:80 80 tcp4 bind=0.0.0.0#80
	# Root asks nobody.
	AS=root granted tcp4 bind=0.0.0.0#81
}

@test "authbind: without a policy file nobody gets anything" {
	start_helper
	POLICY=/etc/sksteer/policy.conf
	AS=nobody denied 0.0.0.0/0:80 80 tcp4 bind=0.0.0.0#80
	AS=nobody denied 127.0.0.1:53/udp 53 udp4 bind=127.0.0.1#53
}

@test "authbind: a grant for addresses holds at these alone" {
	in_ns ip address add 192.0.2.1/24 dev lo
	in_ns ip address add 2001:db8::1/32 dev lo nodad
	policy '[user nobody]' 'ports = 192.0.2.0/24:70-79;[2001:db8::/32]:70' '  [::/0]:99' \
		'[user 65533]' 'ports = 0.0.0.0/0:90;[::/0]:90'
	export AS=nobody
	granted tcp4 bind=192.0.2.1#70
	granted tcp4 bind=192.0.2.1#79
	granted tcp6 bind=2001:db8::1#70
	denied 192.0.2.1:80 80 tcp4 bind=192.0.2.1#80
	denied 127.0.0.1:70 70 tcp4 bind=127.0.0.1#70
	denied 0.0.0.0/0:70 70 tcp4 bind=0.0.0.0#70
	denied '[::/0]:70' 70 tcp6 bind=::#70
	denied '[2001:db8::1]:71' 71 tcp6 bind=2001:db8::1#71
	# Where the kernel sees IPv4, so do we. A socket may become dual-stack until it is bound.
	granted tcp6 bind=::1#99
	denied '[::/0]:99' 99 tcp6 bind=::#99
	AS=nobody act mapped "$INSTANCE"
	is "$(tell mapped 'open a tcp ::ffff:127.0.0.1 99' 'open a tcp ::ffff:127.0.0.1 70' \
		'open a tcp ::ffff:192.0.2.1 70')" $'EACCES\nEACCES\ndone'
	gets 192.0.2.1 70 a
	AS=user2 granted tcp6 bind=::#90
	AS=user2 granted tcp4 bind=0.0.0.0#90
}

@test "authbind: IP_FREEBIND: a grant for all addresses is for those to come, one for a prefix is not more" {
	local bind='
import errno, socket, sys
sock = socket.socket()
sock.setsockopt(socket.IPPROTO_IP, 15, 1)
for address, port in ("198.51.100.1", 81), ("198.51.100.1", 80):
    try:
        sock.bind((address, port))
        print(*sock.getsockname())
    except OSError as error:
        print(errno.errorcode[error.errno])'
	policy '[user nobody]' 'ports = 80;192.0.2.0/24:81'
	run --separate-stderr as_user env LD_PRELOAD="$LIB" "$INSTANCE" SKSTEER_SOCKET="$SOCKET" \
		/usr/bin/python3 -c "$bind"
	is "$output" $'EACCES\n198.51.100.1 80'
}

@test "authbind: what the kernel denies for another reason, it denies with that errno" {
	policy '[user nobody]' 'ports = 80'
	export AS=nobody
	AS=root plain web 127.0.0.1#80
	binds "$INSTANCE" tcp4 bind=0.0.0.0#80
	is "$output" 'bind EADDRINUSE'
	is "$stderr" 'sksteer: 0.0.0.0/0:80: Address already in use'
	binds "$INSTANCE" tcp6 bind=2001:db8::9#80
	is "$output" 'bind EADDRNOTAVAIL'
	binds "$INSTANCE" tcp6 bind=fe80::1#80
	is "$output" 'bind EINVAL'
	binds "$INSTANCE" tcp4 bind=127.0.0.2#80 bind=127.0.0.2#80
	is "$output" $'bind ok\nbind EINVAL'
	binds "$INSTANCE" tcp4 bind-null unix bind=/nonexistent/dir/x
	has "$output" 'bind EFAULT'
	gets 127.0.0.1 80 web
}

@test "authbind: the namespace's own word on which ports need privilege, and its owner's" {
	policy '[user nobody]' 'ports = 80'
	in_ns sysctl -qw net.ipv4.ip_unprivileged_port_start=80
	AS=nobody granted tcp4 bind=0.0.0.0#81
	FOR_ROOT='(net.ipv4.ip_unprivileged_port_start is 80)'
	AS=nobody denied 0.0.0.0/0:79 79 tcp4 bind=0.0.0.0#79
	add_ns other
	FOR_ROOT='(net.ipv4.ip_unprivileged_port_start is 1024)'
	NS=other AS=nobody denied 0.0.0.0/0:81 81 tcp4 bind=0.0.0.0#81
	NS=other AS=nobody granted tcp4 bind=0.0.0.0#80
	# In a network namespace of one's own all ports are one's own.
	run --separate-stderr in_ns "${AS_NOBODY[@]}" unshare --user --map-root-user --net env \
		LD_PRELOAD="$LIB" "$INSTANCE" SKSTEER_SOCKET="$SOCKET" "$PROGS/calls" tcp4 bind=0.0.0.0#1
	is "$output" 'bind ok'
	is "$stderr" ''
}

@test "authbind: no clause, no steering: nothing is asked and no system call made where bind succeeds" {
	policy '[user nobody]' 'ports = 80'
	AS=nobody binds "$INSTANCE" tcp4 sandbox bind=127.0.0.1#7777 listen
	is "$output" $'bind ok\nlisten ok'
	AS=nobody binds "$INSTANCE" udp4 sandbox bind=127.0.0.1#7777
	is "$output" 'bind ok'
	# Not even by listen(2) on a socket from elsewhere, nor where bind fails otherwise.
	AS=nobody binds "$INSTANCE" tcp4 bind=127.0.0.1#7777 exec sandbox listen
	is "$output" $'bind ok\nlisten ok'
	AS=nobody binds "$INSTANCE" tcp4 sandbox bind=192.0.2.77#80
	is "$output" 'bind EADDRNOTAVAIL'
	has_not "$(log_of helper)" user
	is "$(in_ns find /sys/fs/bpf -name program)" ''
}

@test "authbind: no SKSTEER_ variable: denied without a question" {
	policy '[user nobody]' 'ports = 80'
	run --separate-stderr in_ns "${AS_NOBODY[@]}" env LD_PRELOAD="$LIB" "$PROGS/calls" tcp4 \
		sandbox bind=0.0.0.0#80
	is "$output" 'bind EACCES'
	is "$stderr" ''
	has_not "$(log_of helper)" user
}

@test "authbind: no helper, or one that does not answer: denied as before, within a second" {
	policy '[user nobody]' 'ports = 80'
	kill -STOP "$(helper_pid)"
	AS=nobody binds "$INSTANCE" fds tcp4 bind=0.0.0.0#80 bind=0.0.0.0#80 fds
	is "$output" $'3 fds\nbind EACCES waited\nbind EACCES\n4 fds'
	is "$stderr" "sksteer: cannot ask the helper at $SOCKET, which does not answer: bind(2) stays denied (this process does not ask again for 60 s)"
	kill -CONT "$(helper_pid)"
	AS=nobody granted tcp4 bind=0.0.0.0#80
	stop_helper
	AS=nobody binds "$INSTANCE" tcp4 bind=0.0.0.0#80
	is "$output" 'bind EACCES'
	is "$stderr" "sksteer: no helper at $SOCKET: bind(2) stays denied (start one as root: sksteerd)"
}

@test "authbind: an answer that is lost: bind returns what became of the socket" {
	start_server peer /usr/bin/python3 -c '
import socket, sys
helper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
helper.bind(sys.argv[1])
helper.listen()
for port in 80, 0:
    conn = helper.accept()[0]
    conn.send(bytes([3, 0, 0, 0, 0, 0, 0, 0]))
    fds = socket.recv_fds(conn, 4096, 1)[1]
    with socket.socket(fileno=fds[0]) as sock:
        if port:
            sock.bind(("0.0.0.0", port))
    conn.close()
' "$SOCKET"
	wait_until 5 accepts "$SOCKET"
	chmod 666 "$SOCKET"
	export AS=nobody
	binds "$INSTANCE" tcp4 bind=0.0.0.0#80
	is "$output" 'bind ok'
	binds "$INSTANCE" tcp4 bind=0.0.0.0#80
	is "$output" 'bind EACCES'
	has "$stderr" 'which went away: bind(2) stays denied'
}

@test "authbind: strict, and an environment in error: errno is the kernel's" {
	policy '[user nobody]' 'ports = 80'
	export AS=nobody
	granted SKSTEER_STRICT=1 tcp4 bind=0.0.0.0#80
	binds "$INSTANCE" SKSTEER_STRICT=1 tcp4 bind=0.0.0.0#81
	is "$output" 'bind EACCES'
	binds SKSTEER_STRICT=1 SKSTEER_PORTS=8080 tcp4 bind=127.0.0.1#80 listen
	is "$output" $'bind ok\nlisten ok'
	is "$stderr" ''
	binds "$INSTANCE" SKSTEER_PORTS=9-3 tcp4 bind=0.0.0.0#80
	is "$output" 'bind EACCES'
	has "$stderr" 'SKSTEER_PORTS: "9-3"'
}

# --- steering ----------------------------------------------------------------------------------------

@test "authbind: a port that is granted may be steered, too" {
	policy '[user nobody]' 'ports = 80,81,90-95;53/udp;127.0.0.0/8:70-79'
	AS=nobody serve web '80-81;90-95;127.0.0.1:70-75;53/udp' 0.0.0.0#7777
	silent web
	gets 127.0.0.1 80 web
	gets 127.0.0.1 93 web
	gets 127.0.0.1 75 web
	kill_server web
	AS=nobody serve few 80-82 0.0.0.0#7777
	said few "80-82: port 82 is for root $FOR_ROOT, and $POLICY does not grant it to user 65534"
	AS=nobody serve wide 70 0.0.0.0#7778
	said wide '70: port 70 is for root'
	AS=nobody serve elsewhere '[::1]:70' ::#7779
	said elsewhere '[::1]:70: port 70 is for root'
	AS=nobody serve shorter 126.0.0.0/7:70 0.0.0.0#7780
	said shorter '126.0.0.0/7:70: port 70 is for root'
	AS=nobody serve udp 80/udp 0.0.0.0#7781/udp
	said udp '80/udp: port 80 is for root'
	AS=user2 serve other 80 0.0.0.0#7782
	said other "and $POLICY does not grant it to user 65533"
}

@test "authbind: a range into the ports that need no privilege needs a grant for the rest alone" {
	policy '[user nobody]' 'ports = 1000-1023'
	AS=nobody serve web 1000-1100 0.0.0.0#7777
	silent web
	gets 127.0.0.1 1050 web
	gets 127.0.0.1 1000 web
	AS=nobody serve other 999-1100 0.0.0.0#7778
	said other 'port 999 is for root'
}

@test "authbind: sksteer-run -p 80 of an ordinary user, and sksteerctl bind" {
	policy '[user nobody]' 'ports = 80-81'
	start_server web "${AS_NOBODY[@]}" "$RUN" --socket "$SOCKET" -l web -p 80 \
		ncat -4lk 7777 --exec /bin/cat
	wait_answer 127.0.0.1 80
	is "$(log_of web)" ''
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" bind web 81
	answers 127.0.0.1 81
	SKSTEER_SOCKET=$SOCKET run as_user "$CTL" bind web 82
	is "$status" 1
	has "$output" "82: port 82 is for root $FOR_ROOT, and $POLICY does not grant it to user 65534"
}

# --- the file ----------------------------------------------------------------------------------------

# rejects TEXT LINE...: a helper does not start with that file, and says TEXT with its name.
rejects() {
	local text=$1
	shift
	POLICY=$SKS_DIR/policy.conf
	printf '%s\n' "$@" > "$POLICY"
	chmod "${MODE:-644}" "$POLICY"
	run in_ns "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS" --policy "$POLICY"
	is "$status" 1
	is "$output" "<3>sksteerd: $POLICY$text"
	not test -e "$SOCKET"
}

@test "policy file: what else may stand in it" {
	policy '# who may have what' '' '[user nobody] ; of the distribution' 'ports = 80,81 ; the web' \
		'  53/udp;53' $'\t# and the mail:' $'\t25' '[user 65533]' '; nothing yet' '[user root]'
	export AS=nobody
	granted tcp4 bind=0.0.0.0#81
	granted tcp4 bind=0.0.0.0#25
	granted udp4 bind=0.0.0.0#53
	AS=user2 SKS_UID=65533 denied 0.0.0.0/0:80 80 tcp4 bind=0.0.0.0#80
}

@test "policy file: it has to be root's alone, a file, and there if it is named" {
	MODE=664 rejects ': may be written to by others than root, and grants privileges' '[user nobody]'
	MODE=646 rejects ': may be written to by others than root, and grants privileges' '[user nobody]'
	chown 65534 "$POLICY"
	rejects ': is not root'\''s, and grants privileges' '[user nobody]'
	rm "$POLICY"
	mkfifo "$POLICY"
	run in_ns "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS" --policy "$POLICY"
	is "$output" "<3>sksteerd: $POLICY: is not a regular file"
	rm "$POLICY"
	printf '[user nobody]\n\0ports = 80\n' > "$POLICY"
	run in_ns "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS" --policy "$POLICY"
	is "$output" "<3>sksteerd: $POLICY:2: has a NUL byte, so it is no text"
	truncate -s 2M "$POLICY"
	run in_ns "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS" --policy "$POLICY"
	is "$output" "<3>sksteerd: $POLICY: has more than 1048576 bytes"
	run in_ns "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS" --policy "$POLICY.none"
	is "$status" 1
	is "$output" "<3>sksteerd: $POLICY.none: No such file or directory"
}

@test "policy file: the default one, by an embedded helper; a bad one is said by the helper by hand" {
	in_ns mount -t tmpfs -o mode=755 none /mnt
	in_ns mkdir /mnt/upper /mnt/work
	in_ns mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
	in_ns mkdir -p /etc/sksteer
	in_ns sh -c 'printf "[user nobody]\nports = 80\n" > /etc/sksteer/policy.conf'
	run in_ns "$RUN" setpriv --reuid 65534 --regid 65534 --clear-groups -- "$PROGS/calls" \
		tcp4 bind=0.0.0.0#80
	is "$output" 'bind ok'
	wait_until 5 gone sksteerd
	in_ns sh -c 'echo "ports = 9-3" >> /etc/sksteer/policy.conf'
	run in_ns "$RUN" true
	is "$output" 'sksteer-run: no helper at /run/sksteer/helper.sock, and none could be started: starting without it; run sksteerd by hand to see why'
	run in_ns "$HELPER"
	is "$output" '<3>sksteerd: /etc/sksteer/policy.conf:3: ports: "9-3": user 65534 has ports already, in line 2'
}

# --- hostile requests --------------------------------------------------------------------------------

has_fds() {
	is "$(open_fds "$(helper_pid)")" "$1"
}

# answer TEXT CASE: of wire_probe.py, as user $AS in $NS.
answer() {
	local AS_WHO
	as_who
	is "$(in_ns "${AS_WHO[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" "$2")" \
		"$2: $1"
}

@test "authbind: hostile requests get their errors, and no descriptor stays" {
	local fds
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	in_ns sysctl -qw net.ipv4.ping_group_range='0 65535'
	policy '[user nobody]' 'ports = 80;80/udp'
	export AS=nobody
	answer "EACCES 127.0.0.1:79: port 79 is for root $FOR_ROOT, and $POLICY does not grant it to user 65534" \
		open-low-port
	fds=$(open_fds "$(helper_pid)")
	answer 'done' open-granted
	answer 'done' open-mapped
	answer 'done' open-granted-with-spec
	answer 'ENOTSOCK the descriptor is not a socket' open-path
	answer 'ENOTSOCK the descriptor is not a socket' open-device
	answer 'EBADF no descriptor came along' open-nothing
	answer 'EPROTO more than one descriptor came along' open-two
	answer 'EAFNOSUPPORT the socket is neither IPv4 nor IPv6 (address family 1)' open-unix
	answer 'EPROTONOSUPPORT the socket is MPTCP, which the kernel cannot steer' open-mptcp
	answer 'EPROTONOSUPPORT the socket is neither TCP nor UDP (protocol 136)' open-udplite
	answer 'EPROTONOSUPPORT the socket is neither TCP nor UDP (protocol 1)' open-ping
	AS=root answer 'EPROTONOSUPPORT the socket is raw (protocol 6, type 3)' open-raw-tcp
	AS=root answer 'EPROTONOSUPPORT the socket is raw (protocol 17, type 3)' open-raw-udp
	answer 'EISCONN the socket is connected' open-connected
	answer 'EISCONN the socket is connected' open-connected-udp
	answer 'EINVAL the socket is bound already' open-listener
	answer 'EINVAL the socket is bound already' open-bound
	answer 'EACCES no port is named' open-port-0
	answer 'EACCES 127.0.0.1:8080: port 8080 needs no privilege (net.ipv4.ip_unprivileged_port_start is 1024), so bind(2) was denied for another reason' \
		open-high-port
	AS=root answer 'done' open-low-port
	AS=root answer 'EACCES 127.0.0.1:8080: port 8080 needs no privilege (net.ipv4.ip_unprivileged_port_start is 1024), so bind(2) was denied for another reason' \
		open-high-port
	answer 'EPROTO malformed request: not one of version 3' open-without-address
	answer 'EPROTO malformed request: not one of version 3' open-unix-address
	answer 'EPROTO malformed request: not one of version 3' open-ipv4-with-scope
	answer 'EINVAL 127.0.0.1:80: Invalid argument' open-ipv4-of-ipv6
	answer 'EAFNOSUPPORT [::1]:80: Address family not supported by protocol' open-ipv6-of-ipv4
	answer 'EINVAL [fe80::1]:80: Invalid argument' open-link-local
	answer 'ENODEV [fe80::1]:80: No such device' open-no-interface
	AS=root answer 'port 0' open-and-leave
	has "$(log_of helper)" 'the server has not waited'
	wait_until 2 has_fds "$fds"
	stop_helper
}

@test "authbind: a socket of another namespace than the connection's is not opened" {
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	add_ns other
	policy '[user nobody]' 'ports = 80'
	is "$(in_ns /usr/bin/python3 - "${SKS_HOLDER[other]}" "$PROGS/wire_probe.py" "$SOCKET" <<- 'END'
		import os, socket, sys
		home, other = (os.open(f"/proc/{pid}/ns/net", os.O_RDONLY) for pid in ("self", sys.argv[1]))
		import ctypes
		libc = ctypes.CDLL(None)
		libc.setns(other, 0)
		sock = socket.socket()
		libc.setns(home, 0)
		os.dup2(sock.fileno(), 3)
		os.setgid(65534)
		os.setuid(65534)
		os.execv("/usr/bin/python3", ["python3", *sys.argv[2:], "open-of-another-namespace"])
	END
	)" 'open-of-another-namespace: EXDEV the socket is of another network namespace than its sender'
}

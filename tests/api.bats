#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of programs that register their sockets themselves: by sksteer.h, installed and found
# by pkg-config, and by the wire alone.
# shellcheck disable=SC2154 # bats sets $stderr

load stand

# In a directory of its own: other files use what lies in build/ meanwhile.
setup_file() {
	local root=$BATS_FILE_TMPDIR/root words
	make --silent -j4 -C "$SKS_ROOT" BUILD="$BATS_FILE_TMPDIR/build" CC="${CC:-gcc}" install \
		DESTDIR="$root" PREFIX=/usr
	export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root/usr/lib/pkgconfig
	read -ra words <<< "$(pkg-config --cflags --libs sksteer)"
	"${CC:-gcc}" -Wall -Wextra -Werror -o "$BATS_FILE_TMPDIR/example" "$SKS_ROOT/docs/example.c" "${words[@]}"
	"${CC:-gcc}" -o "$BATS_FILE_TMPDIR/example-suid" "$SKS_ROOT/docs/example.c" "${words[@]}" \
		-Wl,-rpath,/usr/local/lib
}

setup() {
	sks_setup
	need jq python3 pkg-config
	cp "$BATS_FILE_TMPDIR/example" "$PROGS"
	start_helper
}

# api SCRIPT: Python that has the three functions as register, unregister and words, as bytes.
api() {
	printf '%s\n' 'import ctypes, errno, os, socket, sys, threading' \
		"lib = ctypes.CDLL('$LIB')" \
		'lib.sksteer_strerror.restype = ctypes.c_char_p' \
		'register, unregister = lib.sksteer_register, lib.sksteer_unregister' \
		'words = lambda err: lib.sksteer_strerror(err).decode()' "$1" > "$SKS_DIR/api.py"
	run in_ns env SKSTEER_SOCKET="$SOCKET" "${@:2}" python3 "$SKS_DIR/api.py"
}

# example NAME ARGUMENT...
example() {
	: > "$SKS_DIR/$1.log"
	start_server "$1" env SKSTEER_SOCKET="$SOCKET" LD_LIBRARY_PATH="$PROGS" "$PROGS/example" "${@:2}"
	wait_until 5 says "$1" ready
}

@test "the example: ports of its own, by no variable and no wrapper" {
	example web 80,443
	is "$(log_of web)" ready
	is "$(ask 127.0.0.1 80)" hello
	is "$(ask ::1 443)" hello
	is "$(service '.sockets[0].pid')" "$(pid_of web)"
	has "$(service .label)" @example-
	kill_server web
	reaches 127.0.0.1#80=refused
}

@test "the example with a label, which bindings outlive; and a mistake that it tells in words" {
	example web 80 web
	kill_server web
	reaches 127.0.0.1#80=refused
	isnt "$(service '.bindings | length' web)" 0
	example web 9-3
	is "$(log_of web | grep -v ready)" 'example: "9-3" at character 1: the range ends before it begins'
	reaches 127.0.0.1#80=refused
}

@test "all that can go wrong has its number and its words" {
	api '
s = socket.create_server(("127.0.0.1", 7777))
other = socket.create_server(("127.0.0.1", 7778))
def say(err): print(errno.errorcode.get(-err, err), words(err))
say(register(s.fileno(), b"7,77", None))
say(register(s.fileno(), b"7,77", None))
say(register(other.fileno(), b"7,77", None))
say(register(other.fileno(), b"7778=7", None))
say(register(-1, b"7", None))
say(register(99, b"7", None))
say(register(0, b"7", None))
say(register(s.fileno(), None, None))
say(register(s.fileno(), b"7," * 9000 + b"7", None))
say(register(s.fileno(), b"7", b"a b"))
say(unregister(b"nobody"))
say(unregister(None))
os.environ["SKSTEER_SOCKET"] = "/no/such"
print(register(s.fileno(), b"7", None) == -errno.ENOENT, words(-errno.ENOENT))
print(words(0), "/", words(-errno.EPERM))
' bash -c 'exec "$@" < /dev/null' sh
	is "$output" "0 steered
0 steered
ENOMSG no clause speaks of this socket
EADDRINUSE 127.0.0.1:7/tcp is steered to \"$(grep -o '@python3-[0-9]*' <<< "$output")\" already
EBADF Bad file descriptor
EBADF Bad file descriptor
ENOTSOCK the descriptor is not a socket
EINVAL neither ports nor a label
E2BIG the spec is longer than 16384 bytes
EINVAL a label is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}
ENOENT no label \"nobody\" of user 0 here
EINVAL no label is named
True no helper at /no/such
steered / Operation not permitted"
}

@test "sockets with specs of their own are steered beside each other" {
	api '
a, b = (socket.create_server(("127.0.0.1", 7777 + i)) for i in (0, 1))
assert register(a.fileno(), b"7", None) == 0 and register(b.fileno(), b"8", None) == 0
for port, server in (7, a), (8, b):
    socket.create_connection(("127.0.0.1", port))
    server.settimeout(5)
    server.accept()
print("ok")'
	is "$output" ok
}

@test "a thread has its own words, and neither errno nor descriptors are touched" {
	api '
s = socket.create_server(("127.0.0.1", 7777))
lib = ctypes.CDLL("'"$LIB"'", use_errno=True)
lib.sksteer_strerror.restype = ctypes.c_char_p
ctypes.set_errno(77)
fds = os.listdir("/proc/self/fd")
err = lib.sksteer_register(s.fileno(), b"9-3", None)
mine = words(err)
def other():
    words(0)
    e = register(s.fileno(), b"70000", None)
    assert "70000" in words(e), words(e)
threads = [threading.Thread(target=other) for _ in range(100)]
for t in threads: t.start()
for t in threads: t.join()
assert words(err) == mine and "9-3" in mine, words(err)
assert ctypes.get_errno() == 77
assert len(os.listdir("/proc/self/fd")) == len(fds)
pid = os.fork()
if pid == 0:
    e = register(s.fileno(), b"0", None)
    os._exit(0 if "\"0\"" in words(e) else 1)
assert os.waitpid(pid, 0)[1] == 0
print("ok")'
	is "$output" ok
}

@test "unregister: the label ends, the socket stays open" {
	api '
s = socket.create_server(("127.0.0.1", 7777))
assert register(s.fileno(), b"7", b"web") == 0
assert unregister(b"web") == 0
assert unregister(b"web") == -errno.ENOENT
socket.create_connection(("127.0.0.1", 7777))
try: socket.create_connection(("127.0.0.1", 7))
except ConnectionRefusedError: print("ok")'
	is "$output" ok
}

@test "two sockets of one program, and a child's, are one service" {
	api '
a = socket.create_server(("127.0.0.1", 7777))
b = socket.create_server(("::1", 7777), family=socket.AF_INET6)
assert register(a.fileno(), b"7", None) == 0
if os.fork() == 0:
    os._exit(-register(b.fileno(), b"7", None))
assert os.wait()[1] == 0
socket.create_connection(("127.0.0.1", 7)), socket.create_connection(("::1", 7))
print("ok")'
	is "$output" ok
}

@test "a setuid program does not heed its user's SKSTEER_SOCKET" {
	in_ns mount -t tmpfs -o mode=755 none /usr/local/lib
	in_ns cp "$LIB" /usr/local/lib/
	cp "$BATS_FILE_TMPDIR/example-suid" "$SKS_DIR/suid"
	chown 65533 "$SKS_DIR/suid"
	chmod 4755 "$SKS_DIR/suid"
	: > "$SKS_DIR/web.log"
	start_server web "${AS_NOBODY[@]}" env SKSTEER_SOCKET="$SOCKET" "$SKS_DIR/suid" 8077
	wait_until 5 says web ready
	is "$(log_of web | grep -v ready)" 'suid: no helper at /run/sksteer/helper.sock'
}

@test "by the wire alone: the example of docs/WIRE.md" {
	: > "$SKS_DIR/web.log"
	start_server web env SKSTEER_SOCKET="$SOCKET" python3 "$BATS_TEST_DIRNAME/wire_example.py" 7,77 web
	wait_until 5 says web steered
	is "$(ask 127.0.0.1 7)" 'python 7'
	is "$(ask ::1 77)" 'python 77'
	kill_server web
	reaches 127.0.0.1#7=refused
	start_server web env SKSTEER_SOCKET="$SOCKET" python3 "$BATS_TEST_DIRNAME/wire_example.py" 9-3 web
	wait_until 5 says web '"9-3" at character 1: the range ends before it begins'
	kill_server web
	start_server web env SKSTEER_SOCKET=/no/such python3 "$BATS_TEST_DIRNAME/wire_example.py" 7 web
	wait_until 5 grep -q 'no answer from the helper: .*No such file' "$SKS_DIR/web.log"
}

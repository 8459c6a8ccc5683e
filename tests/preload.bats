#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what libsksteer.so does in a server: which sockets it offers, how and when.

load preload

@test "exports its hooks, what sksteer.h declares, and nothing else" {
	need nm
	is "$(nm -D --defined-only "$LIB" | awk '{ print $3 }' | LC_ALL=C sort | xargs)" \
		"__read_chk __recv_chk __recvfrom_chk bind close close_range closefrom connect dup dup2\
 dup3 epoll_ctl fcntl fcntl64 getsockname getsockopt ioctl listen prctl read readv recv recvfrom recvmmsg\
 recvmsg sendmmsg sendmsg sendto setsockopt shutdown sksteer_register sksteer_strerror\
 sksteer_unregister syscall"
}

@test "needs nothing that musl lacks: no fortified function, libc alone" {
	need nm readelf
	run nm -D --undefined-only "$LIB"
	[[ $output != *_chk* && $output != *__isoc* && $output != *__cmsg_nxthdr* ]]
	is "$(readelf -d "$LIB" | awk '/NEEDED/ { print $NF }')" "[libc.so.6]"
}

# What it has registered with libc, a fork(2) of the program would come back to.
@test "a program that unloads it goes on with it" {
	need python3
	is "$(python3 -c '
import _ctypes, ctypes, sys
_ctypes.dlclose(ctypes.CDLL(sys.argv[1])._handle)
print(sys.argv[1] in open("/proc/self/maps").read())' "$LIB")" True
}

@test "without SKSTEER_ variables nothing is asked, said or changed" {
	peer grant
	server fds "${TCP[@]}" fds
	returned "3 fds" "bind ok" "listen ok" "4 fds"
	said
	requested
}

@test "without SKSTEER_ variables, too, no call waits for the lock of the loader" {
	run in_ns timeout --signal=KILL $((5 * SKS_SLOW)) env LD_PRELOAD="$LIB" python3 \
		-c "import ctypes; ctypes.CDLL('$PROGS/plugin.so')"
	is "$output" served
}

@test "a listening socket is registered after listen, and leaves no descriptor behind" {
	peer grant
	server "$SPEC" fds "${TCP[@]}" fds
	returned "3 fds" "bind ok" "listen ok" "4 fds"
	said
	registered
}

@test "listen twice: twice registered, for the helper to see that it is the same" {
	peer grant
	server "$SPEC" "${TCP[@]}" listen
	returned "bind ok" "listen ok" "listen ok"
	count_is 2 ^register
}

@test "listen in a forked child, in a thread, after exec, after dup" {
	peer grant
	for how in fork thread exec dup; do
		: > "$REQUESTS"
		server "$SPEC" tcp4 bind=0.0.0.0#7777 $how listen
		returned "bind ok" "listen ok"
		registered
	done
}

@test "a descriptor beyond the memory of verdicts" {
	peer grant
	server "$SPEC" tcp4 high bind=0.0.0.0#7777 listen
	returned "bind ok" "listen ok"
	registered
}

@test "parent and forked child are one instance, a program executed anew is another" {
	peer grant
	server "$SPEC" "${TCP[@]}" fork listen exec listen
	run sed 's/.* instance=//; s/ .*//' "$REQUESTS"
	is "${lines[0]}" "${lines[1]}"
	isnt "${lines[1]}" "${lines[2]}"
}

@test "SKSTEER_INSTANCE is the instance" {
	peer grant
	server "$SPEC" SKSTEER_INSTANCE=00112233445566778899aAbBcCdDeEfF "${TCP[@]}"
	grep -q instance=00112233445566778899aabbccddeeff "$REQUESTS"
	server "$SPEC" SKSTEER_INSTANCE=0011 "${TCP[@]}"
	said 'sksteer: SKSTEER_INSTANCE "0011": not 32 hexadecimal digits; ignored'
}

@test "the environment is copied before the server clears it" {
	peer grant
	server "$SPEC" clearenv "${TCP[@]}"
	returned "bind ok" "listen ok"
	registered
}

@test "a bind before any constructor passes, and its listen is registered" {
	peer grant
	run in_ns env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" "$SPEC" "$PROGS/early"
	is "$output" "bind 0 listen 0"
	registered
}

@test "a label alone takes the first listener; mode and weight are passed on" {
	peer grant
	server SKSTEER_LABEL=web "${TCP[@]}" tcp4 bind=0.0.0.0#8888 listen
	requested "register  mode=0 weight=0 label=web fd=7777,listens"
	: > "$REQUESTS"
	server SKSTEER_LABEL=web SKSTEER_MODE=join=7 "${TCP[@]}"
	requested "check  mode=2 weight=7 label=web for=0.0.0.0#7777 fd=0,silent" \
		"register  mode=2 weight=7 label=web fd=7777,listens"
	: > "$REQUESTS"
	server "$SPEC" SKSTEER_LABEL=web SKSTEER_MODE=replace "${TCP[@]}"
	requested "check 7,77 mode=1 weight=0 label=web for=0.0.0.0#7777 fd=0,silent" \
		"register 7,77 mode=1 weight=0 label=web fd=7777,listens"
}

@test "a clause without listener takes the first one, on both families" {
	peer grant
	server "$SPEC" tcp4 bind=0.0.0.0#0 listen "${TCP[@]}" tcp6 bind=::#7777 listen \
		tcp4 bind=0.0.0.0#8888 listen
	returned "bind ok" "listen ok" "bind ok" "listen ok" "bind ok" "listen ok" "bind ok" "listen ok"
	requested "register 7,77 mode=0 weight=0 label= fd=7777,listens" \
		"register 7,77 mode=0 weight=0 label= fd=7777,listens"
}

@test "a clause with a listener takes that one, by port or by address and port" {
	local both='80=8000;0.0.0.0:443=8443'
	peer grant
	server SKSTEER_PORTS="$both" "${TCP[@]}" tcp4 bind=0.0.0.0#443 listen \
		tcp6 bind=::#443 listen tcp6 bind=::#80 listen
	requested "register $both mode=0 weight=0 label= fd=443,listens" \
		"register $both mode=0 weight=0 label= fd=80,listens"
}

@test "UDP is registered at bind, and only where a udp clause speaks of it" {
	peer grant
	server SKSTEER_PORTS=53/udp "${TCP[@]}" udp4 bind=0.0.0.0#5353
	returned "bind ok" "listen ok" "bind ok"
	requested "register 53/udp mode=0 weight=0 label= fd=5353,silent"
	: > "$REQUESTS"
	server "$SPEC" udp4 bind=0.0.0.0#5353
	requested
}

@test "a socket that no clause selects costs no system call" {
	server SKSTEER_PORTS='80=8000' tcp4 sandbox bind=0.0.0.0#9000 listen
	returned "bind ok" "listen ok"
	server SKSTEER_PORTS='80=8000;53=54/udp' udp4 sandbox bind=0.0.0.0#9000
	returned "bind ok"
	server "$SPEC" unix sandbox bind=sksteer-test listen
	returned "bind ok" "listen ok"
	server "$SPEC" tcp4 sandbox bind=0.0.0.0#0 listen
	returned "bind ok" "listen ok"
}

@test "a second listener, when the first is known, costs no system call" {
	peer grant
	server "$SPEC" "${TCP[@]}" tcp4 sandbox bind=0.0.0.0#9000 listen
	returned "bind ok" "listen ok" "bind ok" "listen ok"
	registered
}

@test "failures of the real calls are the server's, errno and all" {
	peer grant
	server "$SPEC" bind=0.0.0.0#7777 listen tcp4 bind=::1#7777 bind-null udp4 listen
	returned "bind EBADF" "listen EBADF" "bind EAFNOSUPPORT" "bind EFAULT" "listen EOPNOTSUPP"
	requested
}

@test "strict: asked before bind and before listen, registered after" {
	peer grant
	server "$SPEC" "$STRICT" "${TCP[@]}" fds
	returned "bind ok" "listen ok" "4 fds"
	requested "check 7,77 mode=0 weight=0 label= for=0.0.0.0#7777 fd=0,silent" \
		"check 7,77 mode=0 weight=0 label= fd=7777,silent" \
		"register 7,77 mode=0 weight=0 label= fd=7777,listens"
}

@test "strict: IPv6 and UDP" {
	peer grant
	server SKSTEER_PORTS=53/udp "$STRICT" udp4 bind=0.0.0.0#5353 tcp6 bind=::#5353 listen
	returned "bind ok" "bind ok" "listen ok"
	requested "check 53/udp mode=0 weight=0 label= for=0.0.0.0#5353 fd=0,silent" \
		"register 53/udp mode=0 weight=0 label= fd=5353,silent"
	: > "$REQUESTS"
	server "$SPEC" "$STRICT" tcp6 bind=::#7777
	requested "check 7,77 mode=0 weight=0 label= for=::#7777 fd=0,silent"
}

@test "strict: refused or impossible, and nothing was opened" {
	server "$SPEC" "$STRICT" tcp4 bind=0.0.0.0#7777
	returned "bind ENOENT"
	said "sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"
	peer refuse
	server "$SPEC" "$STRICT" tcp4 bind=0.0.0.0#7777 fds
	returned "bind EACCES" "4 fds"
	server "$SPEC" "$STRICT" tcp4 bind=0.0.0.0#0 listen unix bind=sksteer-test listen
	returned "bind ok" "listen ok" "bind ok" "listen ok"
	server SKSTEER_PORTS=7,9-3 "$STRICT" "${TCP[@]}"
	returned "bind EINVAL" "listen ok"
	server "$SPEC" "$STRICT" SKSTEER_LABEL=- tcp4 bind=0.0.0.0#7777
	returned "bind EINVAL"
}

@test "strict: no answer fails within 1 s, and at once afterwards" {
	peer mute
	server "$SPEC" "$STRICT" "${TCP[@]}" bind=0.0.0.0#7777 fds
	returned "bind ETIMEDOUT waited" "listen ok" "bind ETIMEDOUT" "4 fds"
}

@test "strict: a refusal after listen undoes it, unless it listened before" {
	peer refuse-register
	server "$SPEC" "$STRICT" "${TCP[@]}" state fds
	returned "bind ok" "listen EBUSY" "silent" "4 fds"
	said "sksteer: taken"
	peer refuse-second
	server "$SPEC" "$STRICT" "${TCP[@]}" listen state
	returned "bind ok" "listen ok" "listen EBUSY" "listens"
	peer refuse-register
	server SKSTEER_PORTS=53/udp "$STRICT" udp4 bind=0.0.0.0#5353
	returned "bind EBUSY"
}

@test "strict: an MPTCP listener is asked about, since its owner thinks it TCP" {
	[ -e /proc/sys/net/mptcp/enabled ] || skip "a kernel with MPTCP is missing"
	peer grant
	server "$SPEC" "$STRICT" mptcp bind=0.0.0.0#7777
	returned "bind ok"
	requested "check 7,77 mode=0 weight=0 label= for=0.0.0.0#7777 fd=0,silent"
}

@test "an address that is none: what the kernel says, also where it is asked about" {
	local plain vars
	peer grant
	plain=$(in_ns "$PROGS/odd" < /dev/null)
	has "$plain" "-1 14" # EFAULT
	for vars in SKSTEER_STRICT=0 "$STRICT" "SKSTEER_LABEL=web SKSTEER_MODE=replace"; do
		# shellcheck disable=SC2086 # several variables
		is "$(in_ns env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS=7,77,53/udp \
			$vars "$PROGS/odd" < /dev/null)" "$plain"
	done
}

@test "\"*\": a sandboxed child's listener costs no system call" {
	peer grant
	server SKSTEER_PORTS='*' "${TCP[@]}" tcp4 fork sandbox bind=0.0.0.0#9000 listen
	returned "bind ok" "listen ok" "bind ok" "listen ok"
}

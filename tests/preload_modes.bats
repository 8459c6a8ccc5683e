#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what libsksteer.so does where another instance of its label has the port: bound
# elsewhere and told otherwise, shared, or as ever. The helper is peer.py: whatever it says, and
# whenever it dies, a server is told what it would have been told without us, or what is true.

load preload

REPLACE=(SKSTEER_LABEL=web SKSTEER_MODE=replace)
SHARE=(SKSTEER_LABEL=web SKSTEER_MODE=share)
CHECKED="check 7,77 mode=1 weight=0 label=web for=0.0.0.0#7777 fd=0,silent"
REGISTERED="register 7,77 mode=1 weight=0 label=web wanted=7777 fd=any,listens"

# replacing WORD..., sharing WORD...
replacing() {
	server "$SPEC" "${REPLACE[@]}" "$@"
}

sharing() {
	server "$SPEC" "${SHARE[@]}" "$@"
}

# occupy ADDRESS#PORT: somebody else has it.
occupy() {
	start_server stranger socat "TCP-LISTEN:${1#*#},bind=${1%#*}" SYSTEM:cat
	wait_port "${1#*#}" "${1%#*}"
}

# --- elsewhere -----------------------------------------------------------------------------------

@test "elsewhere: bound to any port, the server knows its own, the helper both" {
	peer elsewhere:0
	occupy 0.0.0.0#7777
	replacing "${TCP[@]}" name state fds
	returned "bind ok" "listen ok" "name 0.0.0.0#7777" "listens" "4 fds"
	said
	requested "$CHECKED" "$REGISTERED"
}

@test "elsewhere: the name is that of the kernel in everything else" {
	peer elsewhere:0
	replacing tcp4 bind=127.0.0.1#7777 name=0 name=1 name=2 name=3 name=4 name=6 name-odd
	returned "bind ok" "name of 16: ee" "name of 16: 02 ee" "name of 16: 02 00 ee" \
		"name of 16: 02 00 1e ee" "name of 16: 02 00 1e 61 ee" \
		"name of 16: 02 00 1e 61 7f 00 ee" "name EFAULT" "name EINVAL" "name EFAULT" \
		"name EBADF"
	replacing tcp6 bind=::1#7777 name
	returned "bind ok" "name ::1#7777"
}

@test "elsewhere: to the port that the helper says, or what the kernel says of that" {
	peer elsewhere:7778
	occupy 0.0.0.0#7777
	replacing "${TCP[@]}" name
	returned "bind ok" "listen ok" "name 0.0.0.0#7777"
	requested "$CHECKED" "${REGISTERED/any/7778}"
	occupy 0.0.0.0#7778
	replacing tcp4 bind=0.0.0.0#7777 name fds
	returned "bind EADDRINUSE" "name 0.0.0.0#0" "4 fds"
}

@test "elsewhere: who wants to know is told both ports" {
	peer elsewhere:7778
	server "$SPEC" "${REPLACE[@]}" SKSTEER_LOG=info "${TCP[@]}"
	said "sksteer: port 7777 is another instance's of label web: bound to port 7778 instead" \
		"sksteer: 0.0.0.0:7777/tcp steered: 7,77"
}

@test "elsewhere: in modes standby and join, by a thread, a child, another descriptor" {
	local mode how
	peer elsewhere:0
	for mode in standby join; do
		server "$SPEC" SKSTEER_LABEL=web SKSTEER_MODE=$mode "${TCP[@]}" name
		returned "bind ok" "listen ok" "name 0.0.0.0#7777"
	done
	for how in thread fork dup; do
		: > "$REQUESTS"
		replacing tcp4 bind=0.0.0.0#7777 $how listen name
		returned "bind ok" "listen ok" "name 0.0.0.0#7777"
		requested "$CHECKED" "$REGISTERED"
	done
	: > "$REQUESTS"
	replacing tcp4 high bind=0.0.0.0#7777 listen name
	returned "bind ok" "listen ok" "name 0.0.0.0#7777"
	requested "$CHECKED" "$REGISTERED"
}

@test "elsewhere: sockets with the same port go together until one is registered" {
	peer elsewhere:0
	# By SO_REUSEADDR it is listen(2) that says so.
	replacing tcp4 bind=127.0.0.1#7777 tcp4 bind=127.0.0.1#7777 listen use=3 listen
	returned "bind ok" "bind ok" "listen ok" "listen EADDRINUSE"
	: > "$REQUESTS"
	replacing tcp4 reuseport bind=0.0.0.0#7777 tcp4 reuseport bind=0.0.0.0#7777 listen name \
		use=3 listen
	returned "bind ok" "bind ok" "listen ok" "name 0.0.0.0#7777" "listen ok"
	is "$(sed -n 's/.* wanted=7777 //p' "$REQUESTS" | uniq | wc -l)" 1
	: > "$REQUESTS"
	replacing tcp4 bind=0.0.0.0#7777 tcp6 bind=::#7777 listen use=3 listen
	returned "bind ok" "bind ok" "listen ok" "listen ok"
	is "$(sed -n 's/.* wanted=7777 //p' "$REQUESTS" | uniq | wc -l)" 1
}

@test "elsewhere: what the helper says counts once a socket is registered, or closed" {
	peer elsewhere:0
	replacing "${TCP[@]}" tcp4 bind=0.0.0.0#7777
	returned "bind ok" "listen ok" "bind ok"
	replacing tcp4 bind=0.0.0.0#7777 close tcp4 bind=0.0.0.0#7777 listen name
	returned "bind ok" "bind ok" "listen ok" "name 0.0.0.0#7777"
}

@test "elsewhere: a stranger at the same number, but another address, is not in the way" {
	peer elsewhere:7778
	occupy 127.0.0.1#7778
	replacing tcp6 bind=::#7777 tcp4 bind=0.0.0.0#7777 listen name
	returned "bind ok" "bind ok" "listen ok" "name 0.0.0.0#7777"
	replacing tcp4 bind=0.0.0.0#7777
	returned "bind EADDRINUSE"
}

@test "elsewhere: a socket of the same number that was not moved keeps its name" {
	peer elsewhere:7778
	replacing "${TCP[@]}" udp4 bind=0.0.0.0#7778 name
	returned "bind ok" "listen ok" "bind ok" "name 0.0.0.0#7778"
	replacing "${TCP[@]}" close tcp4 bind=0.0.0.0#7778 name
	returned "bind ok" "listen ok" "bind ok" "name 0.0.0.0#7778"
}

@test "elsewhere: 256 are remembered, more are bound as ever; those of closed sockets are not kept" {
	peer elsewhere:0
	replacing fill=256:0.0.0.0#7777 name listen fill=1:0.0.0.0#7777 listen name
	returned "bind ok" "name 0.0.0.0#7777" "listen ok" "bind ok" "listen ok" "name 0.0.0.0#7777"
	is "$(sed -n 's/^register .* label=web \(.*\) instance.* fd=\([0-9]\{4\},\)/\1 \2/p; s/ instance=[^ ]*//
		s/^register 7,77 mode=1 weight=0 label=web //p' "$REQUESTS" | sed -E 's/[0-9]{5},/any,/')" \
		"wanted=7777 fd=any,listens"$'\n'"fd=7777,listens"
	replacing fill=200:0.0.0.0#7777 use=3 close use=4 close fill=57:0.0.0.0#7777 listen name \
		fill=1:0.0.0.0#7777 listen
	returned "bind ok" "bind ok" "listen ok" "name 0.0.0.0#7777" "bind ok" "listen ok"
	is "$(tail -n 1 "$REQUESTS" | grep -c wanted=7777)" 1
}

@test "elsewhere: what is not meant, in the end, is as without us" {
	peer elsewhere:0:not-meant
	replacing "${TCP[@]}" state fds
	returned "bind ok" "listen EADDRINUSE" "silent" "4 fds"
	said "sksteer: port 7777 is not taken over from label web's other instance, so listen(2) fails"
}

@test "elsewhere: a refusal, silence, and garbage after listen undo it; it stays undone" {
	local after
	for after in refuse refuse-tersely hang-up-late short-reply positive-error; do
		peer "elsewhere:0:$after"
		replacing "${TCP[@]}" state fds
		returned "bind ok" "listen EADDRINUSE$([[ $after != hang-up-late ]] || echo " waited")" \
			"silent" "4 fds"
		has "$SAID" "port 7777 is not taken over"
	done
	peer elsewhere:0:no-reply
	replacing "${TCP[@]}" state listen tcp4 bind=0.0.0.0#7777 name
	returned "bind ok" "listen EADDRINUSE waited" "silent" "listen EADDRINUSE" "bind ok" \
		"name 0.0.0.0#7777"
}

@test "elsewhere: a second listen, registered once, fails no more" {
	peer elsewhere:0:refuse-second
	replacing "${TCP[@]}" listen state
	returned "bind ok" "listen ok" "listen ok" "listens"
	said "sksteer: taken"
	peer elsewhere:0:refuse-second
	replacing "$STRICT" "${TCP[@]}" listen state
	returned "bind ok" "listen ok" "listen EBUSY" "listens"
}

@test "elsewhere: a helper that is restarted, or resets, between bind and listen" {
	peer elsewhere:0:restart
	replacing "${TCP[@]}" name fds
	returned "bind ok" "listen ok" "name 0.0.0.0#7777" "4 fds"
	said
	peer elsewhere:0:reset-once
	replacing alarms "${TCP[@]}" name
	returned "bind ok" "listen ok" "name 0.0.0.0#7777"
	said
	count_is 3 ^register
}

@test "elsewhere: a helper that dies between bind and listen, for good" {
	peer elsewhere:0:die
	replacing "${TCP[@]}" state listen tcp4 bind=0.0.0.0#7777 listen name fds
	returned "bind ok" "listen EADDRINUSE waited" "silent" "listen EADDRINUSE" "bind ok" \
		"listen ok" "name 0.0.0.0#7777" "5 fds"
	has "$SAID" "port 7777 is not taken over"
}

@test "elsewhere, strict: asked once before bind, and registered" {
	peer elsewhere:0
	replacing "$STRICT" "${TCP[@]}" name
	returned "bind ok" "listen ok" "name 0.0.0.0#7777"
	requested "$CHECKED" "$REGISTERED"
}

@test "UDP is bound as ever in replace, and asked about only under strict" {
	peer elsewhere:0
	server SKSTEER_PORTS=53/udp "${REPLACE[@]}" udp4 bind=0.0.0.0#5353 name
	returned "bind ok" "name 0.0.0.0#5353"
	requested "register 53/udp mode=1 weight=0 label=web fd=5353,silent"
	: > "$REQUESTS"
	server SKSTEER_PORTS=53/udp "${REPLACE[@]}" "$STRICT" udp4 bind=0.0.0.0#5353 name
	returned "bind ok" "name 0.0.0.0#5353"
	requested "check 53/udp mode=1 weight=0 label=web for=0.0.0.0#5353 fd=0,silent" \
		"register 53/udp mode=1 weight=0 label=web fd=5353,silent"
}

@test "a label alone: every TCP listener is asked about in replace and standby, the first in others" {
	local mode number=1
	local all=("${TCP[@]}" tcp4 bind=127.0.0.1#8888 listen)
	peer grant
	for mode in replace standby; do
		server SKSTEER_LABEL=web SKSTEER_MODE=$mode "${all[@]}" tcp4 bind=0.0.0.0#0 listen
		requested "check  mode=$number weight=0 label=web for=0.0.0.0#7777 fd=0,silent" \
			"register  mode=$number weight=0 label=web fd=7777,listens" \
			"check  mode=$number weight=0 label=web for=127.0.0.1#8888 fd=0,silent" \
			"register  mode=$number weight=0 label=web fd=8888,listens"
		: > "$REQUESTS"
		number=4
	done
	for mode in join share; do
		server SKSTEER_LABEL=web SKSTEER_MODE=$mode "${all[@]}"
		count_is 1 ^register
		: > "$REQUESTS"
	done
}

# --- what nobody asks about ----------------------------------------------------------------------

@test "a socket that no clause selects costs no other system call than the server's, in any mode" {
	local mode
	for mode in replace standby join share; do
		server SKSTEER_PORTS='80=8000' SKSTEER_LABEL=web SKSTEER_MODE=$mode tcp4 sandbox \
			bind=0.0.0.0#9000 listen
		returned "bind ok" "listen ok"
		server SKSTEER_LABEL=web SKSTEER_MODE=$mode tcp4 sandbox bind=0.0.0.0#0 listen
		returned "bind ok" "listen ok"
	done
}

@test "no helper, a hung one, a refusal: bound as ever, said once, strict fails" {
	local warned="sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"
	replacing "${TCP[@]}" name
	returned "bind ok" "listen ok" "name 0.0.0.0#7777"
	said "$warned"
	replacing "$STRICT" tcp4 bind=0.0.0.0#7777
	returned "bind ENOENT"
	peer mute
	replacing "${TCP[@]}" fds
	returned "bind ok waited" "listen ok" "4 fds"
	replacing "$STRICT" "${TCP[@]}" bind=0.0.0.0#7777
	returned "bind ETIMEDOUT waited" "listen ok" "bind ETIMEDOUT"
	peer refuse
	replacing "${TCP[@]}" fds
	returned "bind ok" "listen ok" "4 fds"
	said "sksteer: 80/tcp refused: ?[31mroot's"
	replacing "$STRICT" tcp4 bind=0.0.0.0#7777
	returned "bind EACCES"
	count_is 2 ^check
}

@test "a place that is none: the helper speaks another language" {
	local place
	for place in 3:0 65535:0 0:7778 2:7778; do
		peer "place:$place"
		replacing tcp4 bind=0.0.0.0#7777 name fds
		returned "bind ok" "name 0.0.0.0#7777" "4 fds"
		said "sksteer: cannot ask the helper at $SOCKET, which does not speak this version: 7,77 not steered"
		replacing "$STRICT" tcp4 bind=0.0.0.0#7777 name
		returned "bind EPROTO" "name 0.0.0.0#0"
	done
	peer refused-but-placed
	replacing "$STRICT" tcp4 bind=0.0.0.0#7777
	returned "bind EPROTO"
}

@test "a place that the mode did not ask for, or the very port: bound as ever" {
	peer elsewhere:7777
	replacing "${TCP[@]}"
	requested "$CHECKED" "register 7,77 mode=1 weight=0 label=web fd=7777,listens"
	peer elsewhere:7778
	sharing tcp4 bind=0.0.0.0#7777 name
	returned "bind ok" "name 0.0.0.0#7777"
	: > "$REQUESTS"
	server "$SPEC" "$STRICT" "${TCP[@]}"
	requested "check 7,77 mode=0 weight=0 label= for=0.0.0.0#7777 fd=0,silent" \
		"check 7,77 mode=0 weight=0 label= fd=7777,silent" \
		"register 7,77 mode=0 weight=0 label= fd=7777,listens"
	peer shared:moved
	replacing tcp4 bind=0.0.0.0#7777 state name fds
	returned "bind ok" "silent" "name 0.0.0.0#7777" "4 fds"
}

# --- shared --------------------------------------------------------------------------------------

@test "share: the other instance's socket takes the descriptor's place" {
	peer shared:tcp4
	sharing tcp4 bind=0.0.0.0#7777 state name flags listen fds
	returned "bind ok" "listens" "name 0.0.0.0#7777" "inherited" "listen ok" "4 fds"
	said
	requested "check 7,77 mode=3 weight=0 label=web for=0.0.0.0#7777 fd=0,silent" \
		"register 7,77 mode=3 weight=0 label=web fd=7777,listens"
	sharing tcp4 cloexec bind=0.0.0.0#7777 state flags
	returned "bind ok" "listens" "cloexec"
}

@test "share: UDP, too" {
	peer shared:udp4
	server SKSTEER_PORTS=53/udp "${SHARE[@]}" udp4 bind=0.0.0.0#7777 name fds
	returned "bind ok" "name 0.0.0.0#7777" "4 fds"
	requested "check 53/udp mode=3 weight=0 label=web for=0.0.0.0#7777 fd=0,silent" \
		"register 53/udp mode=3 weight=0 label=web fd=7777,silent"
}

@test "share: a socket that was bound elsewhere has the name that it was asked for by" {
	peer shared:moved
	sharing "${TCP[@]}" name state fds
	returned "bind ok" "listen ok" "name 0.0.0.0#7777" "listens" "4 fds"
	requested "check 7,77 mode=3 weight=0 label=web for=0.0.0.0#7777 fd=0,silent" \
		"register 7,77 mode=3 weight=0 label=web wanted=7777 fd=7778,listens"
}

@test "share: what fails afterwards never shuts the other instance's socket" {
	local kind
	for kind in tcp4 moved; do
		peer "shared:$kind:refuse"
		sharing "${TCP[@]}" state
		returned "bind ok" "listen ok" "listens"
		said "sksteer: 80/tcp refused: ?[31mroot's"
		peer "shared:$kind:refuse-register"
		sharing "$STRICT" "${TCP[@]}" state
		returned "bind ok" "listen EBUSY" "listens"
	done
}

@test "share: what cannot stand for the server's socket is not taken" {
	local kind
	for kind in nothing file unix unbound tcp6 udp4; do
		peer "shared:$kind"
		sharing tcp4 reuseport bind=127.0.0.2#7770 name state fds
		returned "bind ok" "name 127.0.0.2#7770" "silent" "4 fds"
		said "sksteer: the helper at $SOCKET sent no socket of the server's kind to share: label web is not shared"
		sharing "$STRICT" tcp4 bind=127.0.0.2#7770 name fds
		returned "bind EPROTO" "name 0.0.0.0#0" "4 fds"
	done
	peer shared:moved-udp4
	server SKSTEER_PORTS=53/udp "${SHARE[@]}" udp4 bind=127.0.0.2#7770 name fds
	returned "bind ok" "name 127.0.0.2#7770" "4 fds"
}

# --- shutdown ------------------------------------------------------------------------------------

@test "shutdown of a listener that is shared does nothing, of another one what it does" {
	local how
	for how in rd rdwr; do
		peer grant
		: > "$REQUESTS"
		server "$SPEC" SKSTEER_LABEL=web "${TCP[@]}" shutdown=$how state fds
		returned "bind ok" "listen ok" "shutdown ok" "listens" "4 fds"
		requested "register 7,77 mode=0 weight=0 label=web fd=7777,listens" \
			"shared  mode=0 weight=0 label=web fd=7777,listens"
		peer not-meant
		server "$SPEC" SKSTEER_LABEL=web "${TCP[@]}" shutdown=$how state
		returned "bind ok" "listen ok" "shutdown ok" "silent"
	done
}

@test "shutdown: a helper that is away, refuses or does not answer" {
	local how
	server "$SPEC" SKSTEER_LABEL=web SKSTEER_LOG=error "${TCP[@]}" shutdown=rd state
	returned "bind ok" "listen ok" "shutdown ok" "silent"
	for how in refuse hang-up other-reply; do
		peer $how
		server "$SPEC" SKSTEER_LABEL=web "${TCP[@]}" shutdown=rdwr state fds
		returned "bind ok" "listen ok" "shutdown ok" "silent" "4 fds"
	done
	peer shared:tcp4:no-reply
	sharing tcp4 bind=0.0.0.0#7777 shutdown=rd state
	returned "bind ok" "shutdown ok waited" "silent"
}

@test "shutdown: nobody is asked about what is no listener, has no label, or is not ours" {
	peer grant
	server "$SPEC" "${TCP[@]}" shutdown=rd state
	returned "bind ok" "listen ok" "shutdown ok" "silent"
	server "$SPEC" SKSTEER_LABEL=web tcp4 bind=0.0.0.0#7777 shutdown=rd
	returned "bind ok" "shutdown ENOTCONN"
	server "$SPEC" SKSTEER_LABEL=web tcp4 bind=0.0.0.0#0 listen shutdown=rd state
	returned "bind ok" "listen ok" "shutdown ok" "silent"
	count_is 0 ^shared
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what libsksteer.so says, where to, and how it never says it.

load preload

@test "no helper: one warning, nothing else" {
	server "$SPEC" fds "${TCP[@]}" listen fds
	returned "3 fds" "bind ok" "listen ok" "listen ok" "4 fds"
	said "sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"
	server "$SPEC" SKSTEER_WARNED=1 "${TCP[@]}"
	said
}

@test "a helper that died and left its socket" {
	peer grant
	stop_peer
	server "$SPEC" "${TCP[@]}"
	returned "bind ok" "listen ok"
	said "sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"
}

@test "a path that no socket can have" {
	long=/$(printf 'x%.0s' {1..120})
	server "$SPEC" SKSTEER_SOCKET="$long" "${TCP[@]}"
	returned "bind ok" "listen ok"
	said "sksteer: cannot ask the helper at $long: the path is too long for a socket: 7,77 not steered"
}

@test "a refusal is said once, without its control characters; the server serves on" {
	peer refuse
	server "$SPEC" "${TCP[@]}" listen
	returned "bind ok" "listen ok" "listen ok"
	said "sksteer: 80/tcp refused: ?[31mroot's"
	count_is 2 ^register
}

@test "a refusal without a word, and a warning" {
	peer refuse-tersely
	server "$SPEC" "${TCP[@]}"
	said "sksteer: 7,77 refused by the helper: errno 13"
	peer warn
	server "$SPEC" "${TCP[@]}"
	said "sksteer: 192.0.2.0/24 is not local: ip route add local"
}

@test "no descriptor left for the question" {
	peer grant
	server "$SPEC" tcp4 bind=0.0.0.0#7777 no-fds listen listen
	returned "bind ok" "listen ok" "listen ok"
	said "sksteer: cannot ask the helper at $SOCKET: no free descriptor: 7,77 not steered"
}

@test "a spec that does not parse: said once, not steered" {
	peer grant
	server SKSTEER_PORTS=7,9-3 "${TCP[@]}" listen
	returned "bind ok" "listen ok" "listen ok"
	[[ $SAID == 'sksteer: SKSTEER_PORTS: "9-3"'*'; nothing is steered' && $SAID != *$'\n'* ]]
	requested
}

@test "a spec, a label, a mode that cannot be: said and quoted" {
	server SKSTEER_PORTS="$(printf '7,%.0s' {1..9000})7" "${TCP[@]}"
	said "sksteer: SKSTEER_PORTS: longer than 16384 bytes; nothing is steered"
	server "$SPEC" SKSTEER_LABEL="a b" "${TCP[@]}"
	said 'sksteer: SKSTEER_LABEL "a b": a label is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}; nothing is steered'
	for mode in Join join= join=65536 join=-1 join=1x replaced; do
		server "$SPEC" SKSTEER_MODE=$mode "${TCP[@]}"
		said "sksteer: SKSTEER_MODE \"$mode\": not refuse, replace, standby, join, join=0 to join=65535, or share; nothing is steered"
	done
	for mode in replace standby join join=0 share; do
		server "$SPEC" SKSTEER_MODE=$mode "${TCP[@]}"
		said "sksteer: SKSTEER_MODE \"$mode\": only a service with SKSTEER_LABEL can have another instance; nothing is steered"
	done
}

@test "values that are ignored, and said to be" {
	peer grant
	server "$SPEC" SKSTEER_STRICT=yes "${TCP[@]}"
	said 'sksteer: SKSTEER_STRICT "yes": only 1 is strict; ignored'
	server "$SPEC" SKSTEER_LOG=loud "${TCP[@]}"
	said 'sksteer: SKSTEER_LOG "loud": not error, warn, info, debug or an absolute path; ignored'
	count_is 2 ^register
}

@test "SKSTEER_LOG: levels" {
	server "$SPEC" SKSTEER_LOG=error "${TCP[@]}"
	said
	peer grant
	server "$SPEC" SKSTEER_LOG=info "${TCP[@]}" tcp6 bind=::#7777 listen
	said "sksteer: 0.0.0.0:7777/tcp steered: 7,77" "sksteer: [::]:7777/tcp steered: 7,77"
	server SKSTEER_PORTS=53/udp SKSTEER_LOG=info udp4 bind=127.0.0.1#5353
	said "sksteer: 127.0.0.1:5353/udp steered: 53/udp"
}

@test "SKSTEER_LOG: a file, appended to, never through a symbolic link, never waiting for a FIFO" {
	local file=$SKS_DIR/log
	local line="sksteer: no helper at $SOCKET: 7,77 not steered (start one as root: sksteerd)"
	server "$SPEC" SKSTEER_LOG="$file" "${TCP[@]}" fds
	returned "bind ok" "listen ok" "4 fds"
	server "$SPEC" SKSTEER_LOG="$file" "${TCP[@]}"
	said
	is "$(cat "$file")" "$line"$'\n'"$line"
	is "$(stat -c %a "$file")" 600

	ln -s "$file" "$file.link"
	server "$SPEC" SKSTEER_LOG="$file.link" "${TCP[@]}"
	mkfifo "$file.fifo"
	server "$SPEC" SKSTEER_LOG="$file.fifo" "${TCP[@]}"
	returned "bind ok" "listen ok"
	is "$(wc -l < "$file")" 2
}

@test "closed standard streams stay closed, and no client gets our warning" {
	peer grant
	server "$SPEC" close-stdio "${TCP[@]}" fds
	returned "bind ok" "listen ok" "2 fds"
	registered
	stop_peer
	server "$SPEC" stderr-socket "${TCP[@]}" stderr-read
	returned "bind ok" "listen ok" "stderr untouched"
}

@test "a stderr that nobody reads any more: neither SIGPIPE nor a wait" {
	server "$SPEC" stderr-broken "${TCP[@]}"
	returned "bind ok" "listen ok"
	server "$SPEC" stderr-full "${TCP[@]}"
	returned "bind ok" "listen ok"
}

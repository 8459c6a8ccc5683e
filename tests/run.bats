#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what sksteer-run does by itself: its options, its exit statuses, and the environment it makes.
# The helper that it finds or starts is the real one in other files; here it is absent or broken.
# shellcheck disable=SC2016 # what is in single quotes is for the command's own shell

# bats file_tags=sanitize
bats_require_minimum_version 1.5.0
load lib

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

# Runs it as nobody, for whom no helper is started, and leaves stderr in $stderr.
user_run() {
	run --separate-stderr as_user "$RUN" --socket "$SOCKET" "$@"
}

# fails_own PART ARGUMENT...: a failure of sksteer-run's own, which says PART and starts nothing.
fails_own() {
	local part=$1
	shift
	run as_user "$RUN" "$@"
	is "$status" 125
	has "$output" "sksteer-run: "
	has "$output" "$part"
	has_not "$output" STARTED
	is "${#lines[@]}" 1
}

@test "usage errors are its own failure, said in one line" {
	fails_own 'no command is given' -p 7
	fails_own 'no command is given' -p 7 --
	fails_own '-p needs an argument' -p
	fails_own '-x: no such option' -x echo STARTED
	fails_own '--frobnicate: no such option' --frobnicate echo STARTED
	fails_own '--strict=yes: takes no argument' -p 7 --strict=yes echo STARTED
	fails_own '--socket needs an argument' --socket
	fails_own '--socket: "" is not a path' -p 7 --socket '' echo STARTED
	fails_own '-p is given twice: join the clauses with ";"' -p 7 -p 8 echo STARTED
	fails_own '"turbo" is none of auto, preload, seccomp' -p 7 --engine turbo echo STARTED
	fails_own '"-web" is not a label' -l -web echo STARTED
	fails_own '"a b" is not a label' -l 'a b' echo STARTED
	fails_own "a socket's path has at most 107 characters" -p 7 --socket "/$(printf '%0200d' 1)" \
		echo STARTED
}

@test "modes: one at a time, with a label, and a weight that is one" {
	local weight
	for weight in '' -1 65536 5x ' 5' 05; do
		fails_own "--join: \"$weight\" is not a weight from 0 to 65535" -l web "--join=$weight" \
			echo STARTED
	done
	fails_own '--share: only one of --replace, --join and --share can be, and --replace is given' \
		-l web --replace --share echo STARTED
	fails_own '--join: only one of --replace, --join and --share can be, and --join=7 is given' \
		-l web --join=7 --join echo STARTED
	fails_own '--replace needs -l' -p 7 --replace echo STARTED
	fails_own '--join=0 needs -l' -p 7 --join=0 echo STARTED
	fails_own '--share=yes: takes no argument' -l web --share=yes echo STARTED
}

@test "modes: the environment says it, and standing by is not for the command line to change" {
	local mode
	for mode in replace share join join=0 join=65535; do
		SKSTEER_MODE=join=3 user_run -l web "--$mode" printenv SKSTEER_MODE
		is "$output" "$mode"
		SKSTEER_MODE=standby user_run -l web "--$mode" printenv SKSTEER_MODE
		is "$output" standby
	done
	SKSTEER_MODE=standby user_run -l web printenv SKSTEER_MODE
	is "$output" standby
	SKSTEER_MODE=share user_run -l web printenv SKSTEER_MODE
	is "$status" 1
}

@test "modes: what stands by for its label starts others that do not" {
	local -x SKSTEER_MODE=standby SKSTEER_LABEL=web
	user_run -l web --replace printenv SKSTEER_MODE
	is "$output" standby
	user_run -l other --replace printenv SKSTEER_MODE
	is "$output" replace
	user_run -p 80 printenv SKSTEER_MODE
	is "$status" 1
}

@test "a spec that does not parse starts nothing, and the item is quoted" {
	fails_own '"9-3"' -p 7,9-3 echo STARTED
	fails_own '"0"' -p 0 echo STARTED
	fails_own '-p: ' -p '' echo STARTED
	fails_own '"70000"' -p '7;70000' echo STARTED
	fails_own '-p: ' -p "$(printf '7,%.0s' {1..9000})7" echo STARTED
}

@test "help goes to stdout, with status 0" {
	run --separate-stderr as_user "$RUN" --help
	is "$status" 0
	is "$stderr" ''
	has "$output" 'Usage: sksteer-run'
	has "$output" '125 when sksteer-run itself fails'
	is "$(as_user "$RUN" -h)" "$output"
}

@test "the command's status is passed on; 126 and 127 as env(1) has them" {
	user_run -p 7 sh -c 'exit 3'
	is "$status" 3
	user_run -p 7 sh -c 'kill -KILL $$'
	is "$status" 137
	user_run -p 7 /etc/passwd
	is "$status" 126
	is "$stderr" 'sksteer-run: /etc/passwd: Permission denied'
	user_run -p 7 /tmp
	is "$status" 126
	run -127 --separate-stderr as_user "$RUN" -p 7 no-such-command
	is "$stderr" 'sksteer-run: no-such-command: No such file or directory'
	run -127 as_user "$RUN" -p 7 /no/such/command
}

@test "the command's own options are left alone, with -- and without" {
	user_run -p 7 echo -p -x --strict
	is "$output" '-p -x --strict'
	user_run -p 7 -- echo -- -l
	is "$output" '-- -l'
}

@test "the library is preloaded by its absolute path, before what was there" {
	user_run -p 7 sh -c 'echo "$LD_PRELOAD"; grep -c libsksteer.so /proc/$$/maps'
	is "${lines[0]}" "$LIB"
	((lines[1] > 0))
	cp "$LIB" "$SKS_DIR/other.so"
	LD_PRELOAD=$SKS_DIR/other.so user_run -p 7 printenv LD_PRELOAD
	is "$output" "$LIB:$SKS_DIR/other.so"
}

@test "a library that is not beside it is sought where it was installed" {
	rm "$LIB"
	in_ns mount -t tmpfs -o mode=755 none /usr/local/lib
	fails_own 'libsksteer.so is neither next to sksteer-run nor in /usr/local/lib' -p 7 echo STARTED
	in_ns cp "$SKS_BUILD/libsksteer.so" /usr/local/lib
	user_run -p 7 printenv LD_PRELOAD
	is "$output" /usr/local/lib/libsksteer.so
}

@test "a path that ld.so would split is refused" {
	mkdir "$SKS_DIR/a b"
	cp "$RUN" "$LIB" "$SKS_DIR/a b"
	run --separate-stderr as_user "$SKS_DIR/a b/sksteer-run" --socket "$SOCKET" -p 7 echo STARTED
	is "$status" 125
	is "$output" ''
	has "$stderr" "$SKS_DIR/a b/libsksteer.so: a path with a blank or a colon"
}

@test "the environment says what was asked for, and nothing that was not" {
	export SKSTEER_PORTS=1 SKSTEER_LABEL=old SKSTEER_MODE=replace SKSTEER_INSTANCE=1
	user_run -p 7,77 sh -c 'env | grep ^SKSTEER_ | grep -v INSTANCE | sort'
	is "$output" "SKSTEER_PORTS=7,77
SKSTEER_SOCKET=$SOCKET
SKSTEER_WARNED=1"
	user_run -l web --strict true
	is "$status" 125
	SKSTEER_LOG=debug user_run -l web -v sh -c 'env | grep ^SKSTEER_ | grep -v INSTANCE | sort'
	is "$output" "SKSTEER_LABEL=web
SKSTEER_LOG=debug
SKSTEER_SOCKET=$SOCKET
SKSTEER_WARNED=1"
	user_run -p 7 -v printenv SKSTEER_LOG
	is "$output" info
}

@test "every run is an instance of its own" {
	local first
	user_run -p 7 printenv SKSTEER_INSTANCE
	first=$output
	[[ $first =~ ^[0-9a-f]{32}$ ]] || fail "$first"
	SKSTEER_INSTANCE=$first user_run -p 7 printenv SKSTEER_INSTANCE
	[[ $output =~ ^[0-9a-f]{32}$ && $output != "$first" ]] || fail "$output"
}

@test "the socket's path becomes absolute; the option wins over the environment" {
	cd "$SKS_DIR"
	run as_user "$RUN" --socket sub/h.sock -p 7 printenv SKSTEER_SOCKET
	is "${lines[-1]}" "$SKS_DIR/sub/h.sock"
	SKSTEER_SOCKET=/a run as_user "$RUN" --socket /b -p 7 printenv SKSTEER_SOCKET
	is "${lines[-1]}" /b
	SKSTEER_SOCKET=/a run as_user "$RUN" -p 7 printenv SKSTEER_SOCKET
	is "${lines[-1]}" /a
	SKSTEER_SOCKET='' run as_user "$RUN" -p 7 printenv SKSTEER_SOCKET
	is "$status" 1
}

@test "no helper, not root: one line says how to start one, and the server starts" {
	run --separate-stderr as_user "$RUN" -p 7 sh -c 'echo served; exit 4'
	is "$status" 4
	is "$output" served
	is "$stderr" "sksteer-run: no helper at /run/sksteer/helper.sock: starting unsteered; start one as root: sksteerd"
	user_run -p 7 sh -c 'exit 5'
	is "$status" 5
	is "$stderr" "sksteer-run: no helper at $SOCKET: starting unsteered; start one as root: sksteerd --socket $SOCKET"
}

@test "without -p and -l: only an instance, and no word of steering" {
	user_run sh -c 'env | grep ^SKSTEER_ | grep -v INSTANCE= | sort; test -n "$SKSTEER_INSTANCE"'
	is "$status" 0
	is "$output" "SKSTEER_SOCKET=$SOCKET
SKSTEER_WARNED=1"
	is "$stderr" "sksteer-run: no helper at $SOCKET: starting without it; start one as root: sksteerd --socket $SOCKET"
	user_run --strict echo STARTED
	is "$status" 125
	is "$output" ''
	is "$stderr" "sksteer-run: no helper at $SOCKET: nothing started (--strict); start one as root: sksteerd --socket $SOCKET"
}

@test "no helper, not root: a server under it serves its own port" {
	start_server echo "${AS_NOBODY[@]}" "$RUN" --socket "$SOCKET" -p 8077 \
		ncat -4lke /bin/cat 127.0.0.1 7777
	wait_answer 127.0.0.1 7777
	refused 127.0.0.1 8077
	is "$(log_of echo | grep -c sksteer)" 1
}

@test "--strict, or SKSTEER_STRICT=1: no helper, no service" {
	user_run -p 7 --strict echo STARTED
	is "$status" 125
	is "$output" ''
	is "$stderr" "sksteer-run: no helper at $SOCKET: nothing started (--strict); start one as root: sksteerd --socket $SOCKET"
	SKSTEER_STRICT=1 user_run -p 7 echo STARTED
	is "$status" 125
	SKSTEER_STRICT=0 user_run -p 7 echo STARTED
	is "$status" 0
}

@test "a helper that does not answer costs a second, once" {
	local begin took
	start_server hung socat "UNIX-LISTEN:$SOCKET,type=5,mode=666,fork" SYSTEM:'sleep 60'
	wait_until 5 accepts "$SOCKET"
	begin=${EPOCHREALTIME/[.,]/}
	user_run -p 7 echo served
	took=$((${EPOCHREALTIME/[.,]/} - begin))
	is "$status" 0
	is "$output" served
	is "$stderr" "sksteer-run: the helper at $SOCKET does not answer: starting unsteered"
	((took >= 900000 && took < 2000000 * SKS_SLOW)) || fail "took $took us"
}

@test "root, and no sksteerd is there: one line, and the server starts" {
	rm -f "$HELPER"
	in_ns mount -t tmpfs none /usr/local/sbin
	run --separate-stderr in_ns "$RUN" --socket "$SOCKET" -p 7 sh -c 'echo served; exit 6'
	is "$status" 6
	is "$output" served
	is "$stderr" "sksteer-run: no helper at $SOCKET, and none could be started: starting unsteered; run sksteerd --socket $SOCKET by hand to see why"
}

@test "root, and the helper fails to start: one line, soon, and the server starts" {
	local begin=${EPOCHREALTIME/[.,]/} took
	cp /bin/false "$HELPER"
	run --separate-stderr in_ns "$RUN" --socket "$SOCKET" -p 7 sh -c 'echo served; exit 6'
	took=$((${EPOCHREALTIME/[.,]/} - begin))
	is "$status" 6
	is "$output" served
	has "$stderr" 'none could be started'
	((took < 3000000 * SKS_SLOW)) || fail "took $took us"
	run in_ns "$RUN" --socket "$SOCKET" --strict -p 7 echo STARTED
	is "$status" 125
	has_not "$output" STARTED
}

@test "the embedded helper inherits nothing but its arguments" {
	cat > "$HELPER" <<-'EOT'
		#!/bin/bash
		exec > "${2%/*}/seen"
		echo "args $*"
		echo "cwd $PWD"
		echo "in $(readlink /proc/$$/fd/0)"
		echo "err $(readlink /proc/$$/fd/2)"
		echo "ready $(readlink /proc/$$/fd/3)"
		echo "session $(ps -o sid= -p $$) parent $(ps -o ppid= -p $$) pid $$"
		grep -E 'Sig(Blk|Ign)' /proc/self/status
		test -e /proc/$$/fd/7 && echo 'a leaked descriptor'
		env
		echo end
	EOT
	chmod 755 "$HELPER"
	(
		trap '' INT
		exec 7< /dev/null
		SKSTEER_PORTS=1 NOTIFY_SOCKET=/x LISTEN_FDS=1 in_ns "$RUN" --socket "$SOCKET" -p 7 true
	) 2> /dev/null
	wait_until 5 grep -q '^end' "$SKS_DIR/seen"
	run cat "$SKS_DIR/seen"
	is "${lines[0]}" "args --socket $SOCKET --idle-exit 1 --ready-fd 3"
	is "${lines[1]}" 'cwd /'
	is "${lines[2]}" 'in /dev/null'
	is "${lines[3]}" 'err /dev/null'
	has "${lines[4]}" 'ready pipe:'
	[[ ${lines[5]} =~ ^session\ +([0-9]+)\ parent\ +([0-9]+)\ pid\ +([0-9]+)$ ]]
	isnt "${BASH_REMATCH[1]}" "$(ps -o sid= -p $$ | tr -d ' ')"
	isnt "${BASH_REMATCH[1]}" "${BASH_REMATCH[3]}" # not a leader: it can't gain a terminal
	has "${lines[6]}" 0000000000000000 # SigBlk
	has "${lines[7]}" 0000000000000000 # SigIgn
	has_not "$output" 'a leaked descriptor'
	has_not "$output" LD_PRELOAD
	has_not "$output" SKSTEER_
	has_not "$output" NOTIFY_SOCKET
	has_not "$output" LISTEN_FDS
}

@test "the command meets no child and no descriptor of ours" {
	local plain
	cp /bin/false "$HELPER"
	plain=$(in_ns ls /proc/self/fd)
	is "$(in_ns "$RUN" --socket "$SOCKET" -p 7 ls /proc/self/fd 2> /dev/null)" "$plain"
	is "$(in_ns "$RUN" --socket "$SOCKET" -p 7 sh -c 'exec ps -o comm= --ppid $$' 2> /dev/null)" ''
}

@test "--engine preload: it warns of a static program, starts it, and under --strict does not" {
	user_run --engine preload -p 7 /sbin/ldconfig --version
	is "$status" 0
	has "$output" ldconfig
	is "${stderr_lines[0]}" 'sksteer-run: /sbin/ldconfig is statically linked: a preload cannot reach it'
	user_run --engine preload --strict -p 7 /sbin/ldconfig --version
	is "$status" 125
	is "$output" ''
	has "$stderr" 'is statically linked: a preload cannot reach it; nothing started (--strict)'
}

@test "the engine is said at -v, in one line" {
	user_run -v -p 7 /sbin/ldconfig --version
	is "$status" 0
	has "$output" ldconfig
	is "$(grep -v 'no helper' <<< "$stderr")" 'sksteer-run: engine seccomp: /sbin/ldconfig is statically linked'
	user_run -v -p 7 true
	is "$(grep -v 'no helper' <<< "$stderr")" "sksteer-run: preloading $LIB"
	user_run -v --engine seccomp -p 7 true
	is "$(grep -v 'no helper' <<< "$stderr")" 'sksteer-run: engine seccomp'
	user_run -p 7 /sbin/ldconfig --version
	is "${#stderr_lines[@]}" 1
}

@test "it looks through #! lines, and env" {
	printf '#! /sbin/ldconfig --version\n' > "$SKS_DIR/script"
	printf '#! %s\n' "$SKS_DIR/script" > "$SKS_DIR/second"
	printf '#!/usr/bin/env ldconfig\n' > "$SKS_DIR/third"
	chmod 755 "$SKS_DIR"/{script,second,third}
	user_run -v -p 7 "$SKS_DIR/script"
	has "$stderr" 'sksteer-run: engine seccomp: /sbin/ldconfig is statically linked'
	user_run -v -p 7 "$SKS_DIR/second"
	has "$stderr" 'sksteer-run: engine seccomp: /sbin/ldconfig is statically linked'
	PATH=$PATH:/sbin user_run -v -p 7 "$SKS_DIR/third"
	has "$stderr" 'ldconfig is statically linked'
	printf '#!/bin/sh\nexit 9\n' > "$SKS_DIR/script"
	user_run -v -p 7 "$SKS_DIR/script"
	is "$status" 9
	has "$stderr" preloading
}

@test "Go, setuid, setgid and file capabilities: what a preload can't do is said, or done otherwise" {
	need objcopy setcap
	objcopy --add-section .go.buildinfo=/etc/hostname /bin/true "$SKS_DIR/go"
	user_run -v -p 7 "$SKS_DIR/go"
	has "$stderr" "engine seccomp: $SKS_DIR/go is a Go program, which calls no libc"

	cp /bin/true "$SKS_DIR/suid"
	chmod 4755 "$SKS_DIR/suid"
	user_run -p 7 "$SKS_DIR/suid"
	has "$stderr" "$SKS_DIR/suid is setuid"
	run in_ns "$RUN" --socket "$SOCKET" -p 7 "$SKS_DIR/suid"
	has_not "$output" setuid

	cp /bin/true "$SKS_DIR/sgid"
	chmod 2755 "$SKS_DIR/sgid"
	user_run -p 7 "$SKS_DIR/sgid"
	has "$stderr" "$SKS_DIR/sgid is setgid"

	cp /bin/true "$SKS_DIR/caps"
	setcap cap_net_bind_service+ep "$SKS_DIR/caps"
	user_run -p 7 "$SKS_DIR/caps"
	has "$stderr" "$SKS_DIR/caps has file capabilities"
}

@test "an ordinary program gets no warning about it, found through PATH" {
	user_run -p 7 true
	is "${#stderr_lines[@]}" 1
	has "$stderr" 'no helper at'
}

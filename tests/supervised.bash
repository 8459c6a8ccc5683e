# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of the seccomp engine share: the servers of the other tests, linked statically,
# which a preload can't reach, and the two processes of their supervisor.

load stand

# stand and calls are static here, so that all that is said of them is the supervisor's doing.
setup_file() {
	local program
	for program in stand calls serve; do
		"${CC:-gcc}" -static -O1 -std=gnu11 -D_GNU_SOURCE -I"$SKS_ROOT" -pthread \
			-o "$BATS_FILE_TMPDIR/$program" "$SKS_ROOT/tests/progs/$program.c"
	done
}

setup() {
	sks_setup
	need jq
	cp "$BATS_FILE_TMPDIR"/{stand,calls,serve} "$PROGS"
	start_helper
}

# run_as USER ARGUMENT...: sksteer-run, by root, nobody or user2, to its end; stderr is in $stderr.
run_as() {
	local AS_WHO
	AS=$1 as_who
	run --separate-stderr in_ns "${AS_WHO[@]}" "$RUN" --socket "$SOCKET" "${@:2}"
}

# runs NAME USER ARGUMENT...: the same in the background, its output in $SKS_DIR/NAME.log.
runs() {
	local name=$1 AS_WHO
	AS=$2 as_who
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${AS_WHO[@]}" "$RUN" --socket "$SOCKET" "${@:3}"
}

# watchers [PID]: the processes that supervise the command with that pid, or any. By the words that
# they were started with: their name is that of the command while they speak for it.
watchers() {
	sks_pgrep "${SKS_HOLDER[main]}" -f "^sksteer-(watch|spare) ${1:+$1( |\$)}"
}

# two_watch PID: as it has to be.
two_watch() {
	is "$(watchers "$1" | wc -l)" 2
}

# active PID, spare PID: which one of the two it is. The one that stands by waits for the other's end.
active() {
	local pid
	for pid in $(watchers "$1"); do
		[[ -z $(watched_by "$pid" "$(watchers "$1")") ]] || echo "$pid"
	done
}

# watched_by PID PIDS: those of PIDS of which it is the parent.
watched_by() {
	local pid
	for pid in $2; do
		[[ $(< "/proc/$pid/status") != *$'\nPPid:\t'"$1"$'\n'* ]] || echo "$pid"
	done 2> /dev/null
}

spare() {
	local pid
	for pid in $(watchers "$1"); do
		[[ -n $(watched_by "$pid" "$(watchers "$1")") ]] || echo "$pid"
	done
}

# nobody_watches [PID]: the supervisor of that command, or every one, has ended.
nobody_watches() {
	is "$(watchers "${1:-}")" ''
}

# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of sksteerctl upgrade share: an upgrade of the label web, and what it prints.
# shellcheck disable=SC2016 # what is in single quotes is another shell's

load instances

# begin_upgrade NAME [OPTION]... -- CMD...: of web. What it prints is in steps.log and errors.log,
# and what CMD does in NAME.log. Returns at once.
begin_upgrade() {
	local name=$1 options=() AS_WHO
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	: > "$SKS_DIR/$name.log"
	: > "$SKS_DIR/steps.log"
	: > "$SKS_DIR/errors.log"
	chmod 666 "$SKS_DIR"/{steps,errors,"$name"}.log
	as_who
	start_server upgrade "${AS_WHO[@]}" env --default-signal=INT SKSTEER_SOCKET="$SOCKET" bash -c '
		exec "$@" >> "$0/steps.log" 2>> "$0/errors.log"' "$SKS_DIR" \
		"$CTL" upgrade web "${options[@]}" -- bash -c 'exec "$@" >> "$0" 2>&1' "$SKS_DIR/$name.log" "$@"
}

# upgrade NAME [OPTION]... -- CMD...: the same; returns its status. The new server has that name.
upgrade() {
	local status=0
	begin_upgrade "$@"
	wait_server upgrade 60 || status=$?
	SKS_PID[$1]=$(started)
	return "$status"
}

# started: the process that the last upgrade started.
started() {
	sed -n 's/^started: process \([0-9]*\): .*/\1/p' "$SKS_DIR/steps.log"
}

# steps LINE...: what the last upgrade printed, exactly, after the first line, which says CMD.
steps() {
	is "$(tail -n +2 "$SKS_DIR/steps.log")" "$(IFS=$'\n' && echo "$*")"
}

# errors [LINE...]: what it complained of, exactly.
errors() {
	is "$(cat "$SKS_DIR/errors.log")" "$(IFS=$'\n' && echo "$*")"
}

has_step() {
	grep -q "$1" "$SKS_DIR/steps.log"
}

# real_bound: the port that the new one was bound to.
real_bound() {
	sed -n 's/.* (bound to port \([0-9]*\))$/\1/p' "$SKS_DIR/steps.log" | head -n 1
}

# web_old [OPTION]: what runs before, with an option of its listener.
web_old() {
	stand old SKSTEER_LABEL=web SKSTEER_PORTS=7,77 "old=tcp:0.0.0.0#7777${1:+,$1}"
}

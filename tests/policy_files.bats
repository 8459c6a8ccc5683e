#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of policy files that are broken: corpus/policy has each, and beside it what is said of
# it, which begins after the file's name. The whole file is refused, in one line that names the line
# and quotes what is wrong, by the helper and by sksteerctl alike.
# bats file_tags=sanitize

load lib

CORPUS=$BATS_TEST_DIRNAME/corpus/policy

setup() {
	sks_setup
	POLICY=$SKS_DIR/policy.conf
}

teardown() {
	sks_teardown
}

# rejected TEXT: the file at $POLICY, by both, with that text behind its name.
rejected() {
	run in_ns "$CTL" policy check "$POLICY"
	is "$output" "sksteerctl: $POLICY$1"
	is "$status" 1
	run in_ns "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS" --policy "$POLICY"
	is "$output" "<3>sksteerd: $POLICY$1"
	is "$status" 1
	not test -e "$SOCKET"
}

@test "policy files: every one of the corpus is refused with its error" {
	local file n=0
	for file in "$CORPUS"/*.conf; do
		echo "${file##*/}"
		install -m 644 "$file" "$POLICY"
		rejected "$(< "${file%.conf}.err")"
		n=$((n + 1))
	done
	is "$n" "$(find "$CORPUS" -name '*.err' | wc -l)"
	((n > 70))
}

@test "policy files: a directory, a device, a socket, a link to nothing, a file too large" {
	mkdir "$POLICY"
	rejected ': is not a regular file'
	rmdir "$POLICY"
	ln -s /dev/zero "$POLICY"
	rejected ': is not a regular file'
	ln -sf "$SKS_DIR/nothing" "$POLICY"
	rejected ': No such file or directory'
	ln -sf "$POLICY" "$POLICY"
	rejected ': Too many levels of symbolic links'
	rm "$POLICY"
	truncate -s 1048577 "$POLICY"
	chmod 644 "$POLICY"
	rejected ': has more than 1048576 bytes'
	in_ns /usr/bin/python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$SKS_DIR/sock"
	POLICY=$SKS_DIR/sock rejected ': No such device or address'
	POLICY=$SKS_DIR/policy.conf/below rejected ': Not a directory'
}

@test "policy files: a helper that is told to read a broken one keeps what it has" {
	local file from
	printf '[user nobody]\nports = 80\n' > "$POLICY"
	start_helper --policy "$POLICY"
	for file in "$CORPUS"/{binary,crlf,line-huge,nul,truncated}.conf; do
		install -m 644 "$file" "$POLICY"
		from=$(($(wc -l < "$SKS_DIR/helper.log") + 1))
		kill -HUP "$(helper_pid)"
		wait_until 5 has_logged "$from" "$POLICY$(< "${file%.conf}.err"); the policy in force stays"
	done
	stop_helper
}

has_logged() {
	is "$(tail -n +"$1" "$SKS_DIR/helper.log")" "<3>sksteerd: $2"
}

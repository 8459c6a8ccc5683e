#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of what older kernels lack: where it is there it works, where it is not, one line
# says so and all else goes on. `make check-kernels` runs them on older ones.

# bats file_tags=kernels

load stand

@test "a listener on an interface: since Linux 5.17 it is steered, before one line says why not" {
	stand web SKSTEER_PORTS=any:7 web=tcp:0.0.0.0#7777,dev=lo
	if kernel_is 5.17; then
		reaches 127.0.0.1#{7,7777}=web
		said web
	else
		reaches 127.0.0.1#7=refused 127.0.0.1#7777=web
		said web 'sksteer: the socket is bound to an interface, which needs Linux 5.17'
	fi
}

@test "ports are taken since Linux 5.14, before one line says that they are not" {
	local grab=("${AS_USER2[@]}" "$PROGS/grab" 127.0.0.1#8080)
	AS=nobody stand web SKSTEER_PORTS=8080 web=tcp:0.0.0.0#7777
	reaches 127.0.0.1#8080=web
	if kernel_is 5.18; then
		is "$(in_ns "${grab[@]}")" '127.0.0.1#8080 EADDRINUSE'
	elif kernel_is 5.14; then
		is "$(in_ns "${grab[@]}")" '127.0.0.1#8080 EPERM'
	else
		is "$(in_ns "${grab[@]}")" '127.0.0.1#8080 done'
		has "$(ctl status)" 'ports are not taken'
	fi
	is "$(grep -c 'but not taken: .*5.14' "$SKS_DIR/helper.log")" "$(kernel_is 5.14 && echo 0 || echo 1)"
}

# 6.12 and older refuse the program of a helper that has no CAP_PERFMON.
@test "without CAP_PERFMON: steered since Linux 6.18, before one line at the start says what is lacking" {
	local said='started without CAP_PERFMON: steering before Linux 6.18 is not possible'
	stop_helper
	ln -s "$HELPER" "$SKS_DIR/sksteerd"
	HELPER=$SKS_DIR/without
	printf '#!/bin/sh\nexec setpriv --bounding-set -perfmon %s "$@"\n' "$SKS_DIR/sksteerd" > "$HELPER"
	chmod 755 "$HELPER"
	start_helper
	begin web SKSTEER_PORTS=7 web=tcp:0.0.0.0#7777
	wait_until 5 says web ready
	if kernel_is 6.18; then
		reaches 127.0.0.1#7=web
		has_not "$(log_of helper)" CAP_PERFMON
	else
		reaches 127.0.0.1#7=refused 127.0.0.1#7777=web
		has "$(log_of helper)" "$said"
		wait_until 5 grep -q 'BPF program load failed' "$SKS_DIR/helper.log"
	fi
}

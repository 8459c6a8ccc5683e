# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the clients of the tests, and the questions to sksteerctl. Loaded by lib.bash.

# --- clients -----------------------------------------------------------------------------------

sks_bracket() {
	if [[ $1 == *:* ]]; then echo "[$1]"; else echo "$1"; fi
}

# ask ADDRESS PORT [TEXT]: sends a line, prints the line that comes back. It closes nothing before
# it has the answer: ncat --exec drops what it has not sent yet when the client shuts down.
ask() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) bash -c '
		exec 9<> "/dev/tcp/$1/$2" && printf "%s\n" "$3" >&9 && IFS= read -r line <&9 &&
		printf "%s\n" "$line"' ask "$1" "$2" "${3:-hello}"
}

# ask_udp ADDRESS PORT [TEXT [OPTION...]]: from an unconnected socket, so an answer from any port counts;
# OPTION: of socat's. It waits for a first answer, and from then on $REST seconds for any more.
ask_udp() {
	local options
	printf -v options ',%s' "${@:4}"
	# A descriptor of its own for each end: bash takes those of a coprocess away when that ends.
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_ns timeout --signal=KILL $((5 * SKS_SLOW)) bash -c '
		coproc socat -t "$1" - "$2"
		copied=${COPROC[1]}
		exec 8<&"${COPROC[0]}" 9>&"$copied" && printf "%s\n" "$3" >&9 &&
			IFS= read -r line <&8 && printf "%s\n" "$line" &&
			eval "exec 9>&- $copied>&-" && exec cat <&8' ask_udp "${REST:-0.5}" \
		"UDP-DATAGRAM:$(sks_bracket "$1"):$2${4:+$options}" "${3:-hello}"
}

# tell_udp ADDRESS PORT [TEXT]: sends one datagram and waits for nothing.
tell_udp() {
	printf '%s\n' "${3:-hello}" | in_ns timeout --signal=KILL $((5 * SKS_SLOW)) socat \
		-u - "UDP-SENDTO:$(sks_bracket "$1"):$2"
}

# answers ADDRESS PORT [TEXT]: an echo server is there.
answers() {
	is "$(ask "$1" "$2" "${3:-hello}")" "${3:-hello}"
}

# refused ADDRESS PORT: the connection is refused at once; one that hangs or opens is a failure.
refused() {
	local said
	if said=$(in_ns timeout --signal=KILL $((5 * SKS_SLOW)) socat -u /dev/null \
		"TCP:$(sks_bracket "$1"):$2,connect-timeout=$((2 * SKS_SLOW))" 2>&1); then
		fail "$1 port $2 is open"
	else
		has "$said" 'Connection refused'
	fi
}

# refused_udp ADDRESS PORT: a datagram brings back "port unreachable".
refused_udp() {
	local said
	said=$(echo | in_ns timeout --signal=KILL $((5 * SKS_SLOW)) socat -t 1 - \
		"UDP:$(sks_bracket "$1"):$2" 2>&1) || :
	has "$said" 'Connection refused'
}

# accepts PATH: somebody listens on that Unix socket. Its name is there before that.
accepts() {
	[[ -n $(in_ns ss -Hxl src "$1") ]]
}

# --- what it costs ------------------------------------------------------------------------------

# used_ms PID: processor time.
used_ms() {
	awk '{ print ($14 + $15) * 1000 / '"$(getconf CLK_TCK)"' }' "/proc/$1/stat"
}

uses_at_most() {
	(($(used_ms "$1") <= $2))
}

# --- what the helper says -----------------------------------------------------------------------

# ctl ARGUMENT...: sksteerctl of the test's helper, as root, in $NS.
ctl() {
	SKSTEER_SOCKET=$SOCKET in_ns timeout --signal=KILL $((10 * SKS_SLOW)) "$CTL" "$@"
}

# status_jq FILTER: of status --json; fails where there is none.
status_jq() {
	local status
	status=$(ctl status --json) && jq -r "$1" <<< "$status"
}

sks_socket_count_is() {
	is "$(status_jq '[.services[].sockets[]] | length')" "$1"
}

# wait_sockets N: until exactly N sockets are steered in $NS.
wait_sockets() {
	wait_until 5 sks_socket_count_is "$1"
}

# helper_rests: nobody in $NS has a connection to it (the kernel counts the accepted end as of the
# client's namespace, too), and of what others have read nothing is open in it any more.
helper_rests() {
	[[ -z $(in_ns ss -Hx state connected src "$SOCKET") ]] &&
		[[ -z $(find "/proc/$(helper_pid)/fd" -lname '*sksteer-report*') ]]
}

# open_fds PID: how many descriptors it has, but for programs: the helper keeps one for each
# namespace with many sockets.
open_fds() {
	find "/proc/$1/fd" -type l ! -lname '*bpf-prog*' 2> /dev/null | wc -l
}

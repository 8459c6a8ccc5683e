# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests with real servers share: one request by HTTP, and requests without a pause.

# get ADDRESS PORT [PATH]: by HTTP.
get() {
	in_ns curl --silent --show-error --noproxy '*' --max-time $((5 * SKS_SLOW)) \
		"http://$(sks_bracket "$1"):$2/${3:-}"
}

# gets ADDRESS PORT ANSWER
gets() {
	is "$(get "$1" "$2")" "$3"
}

# start_load PORT: requests without a pause, in the background; each leaves a line in load.log.
start_load() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	start_server load bash -c 'while sleep 0.001; do
		curl --silent --show-error --noproxy "*" --max-time 5 --output /dev/null \
			--write-out "%{http_code}\n" "http://127.0.0.1:$1/" || :; done' load "$1"
}

requests_are() {
	(($(grep -c ^200 "$SKS_DIR/load.log") >= $1))
}

# end_load: none of them failed.
end_load() {
	kill_server load
	is "$(grep -vc ^200 "$SKS_DIR/load.log")" 0
}

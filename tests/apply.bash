# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of sksteerctl apply share: lists of so many labels, applied by a user, and what
# comes of it.
# shellcheck disable=SC2154 # bats sets $stderr

load instances

# apply [OPTION]... [LABEL BINDING... [and LABEL BINDING...]...]: of a file that lists these, as user
# $AS in $NS; sets $status, $output and $stderr.
apply() {
	local options=()
	while [[ ${1:-} == --?* ]]; do
		options+=("$1")
		shift
	done
	list "$@" > "$SKS_DIR/list.json"
	apply_file "$SKS_DIR/list.json" "${options[@]}"
}

# apply_file FILE [OPTION]...
apply_file() {
	local AS_WHO
	as_who
	SKSTEER_SOCKET=$SOCKET run --separate-stderr in_ns timeout --signal=KILL $((60 * SKS_SLOW)) \
		"${AS_WHO[@]}" "$CTL" apply "$@"
}

# list [LABEL BINDING... [and LABEL BINDING...]...]: as JSON.
list() {
	jq -n '[$ARGS.positional | join("\n") | select(. != "") | split("\nand\n")[] | split("\n") |
		{ label: .[0], bindings: .[1:] }] | { services: . }' --args "$@"
}

# does LINE...: what apply has just printed; "" for nothing to do.
does() {
	local expected
	expected=$(printf '%s\n' "$@")
	is "$status:$stderr" '0:'
	is "$output" "${expected:-nothing to do}"
}

# fails TEXT: with one line, and nothing printed.
fails() {
	is "$status:$output" '1:'
	is "$stderr" "sksteerctl: $1"
}

# bindings LABEL: of that label, sorted.
bindings() {
	service '[.bindings[] | "\(.prefix) \(.ports)/\(.protocol)"] | sort | join(" ")' "$1"
}

everything() {
	status_jq 'del(.services[].counters) | tojson'
}

# many LABELS BINDINGS: so many labels, each with so many single ports at addresses of its own.
many() {
	jq -nc --argjson labels "$1" --argjson bindings "$2" '{ services: [range($labels) as $i |
		{ label: "m\($i)", bindings: [range($bindings) |
			"10.\($i / 256 | floor).\($i % 256).\(. % 250):\(1000 + .)"] }] }'
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the man pages promise: every option, verb, variable, key, default and exit status of the
# programs and of the code is in them, and nothing else is. What their examples do: manual_run.bats.

load lib

setup() {
	cd "$SKS_ROOT" || return
	need mandoc groff man
}

# same LIST OTHER: the same lines, and some, in any order.
same() {
	isnt "$1" ''
	is "$(sort -u <<< "$1")" "$(sort -u <<< "$2")"
}

# among LIST OTHER: every line of the one is in the other.
among() {
	isnt "$1" ''
	is "$(sort -u <<< "$1" | comm -23 - <(sort -u <<< "$2"))" ''
}

# help PROGRAM [VERB]
help() {
	"$SKS_BUILD/$1" "${@:2}" --help
}

# The options that a help text explains.
help_options() {
	sed -nE 's/^ +((-[a-z]|--[a-z-]+)(, --[a-z-]+)?)( .*|\[.*)?$/\1/p' | sed 's/, /\n/'
}

# Those that lines of a page begin to explain.
page_options() {
	grep '^\.It Fl ' | grep -oE 'Fl [-a-z]+' | sed 's/Fl /-/'
}

verbs() {
	help sksteerctl | sed -nE 's/^  ([a-z]+) .*/\1/p' | uniq
}

# Of the verb, or, without one, those of all verbs.
ctl_page_options() {
	awk -v want="${1:-}" '/^\.Sh/ { verb = "" } /^\.It Ic/ { verb = $3 } verb == want' \
		docs/sksteerctl.8 | page_options
}

ctl_help_options() {
	help sksteerctl "$1" | help_options | grep -vxFf <(help sksteerctl | help_options)
}

# section PAGE NAME: as it is read, without overstrikes and in lines that are never broken.
section() {
	mandoc -Tascii -Owidth=400 "docs/$1" | sed 's/.\x08//g' |
		awk -v name="$2" '/^[A-Z]/ { inside = $0 == name; next } inside'
}

# define NAME FILE: its value, without quotes.
define() {
	sed -nE "s/^#define $1[ \t]+\"?([^\" \t]+)\"?.*/\\1/p" "$2" | sed 's/u$//' | grep .
}

sources() {
	cat preload/*.c preload/run/*.c helper/*.c helper/ctl/*.c
}

@test "mandoc, groff and man find nothing wrong with any page" {
	for page in docs/*.[1-8]; do
		# It knows the pages of the machine only, and what manpages-dev has is not always there.
		is "$(mandoc -Tlint "$page" 2>&1 | grep -vE 'STYLE: referenced manual not found|^mandoc: outdated')" ''
		is "$(groff -ww -b -mdoc -Tutf8 "$page" 2>&1 > "$BATS_TEST_TMPDIR/out")" ''
		is "$(LC_ALL=C.UTF-8 man --warnings -l "$page" 2>&1 > "$BATS_TEST_TMPDIR/out")" ''
		name=${page#docs/}
		has "$(head -n 1 "$BATS_TEST_TMPDIR/out")" "$(tr '[:lower:]' '[:upper:]' <<< "${name%.*}")(${name##*.})"
	done
}

@test "a page that a page or a help names is there" {
	among "$(sed -nE 's/^\.Xr (sksteer[a-z-]*) ([1-8]).*/\1.\2/p' docs/*.[1-8])" "$(cd docs && ls)"
	for program in sksteer-run.1 sksteerctl.8 sksteerd.8; do
		has "$(help "${program%.*}")" "${program%.*}(${program##*.})"
		[[ -e docs/$program ]]
	done
	has "$(help sksteerd)" 'sksteer-policy(5)'
	has "$(help sksteer-run)" 'sksteer(7)'
}

@test "options: the pages, the helps and the code have the same" {
	same "$(page_options < docs/sksteer-run.1)" "$(help sksteer-run | help_options)"
	same "$(page_options < docs/sksteerd.8)" "$(help sksteerd | help_options)"
	same "$(ctl_page_options)" "$(help sksteerctl | help_options)"
	same "$(coded_options preload/run/options.c)" "$(help sksteer-run | help_options)"
	same "$(coded_options helper/sksteerd.c)" "$(help sksteerd | help_options)"
	same "$(coded_options helper/ctl/main.c)" "$(page_options < docs/sksteerctl.8)"
}

# Those that getopt_long(3) is told.
coded_options() {
	sed -nE 's/^\t+\{ "([a-z-]+)", (no|required|optional)_argument.*/--\1/p' "$1"
	sed -nE 's/.*getopt_long\(argc, argv, "[-+:]*([a-z:]+)".*/\1/p' "$1" | tr -d : | grep -o . |
		sed 's/^/-/'
}

@test "options: whichever a page speaks of, some program has" {
	among "$(grep -ohE '(^\.|[ \t])Fl [-a-z]+' docs/*.[1-8] | sed 's/.*Fl /-/' | grep -vx -- --)" \
		"$(cat docs/sksteer-run.1 docs/sksteerctl.8 docs/sksteerd.8 | page_options)"
}

@test "verbs: sksteerctl(8) has those of --help in its order, each with its arguments and options" {
	run "$SKS_BUILD/sksteerctl" no-such-verb
	is "$(verbs | tr '\n' , | sed 's/,$//; s/,/, /g')" \
		"$(sed -nE 's/.*one of (.*) \(see.*/\1/p' <<< "$output")"
	is "$(section sksteerctl.8 VERBS | sed -nE 's/^ {5}([a-z].*)/\1/p' | sed 's/  .*//')" \
		"$(for verb in $(verbs); do
			help sksteerctl "$verb" | sed -nE 's/^(Usage:|      ) sksteerctl //p' |
				sed 's/ \[OPTION\]\.\.\.$//'
		done)"
	for verb in $(verbs); do
		is "$(ctl_page_options "$verb" | sort)" "$(ctl_help_options "$verb" | sort)"
	done
}

# Those of the library are in a table, without what they begin with.
coded_variables() {
	sources | grep -oE '"SKSTEER_[A-Z_]+"' | tr -d '"'
	sed -n '/variable_names\[/,/};/p' preload/config.c | grep -oE '"[A-Z]+"' | tr -d '"' |
		sed 's/^/SKSTEER_/'
}

@test "variables: sksteer(7) has those of the code, and no page has another" {
	same "$(sed -nE 's/^\.It Ev //p' docs/sksteer.7)" "$(coded_variables)"
	among "$(grep -ohE 'SKSTEER_[A-Z_]+' docs/*.[1-8])" "$(coded_variables)"
	among "$(sources | grep -oE 'getenv\("[A-Z_]+"' | grep -oE '[A-Z_]{2,}')" "$(page_variables)"
	among "$(page_variables)" "$(coded_variables; sources | grep -oE '"[A-Z_]+"' | tr -d '"')"
}

page_variables() {
	sed -nE 's/^\.(It )?Ev //p' docs/*.[1-8] | grep -oE '[A-Z_]{2,}'
}

@test "policy: sksteer-policy(5) has the parser's keys, and what holds without them" {
	printf '[default]\nno-such = 1\n' > "$BATS_TEST_TMPDIR/policy"
	run "$SKS_BUILD/sksteerctl" policy check "$BATS_TEST_TMPDIR/policy"
	same "$(sed -n 's/^\.It Cm //p' docs/sksteer-policy.5)" \
		"$(sed 's/.*there are //; s/ and /, /; s/, /\n/g' <<< "$output")"
	same "$(awk '/^\.It Cm/ { key = $3 } /^Default: ([0-9]+|yes|no)\.$/ { print key, $2 }' \
		docs/sksteer-policy.5 | sed 's/\.$//; s/ yes$/ 1/; s/ no$/ 0/')" \
		"$(grep -ohE '\[SKS_POLICY_[A-Z_]+\] = [0-9]+' helper/policy_rule.c |
			sed 's/\[SKS_POLICY_//; s/\] =//' | tr A-Z_ a-z-)"
}

@test "modes and engines are those that the code knows" {
	same "$(sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' docs/sksteer.7)" \
		"$(sed -n '/^static bool parse_mode/,/};/p' preload/config.c | grep -oE '"[a-z]+"' | tr -d '"')"
	run "$SKS_BUILD/sksteer-run" --engine no-such true
	same "$(sed -n 's/^\.It Cm //p' docs/sksteer-run.1)" \
		"$(sed 's/.*none of //; s/, /\n/g' <<< "$output")"
}

@test "defaults and limits are those of the code" {
	socket=$(define SKS_SOCKET_PATH common/wire.h)
	bpffs=$(define DEFAULT_BPFFS helper/sksteerd.c)
	policy=$(define SKS_POLICY_PATH helper/policy_file.h)
	is "$(define DEFAULT_BPFFS helper/ctl/main.c)" "$bpffs"
	for page in sksteer.7 sksteerd.8 sksteerctl.8; do
		for path in "$socket" "$bpffs" "$policy"; do
			has "$(section "$page" FILES)" "     $path"
		done
	done
	has "$(section sksteer.7 ENVIRONMENT)" "Default: $socket."
	has "$(section sksteerd.8 DESCRIPTION)" "Default: $socket."
	has "$(section sksteerd.8 DESCRIPTION)" "Default: $bpffs."
	has "$(section sksteerd.8 DESCRIPTION)" "Default: $policy"
	has "$(section sksteerctl.8 DESCRIPTION)" "else $socket."
	has "$(section sksteerctl.8 DESCRIPTION)" "Default: $bpffs."
	has "$(section sksteer-run.1 DESCRIPTION)" "else $socket."
	has "$(section sksteer.3 ENVIRONMENT)" "$socket"
	among "$(grep -ohE '/(run|etc|sys)/[a-z./]*[a-z]' docs/*.[1-8] | grep -v /try)" \
		"$(printf '%s\n' "$socket" "$socket.lock" "$bpffs" "$policy" "$policy.example" /run/netns)"
	has "$(section sksteerctl.8 VERBS)" "must end.  Default: $(define DEFAULT_TIMEOUT helper/ctl/main.c)."
	has "$(section sksteerctl.8 VERBS)" "still has.  Default: $(define DEFAULT_DRAIN helper/ctl/main.c)."
	has "$(section sksteer.7 SPECS)" "A spec has at most $(define SKS_SPEC_MAX common/spec.h) bytes."
	has "$(section sksteer.7 SPECS)" "range of at most $(define SKS_RANGE_EXCLUSIVE common/spec.h) ports,"
	has "$(section sksteer.7 'INSTANCES, LABELS AND MODES')" \
		"up to $(($(define SKS_LABEL_MAX common/spec.h) - 1)) letters"
	has "$(section sksteer.7 CAVEATS)" "holds $(define SKS_MAX_SERVICES common/maps.h) services"
	has "$(section sksteer.7 CAVEATS)" "serves $(define SKS_SPACES_MAX helper/space.h) network namespaces"
}

@test "exit statuses: each that a page lists is seen, and no other" {
	is "$(seen sksteer-run -p 9-3 true; seen sksteer-run /etc/passwd; seen sksteer-run /no/such)" \
		"$(page_statuses sksteer-run.1)"
	is "$(seen sksteerctl --help; seen sksteerctl --socket /no/such bind web 80; seen sksteerctl)" \
		"$(page_statuses sksteerctl.8)"
	is "$(seen sksteerd --help; seen sksteerd --policy /no/such; seen sksteerd --no-such)" \
		"$(page_statuses sksteerd.8)"
}

# seen PROGRAM ARGUMENT...
seen() {
	local status=0
	"$SKS_BUILD/$1" "${@:2}" > "$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
	echo "$status"
}

page_statuses() {
	sed -nE 's/^\.It ([0-9]+)$/\1/p' "docs/$1"
}

@test "specs: those of sksteer(7) parse, and its errors are said in its words" {
	local specs=0 errors=0 text status said
	while IFS=$'\t' read -r spec text; do
		status=0
		said=$("$SKS_BUILD/sksteer-run" -p "$spec" /no/such 2>&1) || status=$?
		if [[ -z $text ]]; then
			is "$spec $status" "$spec 127"
			specs=$((specs + 1))
		else
			is "$said, $status" "sksteer-run: -p: $text, 125"
			errors=$((errors + 1))
		fi
	done < <(awk '/^\.S[hs]/ { name = $2 }
		/^\.It Li/ && (name == "SPECS" || name == "Errors") {
			sub(/^\.It Li /, ""); gsub(/"/, ""); spec = $0
			getline text
			print spec "\t" (name == "Errors" ? text : "") }' docs/sksteer.7)
	((specs >= 8 && errors >= 11))
}

@test "JSON: sksteerctl(8) has the keys of the report" {
	same "$(sed -n '/^\.Sh JSON/,/^\.Sh ENV/p' docs/sksteerctl.8 | sed -nE 's/^\.(It )?Va //p' |
		grep -oE '[a-z_0-9]+' | grep -vx namespaces)" \
		"$(grep -ohE 'sks_json_add[a-z_]*\([a-z]+, "[a-z_0-9]+"|\[SKS_FAILED_[A-Z]+\] = "[a-z_]+"' \
			helper/report*.c |
			grep -oE '"[a-z_0-9]+"' | tr -d '"')"
	grep -q '"namespaces"' helper/ctl/status.c
}

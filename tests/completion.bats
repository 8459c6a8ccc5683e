#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what bash, zsh and fish complete: all that --help has, and what lives.

bats_require_minimum_version 1.5.0
load lib

SHELLS=(bash zsh fish)

setup() {
	sks_setup
	need "${SHELLS[@]}"
	cp "$SKS_ROOT"/packaging/completions/* "$SKS_ROOT"/tests/complete.* "$SKS_DIR"
	mkdir -m 777 "$SKS_DIR/home"
}

teardown() {
	sks_teardown
}

# offers SHELL LINE...: as the user $AS (root or nobody).
offers() {
	local user=()
	[[ ${AS:-root} == root ]] || user=("${AS_NOBODY[@]}")
	in_ns "${user[@]}" env HOME="$SKS_DIR/home" XDG_CONFIG_HOME="$SKS_DIR/home" LC_ALL=C \
		XDG_DATA_HOME="$SKS_DIR/home" XDG_RUNTIME_DIR= PATH="$PROGS:$PATH" \
		SKSTEER_SOCKET="$SOCKET" "$1" "$SKS_DIR/complete.$1" "$SKS_DIR" "${@:2}" < /dev/null 3>&-
}

# offered LINE WORD...: by each shell, exactly.
offered() {
	local shell words
	words=$(printf ' %s\n' "${@:2}" | LC_ALL=C sort -u | tr -d '\n')
	for shell in "${SHELLS[@]}"; do
		is "$shell: $(offers "$shell" "$1")" "$shell: $1|${words% }"
	done
}

# offered_pids LINE PID: that one, and at most those whose numbers begin with it, by each shell.
offered_pids() {
	local shell words
	for shell in "${SHELLS[@]}"; do
		words=$(offers "$shell" "$1$2")
		[[ $words =~ ^"$1$2|"(\ "$2"[0-9]*)*$ && " ${words#*|} " == *" $2 "* ]] || fail "$shell: $words"
	done
}

# options PROGRAM [VERB]: its options, as --help explains them.
options() {
	"$PROGS/$1" "${@:2}" --help |
		sed -nE 's/^ +((-[a-z]|--[a-z-]+)(, --[a-z-]+)?)( .*|\[.*)?$/\1/p' | sed 's/, / /'
}

verbs() {
	"$CTL" --help | sed -nE 's/^  ([a-z]+) .*/\1/p' | uniq
}

# A line for each line that is asked.
expected() {
	local verb
	row 'sksteer-run -' "$(options sksteer-run)"
	row 'sksteerd -' "$(options sksteerd)"
	row 'sksteerctl -' "$(options sksteerctl)"
	row 'sksteerctl ' "$(verbs)"
	for verb in $(verbs); do
		row "sksteerctl $verb -" "$(options sksteerctl "$verb")"
	done
}

row() {
	echo "$1| $(tr ' ' '\n' <<< "$2" | LC_ALL=C sort -u | tr '\n' ' ')" | sed 's/ $//'
}

@test "every option of every program, and every verb: those of --help" {
	local shell all lines
	all=$(expected)
	mapfile -t lines < <(cut -d '|' -f 1 <<< "$all")
	((${#lines[@]} >= 4 + 9))
	for shell in "${SHELLS[@]}"; do
		is "$shell:$(offers "$shell" "${lines[@]}")" "$shell:$all"
	done
}

@test "what follows an option or a verb: engines, signals, namespaces, processes, users, files" {
	local pid
	in_ns ip netns add blue
	cd "$SKS_DIR"
	: > policy
	run "$RUN" --engine no-such true
	mapfile -t engines < <(sed 's/.*none of //; s/, /\n/g' <<< "$output")
	offered 'sksteer-run --strict --engine ' "${engines[@]}"
	offered 'sksteer-run --join=5 -l web --st' --strict
	offered 'sksteerctl --netns ' blue
	pid=$(ns_pid)
	offered_pids 'sksteerctl register web --pid ' "$pid"
	offered_pids 'sksteerctl weight web ' "$pid"
	offered 'sksteerctl policy ' check explain
	offered 'sksteerctl policy explain nobod' nobody
	offered 'sksteerctl policy check polic' policy
	offered 'sksteerctl policy explain nobody 80 --policy polic' policy
	offered 'sksteerctl upgrade web --signal Q' QUIT
	offered 'sksteerctl bind web '
	offered 'sksteerctl unload '
}

@test "a value after =" {
	is "$(offers bash 'sksteer-run --engine=s')" 'sksteer-run --engine=s| seccomp'
	is "$(offers zsh 'sksteer-run --engine=s')" 'sksteer-run --engine=s| seccomp'
	is "$(offers fish 'sksteer-run --engine=s')" 'sksteer-run --engine=s| --engine=seccomp'
}

@test "a command is completed as itself" {
	offered 'sksteer-run -p 80 sksteerctl unr' unregister
	offered 'sksteer-run -l web --replace -- sksteerd --idl' --idle-exit
	offered 'sksteerctl upgrade web --drain 3 -- sksteer-run --st' --strict
	offered 'sksteer-run sksteer-ru' sksteer-run
	is "$(PLAIN=1 offers bash 'sksteer-run sksteer-ru')" 'sksteer-run sksteer-ru| sksteer-run'
	is "$(PLAIN=1 offers bash "sksteer-run cat $SKS_DIR/hom")" "sksteer-run cat $SKS_DIR/hom| $SKS_DIR/home"
}

@test "labels are those that live: one's own, in the namespace of the command line" {
	start_helper
	in_ns "$CTL" --socket "$SOCKET" bind web 8080
	as_user "$CTL" --socket "$SOCKET" bind mine 8081
	in_ns ip netns add blue
	in_ns "$CTL" --socket "$SOCKET" --netns blue bind other 8080
	offered 'sksteerctl bind ' mine web
	offered 'sksteerctl status w' web
	offered 'sksteer-run -p 80 -l ' mine web
	offered 'sksteerctl --netns blue unbind ' other
	offered 'sksteerctl --netns=blue unbind ' other
	AS=nobody offered 'sksteerctl unregister ' mine
	kill_helper
	offered 'sksteerctl unregister ' mine web # of root, from the pins
}

@test "no helper, or one that does not answer: nothing is offered or said, and soon" {
	local shell
	for shell in "${SHELLS[@]}"; do
		silent "$shell"
	done
	start_helper
	kill -STOP "$(helper_pid)"
	for shell in "${SHELLS[@]}"; do
		silent "$shell"
	done
}

# The bound is generous for a busy machine: without any, a helper that is stopped costs 5 s each.
silent() {
	local begin=${EPOCHREALTIME/[.,]/}
	AS=nobody run --separate-stderr offers "$1" 'sksteerctl status ' 'sksteerctl bind ' 'sksteer-run -l '
	is "$output" 'sksteerctl status |
sksteerctl bind |
sksteer-run -l |'
	is "$stderr" ''
	((${EPOCHREALTIME/[.,]/} - begin < 10000000 * SKS_SLOW))
}

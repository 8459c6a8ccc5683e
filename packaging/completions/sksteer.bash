# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what bash completes for sksteer-run, sksteerctl and sksteerd. Which options and verbs there
# are, and what follows them, --help says: it is written nowhere else.

# Of the program, or of one of its verbs: $help, and in $takes what each option is followed by.
_sksteer_learn() {
	local line
	help=$(PATH=$PATH:/usr/local/sbin:/usr/sbin "$program" "$@" --help 2> /dev/null < /dev/null)
	while IFS= read -r line; do
		if [[ $line =~ ^\ +(-[a-z]|--[a-z-]+)(, (--[a-z-]+))?(\ ([A-Z][^\ ]*))?(\[|\ \ |$) ]]; then
			takes[${BASH_REMATCH[1]}]=${BASH_REMATCH[5]}
			[[ -z ${BASH_REMATCH[3]} ]] || takes[${BASH_REMATCH[3]}]=${BASH_REMATCH[5]}
		fi
	done <<< "$help"
}

_sksteer_verbs() {
	local line
	while IFS= read -r line; do
		[[ ! $line =~ ^\ \ ([a-z]+)\  ]] || echo "${BASH_REMATCH[1]}"
	done <<< "$help"
}

# What the usage has at the place of the next operand: a line for each usage that fits so far.
_sksteer_operand() {
	local line words word i
	while IFS= read -r line; do
		[[ $line =~ ^(Usage:|\ {6})\ sksteerctl\ [a-z]+\ (.*) ]] || continue
		read -ra words <<< "${BASH_REMATCH[2]//[\[\]]/}"
		i=0
		for word in "${operands[@]}"; do
			[[ ${words[i]-} != [a-z]* || ${words[i]} == "$word" ]] || continue 2
			[[ ${words[i]-} == *... ]] || ((++i))
		done
		echo "${words[i]-}"
	done <<< "$help"
}

# The labels that the caller may see, in the namespace that the command line names.
_sksteer_labels() {
	local ctl=${program%sksteer-run}
	[[ $program != *sksteer-run ]] || ctl+=sksteerctl
	PATH=$PATH:/usr/local/sbin:/usr/sbin timeout 0.5 "$ctl" "${where[@]}" status --json \
		2> /dev/null < /dev/null | sed -nE 's/^ *"label": *"([A-Za-z0-9][A-Za-z0-9_.-]*)",?$/\1/p'
}

_sksteer_reply() {
	local reply
	mapfile -t reply < <(compgen "$@" -- "$cur")
	COMPREPLY+=("${reply[@]}")
}

# What a word of a usage, or of an option's line, stands for.
_sksteer_offer() {
	case ${1%...} in
	[a-z]*) _sksteer_reply -W "$1" ;;
	LABEL) _sksteer_reply -W "$(_sksteer_labels)" ;;
	PATH | FILE)
		compopt -o filenames 2> /dev/null
		_sksteer_reply -f
		;;
	DIR)
		compopt -o filenames 2> /dev/null
		_sksteer_reply -d
		;;
	'NAME|PID')
		_sksteer_reply -W "$(ls /run/netns 2> /dev/null)"
		[[ $cur != [0-9]* ]] || _sksteer_offer PID
		;;
	PID) _sksteer_reply -W "$(cd /proc && echo [0-9]*)" ;;
	USER) _sksteer_reply -u ;;
	PROTO) _sksteer_reply -W 'tcp udp' ;;
	SIG) _sksteer_reply -W 'HUP INT QUIT TERM USR1 USR2 WINCH' ;;
	E) _sksteer_reply -W 'auto preload seccomp' ;;
	esac
}

# From word $1 on it is another command's line.
_sksteer_command() {
	if declare -F _command_offset > /dev/null; then
		_command_offset "$1"
	elif (($1 == COMP_CWORD)); then
		_sksteer_reply -c
	else
		_sksteer_offer PATH
	fi
}

_sksteer() {
	local program=$1 cur=${COMP_WORDS[COMP_CWORD]} help='' verb='' option='' expects='' word i
	local operands=() where=()
	local -A takes=()

	COMPREPLY=()
	[[ $cur != = ]] || cur=''
	_sksteer_learn
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == = ]]; then
			[[ -n $expects ]] || ((++i)) # --join=5 is three words
		elif [[ -n $expects ]]; then
			[[ $option != --@(netns|socket|bpffs) ]] || where+=("$option" "$word")
			expects=''
		elif [[ $word == -- && $help =~ ^Usage:[^$'\n']*--\]?\ COMMAND ]]; then
			_sksteer_command $((i + 1))
			return
		elif [[ $word == -* ]]; then
			option=$word expects=${takes[$word]-}
		elif [[ ${program##*/} == sksteer-run ]]; then
			_sksteer_command "$i"
			return
		elif [[ -z $verb ]]; then
			verb=$word
			_sksteer_learn "$verb"
		else
			operands+=("$word")
		fi
	done
	if [[ -n $expects ]]; then
		_sksteer_offer "$expects"
	elif [[ $cur == -* ]]; then
		_sksteer_reply -W "${!takes[*]}"
	elif [[ ${program##*/} == sksteer-run ]]; then
		_sksteer_command "$COMP_CWORD"
	elif [[ -z $verb ]]; then
		_sksteer_reply -W "$(_sksteer_verbs | uniq)"
	else
		while IFS= read -r word; do
			_sksteer_offer "$word"
		done < <(_sksteer_operand)
	fi
}

complete -F _sksteer sksteer-run sksteerctl sksteerd

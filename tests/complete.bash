#!/usr/bin/env bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns how a test asks bash: complete.bash DIRECTORY LINE... prints, a line for each, what the
# functions in DIRECTORY offer at the end of LINE. With $PLAIN set, where bash-completion is not.

if [[ -z ${PLAIN:-} ]]; then
	# shellcheck source=/dev/null
	source /usr/share/bash-completion/bash_completion
fi
# shellcheck source=packaging/completions/sksteer.bash
source "$1/sksteer.bash"

# Words as readline has them.
ask() {
	local COMP_LINE=$1 COMP_WORDS COMP_CWORD COMP_POINT=${#1} COMPREPLY=()
	read -ra COMP_WORDS <<< "${1//=/ = }"
	[[ $1 != *[\ =] ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_sksteer "${COMP_WORDS[0]}" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
	printf '%s\n' "${COMPREPLY[@]}" | sort -u
}

for line in "${@:2}"; do
	# shellcheck disable=SC2046 # words
	echo "$line|" $(ask "$line")
done

#!/usr/bin/env zsh
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns how a test asks zsh: complete.zsh DIRECTORY LINE... prints, a line for each, what an
# interactive zsh with the completions in DIRECTORY offers at the end of LINE.
zmodload zsh/zpty zsh/zselect

export ZDOTDIR=$(mktemp -d) COMPLETIONS=$1 TERM=vt100
trap 'zpty -d shell; rm -rf $ZDOTDIR' EXIT
cat > $ZDOTDIR/.zshrc << 'EOT'
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit
compinit -u -D
setopt no_auto_list no_auto_menu no_beep
# Some calls only sort matches out: those say so by -A, -D or -O.
compadd() {
	local -a hits
	if [[ ${@[1,(i)(-|--)]} != *-[a-zA-Z]#[ADO]* ]]; then
		builtin compadd -A hits "$@"
		(($#hits)) && print -rl -- $hits >> $ZDOTDIR/hits
	fi
	builtin compadd "$@"
}
say-done() {
	BUFFER=
	: > $ZDOTDIR/done
}
zle-line-init() { : > $ZDOTDIR/ready }
zle -N say-done
zle -N zle-line-init
bindkey '^I' complete-word
bindkey '^T' say-done
EOT

# wait_for NAME: 20 s at most. What it draws is read, or it would be kept waiting.
wait_for() {
	local drawn tries=0
	until [[ -e $ZDOTDIR/$1 ]]; do
		while zpty -r -t shell drawn 2> /dev/null; do :; done
		((tries++ < 1000)) || { print -u2 "zsh is not $1"; exit 1 }
		zselect -t 2
	done
}

zpty -b shell zsh -o no_global_rcs -i
wait_for ready
for line in "${@[2,-1]}"; do
	: > $ZDOTDIR/hits
	rm -f $ZDOTDIR/done
	zpty -w -n shell "$line"$'\t\x14'
	wait_for done
	print -r -- "$line|" ${(f)"$(sort -u $ZDOTDIR/hits)"}
done

# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what fish completes for sksteerctl and, by the files beside it, sksteer-run and sksteerd.
# Which options and verbs there are, and what follows them, --help says: it is written nowhere else.

# __sksteer_ask PROGRAM ARGUMENT...: what it says, or nothing, and soon.
function __sksteer_ask
    set -lx PATH $PATH /usr/local/sbin /usr/sbin
    timeout 0.5 $argv 2>/dev/null </dev/null
end

# OPTION, what it is followed by, and what is said of it, with tabs between them.
function __sksteer_options
    set -l about '((?: [A-Z]\S*)?)(?:\[\S*|  |$) *(.*)$'
    string replace -rf '^ +(?:-[a-z], )?(--[a-z-]+)'$about '$1\t$2\t$3' -- $argv
    string replace -rf '^ +(-[a-z])(?:, --[a-z-]+)?'$about '$1\t$2\t$3' -- $argv
end

function __sksteer_verbs
    string replace -rf '^  ([a-z]+) .*?(?:  ([^ ].*))?$' '$1\t$2' -- $argv
end

# __sksteer_operand OPERAND... -- HELP...: what a usage has at the place of the next operand, for
# each usage that fits so far.
function __sksteer_operand
    set -l end (contains -i -- -- $argv)
    set -l operands $argv[1..$end]
    set -e operands[-1]
    for line in (string replace -rf '^(?:Usage:| {6}) sksteerctl [a-z]+ (.*)' '$1' -- $argv[$end..-1])
        set -l usage (string split ' ' -- (string replace -ra '[][]' '' -- $line))
        set -l i 1
        for word in $operands
            if string match -qr '^[a-z]' -- $usage[$i]; and test "$usage[$i]" != "$word"
                set usage
            end
            if not string match -q '*...' -- $usage[$i]
                set i (math $i + 1)
            end
        end
        string replace -r '\.\.\.$' '' -- $usage[$i]
    end
end

# __sksteer_labels PROGRAM WHERE...: those that the caller may see, in the namespace that the
# command line names.
function __sksteer_labels
    __sksteer_ask (string replace -r 'sksteer-run$' sksteerctl -- $argv[1]) $argv[2..-1] status --json |
        string replace -rf '^ *"label": *"([A-Za-z0-9][A-Za-z0-9_.-]*)",?$' '$1'
end

# __sksteer_offer WORD CURRENT PROGRAM WHERE...: what a word of a usage, or of an option's line,
# stands for.
function __sksteer_offer
    switch $argv[1]
        case LABEL
            __sksteer_labels $argv[3..-1]
        case PATH FILE
            __fish_complete_path $argv[2]
        case DIR
            __fish_complete_directories $argv[2] ''
        case 'NAME|PID'
            ls /run/netns 2>/dev/null
            if string match -qr '^[0-9]' -- $argv[2]
                __fish_complete_pids
            end
        case PID
            __fish_complete_pids
        case USER
            __fish_complete_users
        case PROTO
            printf '%s\n' tcp udp
        case SIG
            printf '%s\n' HUP INT QUIT TERM USR1 USR2 WINCH
        case E
            printf '%s\n' auto preload seccomp
        case '*'
            string match -r '^[a-z].*' -- $argv[1]
    end
end

function __sksteer_complete
    set -l tokens (commandline -poc)
    set -l current (commandline -ct)
    set -l program $tokens[1]
    set -l name (string replace -r '.*/' '' -- $program)
    set -l help (__sksteer_ask $program --help)
    set -l options (__sksteer_options $help)
    set -l verb
    set -l operands
    set -l where
    set -l option
    set -l expects
    set -e tokens[1]
    while set -q tokens[1]
        set -l word $tokens[1]
        set -e tokens[1]
        if test -n "$expects"
            if contains -- $option --netns --socket --bpffs
                set -a where $option $word
            end
            set expects
        else if test "$word" = --; and string match -qr -- '--]? COMMAND' $help[1]
            __fish_complete_subcommand --commandline $tokens $current
            return
        else if string match -qr -- '^--(netns|socket|bpffs)=' $word
            set -a where $word
        else if string match -q -- '-*' $word
            set option $word
            set expects (string replace -rf -- '^'$word'\t ?([^\t]*)\t.*' '$1' $options)[1]
        else if test $name = sksteer-run
            __fish_complete_subcommand --commandline $word $tokens $current
            return
        else if test -z "$verb"
            set verb $word
            set help (__sksteer_ask $program $verb --help)
            set options (__sksteer_options $help)
        else
            set -a operands $word
        end
    end
    set -l before
    if test -z "$expects"; and string match -qr -- '^--[a-z-]+=' $current
        set before (string replace -r -- '=.*' '=' $current)
        set expects (string replace -rf -- '^'(string trim -rc = -- $before)'\t ?([^\t]*)\t.*' '$1' $options)[1]
        set current (string replace -- $before '' $current)
    end
    if test -n "$expects"
        string replace -r -- '^' "$before" (__sksteer_offer $expects "$current" $program $where)
    else if string match -q -- '-*' $current
        string replace -r '\t[^\t]*\t' '\t' -- $options
    else if test $name = sksteer-run
        __fish_complete_subcommand --commandline $current
    else if test -z "$verb"
        __sksteer_verbs $help
    else
        for word in (__sksteer_operand $operands -- $help)
            __sksteer_offer $word "$current" $program $where
        end
    end
end

complete -c sksteerctl -f -a '(__sksteer_complete)'

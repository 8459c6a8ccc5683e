#!/usr/bin/env fish
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns how a test asks fish: complete.fish DIRECTORY LINE... prints, a line for each, what fish
# with the completions in DIRECTORY offers at the end of LINE.
set -p fish_complete_path $argv[1]
for line in $argv[2..-1]
    echo "$line|" (complete -C $line | string replace -r '\t.*' '' | sort -u)
end

# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns `make install` as the tests see it: of what was built, without building anything anew.

# sks_make ARGUMENT...
sks_make() {
	make --silent -o all -C "$SKS_ROOT" BUILD="$PROGS" "$@"
}

# An empty /usr/local, and an /etc whose changes (users, ldconfig's cache) nobody else sees.
make_room() {
	in_ns mount -t tmpfs -o mode=755 none /mnt
	overlay /etc
	in_ns mount -t tmpfs -o mode=755 none /usr/local
}

# overlay DIRECTORY: what is changed below it is gone after the test.
overlay() {
	in_ns mkdir -p "/mnt/upper$1" "/mnt/work$1"
	in_ns mount -t overlay -o "lowerdir=$1,upperdir=/mnt/upper$1,workdir=/mnt/work$1" overlay "$1"
}

install_here() {
	in_ns make --silent -o all -C "$SKS_ROOT" BUILD="$PROGS" install
}

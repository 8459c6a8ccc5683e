#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what `make install` promises: the programs find each other, and the library its bare name.

load lib

# In a directory of its own: other files use what lies in build/ meanwhile.
setup_file() {
	sks_make -j4 all
}

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

sks_make() {
	make --silent -C "$SKS_ROOT" BUILD="$BATS_FILE_TMPDIR" CC="${CC:-gcc}" "$@"
}

# An empty /usr/local, and an /etc whose changes (ldconfig's cache) nobody else sees.
make_room() {
	in_ns mount -t tmpfs -o mode=755 none /mnt
	in_ns mkdir /mnt/upper /mnt/work
	in_ns mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
	in_ns mount -t tmpfs -o mode=755 none /usr/local
}

install_here() {
	in_ns make --silent -C "$SKS_ROOT" BUILD="$BATS_FILE_TMPDIR" CC="${CC:-gcc}" install
}

@test "DESTDIR and PREFIX: everything lies where it belongs, and uninstall takes it all away" {
	sks_make install DESTDIR="$SKS_DIR/root" PREFIX=/opt/sksteer
	is "$(cd "$SKS_DIR/root" && find . -type f | sort)" "./etc/sksteer/policy.conf.example
./opt/sksteer/bin/sksteer-run
./opt/sksteer/include/sksteer.h
./opt/sksteer/lib/libsksteer.so
./opt/sksteer/lib/pkgconfig/sksteer.pc
./opt/sksteer/sbin/sksteerctl
./opt/sksteer/sbin/sksteerd
./opt/sksteer/share/man/man3/sksteer.3"
	sks_make uninstall DESTDIR="$SKS_DIR/root" PREFIX=/opt/sksteer
	is "$(find "$SKS_DIR/root" -type f)" ''
}

@test "installed: LD_PRELOAD=libsksteer.so works by its bare name" {
	make_room
	install_here
	start_helper
	start_server echo env LD_PRELOAD=libsksteer.so SKSTEER_PORTS=7,77 SKSTEER_SOCKET="$SOCKET" \
		ncat -4lke /bin/cat 127.0.0.1 7777
	wait_answer 127.0.0.1 7
	is "$(ask 127.0.0.1 77)" hello
	not grep -q 'cannot be preloaded' "$SKS_DIR/echo.log"
}

@test "installed: sksteer-run finds the library and the helper in another directory" {
	make_room
	install_here
	start_server echo /usr/local/bin/sksteer-run -p 7 ncat -4lke /bin/cat 127.0.0.1 7777
	wait_answer 127.0.0.1 7
	has "$(in_ns readlink "/proc/$(own_pids sksteerd)/exe")" /usr/local/sbin/sksteerd
	kill_server echo
	wait_until 5 gone sksteerd
}

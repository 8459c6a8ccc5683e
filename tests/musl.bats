#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of another C library: with musl's headers all of it compiles, and the library, linked
# with musl, steers a program that is, too. The helper's programs can't be linked here: Debian has
# none of the libraries that they need for musl.

load stand

setup_file() {
	export MUSL=$BATS_FILE_TMPDIR/musl include=$BATS_FILE_TMPDIR/include name
	mkdir "$include"
	# These alone: beside them in /usr/include are glibc's own.
	for name in bpf json-c libmnl libelf.h gelf.h ini.h seccomp.h seccomp-syscalls.h cap-ng.h \
		linux asm-generic "$(gcc -print-multiarch)/asm"; do
		[[ ! -e /usr/include/$name ]] || ln -s "/usr/include/$name" "$include"
	done
	musl_make -j"$(nproc)" "$MUSL/libsksteer.so"
}

# musl_make TARGET...
musl_make() {
	make --silent -C "$SKS_ROOT" BUILD="$MUSL" CC=musl-gcc CPPFLAGS="-isystem $include" CFLAGS=-O2 \
		WERROR=1 "$@"
}

@test "musl: every file of the programs compiles without a warning" {
	local source objects=()
	cd "$SKS_ROOT"
	for source in common/*.c preload/run/*.c helper/*.c helper/ctl/*.c; do
		objects+=("$MUSL/obj/${source%.c}.o")
	done
	musl_make -j"$(nproc)" "${objects[@]}"
}

@test "musl: the library needs musl alone, and steers a server of musl's" {
	is "$(readelf -d "$MUSL/libsksteer.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')" libc.so
	musl-gcc -std=gnu11 -D_GNU_SOURCE -Dstrerrorname_np=strerror -isystem "$include" -I"$SKS_ROOT" -o "$PROGS/stand" \
		"$SKS_ROOT/tests/progs/stand.c"
	has "$(readelf -l "$PROGS/stand")" ld-musl-
	cp "$MUSL/libsksteer.so" "$LIB"
	stand web SKSTEER_PORTS='7;any:70-79' a=tcp:127.0.0.1#7777 b=udp:127.0.0.1#7777
	reaches 127.0.0.1#7=a 127.0.0.1#75=a 127.0.0.1#7777=a 127.0.0.1#8=refused
	is "$(service '.sockets | length')" 1
	said web
}

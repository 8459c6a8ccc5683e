#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what `make install` promises: the programs find each other, and the library its bare name.

load lib
load installed

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

# tree DIRECTORY: all that is in it: modes, names, where links go, and what files have in them.
tree() {
	(cd "$1" && find . -printf '%M %p %l\n' | sort && find . -type f -exec sha256sum {} + | sort -k2)
}

@test "DESTDIR and PREFIX: every file lies where it belongs" {
	local each expected page
	expected="etc/sksteer/policy.conf.example
opt/sksteer/bin/sksteer-run
opt/sksteer/include/sksteer.h
opt/sksteer/lib/libsksteer.so
opt/sksteer/lib/pkgconfig/sksteer.pc
opt/sksteer/lib/sysusers.d/sksteer.conf
opt/sksteer/lib/tmpfiles.d/sksteer.conf
opt/sksteer/sbin/sksteerctl
opt/sksteer/sbin/sksteerd
opt/sksteer/share/sksteer/installed"
	cd "$SKS_ROOT"
	# What goes by wildcard.
	for page in docs/*.[0-9]; do
		expected+=$'\n'opt/sksteer/share/man/man${page##*.}/${page##*/}
	done
	for each in packaging/*.{service,socket}{,.in}; do
		[[ ! -e $each ]] || expected+=$'\n'opt/sksteer/lib/systemd/system/$(basename "$each" .in)
	done
	for each in packaging/completions/*; do
		case $each in
		*.bash) expected+=$(printf '\nopt/sksteer/share/bash-completion/completions/%s' sksteer-run sksteerctl sksteerd) ;;
		*.fish) expected+=$'\n'opt/sksteer/share/fish/vendor_completions.d/${each##*/} ;;
		*/_*) expected+=$'\n'opt/sksteer/share/zsh/site-functions/${each##*/} ;;
		esac
	done
	for each in packaging/*.json; do
		[[ ! -e $each ]] || expected+=$'\n'opt/sksteer/share/sksteer/${each##*/}
	done
	sks_make install SYSTEMD=yes DESTDIR="$SKS_DIR/root" PREFIX=/opt/sksteer
	is "$(cd "$SKS_DIR/root" && find . -type f -printf '%P\n' | sort)" "$(sort <<< "$expected")"
	is "$(find "$SKS_DIR/root" -type f -perm /111 -printf '%f\n' | sort | xargs)" 'sksteer-run sksteerctl sksteerd'
	not grep -rI '@[A-Z]*@' "$SKS_DIR/root/opt/sksteer/lib"
	grep -q '^ExecStart=/opt/sksteer/sbin/sksteerd$' "$SKS_DIR/root/opt/sksteer/lib/systemd/system/sksteerd.service"
}

@test "everybody may read what is installed, whatever root's umask" {
	(umask 077 && sks_make install SYSTEMD=yes DESTDIR="$SKS_DIR/root" PREFIX=/opt/sksteer)
	is "$(find "$SKS_DIR/root" -mindepth 1 ! -perm -444)$(find "$SKS_DIR/root" -mindepth 1 -type d ! -perm -555)" ''
}

@test "uninstall takes away what install put there, and nothing else" {
	local before root=$SKS_DIR/root
	mkdir -p "$root/usr/local/bin" "$root/usr/local/share/man/man1" "$root/etc"
	echo others > "$root/usr/local/bin/others"
	before=$(tree "$root")
	sks_make install DESTDIR="$root"
	isnt "$(tree "$root")" "$before"
	sks_make install DESTDIR="$root" # again, over it
	# What an earlier version put there, too.
	echo /usr/local/bin/earlier >> "$root/usr/local/share/sksteer/installed"
	touch "$root/usr/local/bin/earlier"
	sks_make uninstall DESTDIR="$root"
	is "$(tree "$root")" "$before"
	# What others have put into a directory of ours stays.
	sks_make install DESTDIR="$root"
	touch "$root/etc/sksteer/policy.conf"
	sks_make uninstall DESTDIR="$root"
	is "$(find "$root/etc" -type f)" "$root/etc/sksteer/policy.conf"
	run sks_make uninstall DESTDIR="$root"
	isnt "$status" 0
	has "$output" "nothing is installed: there is no $root/usr/local/share/sksteer/installed"
}

@test "PREFIX=/usr: the library is in the architecture's directory; without systemd there are no units" {
	local root=$SKS_DIR/root
	sks_make install SYSTEMD=no DESTDIR="$root" PREFIX=/usr
	is "$(cd "$root" && find . -name 'libsksteer.so')" "./usr/lib/$(gcc -print-multiarch)/libsksteer.so"
	is "$(find "$root" -name '*.service' -o -name '*.socket' -o -name 'sys*.d' -o -name 'tmpfiles.d')" ''
}

@test "before it compiles, it says what was found, a line each" {
	run env SYSTEMD=no "$SKS_ROOT/scripts/features" libmnl json-c
	is "$status" 0
	is "$output" "  libmnl: yes ($(pkg-config --modversion libmnl))
  json-c: yes ($(pkg-config --modversion json-c))
  systemd: no (no units are installed; the helper itself needs no libsystemd)"
	run env SYSTEMD=yes "$SKS_ROOT/scripts/features" libnothing libmnl
	is "$status" 1
	is "${lines[0]}" '  libnothing: no, and the helper needs it (scripts/bootstrap installs it on Debian)'
	is "${lines[2]}" '  systemd: yes (its units, sysusers.d and tmpfiles.d are installed)'
	# Without what looks for them, nothing is known of the libraries.
	run env SYSTEMD=no PATH=/nowhere /bin/sh "$SKS_ROOT/scripts/features" libmnl
	is "$status:$output" '1:  pkg-config: no, and it is what finds the libraries (scripts/bootstrap installs it on Debian)'
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

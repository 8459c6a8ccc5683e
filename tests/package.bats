#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the Debian packages: they are built, lintian finds no error, and in a fresh Debian
# they are installed, tried by debian/tests, and purged.
# shellcheck disable=SC2016 # what is in single quotes is for another shell

load lib

# What is in them comes from packaging/debian, which dpkg-buildpackage wants at the top.
setup_file() {
	if ((EUID != 0)); then
		[[ -z ${CI:-} ]] || fail 'these tests need root'
		skip 'needs root'
	fi
	need debootstrap dpkg-buildpackage lintian pivot_root unshare
	export DIR=$BATS_FILE_TMPDIR/build ROOT=$BATS_FILE_TMPDIR/root
	mkdir -p "$DIR/sksteer"
	tar -C "$SKS_ROOT" --exclude='./build*' --exclude=./.git -cf - . | tar -C "$DIR/sksteer" -xf -
	cp -r "$DIR/sksteer/packaging/debian" "$DIR/sksteer/debian"
	cd "$DIR/sksteer" || return
	env -u MAKEFLAGS -u BUILD DEB_BUILD_OPTIONS="parallel=$(nproc) noautodbgsym" \
		dpkg-buildpackage --no-sign > "$DIR/log" 2>&1 || {
		tail -n 40 "$DIR/log" >&2
		return 1
	}
}

# The mirror and the release of this machine.
mirror() {
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep debian.org | head -n 1
}

release() {
	(. /etc/os-release && echo "$VERSION_CODENAME")
}

# in_root [--net] CMD...: in the fresh Debian, with mounts of its own. Its root is no chroot.
in_root() {
	local namespaces=(--mount --pid --fork)
	if [[ $1 == --net ]]; then
		namespaces+=(--net)
		shift
	fi
	unshare "${namespaces[@]}" bash -c '
		set -e
		mount --make-rprivate /
		mount --bind "$ROOT" "$ROOT"
		cd "$ROOT"
		mount -t proc proc proc
		mount -t sysfs sysfs sys
		mount -t bpf bpf sys/fs/bpf
		mount --rbind /dev dev
		mount -t tmpfs -o mode=755 run run
		mkdir -p run/old
		pivot_root . run/old
		umount -l /run/old
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
		exec "$@"' in_root "$@" < /dev/null
}

files() {
	in_root find / -xdev ! -path '/var/log/*' ! -path '/var/cache/*' ! -path '/var/lib/dpkg/*-old' ! -path '/etc/*-' | sort
}

@test "package: what is in which" {
	local files lib
	lib=./usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
	files=$(dpkg-deb -c "$DIR"/libsksteer-dev_*.deb | awk '/^-/ { print $6 }' | grep -v /usr/share/doc/)
	is "$files" "./usr/include/sksteer.h
$lib/pkgconfig/sksteer.pc
./usr/share/man/man3/sksteer.3.gz"
	files=$(dpkg-deb -c "$DIR"/sksteer_*.deb | awk '/^-/ { print $6 }')
	for each in ./etc/sksteer/policy.conf.example ./lib/systemd/system/sksteerd.{service,socket} \
		./usr/bin/sksteer-run ./usr/sbin/sksteer{ctl,d} "$lib/libsksteer.so" \
		./usr/lib/{sysusers,tmpfiles}.d/sksteer.conf; do
		has "$files"$'\n' "$each"$'\n'
	done
	has_not "$files" man3
	has_not "$files" share/sksteer/installed
	is "$(dpkg-deb -f "$DIR"/libsksteer-dev_*.deb Depends)" "sksteer (= $(dpkg-deb -f "$DIR"/sksteer_*.deb Version))"
}

@test "package: lintian finds no error" {
	lintian --allow-root --fail-on error "$DIR"/sksteer_*.changes
}

# asked SCRIPT ARGUMENT...: what that maintainer script asks of systemd, sorted.
asked() {
	local each
	mkdir -p "$DIR/stubs"
	for each in deb-systemd-invoke deb-systemd-helper systemctl systemd-sysusers systemd-tmpfiles; do
		printf '#!/bin/sh\necho "${0##*/} $*" >> "$LOG"\n' > "$DIR/stubs/$each"
		chmod +x "$DIR/stubs/$each"
	done
	: > "$DIR/asked"
	dpkg-deb --info "$DIR"/sksteer_*.deb "$1" > "$DIR/script"
	LOG=$DIR/asked PATH=$DIR/stubs:$PATH unshare --mount sh -c \
		'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec sh "$@"' - "$DIR/script" "${@:2}"
	grep -E '^deb-systemd-(invoke|helper purge)' "$DIR/asked" | sort
}

@test "package: an upgrade restarts the helper and leaves the sockets alone; all goes with the package" {
	is "$(asked postinst configure)" "deb-systemd-invoke start sksteerd.service
deb-systemd-invoke start sksteerd.socket"
	is "$(asked postinst configure 0)" "deb-systemd-invoke restart sksteerd.service
deb-systemd-invoke start sksteerd.socket"
	is "$(asked prerm upgrade 1)" ''
	is "$(asked prerm remove)" "deb-systemd-invoke stop sksteer-metrics.socket
deb-systemd-invoke stop sksteerd.service
deb-systemd-invoke stop sksteerd.socket"
	is "$(asked postrm purge)" "deb-systemd-helper purge sksteer-metrics.socket
deb-systemd-helper purge sksteerd.service
deb-systemd-helper purge sksteerd.socket"
}

@test "package: in a fresh Debian it is installed, works, and is purged without a trace" {
	local before
	debootstrap --variant=minbase "$(release)" "$ROOT" "$(mirror)" > "$DIR/debootstrap.log"
	cp "$DIR"/*.deb "$DIR/sksteer/debian/tests/smoke" "$ROOT/mnt"
	echo force-unsafe-io > "$ROOT/etc/dpkg/dpkg.cfg.d/fast"
	# What the tests need but our own, and the smallest that makes users.
	in_root apt-get -qq satisfy --no-install-recommends "systemd-standalone-sysusers, $(
		sed -n 's/^Depends: sksteer, //p' "$DIR/sksteer/debian/tests/control"), $(
		dpkg-deb -f "$DIR"/sksteer_*.deb Depends)" > "$DIR/apt.log"
	before=$(files)
	in_root sh -c 'dpkg -i /mnt/*.deb' >> "$DIR/apt.log"
	in_root --net /mnt/smoke
	is "$(in_root getent passwd sksteer | cut -d: -f6,7)" /run/sksteer:/usr/sbin/nologin
	in_root dpkg --purge libsksteer-dev sksteer >> "$DIR/apt.log"
	is "$(diff <(echo "$before") <(files))" ''
}

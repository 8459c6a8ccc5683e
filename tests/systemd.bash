# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the systemd that tests boot: process 1 of namespaces of its own, with units of the test's alone,
# in the test's network and mount namespaces. A test's teardown calls unboot_systemd.

need_systemd() {
	need systemctl
	[[ -x /lib/systemd/systemd ]] || fail 'systemd is not installed'
	mkdir "$SKS_DIR/units"
}

# unit NAME: from stdin, of the systemd that will be booted.
unit() {
	cat > "$SKS_DIR/units/$1"
}

# boot_systemd TARGET [DIRECTORY]...: in $NS's network; with a cgroup below ours, an empty /run, and
# no units but the test's and those in the directories.
boot_systemd() {
	local target=$1 IFS=:
	shift
	mount_cgroups "$SKS_DIR/cgroups"
	CGROUP=$SKS_DIR/cgroups$(sed -n 's/^0:://p' /proc/self/cgroup)
	CGROUP=${CGROUP%/}/sksteer-test-$$
	in_ns mkdir "$CGROUP"
	cat > "$SKS_DIR/boot" <<-'EOT'
		set -e
		echo $$ > "$CGROUP/cgroup.procs"
		exec unshare --pid --fork --mount --cgroup --kill-child bash -c '
			set -e
			mount --make-rprivate /
			mount -t tmpfs -o mode=755 run /run
			mkdir -p /run/systemd
			cp -r "$SKS_DIR/units" /run/systemd/system
			mount -t proc proc /proc
			mount -t tmpfs none /sys/fs/cgroup
			mount -t cgroup2 cgroup2 /sys/fs/cgroup
			exec env -i container=sksteer PATH="$PATH" SYSTEMD_UNIT_PATH="$UNIT_PATH" \
				/lib/systemd/systemd --system --unit="$TARGET" --log-target=null'
	EOT
	start_server systemd env CGROUP="$CGROUP" SKS_DIR="$SKS_DIR" TARGET="$target" \
		UNIT_PATH="/run/systemd/system${*:+:$*}" bash "$SKS_DIR/boot"
}

# in_systemd CMD...: where the booted system's processes are.
in_systemd() {
	nsenter --target "$(pgrep -P "$(pid_of systemd)")" --mount --pid --net --root --wd=/ "$@"
}

# Its first process takes all others with it.
unboot_systemd() {
	[[ -n ${CGROUP:-} ]] || return 0
	kill_server systemd
	wait_until 5 sks_is_empty "$CGROUP"
	in_ns find "$CGROUP" -depth -type d -exec rmdir {} +
	in_ns umount "$SKS_DIR/cgroups"
	rmdir "$SKS_DIR/cgroups"
	CGROUP=
}

sks_is_empty() {
	in_ns grep -qx 'populated 0' "$1/cgroup.events"
}

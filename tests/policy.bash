# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of the policy file share: the file, and an /etc of the test's own.

# write LINE...: the file.
write() {
	POLICY=$SKS_DIR/policy.conf
	printf '%s\n' "$@" > "$POLICY"
	chmod 644 "$POLICY"
}

# policy LINE...: and a helper that has read it.
policy() {
	write "$@"
	start_helper --policy "$POLICY"
}

# An /etc whose changes nobody else sees.
own_etc() {
	in_ns mount -t tmpfs -o mode=755 none /mnt
	in_ns mkdir /mnt/upper /mnt/work
	in_ns mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
	in_ns mkdir -p /etc/sksteer
	POLICY=/etc/sksteer/policy.conf
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of one helper for every container: its socket's directory bind-mounted, the library and
# the environment inside, no capability there. And of servers that do not see its path any more.

load promises

setup() {
	sks_setup
	need crun jq
	SOCKET=$SKS_DIR/helper/helper.sock
	# crun wants to see one kind of them, however the machine has them.
	mount_cgroups /sys/fs/cgroup
	mkdir "$SKS_DIR/helper" # a file that is bind-mounted would be the old one after a restart
}

teardown() {
	local file
	for file in "$SKS_DIR"/*.pid; do
		[[ ! -s $file ]] || kill -KILL "$(< "$file")" 2> /dev/null || :
	done
	sks_teardown
}

# rootfs DIR: with the host's own programs in it, once /usr and what mounts() has is mounted there.
rootfs() {
	local dir
	mkdir -p "$1"/{usr,etc,proc,tmp,dev,run/sksteer,opt}
	for dir in bin sbin lib lib32 lib64 libx32; do
		if [[ -L /$dir ]]; then
			ln -s "usr/$dir" "$1/$dir"
		elif [[ -d /$dir ]]; then
			mkdir "$1/$dir"
		fi
	done
}

# mounts: of the host's directories, and what the helper's administrator gives to a container.
mounts() {
	local dir
	for dir in /usr /bin /sbin /lib /lib32 /lib64 /libx32; do
		if [[ -d $dir && ! -L $dir ]]; then
			printf '%s %s\n' "$dir" "$dir"
		fi
	done
	printf '%s %s\n' "$PROGS" /opt "$SKS_DIR/helper" /run/sksteer
}

# bundle NAME UID FILTER ENVIRONMENT... -- COMMAND...: an OCI bundle, without any capability; FILTER of
# jq makes it another one.
bundle() {
	local name=$1 uid=$2 filter=$3 dir=$SKS_DIR/$1.box env=()
	shift 3
	while [[ $1 != -- ]]; do
		env+=("$1")
		shift
	done
	shift
	rootfs "$dir/rootfs"
	jq -n --argjson uid "$uid" --arg env "$(printf '%s\n' "${env[@]}")" --arg mounts "$(mounts)" \
		'{
			ociVersion: "1.0.0",
			root: { path: "rootfs", readonly: true },
			process: {
				user: { uid: $uid, gid: $uid }, cwd: "/", args: $ARGS.positional,
				env: ($env | split("\n")), noNewPrivileges: true,
				capabilities: { bounding: [], effective: [], permitted: [] }
			},
			mounts: ([{ destination: "/proc", type: "proc", source: "proc" },
				{ destination: "/dev", type: "tmpfs", source: "tmpfs" }] +
				[$mounts | split("\n")[] | split(" ") | {
					source: .[0], destination: .[1], type: "bind",
					options: ["rbind", "ro", "nosuid", "nodev"]
				}]),
			linux: { namespaces: [
				{ type: "mount" }, { type: "pid" }, { type: "ipc" }, { type: "network" }
			] }
		} | '"$filter" --args -- "$@" > "$dir/config.json"
}

has_pid() {
	[[ -s $SKS_DIR/$1.pid ]]
}

# contain NAME UID FILTER SPEC ADDRESS#PORT...: a server in a container of its own, under the library.
# NS=NAME is its network namespace then.
contain() {
	local name=$1 uid=$2 filter=$3 spec=$4
	shift 4
	bundle "$name" "$uid" "$filter" LD_PRELOAD=/opt/libsksteer.so SKSTEER_PORTS="$spec" -- \
		/opt/serve "$name" "$@"
	start_server "$name" "$PROGS/ownroot" crun --cgroup-manager=disabled run \
		--bundle "$SKS_DIR/$name.box" --pid-file "$SKS_DIR/$name.pid" "$name"
	wait_until 10 has_pid "$name"
	SKS_HOLDER["$name"]=$(< "$SKS_DIR/$name.pid")
	wait_until 10 says_ready "$name"
	NS=$name in_ns ip link set lo up
}

# Every container's: 65 536 users from $1 on.
mapped() {
	echo ".linux.namespaces += [{ type: \"user\" }] | .linux.uidMappings =
		[{ containerID: 0, hostID: $1, size: 65536 }] | .linux.gidMappings = .linux.uidMappings"
}

owner_is() {
	is "$(status_jq '[.services[].owner.uid] | tojson')" "[$1]"
}

@test "containers: one helper serves an ordinary user in each of them, and the host" {
	start_helper
	contain one 1000 . 8080,8081 0.0.0.0#7777
	contain two 1000 . 8080 0.0.0.0#7777
	silent one
	silent two
	serve host 8080 0.0.0.0#7777
	NS=one gets 127.0.0.1 8080 one
	NS=one gets 127.0.0.1 8081 one
	NS=two gets 127.0.0.1 8080 two
	NS=two refused 127.0.0.1 8081
	gets 127.0.0.1 8080 host
	NS=one owner_is 1000
	# They are not in it, and it is not in them.
	isnt "$(ns_ino one)" "$(ns_ino two)"
	is "$(grep ^CapBnd "/proc/$(ns_pid one)/status")" $'CapBnd:\t0000000000000000'
	kill_helper
	start_helper
	NS=one gets 127.0.0.1 8080 one
	contain three 1000 . 8080 0.0.0.0#7777
	NS=three gets 127.0.0.1 8080 three
}

@test "containers: what goes with them" {
	start_helper
	contain one 1000 . 8080 0.0.0.0#7777
	local pins
	pins=$(NS=one pins_dir)
	in_ns test -d "$pins"
	kill -KILL "$(ns_pid one)"
	unset -v 'SKS_HOLDER[one]'
	wait_until 5 not in_ns test -d "$pins"
}

@test "containers: with a user namespace a user is judged by the uid that it is outside" {
	start_helper
	contain one 1000 "$(mapped 100000)" 8080 0.0.0.0#7777
	silent one
	NS=one gets 127.0.0.1 8080 one
	NS=one owner_is 101000
	contain two 0 "$(mapped 200000)" '*' 0.0.0.0#7777
	said two 'ranges of more than 1024 ports are for root'
	contain three 0 "$(mapped 300000)" 80 0.0.0.0#7777
	said three 'port 80 is for root'
}

@test "containers: uid 0 without a user namespace and without CAP_NET_ADMIN is a user like others" {
	start_helper
	contain one 0 . 80 0.0.0.0#7777
	said one 'port 80 is for root'
	contain two 0 . '*' 0.0.0.0#7777
	said two 'ranges of more than 1024 ports are for root'
	contain three 0 . 8080 0.0.0.0#7777
	silent three
	NS=three gets 127.0.0.1 8080 three
}

@test "containers: a policy names the uid outside" {
	printf '[user 101000]\nports = 80\n' > "$SKS_DIR/policy"
	start_helper --policy "$SKS_DIR/policy"
	contain one 1000 "$(mapped 100000)" 80 0.0.0.0#7777
	silent one
	NS=one gets 127.0.0.1 80 one
	contain two 1000 . 80 0.0.0.0#7777
	said two 'port 80 is for root'
}

@test "containers: no helper there, and the server serves on" {
	contain one 1000 . 8080 0.0.0.0#7777
	is "$(log_of one)" "sksteer: no helper at /run/sksteer/helper.sock: 8080 not steered (start one as root: sksteerd)
ready"
	NS=one gets 127.0.0.1 7777 one
}

# jail DIR: what a server that calls chroot(2) leaves itself: nothing.
@test "hidden: after chroot(2) and setuid(2) a server finds the helper by its abstract name" {
	mkdir "$SKS_DIR/jail"
	NS=main start_helper
	serve jailed 80,8080 "-c$SKS_DIR/jail" 0.0.0.0#7777
	said jailed 'port 80 is for root'
	kill_server jailed
	serve jailed 8080 "-c$SKS_DIR/jail" 0.0.0.0#7777
	silent jailed
	gets 127.0.0.1 8080 jailed
	owner_is 65534
}

@test "hidden: another network namespace has other abstract names" {
	mkdir "$SKS_DIR/jail"
	NS=main start_helper
	add_ns other
	NS=other serve jailed 8080 "-c$SKS_DIR/jail" 0.0.0.0#7777
	said jailed 'no helper at'
}

@test "hidden: a helper whose name is taken says so once and goes on" {
	: > "$SKS_DIR/squat.log"
	start_server squat "${AS_NOBODY[@]}" socat "ABSTRACT-LISTEN:$SOCKET,type=5,fork" /dev/null
	wait_until 5 listens_named
	NS=main start_helper
	is "$(log_of helper)" "<4>sksteerd: cannot listen on the abstract name @$SOCKET: Address already in use; after chroot(2) nobody reaches this helper"
	serve web 8080 0.0.0.0#7777
	gets 127.0.0.1 8080 web
}

listens_named() {
	in_ns grep -qF "@$SOCKET" /proc/net/unix
}

@test "hidden: a path that is not for everybody has no name" {
	chmod 750 "$SKS_DIR/helper"
	NS=main start_helper
	not listens_named
	chmod 755 "$SKS_DIR/helper"
	kill_helper
	NS=main start_helper
	listens_named
}

@test "containers: a helper mounts its own bpffs where there is none" {
	in_ns umount /sys/fs/bpf
	BPFFS=$SKS_DIR/bpffs
	start_helper
	is "$(in_ns stat -f -c %T "$BPFFS")" bpf_fs
	serve web 8080 0.0.0.0#7777
	gets 127.0.0.1 8080 web
	in_ns umount -l "$BPFFS"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the installed units: a real systemd starts the helper as its own user, hardened,
# and Debian's own units are steered by three lines beside them.

load lib
load installed
load systemd

setup() {
	sks_setup
	need jq redis-server nginx systemd-sysusers systemd-analyze
	need_systemd
	make_room
	overlay /var
	install_here
	in_ns systemd-sysusers
	SOCKET=/run/sksteer/helper.sock
}

teardown() {
	unboot_systemd
	sks_teardown
}

# steer UNIT LINE...: as `systemctl edit` does.
steer() {
	local unit=$1
	shift
	mkdir -p "$SKS_DIR/units/$unit.d"
	printf '%s\n' '[Service]' "$@" > "$SKS_DIR/units/$unit.d/steer.conf"
}

# boot UNIT...: with sksteerd.socket, and these; the helper's log is among the test's. As at every boot
# basic.target is asked for: it is what makes services wait for sockets.
boot() {
	mkdir -p "$SKS_DIR/units/sksteerd.service.d"
	printf '%s\n' '[Service]' "StandardError=append:$SKS_DIR/helper.log" \
		> "$SKS_DIR/units/sksteerd.service.d/log.conf"
	cp /lib/systemd/system/{sysinit,basic,sockets,shutdown}.target "$SKS_DIR/units"
	unit test.target <<-EOF
		[Unit]
		DefaultDependencies=no
		Wants=basic.target sksteerd.socket $*
	EOF
	boot_systemd test.target /usr/local/lib/systemd/system
	wait_until 10 is_active test.target
}

is_active() {
	in_systemd systemctl --quiet is-active "$@"
}

main_pid() {
	in_systemd systemctl show --property MainPID --value "$1"
}

# service FILTER: of the one service that sksteerctl shows in the booted system.
service() {
	in_systemd /usr/local/sbin/sksteerctl status --json | jq -r ".services[] | $1"
}

# redis_at PORT: it answers there.
redis_at() {
	is "$(in_ns redis-cli -p "$1" ping)" PONG
}

# redis LINE...: Debian's unit, hardened as it is, and these lines. It may execute nothing but what lies
# below /usr/lib, so the library of an installation below /usr/local has to be named.
redis() {
	cp /lib/systemd/system/redis-server.service "$SKS_DIR/units"
	steer redis-server.service Environment=LD_PRELOAD=libsksteer.so ExecPaths=/usr/local/lib "$@"
}

# echo_unit NAME PORT LINE...: an echo server that is to be steered.
echo_unit() {
	unit "$1.service" <<-EOF
		[Unit]
		DefaultDependencies=no
		After=sksteerd.socket
		[Service]
		ExecStart=ncat -4lke /bin/cat 127.0.0.1 $2
		StandardError=append:$SKS_DIR/$1.log
		Environment=LD_PRELOAD=libsksteer.so
		$(printf '%s\n' "${@:3}")
	EOF
}

@test "systemd: three lines steer a unit; the helper is a user of its own, and comes when it is asked" {
	local pid
	printf '%s\n' '[user redis]' 'ports = 79' > "$SKS_DIR/policy.conf"
	in_ns cp "$SKS_DIR/policy.conf" /etc/sksteer/policy.conf
	redis Environment=SKSTEER_PORTS=79,7000-7002
	boot redis-server.service
	wait_until 20 redis_at 7001
	redis_at 6379
	redis_at 79
	refused 127.0.0.1 7003
	is "$(service .label)" "@redis-server-$(main_pid redis-server)"
	is_active sksteerd.service
	pid=$(main_pid sksteerd)
	is "$(in_systemd ps -o user= -p "$pid")" sksteer
	# bpf, net_admin, net_bind_service; and no way to what the unit does not name.
	is "$(in_systemd grep -E '^(CapEff|CapAmb|NoNewPrivs)' "/proc/$pid/status" | awk '{ print $2 }' | xargs)" \
		'0000008000001400 0000000000000000 1'
	is "$(in_systemd stat -c '%U %a' /run/sksteer/helper.sock /sys/fs/bpf/sksteer | xargs)" 'root 666 sksteer 750'
	has_not "$(log_of helper)" '<3>'
	has_not "$(log_of helper)" '<4>'
}

@test "systemd: the helper is restarted, killed, stopped and started, and traffic goes on" {
	local pid inode
	redis Environment=SKSTEER_PORTS=7000
	boot redis-server.service
	wait_until 20 redis_at 7000
	inode=$(in_systemd stat -c %i /run/sksteer/helper.sock)
	pid=$(main_pid sksteerd)
	in_systemd systemctl restart sksteerd &
	holds 1 redis_at 7000
	wait "$!"
	isnt "$(main_pid sksteerd)" "$pid"
	is "$(service '.sockets | length')" 2
	pid=$(main_pid sksteerd)
	in_systemd kill -KILL "$pid"
	redis_at 7000
	wait_until 10 another_than "$pid"
	redis_at 7000
	in_systemd systemctl stop sksteerd
	not is_active sksteerd
	redis_at 7000
	is "$(service '.sockets | length')" 2 # from the pins, which is for root
	# Who registers meanwhile starts it.
	in_systemd systemctl restart redis-server
	wait_until 10 redis_at 7000
	is_active sksteerd
	is "$(in_systemd stat -c %i /run/sksteer/helper.sock)" "$inode"
	has_not "$(log_of helper)" '<3>'
}

@test "systemd: what a helper of root's has pinned is taken up by the unit's" {
	start_helper
	start_steered web 7 ncat -4lke /bin/cat 127.0.0.1 7777
	wait_answer 127.0.0.1 7
	kill_helper
	in_ns systemd-tmpfiles --create sksteer.conf
	SOCKET=/run/sksteer/helper.sock
	boot
	in_systemd systemctl start sksteerd
	is "$(service '.sockets | length')" 1
	in_systemd /usr/local/sbin/sksteerctl bind more 9
	kill_server web
	wait_until 5 refused 127.0.0.1 7
	wait_until 5 is_label more
	has_not "$(log_of helper)" '<3>'
}

is_label() {
	is "$(service .label)" "$1"
}

@test "systemd: at boot it is ready before servers start" {
	redis Environment=SKSTEER_PORTS=7000
	cp /lib/systemd/system/network.target "$SKS_DIR/units"
	boot sksteerd.service redis-server.service network.target
	wait_until 10 redis_at 7000
	(($(at redis-server ExecMainStartTimestampMonotonic) > $(at sksteerd ActiveEnterTimestampMonotonic)))
}

# at UNIT TIMESTAMP: in microseconds.
at() {
	in_systemd systemctl show --property "$2" --value "$1"
}

another_than() {
	isnt "$(main_pid sksteerd)" "$1" && isnt "$(main_pid sksteerd)" 0 && is_active sksteerd
}

@test "systemd: SIGHUP by reload, and a policy with an error stays out" {
	boot
	in_systemd systemctl start sksteerd
	echo 'ports = 80' > "$SKS_DIR/policy.conf"
	in_systemd cp "$SKS_DIR/policy.conf" /etc/sksteer/policy.conf
	in_systemd systemctl reload sksteerd
	wait_until 5 grep -q '<3>sksteerd: /etc/sksteer/policy.conf:1: ' "$SKS_DIR/helper.log"
	is_active sksteerd
}

@test "systemd: nginx, which tests its configuration first and goes into the background" {
	cp /lib/systemd/system/nginx.service "$SKS_DIR/units"
	steer nginx.service Environment=LD_PRELOAD=libsksteer.so Environment=SKSTEER_PORTS=8000-8100
	boot nginx.service
	# What its page is depends on which other servers are installed.
	wait_until 20 in_ns curl -fs -o "$SKS_DIR/page" -D "$SKS_DIR/head" http://127.0.0.1:8050/
	has "$(cat "$SKS_DIR/head")" 'Server: nginx'
	in_systemd systemctl restart nginx
	wait_until 5 in_ns curl -fs -o "$SKS_DIR/page" http://127.0.0.1:8050/
	in_systemd systemctl stop nginx
	wait_until 5 refused 127.0.0.1 8050
}

@test "systemd: units with a network, users, and files of their own" {
	echo_unit network 7777 Environment=SKSTEER_PORTS=7 PrivateNetwork=yes
	echo_unit users 7778 Environment=SKSTEER_PORTS=8000 User=nobody PrivateUsers=yes PrivateTmp=yes
	echo_unit files 7779 Environment=SKSTEER_PORTS=9 TemporaryFileSystem=/run # by the abstract name
	boot network.service users.service files.service
	wait_answer 127.0.0.1 9
	wait_answer 127.0.0.1 8000
	refused 127.0.0.1 7
	wait_until 5 answers_inside network 7
	has_not "$(log_of helper)" '<3>'
}

answers_inside() {
	is "$(in_systemd nsenter --target "$(main_pid "$1")" --net bash -c \
		"exec 9<> /dev/tcp/127.0.0.1/$2 && echo hello >&9 && read -r line <&9 && echo \"\$line\"")" hello
}

@test "systemd: units that forbid AF_UNIX, or to execute the library, say so and serve" {
	cp /lib/systemd/system/redis-server.service "$SKS_DIR/units"
	steer redis-server.service Environment=LD_PRELOAD=libsksteer.so Environment=SKSTEER_PORTS=7000 \
		"StandardError=append:$SKS_DIR/redis.log"
	echo_unit none 7777 Environment=SKSTEER_PORTS=7 'RestrictAddressFamilies=AF_INET AF_INET6'
	boot none.service redis-server.service
	wait_answer 127.0.0.1 7777
	refused 127.0.0.1 7
	is "$(log_of none)" "sksteer: cannot ask the helper at $SOCKET: errno 97: 7 not steered"
	wait_until 10 redis_at 6379
	refused 127.0.0.1 7000
	has "$(log_of redis)" "object 'libsksteer.so' from LD_PRELOAD cannot be preloaded"
}

# bpffs_is OWNER GROUP MODE: without the sticky bit, which is the kernel's choice.
bpffs_is() {
	is "$(in_systemd stat -c '%U %G %a' /sys/fs/bpf | sed 's/ 1/ /')" "$*"
}

@test "systemd: the way to the pins is opened for the helper where it is closed, and else stays as it is" {
	boot
	bpffs_is root sksteer 710
	unboot_systemd
	in_ns chown root:daemon /sys/fs/bpf
	in_ns chmod 755 /sys/fs/bpf
	boot
	bpffs_is root daemon 755
	in_systemd systemctl start sksteerd
	in_systemd /usr/local/sbin/sksteerctl bind web 80
}

# --- without a systemd -----------------------------------------------------------------------------

# activated ARGUMENT...: of systemd-socket-activate; the first client starts the helper.
activated() {
	SOCKET=$SKS_DIR/helper.sock
	start_server helper systemd-socket-activate "$@" "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS"
}

@test "LISTEN_FDS: it takes the socket that it is passed, and leaves it there at its end" {
	activated --seqpacket -l "$SKS_DIR/helper.sock"
	wait_until 5 test -S "$SKS_DIR/helper.sock"
	wait_until 5 status_jq .namespace
	is "$(pid_of helper)" "$(own_pids sksteerd)"
	stop_helper
	[[ -S $SOCKET ]]
}

@test "LISTEN_FDS: a socket that it does not listen on is an error" {
	activated -l 127.0.0.1:7777
	wait_port 7777
	in_ns timeout 5 bash -c 'exec 9<> /dev/tcp/127.0.0.1/7777'
	wait_server helper || is "$?" 1
	has "$(log_of helper)" "<3>sksteerd: descriptor 3 of LISTEN_FDS is not a listening SOCK_SEQPACKET socket at $SOCKET or @$SOCKET"
}

# --- what is left open -----------------------------------------------------------------------------

@test "systemd-analyze security: what the unit leaves open is what SECURITY.md has reasons for" {
	local unit=/usr/local/lib/systemd/system/sksteerd.service
	in_ns systemd-analyze security --offline=true --no-pager --json=short "$unit" > "$SKS_DIR/open.json"
	# shellcheck disable=SC2016 # Markdown's backquotes
	is "$(jq -r '.[] | select(.set == false).name' "$SKS_DIR/open.json" | sort)" \
		"$(sed -n '/^## What the unit leaves open/,/^## A hostile local user/s/^| `\([^`]*\)`.*/\1/p' \
			"$SKS_ROOT/docs/SECURITY.md" | sort)"
	in_ns systemd-analyze security --offline=true --no-pager --threshold=27 "$unit" > "$SKS_DIR/exposure"
	# Units and files of a syntax that systemd knows.
	in_ns systemd-analyze verify --man=no "$unit" /usr/local/lib/systemd/system/sksteerd.socket
}

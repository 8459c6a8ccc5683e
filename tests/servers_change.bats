#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests with real servers that do not serve as what was started: they execute themselves
# anew, start their workers anew, or have become another user before they bind.

load lib
load web

setup() {
	sks_setup
}

teardown() {
	sks_teardown
}

# --- sshd ------------------------------------------------------------------------------------------

start_sshd() {
	need sshd ssh-keygen ssh-keyscan
	ssh-keygen -q -t ed25519 -N '' -f "$SKS_DIR/key"
	in_ns mkdir -p -m 755 /run/sshd
	start_steered sshd 22,77 "$(command -v sshd)" -D -e -f /dev/null -p 2222 -h "$SKS_DIR/key" \
		-o PidFile=none
}

# has_key ADDRESS PORT: the whole key exchange. sshd executes itself anew for each client, too.
has_key() {
	is "$(in_ns ssh-keyscan -T $((5 * SKS_SLOW)) -t ed25519 -p "$2" "$1" 2> /dev/null |
		cut -d' ' -f2,3)" "$(cut -d' ' -f1,2 "$SKS_DIR/key.pub")"
}

has_begun() {
	is "$(grep -c '^Server listening on' "$SKS_DIR/sshd.log")" "$1"
}

@test "sshd: executes itself anew for each client, and at SIGHUP, and keeps its ports" {
	local begun
	start_helper
	start_sshd
	for begun in 2 4; do
		wait_until 5 has_begun "$begun"
		wait_until 5 has_key 127.0.0.1 22
		has_key ::1 77
		has_key ::1 2222
		wait_sockets 2
		is "$(status_jq '[.services[].sockets[].pid] | unique[]')" "$(pid_of sshd)"
		((begun == 4)) || kill -HUP "$(pid_of sshd)"
	done
	stop_server sshd
	refused 127.0.0.1 22
	refused ::1 77
	is "$(status_jq '.services | length')" 0
	is "$(grep -c ^sksteer: "$SKS_DIR/sshd.log")" 0
}

# --- apache ----------------------------------------------------------------------------------------

# apache_conf WORD: two listeners, and a virtual host for one of the steered ports.
apache_conf() {
	local modules=/usr/lib/apache2/modules where
	for where in main eighty; do
		mkdir -p "$SKS_DIR/$where"
		echo "$1 $where" > "$SKS_DIR/$where/index.html"
	done
	chmod -R a+rX "$SKS_DIR"
	cat > "$SKS_DIR/apache.conf" <<-EOT
		ServerRoot $SKS_DIR
		ServerName localhost
		PidFile $SKS_DIR/apache.pid
		ErrorLog /dev/stderr
		LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		LoadModule dir_module $modules/mod_dir.so
		User nobody
		Group nogroup
		StartServers 2
		Listen 8080
		Listen 8443
		DocumentRoot $SKS_DIR/main
		<VirtualHost *:80>
			DocumentRoot $SKS_DIR/eighty
		</VirtualHost>
	EOT
}

has_restarted() {
	is "$(grep -c 'resuming normal operations' "$SKS_DIR/apache.log")" "$1"
}

# apache ENGINE: in a session of its own, for SIGHUP goes to its whole process group.
apache() {
	need apache2 curl setsid
	start_helper
	apache_conf first
	start_server apache setsid "$RUN" --socket "$SOCKET" --engine "$1" \
		-p '8080=80,8000-8001;8443=443' "$(command -v apache2)" -DFOREGROUND \
		-f "$SKS_DIR/apache.conf"
	wait_until 5 gets 127.0.0.1 80 'first eighty'
	gets ::1 8001 'first main'
	gets ::1 443 'first main'
	start_load 80
	wait_until 5 requests_are 10
	apache_conf second
	kill -USR1 "$(pid_of apache)"
	wait_until 5 has_restarted 2
	wait_until 5 requests_are 30
	end_load
	kill -HUP "$(pid_of apache)"
	wait_until 5 has_restarted 3
	gets 127.0.0.1 80 'second eighty'
	gets ::1 443 'second main'
	wait_sockets 2
	stop_server apache
	refused 127.0.0.1 80
	is "$(grep -c ^sksteer: "$SKS_DIR/apache.log")" 0
}

@test "apache, prefork: a graceful restart refuses nobody, and a signal to its group ends nothing of ours" {
	apache preload
}

@test "apache, prefork: the same under the seccomp engine" {
	apache seccomp
}

# --- memcached -------------------------------------------------------------------------------------

# start_memcached [VARIABLE=VALUE]...: by root; it becomes nobody before it binds.
start_memcached() {
	need memcached
	: > "$SKS_DIR/memcached.log"
	start_steered memcached 77,7070 env "$@" memcached -u nobody -l 127.0.0.1,::1 -p 11211
	wait_port 11211
}

has_version() {
	has "$(ask "$1" "$2" $'version\r')" 'VERSION '
}

DENIED='sksteer: 77: port 77 is for root (net.ipv4.ip_unprivileged_port_start is 1024), and '
DENIED+='/etc/sksteer/policy.conf does not grant it to user 65534'

@test "memcached, which root starts: it asks as the user that it has become, and its log says so" {
	start_helper
	start_memcached
	wait_until 5 grep -q . "$SKS_DIR/memcached.log"
	is "$(log_of memcached)" "$DENIED"
	has_version 127.0.0.1 11211
	refused 127.0.0.1 77
	refused 127.0.0.1 7070 # nothing is half applied
	stop_server memcached
	# So does a file that is made for that user.
	install -o nobody -m 600 /dev/null "$SKS_DIR/steer.log"
	start_memcached SKSTEER_LOG="$SKS_DIR/steer.log"
	wait_until 5 grep -q . "$SKS_DIR/steer.log"
	is "$(sort -u "$SKS_DIR/steer.log")" "$DENIED"
	is "$(log_of memcached)" ''
}

@test "memcached, which root starts, and whose own user the policy file grants the port" {
	printf '%s\n' '[user nobody]' 'ports = 77' > "$SKS_DIR/policy.conf"
	chmod 644 "$SKS_DIR/policy.conf"
	start_helper --policy "$SKS_DIR/policy.conf"
	start_memcached SKSTEER_LABEL=cache
	wait_until 5 has_version 127.0.0.1 77
	wait_until 5 has_version ::1 7070
	# The label is that user's, too.
	ctl bind cache 7071
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" bind cache 7072
	has_version ::1 7072
	refused ::1 7071
	is "$(status_jq '[.services[] | "\(.label) \(.owner.uid)"] | sort | join(", ")')" \
		'cache 0, cache 65534'
	is "$(log_of memcached)" ''
	stop_server memcached
	refused ::1 77
}

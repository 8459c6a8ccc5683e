#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests with servers of ordinary users, real ones among them, which bind ports that the
# policy file grants themselves.
# bats file_tags=sanitize

load authbind

# runs NAME CMD...: as nobody under sksteer-run, without a word of what to steer.
runs() {
	local name=$1
	shift
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${AS_NOBODY[@]}" "$RUN" --socket "$SOCKET" "$@"
}

@test "authbind: python's web server on port 80, of an ordinary user" {
	policy '[user nobody]' 'ports = 80,443'
	runs web /usr/bin/python3 -m http.server --directory "$PROGS" 80
	wait_port 80
	has "$(in_ns curl --silent --noproxy '*' http://127.0.0.1/)" 'Directory listing'
	is "$(in_ns ss -Htlne 'sport = :80' | grep -c 'uid:65534')" 1
	has_not "$(log_of web)" sksteer
	has "$(log_of helper)" "user 65534 process $(pid_of web) opens 0.0.0.0/0:80 in net-$(ns_ino): granted"
	# A port of its own needs no steering, so nothing is loaded.
	is "$(in_ns find /sys/fs/bpf -name program)" ''
}

@test "authbind: ncat on port 80, on both families" {
	policy '[user nobody]' 'ports = 80'
	runs echo ncat -lk 80 --exec /bin/cat
	wait_answer 127.0.0.1 80
	wait_answer ::1 80
	is "$(log_of echo)" ''
}

@test "authbind: nginx on ports 80 and 443, and its next configuration" {
	need nginx curl
	mkdir -m 777 "$SKS_DIR/nginx"
	cat > "$SKS_DIR/nginx/conf" <<-EOT
		daemon off;
		worker_processes 2;
		pid $SKS_DIR/nginx/pid;
		error_log stderr;
		events { worker_connections 64; }
		http {
			access_log off;
			$(nginx_paths "$SKS_DIR/nginx")
			server { listen 80; listen [::]:80; return 200 'on \$server_port'; }
		}
	EOT
	policy '[user 65534]' 'ports = 80,443'
	runs nginx nginx -e stderr -p "$SKS_DIR/nginx" -c "$SKS_DIR/nginx/conf"
	wait_port 80
	is "$(in_ns curl --silent --noproxy '*' http://127.0.0.1/)" 'on 80'
	is "$(in_ns curl --silent --noproxy '*' 'http://[::1]/')" 'on 80'
	sed -i 's/listen 80;/listen 80; listen 443;/' "$SKS_DIR/nginx/conf"
	kill -HUP "$(pid_of nginx)"
	wait_port 443
	is "$(in_ns curl --silent --noproxy '*' http://127.0.0.1:443/)" 'on 443'
	has_not "$(log_of nginx)" sksteer
}

resolves() {
	in_ns timeout "$((5 * SKS_SLOW))" /usr/bin/python3 - "$1" <<-'END'
		import socket, sys
		query = b"\0\1\1\0\0\1\0\0\0\0\0\0\4test\7example\0\0\1\0\1"
		with socket.socket(type=socket.SOCK_DGRAM) as sock:
		    sock.connect((sys.argv[1], 53))
		    sock.send(query)
		    assert sock.recv(512).endswith(bytes([192, 0, 2, 7]))
	END
}

@test "authbind: dnsmasq on port 53, by UDP, whose reply comes from there" {
	need dnsmasq
	policy '[user nobody]' 'ports = 53/udp;53'
	runs dns dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts \
		--bind-interfaces --listen-address=127.0.0.1 --log-facility=- \
		--address=/test.example/192.0.2.7
	wait_until 5 resolves 127.0.0.1
	listening 53 127.0.0.1
}

@test "authbind: the raw form, getsockname, and a server that also has a spec" {
	policy '[user nobody]' 'ports = 80'
	AS=nobody act web "$INSTANCE"
	does web 'open here tcp 127.0.0.1 80'
	gets 127.0.0.1 80 here
	AS=nobody act other SKSTEER_PORTS=8080,8081
	does other 'open there tcp 127.0.0.2 80'
	gets 127.0.0.2 80 there
	gets 127.0.0.2 8081 there
	is "$(log_of web)" $'ready\n= done'
	is "$(log_of other)" $'ready\n= done'
}

@test "authbind: UDP by the raw form, steered as well" {
	policy '[user nobody]' 'ports = 53/udp'
	AS=nobody act dns SKSTEER_PORTS=5353/udp
	does dns 'open here udp 127.0.0.1 53'
	gets_udp 127.0.0.1 53 here
	gets_udp 127.0.0.1 5353 here
}

@test "authbind: forked children and threads bind too" {
	policy '[user nobody]' 'ports = 80'
	export AS=nobody
	granted tcp4 fork bind=0.0.0.0#80
	granted tcp4 thread bind=0.0.0.0#80
	binds "$INSTANCE" fds tcp4 bind=0.0.0.0#80 listen fds
	is "$output" $'3 fds\nbind ok\nlisten ok\n4 fds'
}

@test "authbind: SO_REUSEPORT: one's own workers share the port, nobody else joins" {
	policy '[user nobody]' 'ports = 80' '[user 65533]' 'ports = 80'
	AS=nobody act one "$INSTANCE"
	AS=nobody act two "$INSTANCE"
	AS=user2 act other "$INSTANCE"
	does one 'open a tcp 0.0.0.0 80 reuse' 'open u udp 0.0.0.0 4053 reuse'
	does two 'open b tcp 0.0.0.0 80 reuse'
	is "$(tell other 'open c tcp 0.0.0.0 80 reuse')" EADDRINUSE
	is "$(tell other 'open c tcp 127.0.0.1 80 reuse')" EADDRINUSE
	kill_server one
	gets 127.0.0.1 80 b
	is "$(tell other 'open c tcp 0.0.0.0 80 reuse')" EADDRINUSE
	kill_server two
	does other 'open c tcp 0.0.0.0 80 reuse'
}

@test "authbind: to an interface of one's own choice" {
	policy '[user nobody]' 'ports = 80'
	AS=nobody act web "$INSTANCE"
	does web 'open a tcp 0.0.0.0 80 dev=lo'
	gets 127.0.0.1 80 a
}

@test "authbind: a link-local address with its interface" {
	need curl
	add_ns client
	veth main fe80::77/64 client fe80::78/64
	policy '[user nobody]' 'ports = 80'
	runs web /usr/bin/python3 -m http.server --directory "$PROGS" --bind fe80::77%to-client 80
	wait_port 80
	has "$(NS=client in_ns curl --silent --noproxy '*' 'http://[fe80::77%25to-main]/')" \
		'Directory listing'
	is "$(in_ns ss -Htln 'sport = :80' | awk '{ print $4 }')" '[fe80::77]%to-client:80'
}

#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of sksteer-run with real programs of all kinds, static and Go above all: each by its
# own protocol, on ports that are steered to it, by IPv4 and by IPv6, at once and without a word of how.

bats_require_minimum_version 1.5.0
load lib

setup_file() {
	local each name cgo arch
	need jq curl go rustc musl-gcc caddy busybox
	export GOCACHE=$BATS_FILE_TMPDIR/cache GOPATH=$BATS_FILE_TMPDIR/path GO111MODULE=off GOFLAGS=
	for each in static:0:amd64 cgo:1:amd64 small:0:386; do
		IFS=: read -r name cgo arch <<< "$each"
		[[ $(uname -m) == x86_64 ]] || arch=$(go env GOARCH)
		CGO_ENABLED=$cgo GOARCH=$arch go build -o "$BATS_FILE_TMPDIR/go-$name" \
			"$SKS_ROOT/tests/progs/go/serve.go"
	done
	rustc -O -o "$BATS_FILE_TMPDIR/rust" "$SKS_ROOT/tests/progs/serve.rs"
	musl-gcc -O1 -std=gnu11 -D_GNU_SOURCE -o "$BATS_FILE_TMPDIR/musl" "$SKS_ROOT/tests/progs/serve.c"
	musl-gcc -static -O1 -std=gnu11 -D_GNU_SOURCE -o "$BATS_FILE_TMPDIR/musl-static" \
		"$SKS_ROOT/tests/progs/serve.c"
	[[ $(uname -m) != x86_64 ]] || make_small
}

# What docs/GUIDE.md says of 32-bit programs.
make_small() {
	local build=$BATS_FILE_TMPDIR/build-32
	make --silent -C "$SKS_ROOT" BUILD="$build" CC='gcc -m32' CFLAGS='-O2 -g' "$build/libsksteer.so"
	gcc -m32 -O1 -std=gnu11 -D_GNU_SOURCE -o "$BATS_FILE_TMPDIR/small" "$SKS_ROOT/tests/progs/serve.c"
}

setup() {
	sks_setup
	cp "$BATS_FILE_TMPDIR"/{go-*,rust,musl*} "$PROGS"
	[[ $(uname -m) != x86_64 ]] || cp "$BATS_FILE_TMPDIR/small" "$PROGS"
	start_helper
}

teardown() {
	sks_teardown
}

# runs NAME ARGUMENT...: sksteer-run -v of a server, which says "listens" or "ready" at some time, as
# the user $AS (root or nobody).
runs() {
	local name=$1 user=()
	shift
	[[ ${AS:-root} == root ]] || user=("${AS_NOBODY[@]}")
	: > "$SKS_DIR/$name.log"
	start_server "$name" "${user[@]}" "$RUN" --socket "$SOCKET" -v "$@"
}

runs_ready() {
	runs "$@"
	wait_until 10 grep -qE '^(listens|ready)$' "$SKS_DIR/$1.log"
}

# engine NAME ENGINE: which one it says that it took, in one line.
engine() {
	case $2 in
	seccomp) is "$(log_of "$1" | grep -c '^sksteer-run: engine seccomp: .* is ')" 1 ;;
	preload) is "$(log_of "$1" | grep -c '^sksteer-run: preloading ')" 1 ;;
	esac
}

# http ADDRESS PORT: what a page of it says.
http() {
	in_ns curl -fsS --max-time 5 "http://$(sks_bracket "$1"):$2/"
}

# serves_http PORT...: on both families, and its own.
serves_http() {
	local port address
	for port in "$@"; do
		for address in 127.0.0.1 ::1; do
			is "$(http "$address" "$port")" "$(sks_bracket "$address"):$port"
		done
	done
}

@test "a static Go server: HTTP on steered ports, for root and for a user" {
	runs_ready web -p 80,8000-8002 -- "$PROGS/go-static" http :7777
	serves_http 80 8000 8001 8002 7777
	engine web seccomp
	kill_server web
	refused 127.0.0.1 80
	AS=nobody runs_ready web -p 8077 -- "$PROGS/go-static" http :7777
	serves_http 8077 7777
	engine web seccomp
}

@test "a Go server with cgo, which a preload would miss without a word" {
	runs_ready web -p 80 -- "$PROGS/go-cgo" http :7777
	engine web seccomp
	serves_http 80
}

@test "a 32-bit Go server, whose calls are socketcall(2)'s" {
	[[ $(uname -m) == x86_64 ]] || skip 'no 32-bit programs on this machine'
	runs_ready web -p 80 -- "$PROGS/go-small" http :7777
	has "$(log_of web)" 'go-small has another word size than libsksteer.so'
	serves_http 80
}

# install_both: the library by its bare name, for programs of either word size, as docs/GUIDE.md has it.
install_both() {
	in_ns mount -t tmpfs none /mnt
	in_ns mkdir /mnt/{etc,etc-work,lib,lib-work}
	in_ns mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/etc-work overlay /etc
	in_ns mount -t overlay -o lowerdir=/usr/lib32,upperdir=/mnt/lib,workdir=/mnt/lib-work overlay /usr/lib32
	in_ns mount -t tmpfs none /usr/local
	in_ns install -D -m 644 -t /usr/local/lib "$LIB"
	in_ns install -m 644 -t /usr/lib32 "$BATS_FILE_TMPDIR/build-32/libsksteer.so"
	in_ns ldconfig
}

# raw NAME WORD...: the raw form, with the bare name.
raw() {
	: > "$SKS_DIR/$1.log"
	start_server "$1" env LD_PRELOAD=libsksteer.so SKSTEER_SOCKET="$SOCKET" SKSTEER_PORTS=80 "${@:2}"
	wait_until 10 grep -q '^ready$' "$SKS_DIR/$1.log"
}

@test "a dynamic 32-bit server: by seccomp, also where a shell starts it" {
	[[ $(uname -m) == x86_64 ]] || skip 'no 32-bit programs on this machine'
	runs_ready web -p 80 -- "$PROGS/small" small '::#7777'
	has "$(log_of web)" 'small has another word size than libsksteer.so'
	is "$(ask 127.0.0.1 80) $(ask ::1 80)" 'small 80 small 80'
	kill_server web
	runs_ready web --engine seccomp -p 80 -- sh -c "$PROGS/small small '::#7777'; :"
	is "$(ask 127.0.0.1 80) $(ask ::1 80)" 'small 80 small 80'
	has_not "$(log_of web)" ld.so
}

@test "a dynamic 32-bit server in the raw form, with a library of its own beside the other one" {
	[[ $(uname -m) == x86_64 ]] || skip 'no 32-bit programs on this machine'
	install_both
	raw web "$PROGS/small" small '::#7777'
	is "$(ask 127.0.0.1 80) $(ask ::1 80)" 'small 80 small 80'
	is "$(log_of web)" ready
	kill_server web
	refused 127.0.0.1 80
	raw web sh -c "cat /dev/null; $PROGS/small small '127.0.0.1#7777'; :"
	is "$(ask 127.0.0.1 80)" 'small 80'
	is "$(log_of web)" ready
	in_ns rm /usr/lib32/libsksteer.so
	in_ns ldconfig
	run in_ns timeout 5 env LD_PRELOAD=libsksteer.so "$PROGS/small" none bad
	has "$output" "ERROR: ld.so: object 'libsksteer.so'"
}

both_listen() {
	is "$(log_of web | grep -c '^listens$')" 2
}

@test "a Go server of two listeners, which it opens at once" {
	runs web -p '7777=80;7778=81' -- "$PROGS/go-static" http :7777 :7778
	wait_until 10 both_listen
	serves_http 80 81
}

@test "a Go server that asks for MPTCP first, as of Go 1.24, gets TCP and is steered" {
	runs_ready web -p 80 -- "$PROGS/go-static" mptcp :7777
	has "$(log_of web)" 'no MPTCP: protocol not supported'
	serves_http 80 7777
	engine web seccomp
}

@test "a Go UDP server gets what is sent to steered ports" {
	runs_ready echo -p 53/udp -- "$PROGS/go-static" udp :7777
	is "$(ask_udp 127.0.0.1 53)" hello
	is "$(ask_udp ::1 53)" hello
	kill_server echo
	refused_udp 127.0.0.1 53
}

@test "caddy, as Debian has it" {
	in_ns env HOME="$SKS_DIR" true
	mkdir -m 777 "$SKS_DIR/home" "$SKS_DIR/www"
	echo caddy > "$SKS_DIR/www/index.html"
	chmod -R a+rX "$SKS_DIR/www"
	AS=nobody HOME=$SKS_DIR/home runs web -p 8000-8100 -- caddy file-server --root "$SKS_DIR/www" --listen :7777
	wait_until 10 http 127.0.0.1 8050
	is "$(http ::1 8100)" caddy
	engine web seccomp
}

@test "busybox httpd, static" {
	mkdir "$SKS_DIR/www"
	echo busybox > "$SKS_DIR/www/index.html"
	runs web -p 80 -- busybox httpd -f -p 7777 -h "$SKS_DIR/www"
	wait_until 10 http 127.0.0.1 80
	is "$(http ::1 80)" busybox
	engine web seccomp
}

@test "a Rust TcpListener: by preload" {
	runs_ready web -p 80 -- "$PROGS/rust" '[::]:7777'
	engine web preload
	is "$(ask 127.0.0.1 80)" 'rust 80'
	is "$(ask ::1 80)" 'rust 80'
}

@test "a musl program: dynamic by preload, static by seccomp" {
	runs_ready web -p 80 -- "$PROGS/musl" musl '::#7777'
	engine web preload
	is "$(ask 127.0.0.1 80)" 'musl 80'
	is "$(ask ::1 80)" 'musl 80'
	kill_server web
	runs_ready web -p 80 -- "$PROGS/musl-static" musl '::#7777'
	engine web seccomp
	is "$(ask 127.0.0.1 80)" 'musl 80'
	is "$(log_of web | grep -v -e '^sksteer-run: ' -e 'steered: 80' -e ready)" ''
}

@test "scripts are followed to what runs them, through env too" {
	printf '#!%s http :7777\n' "$PROGS/go-static" > "$SKS_DIR/one"
	printf '#!%s\n' "$SKS_DIR/one" > "$SKS_DIR/two"
	printf '#!/usr/bin/env go-static\n' > "$SKS_DIR/three"
	chmod 755 "$SKS_DIR"/{one,two,three}
	run in_ns "$RUN" --socket "$SOCKET" -v -p 80 -- "$SKS_DIR/one"
	has "$output" "engine seccomp: $PROGS/go-static is a Go program"
	run in_ns "$RUN" --socket "$SOCKET" -v -p 80 -- "$SKS_DIR/two"
	has "$output" "engine seccomp: $PROGS/go-static is a Go program"
	PATH=$PROGS:$PATH run in_ns "$RUN" --socket "$SOCKET" -v -p 80 -- "$SKS_DIR/three"
	has "$output" "engine seccomp: $PROGS/go-static is a Go program"
}

@test "sh -c and a supervisor that start a Go server: with --engine seccomp all are reached" {
	runs_ready web --engine seccomp -p 80 -- sh -c "$PROGS/go-static http :7777; :"
	serves_http 80
}

# --- in the middle of others -----------------------------------------------------------------------

@test "whoever clears the environment, closes all descriptors, or gains rights is reached as well" {
	need setcap
	runs_ready web --engine seccomp -p 80 -- env -i "$PROGS/musl" musl '::#7777'
	is "$(ask 127.0.0.1 80)" 'musl 80'
	kill_server web
	cp "$SKS_BUILD/tests/serve" "$SKS_DIR/caps"
	setcap cap_net_bind_service+ep "$SKS_DIR/caps"
	runs_ready web --engine seccomp -p 8077 -- "${AS_NOBODY[@]}" "$SKS_DIR/caps" caps '127.0.0.1#81'
	is "$(ask 127.0.0.1 8077)" 'caps 8077'
	is "$(ask 127.0.0.1 81)" 'caps 81'
}

@test "nginx: its workers, a reload with another port, and its binary upgrade" {
	local master
	need nginx
	mkdir "$SKS_DIR/nginx"
	nginx_conf 7777
	runs web --engine seccomp -p '7777=80;7778=81' -- "$(command -v nginx)" -c "$SKS_DIR/nginx.conf"
	wait_until 10 http 127.0.0.1 80
	master=$(< "$SKS_DIR/nginx.pid")
	nginx_conf '7777; listen 7778'
	kill -HUP "$master"
	wait_until 10 http 127.0.0.1 81
	kill -USR2 "$master"
	wait_until 10 test -s "$SKS_DIR/nginx.pid.oldbin"
	wait_until 10 test -s "$SKS_DIR/nginx.pid"
	kill -QUIT "$master"
	wait_until 10 sks_is_gone "$master"
	is "$(http 127.0.0.1 80) $(http 127.0.0.1 81)" '80 81'
	kill -TERM "$(< "$SKS_DIR/nginx.pid")"
	wait_until 10 gone sksteer-watch
}

# nginx_conf LISTEN
nginx_conf() {
	cat > "$SKS_DIR/nginx.conf" <<-EOT
		pid $SKS_DIR/nginx.pid;
		error_log stderr;
		events {}
		http {
			access_log off;
			$(nginx_paths "$SKS_DIR")
			server { listen $1; return 200 "\$server_port\n"; }
		}
	EOT
}

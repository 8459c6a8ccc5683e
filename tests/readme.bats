#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the README's word: its recipes are run as they stand there. (That of containers is
# containers.bats', that of units is systemd.bats'.)

load lib

setup() {
	sks_setup
	need curl python3
	# A policy file that nobody else sees.
	in_ns mkdir -p /run/etc/upper /run/etc/work
	in_ns mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
	in_ns mkdir -p /etc/sksteer /run/sksteer
	SOCKET=/run/sksteer/helper.sock
	WWW=$SKS_DIR/www
	mkdir -p "$WWW"/{one,two}
	echo here > "$WWW/index.html"
	echo one > "$WWW/one/index.html"
	echo two > "$WWW/two/index.html"
	chmod -R a+rX "$WWW"
}

teardown() {
	sks_teardown
}

# words HEADING: the indented lines below "### HEADING", up to the next heading.
words() {
	awk -v heading="### $1" '/^#/ { inside = $0 == heading }
		inside && /^    / { print substr($0, 5) }' "$SKS_ROOT/README.md" | grep .
}

# What a README leaves out: that a server in the background takes a moment. And what a machine has
# that this one may not: sudo, and a systemd that has started the helper.
stage() {
	cat <<-'EOT'
		set -e
		curl() {
			until command curl -fsS "$@" 2> /dev/null; do sleep 0.02; done
		}
		sudo() {
			if [[ $1 == -u ]]; then
				setpriv --reuid "$2" --regid "$2" --clear-groups -- "${@:3}"
			else
				"$@"
			fi
		}
		systemctl() {
			[[ $* == 'reload sksteerd' ]]
			kill -HUP "$HELPER_PID"
			until grep -q policy "$HELPER_LOG"; do sleep 0.02; done
		}
		pidof() {
			[[ $* == '-s redis-server' ]]
			echo "$REDIS_PID"
		}
	EOT
}

# recipe HEADING: runs it in $WWW, and sets $output. Its servers go with the test.
recipe() {
	{
		stage
		words "$1"
	} > "$SKS_DIR/recipe"
	in_ns timeout --signal=KILL $((20 * SKS_SLOW)) env -C "$WWW" PATH="$PROGS:$PATH" HELPER_PID="${SKS_PID[helper]:-}" \
		HELPER_LOG="$SKS_DIR/helper.log" REDIS_PID="${SKS_PID[redis]:-}" \
		bash "$SKS_DIR/recipe" > "$SKS_DIR/said" 2> "$SKS_DIR/recipe.log" < /dev/null 3>&-
	output=$(sed '/^Serving HTTP/d' "$SKS_DIR/said")
}

@test "recipe: a range of ports, all of them, a whole prefix" {
	recipe '1. A range of ports, all of them, a whole prefix'
	is "$output" here
}

@test "recipe: port 80 without root" {
	start_helper
	recipe '2. Port 80 without root'
	is "$output" $'[user www-data]\nports = 80,443\nhere'
}

@test "recipe: two services on one port, by prefix" {
	recipe '3. Two services on one port, by prefix'
	is "$output" $'one\ntwo'
}

@test "recipe: a restart that no client notices" {
	recipe '4. A restart that no client notices'
	is "$(grep -xE 'one|two' <<< "$output")" $'one\ntwo'
}

@test "recipe: a server that runs already" {
	need redis-server redis-cli
	start_helper
	start_server redis redis-server --save '' --port 6379
	wait_port 6379
	recipe '7. A server that runs already'
	is "$(in_ns redis-cli -p 7042 ping)" PONG
}

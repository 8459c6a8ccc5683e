# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns what the tests of several instances of one label share: storms that check every answer
# (progs/rush.c), clients that stay, servers that are drained, and real servers to be replaced.

load stand

# --- storms -------------------------------------------------------------------------------------

# rush NAME [OPTION]... KIND PLACE...: until end_rush, or for five minutes; returns once it runs.
rush() {
	local name=$1
	shift
	: > "$SKS_DIR/$name.count"
	: > "$SKS_DIR/$name.log"
	start_server "$name" "$PROGS/rush" -t $((20000 * SKS_SLOW)) -s 300 \
		-f "$SKS_DIR/$name.count" "$@"
	rush_goes_on "$name" 20
}

# rushed NAME: how many connections it has made.
rushed() {
	local connections=0
	read -r connections _ < "$SKS_DIR/$1.count" || :
	echo "$connections"
}

sks_has_rushed() {
	(($(rushed "$1") >= $2))
}

# rush_goes_on NAME [N]: waits for N more connections.
rush_goes_on() {
	wait_until 30 sks_has_rushed "$1" $(($(rushed "$1") + ${2:-200}))
}

# end_rush NAME [PER_SECOND]: each of its connections was served, and there were so many.
end_rush() {
	local status=0 rate
	sks_is_gone "$(pid_of "$1")" && fail 'the storm did not last'
	kill -TERM "$(pid_of "$1")" 2> /dev/null || :
	wait_server "$1" 30 || status=$?
	is "$status" 0 || fail "$(log_of "$1")" || return
	rate=$(sed -n 's/.* failures, \([0-9]*\) a second.*/\1/p' "$SKS_DIR/$1.log")
	((rate * SKS_SLOW >= ${2:-0})) || fail "$(log_of "$1")"
}

# answered NAME WHO: how often that one did, in a storm that has ended.
answered() {
	sed -n "s/^$2 answered //p" "$SKS_DIR/$1.log" | grep . || echo 0
}

# late_acks PORT: one client in eight (their ports are even) is heard of only 150 ms after its SYN,
# and its handshake lasts so long: its ACK, and what it sends with it, is dropped until then.
late_acks() {
	need nft
	in_ns nft -f - <<- END
		table inet late {
			set late { type inet_service; flags dynamic, timeout; size 65535; timeout 150ms; }
			chain input {
				type filter hook input priority 0;
				tcp dport $1 tcp flags & (syn | ack) == syn tcp sport & 15 == 2 \
					update @late { tcp sport }
				tcp dport $1 tcp flags & (syn | rst) == 0 tcp sport @late drop
			}
		}
	END
}

# --- clients that stay --------------------------------------------------------------------------

# hold NAME ADDRESS PORT: a client that stays; what it hears is in its log.
hold() {
	mkfifo "$SKS_DIR/$1.fifo"
	: > "$SKS_DIR/$1.log"
	# shellcheck disable=SC2016 # expanded by the inner shell
	start_server "$1" bash -c '
		exec 8<> "$3" 9<> "/dev/tcp/$1/$2" && echo connected
		while IFS= read -r line <&9; do
			echo "$line"
			IFS= read -r line <&8
			echo "$line" >&9
		done
		echo closed' hold "$2" "$3" "$SKS_DIR/$1.fifo"
	wait_until 5 says "$1" connected
}

# hears NAME LINE: within some time.
hears() {
	wait_until 5 says "$1" "$2"
}

# still_talks NAME: a server with the option "keep" has it yet.
still_talks() {
	local word=word$RANDOM
	echo "$word" > "$SKS_DIR/$1.fifo"
	hears "$1" "$word"
}

# audited: no record of $NS is half of one (progs/pins.c).
audited() {
	in_ns "$PROGS/pins" audit "$BPFFS/net-$(ns_ino "${NS:-main}")"
}

# --- servers ------------------------------------------------------------------------------------

# pids_of NAME: its process, and all that came of it.
pids_of() {
	local pids children i
	pids=("$(pid_of "$1")")
	for ((i = 0; i < ${#pids[@]}; i++)); do
		read -ra children <<< "$(cat "/proc/${pids[i]}/task"/*/children 2> /dev/null | xargs)"
		pids+=("${children[@]}")
	done
	echo "${pids[@]}"
}

# real_ports NAME: to which its TCP listeners are bound, whatever they were told.
real_ports() {
	local pids
	pids=$(pids_of "$1")
	in_ns ss -Htlnp | awk -v "pids=$pids" '
		BEGIN { n = split(pids, pid, " ") }
		{ for (i = 1; i <= n; i++) if ($0 ~ "pid=" pid[i] ",") { sub(/.*:/, "", $4); print $4; next } }' |
		sort -nu | xargs
}

# is_idle NAME: none of its connections is open, and none waits to be accepted. ss looks for whose a
# socket is before it lists the sockets: one that was accepted in between is nobody's. Who looks again
# finds it.
is_idle() {
	sks_looks_idle "$1" && sks_looks_idle "$1"
}

sks_looks_idle() {
	local pids busy
	pids=$(pids_of "$1")
	busy=$(in_ns ss -Htanp | awk -v "pids=$pids" '
		BEGIN { n = split(pids, pid, " ") }
		($1 == "LISTEN" && $2 > 0) || $1 != "LISTEN" {
			for (i = 1; i <= n; i++) if ($0 ~ "pid=" pid[i] ",") { print; next } }')
	[[ -z $busy ]]
}

half_open() {
	in_ns ss -Htn state syn-recv | awk '{ print $3, $4 }' | sort
}

sks_none_is_left() {
	[[ -z $(comm -12 "$SKS_DIR/half_open" <(half_open)) ]]
}

# drain NAME: of one that gets no new connections: waits until those that it has are done, and those
# that were on their way to it.
drain() {
	half_open > "$SKS_DIR/half_open"
	wait_until 20 sks_none_is_left
	wait_until 20 is_idle "$1"
}

# kill_all NAME: it, and all that came of it.
kill_all() {
	local pids
	pids=$(pids_of "$1")
	{
		# shellcheck disable=SC2086 # several
		kill -KILL $pids || :
		wait "$(pid_of "$1")" || :
	} 2> /dev/null
}

# --- real servers -------------------------------------------------------------------------------

# sks_command KIND NAME: sets CMD to a server that all would start with port 7777. Those that speak
# HTTP say their name.
sks_command() {
	local dir=$SKS_DIR/$2.d
	mkdir -p "$dir"
	echo "$2" > "$dir/index.html"
	chmod 755 "$dir"
	# shellcheck disable=SC2016 # expanded by the inner shell
	case $1 in
	# It has a line to say of each connection.
	python) CMD=(sh -c 'exec "$@" 2> "$0"' "$dir/said" /usr/bin/python3 -m http.server
		--directory "$dir" 7777) ;;
	redis) CMD=(redis-server --port 7777 --save '' --dir "$dir" --protected-mode no) ;;
	ncat) CMD=(ncat -lk 7777 --exec /bin/cat) ;;
	nginx)
		cat > "$dir/conf" <<- END
			daemon off; error_log stderr warn; pid $dir/pid; user root;
			events { }
			http {
				access_log off; root $dir;
				$(nginx_paths "$dir")
				server { listen 7777; listen [::]:7777; }
			}
		END
		CMD=(nginx -c "$dir/conf" -p "$dir") ;;
	esac
}

# sks_rush_of KIND: how rush speaks to it. name: progs/stand.c.
sks_rush_of() {
	case $1 in
	redis) echo redis ;;
	ncat) echo echo ;;
	name) echo name ;;
	*) echo http ;;
	esac
}

# storms KIND: on port 7777, and late ones on port 80: some of those are half open for a while, but
# never more than the smallest backlog has room for: beyond that the kernel sends cookies, which
# another listener does not know. python listens on IPv4 alone.
storms() {
	local places=(127.0.0.1 ::1)
	[[ $1 != python ]] || places=(127.0.0.1)
	late_acks 80
	rush storm -c 6 -r 1400 "$(sks_rush_of "$1")" "${places[@]/%/#7777}"
	rush late -c 4 "$(sks_rush_of "$1")" "${places[@]/%/#80}"
}

# storms_go_on
storms_go_on() {
	rush_goes_on storm
	rush_goes_on late 20
}

# end_storms [PER_SECOND]
end_storms() {
	storms_go_on
	end_rush late
	end_rush storm "${1:-0}"
}

sks_has_sockets() {
	local pids
	pids=$(pids_of "$1" | tr ' ' ,)
	is "$(service "[.sockets[] | select(.pid | IN($pids))] | length" web)" "$2"
}

# real NAME KIND OPTION...: one of those under sksteer-run, as label "web" with port 80. Returns when
# its sockets are steered.
real() {
	local name=$1 kind=$2 sockets=2 CMD
	shift 2
	sks_command "$kind" "$name"
	[[ $kind != python ]] || sockets=1
	: > "$SKS_DIR/$name.log"
	start_server "$name" "$RUN" --socket "$SOCKET" -l web -p any:80 "$@" -- "${CMD[@]}"
	wait_until 10 sks_has_sockets "$name" "$sockets"
}

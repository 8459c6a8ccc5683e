# shellcheck shell=bash
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the stage on which the tests play: private namespaces, the helper, servers, and clients.
#
# Everything that a test starts lives in a mount namespace of its own, with an empty /run and an
# empty bpffs on /sys/fs/bpf: the default paths are private too, a second run on the same machine
# does not disturb, and sks_teardown finds every process, the ones that the test forgot included.
#
# A test file:	load lib
#		setup() { sks_setup; }
#		teardown() { sks_teardown; }
#
# Set by sks_setup: $SKS_DIR (scratch, world-readable), $RUN $HELPER $CTL $LIB (copies of what was
# built: other users can read them wherever the checkout lies), $PROGS (directory of tests/progs),
# $SOCKET and $BPFFS (of start_helper), $BPFTOOL.
#
# The variable NS names the network namespace that a function works in ("main" unless said):
#		NS=other start_server ...

SKS_ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
SKS_BUILD=$(cd "$SKS_ROOT" && cd "${BUILD:-build}" && pwd)
# Slow machines (emulated kernels) stretch every deadline by this factor.
SKS_SLOW=${SKS_SLOW:-1}
# exec's as a user whom nobody privileged: start_server NAME "${AS_NOBODY[@]}" CMD...
AS_NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
AS_USER2=(setpriv --reuid 65533 --regid 65533 --clear-groups --)
declare -gA SKS_PID=() SKS_HOLDER=()
# shellcheck source=tests/checks.bash
source "$SKS_ROOT/tests/checks.bash"
# shellcheck source=tests/clients.bash
source "$SKS_ROOT/tests/clients.bash"

# --- namespaces --------------------------------------------------------------------------------

# Sets ENTER to the words that enter $NS and exec, so that $! of `"${ENTER[@]}" CMD &` is CMD's pid.
sks_enter() {
	local main=/proc/${SKS_HOLDER[main]}
	# --root: entering a mount namespace leaves a chroot behind.
	ENTER=(nsenter "--net=/proc/${SKS_HOLDER[${NS:-main}]}/ns/net" "--mount=$main/ns/mnt"
		"--root=$main/root" "--wdns=$PWD" --)
}

# in_ns CMD...
in_ns() {
	local ENTER
	sks_enter
	"${ENTER[@]}" "$@"
}

# as_user CMD...: in_ns as nobody, without any capability; LD_PRELOAD and the rest are kept.
as_user() {
	in_ns "${AS_NOBODY[@]}" "$@"
}

# as_user2 CMD...: in_ns as another unprivileged user.
as_user2() {
	in_ns "${AS_USER2[@]}" "$@"
}

sks_has_become() {
	[[ $(< "/proc/$1/comm") == "$2" ]]
}

# The holder dies with the test's shell, and the namespace with its last process.
sks_hold() {
	local name=$1
	shift
	setpriv --pdeathsig KILL "$@" sleep infinity < /dev/null > /dev/null 2>&1 3>&- &
	SKS_HOLDER[$name]=$!
	wait_until 5 sks_has_become "$!" sleep
	NS=$name in_ns ip link set lo up
}

# add_ns NAME: another network namespace, with lo up.
add_ns() {
	local ENTER
	NS=main sks_enter
	sks_hold "$1" "${ENTER[@]}" unshare --net
}

# ns_pid [NAME]: a process that lives in it as long as the test does.
ns_pid() {
	echo "${SKS_HOLDER[${1:-main}]}"
}

# ns_ino [NAME]: the inode number of the network namespace.
ns_ino() {
	stat -L -c %i "/proc/$(ns_pid "${1:-main}")/ns/net"
}

# veth NS1 ADDRESS/LEN NS2 ADDRESS/LEN: a wire between two namespaces; call again to add addresses.
veth() {
	if ! NS=$1 in_ns ip link show "to-$3" > /dev/null 2>&1; then
		NS=$1 in_ns ip link add "to-$3" type veth peer name "to-$1" netns "$(ns_pid "$3")"
		NS=$1 in_ns ip link set "to-$3" up
		NS=$3 in_ns ip link set "to-$1" up
	fi
	sks_address "$1" "$2" "to-$3"
	sks_address "$3" "$4" "to-$1"
}

sks_address() {
	local nodad=()
	[[ $2 != *:* ]] || nodad=(nodad)
	NS=$1 in_ns ip address replace "$2" dev "$3" "${nodad[@]}"
}

sks_copy_programs() {
	local program
	for program in "$SKS_BUILD"/{sksteer-run,sksteerd,sksteerctl,libsksteer.so} \
		"$SKS_BUILD"/tests/*; do
		if [[ -f $program && ($program == *.so || -x $program) ]]; then
			cp "$program" "$PROGS"
		fi
	done
	chmod -R a+rX "$SKS_DIR"
	RUN=$PROGS/sksteer-run HELPER=$PROGS/sksteerd CTL=$PROGS/sksteerctl
	LIB=$PROGS/libsksteer.so
}

# In a chroot that is no mount point, the propagation of mounts can't be changed.
sks_find_unshare() {
	SKS_UNSHARE=(unshare --mount)
	"${SKS_UNSHARE[@]}" true 2> /dev/null || SKS_UNSHARE+=(--propagation unchanged)
}

sks_setup() {
	if ((EUID != 0)); then
		[[ -z ${CI:-} ]] || fail 'these tests need root'
		skip 'needs root'
	fi
	need ip nsenter setpriv unshare socat
	SKS_DIR=$(mktemp -d /tmp/sksteer-test-XXXXXX)
	PROGS=$SKS_DIR/bin
	SOCKET=$SKS_DIR/helper.sock
	BPFFS=/sys/fs/bpf/sksteer
	BPFTOOL=$(PATH=$PATH:/usr/sbin:/sbin command -v bpftool)
	mkdir "$PROGS"
	sks_copy_programs
	sks_find_unshare
	sks_hold main "${SKS_UNSHARE[@]}" --net
	in_ns mount -t tmpfs -o mode=755 run /run
	[[ -d /sys/fs/bpf ]] || in_ns mount -t sysfs sysfs /sys # a bare chroot
	in_ns mount -t bpf -o mode=700 bpf /sys/fs/bpf
	unset -v LD_PRELOAD "${!SKSTEER_@}"
	# A sanitized sksteer-run may itself be started with something preloaded.
	export ASAN_OPTIONS=verify_asan_link_order=0
}

# sks_pgrep HOLDER ARGUMENT...: of pgrep, among the processes in that one's mount namespace, which only
# this test's have. (A loop over all of /proc takes half a second: bats traces each command.)
sks_pgrep() {
	pgrep --ns "$1" --nslist mnt "${@:2}" 2> /dev/null || :
}

# own_pids COMM: this test's processes of that name, wherever they came from (the embedded helper).
# Without the namespace pgrep would also find those of other tests and of the machine.
own_pids() {
	sks_pgrep "${SKS_HOLDER[main]}" -x "$1"
}

# gone COMM: for wait_until.
gone() {
	[[ -z $(own_pids "$1") ]]
}

# Kills every other process in the holder's mount namespace. Succeeds when there was none.
sks_kill_own() {
	local others
	mapfile -t others < <(sks_pgrep "$1" '' | grep -vx "$1")
	((${#others[@]})) || return 0
	kill -KILL "${others[@]}" 2> /dev/null || :
	return 1
}

sks_show_logs() {
	local log
	for log in "$SKS_DIR"/*.log; do
		if [[ -s $log ]]; then
			tail -n 40 "$log" | sed "s|^|[${log##*/}] |"
		fi
	done
}

sks_teardown() {
	local holder=${SKS_HOLDER[main]:-} said
	[[ -n ${SKS_DIR:-} ]] || return 0
	# Who is killed does not say what it has leaked.
	[[ $SKS_BUILD != *sanitize* || -z ${SKS_PID[helper]:-} ]] || stop_helper || :
	[[ -n ${BATS_TEST_COMPLETED:-} ]] || sks_show_logs
	# A holder that never got its own namespace is still in ours.
	if [[ -e /proc/$holder/ns/mnt && ! /proc/$holder/ns/mnt -ef /proc/self/ns/mnt ]]; then
		wait_until 5 sks_kill_own "$holder" 2> /dev/null || :
		in_ns umount -l /sys/fs/bpf /run 2> /dev/null || :
	fi
	# Waiting here also keeps bash from reporting every one that was killed. Some have a mount namespace
	# of their own.
	{
		# shellcheck disable=SC2046 # a word for each
		kill -KILL "${SKS_HOLDER[@]}" $(jobs -rp) || :
		wait "${SKS_HOLDER[@]}" "${SKS_PID[@]}" || :
	} 2> /dev/null
	said=$(grep -hE 'Sanitizer|runtime error:' "$SKS_DIR"/*.log 2> /dev/null || :)
	rm -rf "$SKS_DIR"
	SKS_DIR='' SKS_HOLDER=() SKS_PID=()
	# What a sanitizer finds is a failure even where the test did not look.
	[[ -z $said ]] || fail "$said"
}

# mount_cgroups DIRECTORY: from where the machine has them. To mount them once more would take from all of
# it the options that they have.
mount_cgroups() {
	local there
	need findmnt
	there=$(in_ns findmnt --noheadings --first-only --types cgroup2 --output TARGET) || :
	mkdir -p "$1"
	if [[ -n $there ]]; then
		in_ns mount --bind "$there" "$1"
	else
		in_ns mount -t cgroup2 cgroup2 "$1"
	fi
}

# --- the helper --------------------------------------------------------------------------------

# start_helper [ARGUMENT...]: returns when it is ready. It lives in the machine's own network
# namespace, as it would in life, unless NS is set.
start_helper() {
	local ENTER
	: > "$SKS_DIR/helper.ready"
	NS=${NS:-main} sks_enter
	[[ -n ${NS:-} ]] || ENTER=("${ENTER[@]:0:1}" "${ENTER[@]:2}")
	setpriv --pdeathsig KILL "${ENTER[@]}" "$HELPER" --socket "$SOCKET" --bpffs "$BPFFS" \
		--ready-fd 9 "$@" < /dev/null >> "$SKS_DIR/helper.log" 2>&1 3>&- \
		9> "$SKS_DIR/helper.ready" &
	SKS_PID[helper]=$!
	wait_until 5 test -s "$SKS_DIR/helper.ready"
	((SKS_SLOW == 1)) || sks_warm_up
}

# Where everything is slow, verifying the program takes longer than a server waits for the helper,
# and that does not stretch: the first namespace has it before the first server comes.
sks_warm_up() {
	local said
	said=$(NS=main ctl bind warm-up 9 2>&1) || [[ $said == *'does not answer'* ]] || return 0
	NS=main wait_until 5 ctl unregister warm-up
}

# stop_helper: asks it to end, and returns its exit status.
stop_helper() {
	stop_server helper
}

# kill_helper: as a crash would.
kill_helper() {
	kill_server helper
}

helper_pid() {
	pid_of helper
}

# --- servers -----------------------------------------------------------------------------------

# Sets AS_WHO to the words that become user $AS: root (unless said), nobody, user2, or a uid 0 as
# containers have it: without a capability, or with all of them in a user namespace of its own.
as_who() {
	case ${AS:-root} in
	nobody) AS_WHO=("${AS_NOBODY[@]}") ;;
	user2) AS_WHO=("${AS_USER2[@]}") ;;
	capless) AS_WHO=(setpriv --bounding-set -net_admin --inh-caps -net_admin --) ;;
	powerless) AS_WHO=(setpriv --bounding-set -all --inh-caps -all --) ;;
	namespaced) AS_WHO=(unshare --user --map-root-user --) ;;
	*) AS_WHO=() ;;
	esac
}

# start_server NAME CMD...: in $NS, its output in $SKS_DIR/NAME.log. Returns at once. To preload
# nothing but the server: start_server web env LD_PRELOAD="$LIB" SKSTEER_PORTS=7 CMD...
start_server() {
	local name=$1 ENTER
	shift
	sks_enter
	setpriv --pdeathsig KILL "${ENTER[@]}" "$@" < /dev/null >> "$SKS_DIR/$name.log" 2>&1 3>&- &
	SKS_PID[$name]=$!
}

# start_steered NAME PORTS CMD...: the raw form, with the test's helper.
start_steered() {
	local name=$1 ports=$2
	shift 2
	start_server "$name" env LD_PRELOAD="$LIB" SKSTEER_SOCKET="$SOCKET" \
		SKSTEER_PORTS="$ports" "$@"
}

# nginx_paths DIR: the lines of its http block by which an ordinary user's nginx works in DIR.
nginx_paths() {
	printf '%s_path %s;\n' client_body_temp "$1/body" proxy_temp "$1/proxy" \
		fastcgi_temp "$1/fastcgi" uwsgi_temp "$1/uwsgi" scgi_temp "$1/scgi"
}

pid_of() {
	echo "${SKS_PID[$1]}"
}

log_of() {
	cat "$SKS_DIR/$1.log"
}

sks_is_gone() {
	local state
	# A zombie holds nothing any more.
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2> /dev/null) || return 0
	[[ -z $state || $state == Z ]]
}

# stop_server NAME: SIGTERM, a deadline, and its exit status (143 when the signal ended it).
stop_server() {
	local pid=${SKS_PID[$1]}
	kill -TERM "$pid" 2> /dev/null || :
	wait_until 5 sks_is_gone "$pid" || return
	wait "$pid"
}

# kill_server NAME: SIGKILL to that one process, and wait for its end.
kill_server() {
	local pid=${SKS_PID[$1]}
	# In one group, or bash reports the death before it is waited for.
	{
		kill -KILL "$pid" || :
		wait "$pid" || :
	} 2> /dev/null
}

# wait_server NAME [SECONDS]: waits for it to end by itself, and returns its exit status.
wait_server() {
	local pid=${SKS_PID[$1]}
	wait_until "${2:-5}" sks_is_gone "$pid" || return
	wait "$pid"
}

# listening PORT [ADDRESS] [tcp|udp]: some socket is bound there; asked of the kernel, not by connecting.
listening() {
	local flag=-Htln filter="sport = :$1"
	[[ ${3:-tcp} == tcp ]] || flag=-Huln
	[[ -z ${2:-} ]] || filter="src $2 and $filter"
	[[ -n $(in_ns ss "$flag" "$filter") ]]
}

# wait_port PORT [ADDRESS] [tcp|udp]
wait_port() {
	wait_until 5 listening "$@"
}

# wait_answer ADDRESS PORT [TEXT]: until an echo server answers there. A socket listens a moment
# before it is steered, so this is how to wait for a steered port.
wait_answer() {
	wait_until 5 answers "$@"
}

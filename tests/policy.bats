#!/usr/bin/env bats
# SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
# Owns the tests of the policy file beyond granted ports (authbind.bats): its sections and keys, who
# is in which group, and what becomes of it while the helper runs. What sksteerctl says of one:
# policy_ctl.bats.
# bats file_tags=sanitize
# shellcheck disable=SC2154 # bats sets $stderr

load acts
load policy

# Sets AS_WHO as that of lib.bash does, also for nobody in groups beside its own (AS=in:8,5000),
# and for such a one that is root of a user namespace of its own (AS=own:5000).
as_who() {
	case ${AS:-root} in
	nobody) AS_WHO=("${AS_NOBODY[@]}") ;;
	user2) AS_WHO=("${AS_USER2[@]}") ;;
	in:*) AS_WHO=(setpriv --reuid 65534 --regid 65534 --groups "${AS#in:}" --) ;;
	own:*) AS_WHO=(setpriv --reuid 65534 --regid 65534 --groups "${AS#own:}" --
		unshare --user --map-root-user --) ;;
	*) AS_WHO=() ;;
	esac
}

has_logged() {
	[[ $(tail -n +"$1" "$SKS_DIR/helper.log") == *"$2"* ]]
}

# reloads LINE: the helper is told to read the file again, and says that.
reloads() {
	local from
	from=$(($(wc -l < "$SKS_DIR/helper.log") + 1))
	kill -HUP "$(helper_pid)"
	wait_until 5 has_logged "$from" "$1"
	is "$(tail -n +"$from" "$SKS_DIR/helper.log")" "$1"
}

# grants SPEC [ADDRESS#PORT]: to user $AS, who has a server there for that moment.
grants() {
	asks "$@"
	is "$stderr" ''
}

# refuses TEXT SPEC [ADDRESS#PORT]: the server serves on, and says TEXT, after what it is about.
refuses() {
	local text=$1
	shift
	asks "$@"
	is "$stderr" "sksteer: $text"
}

asks() {
	local server=${2:-0.0.0.0#7777}
	SPEC=$1
	calls "$([[ $server == *:* ]] && echo tcp6 || echo tcp4)" "bind=$server" listen
	is "$output" $'bind ok\nlisten ok'
}

# low PORT [UID [SPEC]]: the refusal of one below 1024.
low() {
	echo "${3:-$1}: port $1 is for root (net.ipv4.ip_unprivileged_port_start is 1024), and $POLICY does not grant it to user ${2:-65534}"
}

# --- sections ----------------------------------------------------------------------------------------

@test "policy: ports of one's own section, of each of one's groups and of [default] add up" {
	policy '[user nobody]' 'ports = 80' '[group mail]' 'ports = 25' '[group 5000]' 'ports = 53' \
		'[group nogroup]' 'ports = 110' '[default]' 'ports = 7'
	AS=in:8,5000 grants 7,25,53,80,110
	# The primary group alone.
	AS=nobody grants 7,80,110
	AS=nobody refuses "$(low 25)" 25
	AS=nobody refuses "$(low 53)" 53
	AS=in:5000 refuses "$(low 25)" 25
	AS=user2 grants 7
	AS=user2 refuses "$(low 80 65533)" 80
	AS=user2 refuses "$(low 110 65533)" 110
}

@test "policy: a port that a group is granted may be bound, too" {
	policy '[group 5000]' 'ports = 80'
	SPEC=8080
	AS=in:5000 calls tcp4 bind=127.0.0.1#80
	is "$output" 'bind ok'
	AS=nobody calls tcp4 bind=127.0.0.1#80
	is "$output" 'bind EACCES'
}

@test "policy: of any other key the most specific section decides: user, first group, default" {
	policy '[default]' 'max-ports = 1' '[group 5000]' 'max-ports = 2' '[group mail]' \
		'max-ports = 3' 'max-labels = 0' '[user 65533]' 'max-ports = 4'
	AS=in:8,5000 grants 8000-8001
	AS=in:8,5000 refuses "more than 2 ports for user 65534 ($POLICY:4)" 8000-8002
	AS=in:8 grants 8000-8002
	AS=in:8 refuses "more than 3 ports for user 65534 ($POLICY:6)" 8000-8003
	# A key that the first one does not have is the next one's.
	export SKSTEER_LABEL=web
	AS=in:8,5000 refuses "more than 0 labels for user 65534 ($POLICY:7)" 8000
	AS=in:5000 grants 8000
	unset SKSTEER_LABEL
	AS=nobody refuses "more than 1 ports for user 65534 ($POLICY:2)" 8001-8002
	AS=user2 grants 8010-8013
	AS=user2 refuses "more than 4 ports for user 65533 ($POLICY:9)" 8010-8014
}

@test "policy: root is not judged" {
	policy '[default]' 'max-ports = 0' 'max-sockets = 0' 'max-labels = 0' 'any = no' \
		'prefixes = 192.0.2.1' 'labels = none' '[user root]' 'any = no'
	SKSTEER_LABEL=web grants 'any:*'
	SKSTEER_LABEL=web AS=nobody refuses "label \"web\" is not for user 65534 ($POLICY:7)" 8000
}

# --- groups ------------------------------------------------------------------------------------------

@test "policy: groups are those at the time of connect, not those of a process that changes them" {
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	policy '[group 5000]' 'ports = 80'
	is "$(in_ns /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" group-left)" \
		'group-left: steered'
	is "$(in_ns /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" group-joined)" \
		"group-joined: EACCES $(low 80)"
}

@test "policy: who has connected and then runs a setgid program has its groups of before" {
	cp "$BATS_TEST_DIRNAME/wire_probe.py" "$PROGS"
	cp "$(command -v sleep)" "$PROGS/setgid-sleep"
	chgrp 5000 "$PROGS/setgid-sleep"
	chmod 2755 "$PROGS/setgid-sleep"
	policy '[group 5000]' 'ports = 80'
	start_server probe "${AS_NOBODY[@]}" /usr/bin/python3 "$PROGS/wire_probe.py" "$SOCKET" \
		group-of-setgid
	wait_until 10 grep -q group-of-setgid "$SKS_DIR/probe.log"
	is "$(log_of probe)" "group-of-setgid: EACCES $(low 80)"
}

@test "policy: in a user namespace of its own a user is who it is outside, in its groups" {
	policy '[group 5000]' 'ports = 80' '[group root]' 'ports = 81' '[user root]' 'ports = 81'
	AS=own:5000 grants 80
	AS=own:5000 refuses "$(low 81)" 81
	AS=own:8 refuses "$(low 80)" 80
}

# --- keys --------------------------------------------------------------------------------------------

@test "policy: prefixes: all that is steered lies in one of them, and all that is bound" {
	in_ns ip address add 192.0.2.1/24 dev lo
	policy '[user nobody]' 'ports = 80' 'prefixes = 192.0.2.0/24 127.0.0.0/9' '  [2001:db8::/32]'
	export AS=nobody
	grants 192.0.2.0/25:8080
	in_ns ip route add local 2001:db8::/32 dev lo
	grants '[2001:db8::/32]:8080' ::#7777
	grants 8080 192.0.2.1#7777
	grants 80 127.0.0.1#7777
	refuses "192.0.2.0/23:8080: 192.0.2.0/23 is outside of the prefixes of user 65534 ($POLICY:3)" \
		192.0.2.0/23:8080
	refuses "any:8080: every address (\"any:\") is outside of the prefixes of user 65534 ($POLICY:3)" \
		any:8080
	SPEC=8080
	calls tcp4 bind=192.0.2.1#80 tcp4 bind=0.0.0.0#80
	is "$output" $'bind ok\nbind EACCES'
	is "$stderr" "sksteer: 0.0.0.0/0 is outside of the prefixes of user 65534 ($POLICY:3)"
	AS=user2 grants any:8080
}

@test "policy: prefixes: judged where a listener is, if the spec says no address" {
	policy '[user nobody]' 'prefixes = 127.0.0.0/9 [::/0]'
	export AS=nobody
	grants 8080 127.0.0.1#7777
	grants 8080 ::1#7777
	refuses "0.0.0.0/0 is outside of the prefixes of user 65534 ($POLICY:2)" 8080 0.0.0.0#7777
	refuses "127.128.0.1 is outside of the prefixes of user 65534 ($POLICY:2)" 8080 127.128.0.1#7777
	# Of both families, one is too much.
	grants 8080 ::#7777
	serve both 8080 ::#7778
	is "$(log_of both)" "sksteer: 0.0.0.0/0 is outside of the prefixes of user 65534 ($POLICY:2)"$'\nready'
	refuses "0.0.0.0/0 is outside of the prefixes of user 65534 ($POLICY:2)" any:8080 127.0.0.1#7777
}

@test "policy: labels: which names, by sksteer-run and by sksteerctl" {
	policy '[user nobody]' 'labels = web-? www'
	export AS=nobody
	SKSTEER_LABEL=web-1 grants 8080
	SKSTEER_LABEL=www grants 8081
	grants 8082
	SKSTEER_LABEL=web-12 refuses "label \"web-12\" is not for user 65534 ($POLICY:2)" 8083
	SKSTEER_SOCKET=$SOCKET run as_user "$CTL" bind mail 8084
	is "$status" 1
	is "$output" "sksteerctl: label \"mail\" is not for user 65534 ($POLICY:2)"
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" bind www 8084
	AS=user2 SKSTEER_LABEL=mail grants 8085
}

@test "policy: max-sockets and max-labels, more and fewer" {
	local i
	policy '[user nobody]' 'max-sockets = 1' 'max-labels = 17'
	export AS=nobody
	serve web 8080 127.0.0.1#7777 127.0.0.2#7777
	is "$(log_of web)" "sksteer: more than 1 sockets for user 65534 ($POLICY:2)"$'\nready'
	kill_server web
	for i in {1..17}; do
		SKSTEER_LABEL=l$i grants $((2000 + i))
	done
	SKSTEER_LABEL=l18 refuses "more than 17 labels for user 65534 ($POLICY:3)" 2018
}

@test "policy: max-ports, over services and namespaces, in one request and in several" {
	policy '[user nobody]' 'max-ports = 300'
	export AS=nobody
	serve web 2000-2298 0.0.0.0#7777
	silent web
	grants 3000 0.0.0.0#7778
	refuses "more than 300 ports for user 65534 ($POLICY:2)" 3000-3001 0.0.0.0#7778
	add_ns other
	NS=other refuses "more than 300 ports for user 65534 ($POLICY:2)" 3000-3001
}

@test "policy: any: whether a server may be opened wider than it listens" {
	policy '[user nobody]' 'any = no' '[user 65533]' 'any = yes'
	export AS=nobody
	grants 8080 127.0.0.1#7777
	grants 127.0.0.0/8:8080 127.0.0.1#7777
	refuses "any:8080: to open at every address (\"any:\") is not for user 65534 ($POLICY:2)" \
		any:8080 127.0.0.1#7777
	refuses "0.0.0.0/0:8080: to open at every address (\"any:\") is not for user 65534 ($POLICY:2)" \
		0.0.0.0/0:8080 127.0.0.1#7777
	SKSTEER_LABEL=web grants 8080
	SKSTEER_SOCKET=$SOCKET run as_user "$CTL" bind web any:8081
	is "$output" "sksteerctl: any:8081: to open at every address (\"any:\") is not for user 65534 ($POLICY:2)"
	AS=user2 grants any:8082 127.0.0.1#7777
}

@test "policy: any, max-ports: a server's own port, which another one has, is its own choice" {
	policy '[user nobody]' 'any = no' 'max-ports = 1'
	export AS=nobody SKSTEER_LABEL=web
	serve one 8080 0.0.0.0#7777
	SKSTEER_MODE=replace serve two 8080 0.0.0.0#7777
	silent two
	gets 127.0.0.1 7777 two
	gets 127.0.0.1 8080 two
}

@test "policy: wide: one line more, beside ports = *, gives -p '*' to an ordinary user" {
	policy '[user nobody]' 'ports = *' 'wide = yes' 'max-ports = 2' '[user 65533]' 'wide = yes'
	plain ssh 0.0.0.0#22
	start_server web "${AS_NOBODY[@]}" "$RUN" --socket "$SOCKET" -p '*' ncat -4lk 7777 \
		--exec /bin/cat
	wait_answer 127.0.0.1 80
	is "$(log_of web)" ''
	answers 127.0.0.1 65535
	gets 127.0.0.1 22 ssh
	# Each counts as one port.
	AS=nobody grants '127.0.0.1:*' 0.0.0.0#7778
	AS=nobody refuses "more than 2 ports for user 65534 ($POLICY:4)" '127.0.0.1:*;8001' 0.0.0.0#7778
	kill_server web
	# Low ports need their grant all the same.
	AS=user2 refuses "$(low 1 65533 '*')" '*'
	AS=user2 grants 1024-65535
}

@test 'policy: wide: without it, "*" and wide ranges are for root, and the rule is named' {
	policy '[user nobody]' 'ports = *' 'wide = no'
	AS=nobody refuses "*: \"*\" and ranges of more than 1024 ports are for root ($POLICY:3)" '*'
	AS=user2 refuses '2000-4000: "*" and ranges of more than 1024 ports are for root (the built-in rule)' \
		2000-4000
}

@test "policy: shadow: a user may take a prefix from another user's wildcard listener" {
	policy '[user nobody]' 'shadow = yes'
	AS=user2 plain theirs 0.0.0.0#8001 127.0.0.5#8002
	AS=nobody serve ours 127.0.0.8/31:8001 0.0.0.0#7777
	silent ours
	gets 127.0.0.8 8001 ours
	gets 127.0.0.10 8001 theirs
	AS=nobody refuses '127.0.0.0/8:8002/tcp: port 8002 is held by a socket of user 65533 on 127.0.0.5' \
		127.0.0.0/8:8002 0.0.0.0#7778
	kill_server theirs
	AS=nobody plain nobodys 0.0.0.0#8003
	AS=user2 refuses '127.0.0.8/31:8003/tcp: port 8003 is held by a socket of user 65534 on every address' \
		127.0.0.8/31:8003 0.0.0.0#7779
}

@test "policy: share: whether a server may get another's socket" {
	policy '[user 65533]' 'share = no'
	export SKSTEER_LABEL=web SPEC=8080
	AS=user2 serve one 8080 127.0.0.1#7777
	SKSTEER_MODE=share AS=user2 calls tcp4 bind=127.0.0.1#7777
	is "$output" 'bind EADDRINUSE'
	is "$stderr" "sksteer: to share a socket is not for user 65533 ($POLICY:2)"
	AS=nobody serve two 8081 127.0.0.2#7778
	SPEC=8081 SKSTEER_MODE=share AS=nobody calls tcp4 bind=127.0.0.2#7778 listen
	is "$output" $'bind ok\nlisten ok'
	is "$stderr" ''
}

# --- while the helper runs -----------------------------------------------------------------------------

@test "policy, SIGHUP: another file is in force at once, and what was granted before stays" {
	policy '[user nobody]' 'ports = 80'
	AS=nobody serve web 80 SKSTEER_LABEL=web 0.0.0.0#7777
	silent web
	write '[user nobody]' 'ports = 81' 'max-ports = 1' 'labels = x*'
	reloads "<6>sksteerd: $POLICY is in force as it is now"
	gets 127.0.0.1 80 web
	AS=nobody refuses "$(low 80 65534 127.0.0.1:80)" 127.0.0.1:80 0.0.0.0#7778
	AS=nobody refuses "more than 1 ports for user 65534 ($POLICY:3)" 81 0.0.0.0#7778
	# Its owner may let go of it.
	SKSTEER_SOCKET=$SOCKET as_user "$CTL" unregister web
	AS=nobody grants 81 0.0.0.0#7778
}

@test "policy, SIGHUP: who has more than the new quota keeps it, and may have less, not more" {
	policy
	AS=nobody serve web 8000-8009 SKSTEER_LABEL=web 0.0.0.0#7777
	AS=nobody serve next 8020 SKSTEER_LABEL=next 0.0.0.0#7778
	export SKSTEER_SOCKET=$SOCKET
	as_user "$CTL" bind web 8010,8011
	write '[default]' 'max-ports = 5' 'max-sockets = 1' 'max-labels = 0'
	reloads "<6>sksteerd: $POLICY is in force as it is now"
	run as_user "$CTL" bind web 8012
	is "$output" "sksteerctl: more than 5 ports for user 65534 ($POLICY:2)"
	as_user "$CTL" unbind web 8010
	AS=nobody refuses "more than 5 ports for user 65534 ($POLICY:2)" 8012 0.0.0.0#7779
	AS=nobody SKSTEER_LABEL=web SKSTEER_MODE=replace serve again 8000-8004 0.0.0.0#7779
	is "$(log_of again)" "sksteer: more than 1 sockets for user 65534 ($POLICY:3)"$'\nready'
	as_user "$CTL" unregister next
	kill_server next
	kill_server web
	AS=nobody SKSTEER_LABEL=web serve last 8000 0.0.0.0#7780
	silent last
	gets 127.0.0.1 8011 last
}

@test "policy, SIGHUP: a file with an error changes nothing, and is said in one line" {
	policy '[user nobody]' 'ports = 80'
	write '[user nobody]' 'ports = 80,81' 'wide = perhaps'
	reloads "<3>sksteerd: $POLICY:3: wide: \"perhaps\": neither yes nor no; the policy in force stays"
	AS=nobody grants 80
	AS=nobody refuses "$(low 81)" 81
	chmod 666 "$POLICY"
	reloads "<3>sksteerd: $POLICY: may be written to by others than root, and grants privileges; the policy in force stays"
	AS=nobody grants 80
	write '[user nobody]' 'ports = 80,81'
	reloads "<6>sksteerd: $POLICY is in force as it is now"
	AS=nobody grants 81
}

@test "policy, SIGHUP: a file that is named and has vanished changes nothing" {
	policy '[user nobody]' 'ports = 80'
	rm "$POLICY"
	reloads "<3>sksteerd: $POLICY: No such file or directory; the policy in force stays"
	AS=nobody grants 80
}

@test "policy, SIGHUP: the default file that has vanished, and one that has come" {
	own_etc
	start_helper
	AS=nobody refuses "$(low 80)" 80
	in_ns sh -c 'printf "[user nobody]\nports = 80\n" > /etc/sksteer/policy.conf'
	AS=nobody refuses "$(low 80)" 80
	reloads '<6>sksteerd: /etc/sksteer/policy.conf is in force as it is now'
	AS=nobody grants 80
	in_ns rm /etc/sksteer/policy.conf
	AS=nobody grants 80
	reloads '<4>sksteerd: there is no /etc/sksteer/policy.conf: the built-in rule is in force'
	AS=nobody refuses "$(low 80)" 80
}

# --- specs that count again ----------------------------------------------------------------------------

# falls_back: an instance of nobody with that spec is replaced, and has its label back.
falls_back() {
	serve old "$1" SKSTEER_LABEL=web 0.0.0.0#7777
	silent old
	SKSTEER_MODE=replace serve new 127.0.0.1:9001 SKSTEER_LABEL=web 127.0.0.1#7778
	silent new
	kill_server new
}

@test "policy: what a group was granted when it came, a server has again when it is back" {
	policy '[default]' 'prefixes = 127.0.0.1' '[group 5000]' 'prefixes = 0.0.0.0/0' \
		'[group nogroup]' 'shadow = yes'
	AS=user2 plain theirs 0.0.0.0#8001
	AS=in:5000 falls_back '8000;127.0.0.8/31:8001'
	wait_until 5 gets 127.0.0.9 8000 old
	gets 127.0.0.8 8001 old
	gets 127.0.0.10 8001 theirs
	has_not "$(log_of helper)" 'does not get its earlier ports back'
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of helper/inside.c and helper/diag.c, as TAP. Run as root: it makes a network
 * namespace, furnishes it from inside, goes home and asks from there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../helper/diag.h"
#include "../../helper/inside.h"
#include "tap.h"

#define MANY 700 /* listeners: several batches of a dump, several growths of the list */

static int home, there; /* the two namespaces */

static void go(int netns)
{
	need(setns(netns, CLONE_NEWNET) == 0, "setns");
}

static int own_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	need(fd >= 0, "/proc/self/ns/net");
	return fd;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	need(fstat(fd, &st) == 0, "fstat");
	return st.st_ino;
}

/* And all of them CLOEXEC: main() has closed what was inherited. */
static int count_fds(void)
{
	int n = 0, inheritable = 0;

	for (int fd = 3; fd < 4096; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags >= 0;
		inheritable += flags >= 0 && !(flags & FD_CLOEXEC);
	}
	tap_check(inheritable == 0, "every descriptor is CLOEXEC");
	return n;
}

static struct sks_prefix prefix(const char *text)
{
	struct sks_prefix p = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	char addr[INET6_ADDRSTRLEN + 1];

	need(sscanf(text, "%46[^/]/%hhu", addr, &p.len) == 2, text);
	need(inet_pton(p.family, addr, p.addr) == 1, text);
	return p;
}

enum how { BOUND, LISTENING, CONNECTED };

/* A socket that the test makes there, and what must be said of it; held NULL: nothing. */
struct sample {
	const char *what;
	int type, protocol;
	enum how how;
	const char *bind_to;
	uint16_t port;
	const char *held;
	uid_t uid;
	bool both, v6only, idle;
};

#define TCP SOCK_STREAM, 0, LISTENING
#define UDP SOCK_DGRAM, 0, BOUND
static const struct sample samples[] = {
	{ "TCP 0.0.0.0", TCP, "0.0.0.0", 80, .held = "0.0.0.0/0" },
	{ "TCP 127.0.0.1", TCP, "127.0.0.1", 81, .held = "127.0.0.1/32", .uid = 1234 },
	{ "TCP :: v6only", TCP, "::", 80, .held = "::/0", .uid = 1235, .v6only = true },
	{ "TCP :: dual-stack", TCP, "::", 65535, .held = "::/0", .uid = 1236, .both = true },
	{ "TCP ::1", TCP, "::1", 81, .held = "::1/128" },
	{ "TCP mapped", TCP, "::ffff:127.0.0.2", 82, .held = "127.0.0.2/32" },
	{ "TCP mapped any", TCP, "::ffff:0.0.0.0", 83, .held = "0.0.0.0/0" },
	{ "MPTCP", SOCK_STREAM, IPPROTO_MPTCP, LISTENING, "::", 84, .held = "::/0", .uid = 1237,
	  .both = true },
	{ "TCP bound only", SOCK_STREAM, 0, BOUND, "0.0.0.0", 85, .held = "0.0.0.0/0", .uid = 1238,
	  .idle = true },
	{ "TCP connected", SOCK_STREAM, 0, CONNECTED, "127.0.0.1", 86, .held = NULL },
	{ "UDP 0.0.0.0", UDP, "0.0.0.0", 53, .held = "0.0.0.0/0", .uid = 1234 },
	{ "UDP 127.0.0.1", UDP, "127.0.0.1", 54, .held = "127.0.0.1/32" },
	{ "UDP :: v6only", UDP, "::", 53, .held = "::/0", .v6only = true },
	{ "UDP :: dual-stack", UDP, "::", 55, .held = "::/0", .uid = 65533, .both = true },
	{ "UDP mapped", UDP, "::ffff:127.0.0.1", 56, .held = "127.0.0.1/32" },
	{ "UDP connected", SOCK_DGRAM, 0, CONNECTED, "127.0.0.1", 57, .held = NULL },
	{ "UDP without a port", UDP, NULL, 0, .held = NULL },
};
#define N_SAMPLES (sizeof(samples) / sizeof(*samples))

static socklen_t sockaddr_of(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *info;
	socklen_t len;

	need(getaddrinfo(text, NULL, &hints, &info) == 0, text);
	len = info->ai_addrlen;
	memcpy(ret, info->ai_addr, len);
	freeaddrinfo(info);
	((struct sockaddr_in *)ret)->sin_port = htons(port); /* sin6_port lies there too */
	return len;
}

/* In the namespace where the caller is; the descriptor stays open to the end of the test. */
static int make(const struct sample *s)
{
	struct sockaddr_storage addr;
	socklen_t len = sockaddr_of(s->bind_to ? s->bind_to : "0.0.0.0", s->port, &addr);
	bool done = true;
	int fd, v6only = s->v6only;

	setfsuid(s->uid); /* a socket belongs to the fsuid that made it */
	fd = socket(addr.ss_family, s->type | SOCK_CLOEXEC, s->protocol);
	setfsuid(0);
	need(fd >= 0, s->what);
	if (addr.ss_family == AF_INET6)
		done = !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	if (done && s->bind_to)
		done = bind(fd, (struct sockaddr *)&addr, len) == 0;
	if (done && s->how == LISTENING)
		done = listen(fd, 1) == 0;
	if (done && s->how == CONNECTED) {
		/* A listener of ours for TCP; for UDP nobody need be there. */
		len = sockaddr_of(s->bind_to, 81, &addr);
		done = connect(fd, (struct sockaddr *)&addr, len) == 0;
	}
	need(done, s->what);
	return fd;
}

/* MPTCP shows its TCP subflow, whose cookie user space can't know: that one by its port. */
static const struct sks_held *find(const struct sks_held_list *list, const struct sample *s, int fd)
{
	uint64_t cookie;

	need(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }),
	     "SO_COOKIE");
	for (size_t i = 0; i < list->n; i++) {
		if (s->protocol == IPPROTO_MPTCP ? list->held[i].port == s->port
						 : list->held[i].cookie == cookie)
			return &list->held[i];
	}
	return NULL;
}

/* Before Linux 6.8 nobody can be asked for sockets that are only bound. */
static bool lists_idle(void)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	need(!uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2, "uname");
	return major > 6 || (major == 6 && minor >= 8);
}

static bool matches(const struct sample *s, const struct sks_held *held)
{
	struct sks_prefix want;

	if (s->idle && !held)
		return !lists_idle();
	if (!s->held || !held)
		return !s->held && !held;
	want = prefix(s->held);
	return memcmp(&want, &held->addr, sizeof(want)) == 0 && held->port == s->port &&
	       held->uid == s->uid && held->both_families == s->both && held->idle == s->idle;
}

/* Returns how many there are. */
static size_t check_held(const int *fds, int type, uint8_t proto)
{
	struct sks_held_list list = { 0 };
	size_t want = 0;

	tap_check(sks_diag_held(there, proto, NULL, 0, &list) == 0, "sks_diag_held(%u)", proto);
	for (size_t i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];

		if (s->type != type)
			continue;
		want += s->held && (!s->idle || lists_idle());
		tap_check(matches(s, find(&list, s, fds[i])), "%s is %s", s->what,
			  s->held ? "held, told exactly" : "left out");
	}
	tap_check(list.n == want, "%zu of %zu sockets", list.n, want);
	sks_held_free(&list);
	tap_check(!list.held && !list.n, "an empty list after sks_held_free");
	return want;
}

static void check_extremes(size_t n_before)
{
	struct sample s = { "many", TCP, "127.0.0.1", 20000, .held = "127.0.0.1/32" };
	struct sks_held_list list = { .n = 42 };
	size_t found = 0;
	int fds[MANY];

	/* 253 (RFC 3692) has no diag module: that must not look like "no sockets". */
	tap_check(sks_diag_held(there, 253, NULL, 0, &list) == -ENOENT && list.n == 42,
		  "a protocol without diag is an error, and the list untouched");
	go(there);
	for (size_t i = 0; i < MANY; i++, s.port++)
		fds[i] = make(&s);
	go(home);
	tap_check(sks_diag_held(there, IPPROTO_TCP, NULL, 0, &list) == 0, "a long dump");
	s.port = 20000;
	for (size_t i = 0; i < MANY; i++, s.port++)
		found += matches(&s, find(&list, &s, fds[i]));
	tap_check(found == MANY && list.n == n_before + MANY, "%zu of %d more listeners", found,
		  MANY);
	sks_held_free(&list);
}

static void check_local(const char *prefixes, int want)
{
	char list[512], *rest, *text;

	snprintf(list, sizeof(list), "%s", prefixes);
	for (text = strtok_r(list, " ", &rest); text; text = strtok_r(NULL, " ", &rest)) {
		struct sks_prefix p = prefix(text);
		int is = sks_prefix_is_local(there, &p);

		tap_check(is == want, "%s is %slocal: %d", text, want == 1 ? "" : "not ", is);
	}
}

/* furnish() made: AnyIP with an own address as its lowest one, an interface, dead routes. */
static void check_routes(void)
{
	static const char everything[] = "0.0.0.0/0 ::/0 203.0.113.0/24";

	check_local("127.0.0.0/8 127.0.0.1/32 127.1.0.0/16 ::1/128", 1);
	check_local("126.0.0.0/7 ::/127", 0);
	check_local("192.0.2.0/24 192.0.2.0/32 192.0.2.9/32 192.0.2.128/25", 1);
	check_local("2001:db8::/32 2001:db8:1::/48 2001:db8::7/128", 1);
	check_local("192.0.2.0/23 2001:db8::/31", 0);
	check_local("198.51.100.1/32 2001:db9::1/128", 1);
	check_local("198.51.100.0/24 198.51.100.2/32 2001:db9::/64", 0);
	check_local("198.51.100.255/32", SKS_PREFIX_BROADCAST);
	check_local("10.0.0.0/8 10.1.0.0/16 10.2.0.0/16 10.3.0.0/16 3fff::/20 2001:dba::/64", 0);
	check_local("224.0.0.0/4 203.0.113.1/32", 0);
	check_local(everything, 0);
	tap_check(sks_prefix_is_local(there, &(struct sks_prefix){ 0 }) == -EINVAL, "no prefix");

	go(there);
	need(system("ip route add local 0.0.0.0/0 dev lo; ip -6 route add local ::/0 dev lo") == 0,
	     "local default routes");
	go(home);
	check_local(everything, 1);
}

static void check_inside(int sock_there)
{
	struct sks_port_limits limits = { 0 };
	int netns = -1, fd;
	uint64_t ino = 0;

	tap_check(sks_netns_of_socket(sock_there, &netns, &ino) == 0 && ino == inode_of(there) &&
			  inode_of(netns) == ino && fcntl(netns, F_GETFD) == FD_CLOEXEC,
		  "a socket's namespace, CLOEXEC");
	close(netns);
	ino = 42;
	tap_check(sks_netns_of_socket(there, &netns, &ino) == -ENOTSOCK && ino == 42, "no socket");
	tap_check(sks_netns_of_socket(-1, &netns, &ino) == -EBADF && ino == 42, "no file");
	tap_check(sks_inside_socket(sock_there, AF_INET, SOCK_STREAM, 0) == -EINVAL,
		  "no namespace");

	fd = sks_inside_socket(there, AF_INET, SOCK_STREAM, 0);
	tap_check(fcntl(fd, F_GETFD) == FD_CLOEXEC && sks_netns_of_socket(fd, &netns, &ino) == 0 &&
			  ino == inode_of(there),
		  "a socket made there, CLOEXEC");
	close(fd);
	close(netns);
	tap_check(sks_inside_socket(there, 9999, SOCK_STREAM, 0) == -EPROTONOSUPPORT,
		  "of a kind that is not made");

	tap_check(sks_inside_port_limits(there, &limits) == 0 && limits.unprivileged_start == 79 &&
			  limits.local_first == 40000 && limits.local_last == 50001,
		  "port limits there");
	fd = own_netns();
	tap_check(inode_of(fd) == inode_of(home), "back home after all that");
	close(fd);
}

/* In a child: body's exit status, or minus the signal that ended it. */
static int in_child(int (*body)(void))
{
	int status, pid;

	fflush(stdout);
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0)
		_exit(body());
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Without CAP_SYS_ADMIN setns(2) fails even for the namespace one is in. */
static int stays_at_home(void)
{
	struct sks_port_limits limits;

	return setresuid(1234, 1234, 1234) ||
	       sks_inside_socket(there, AF_INET, SOCK_STREAM, 0) != -EPERM ||
	       sks_inside_port_limits(there, &limits) != 0 || /* by files that are open */
	       sks_inside_socket(home, AF_INET, SOCK_STREAM, 0) < 0 ||
	       sks_inside_port_limits(home, &limits) != 0;
}

static int loses_its_way(void)
{
	uint64_t ino = inode_of(home);
	struct stat st;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_DUMPABLE, 0); /* no core file */
	(void)dup2(null, STDERR_FILENO);
	for (int fd = 3; fd < 4096; fd++) {
		if (fstat(fd, &st) == 0 && st.st_ino == ino)
			(void)dup2(null, fd);
	}
	return sks_inside_socket(there, AF_INET, SOCK_STREAM, 0);
}

static void furnish(int *fds)
{
	static const char script[] =
		"set -e; ip link set lo up; cd /proc/sys/net/ipv4\n"
		"echo 79 >ip_unprivileged_port_start; echo 40000 50001 >ip_local_port_range\n"
		"ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up\n"
		"ip addr add 198.51.100.1/24 brd + dev v0; ip addr add 192.0.2.0/32 dev lo\n"
		"ip -6 addr add 2001:db9::1/64 dev v0 nodad\n"
		"ip route add local 192.0.2.0/24 dev lo\n"
		"ip -6 route add local 2001:db8::/32 dev lo\n"
		"ip route add unreachable 10.0.0.0/8; ip route add blackhole 10.1.0.0/16\n"
		"ip route add prohibit 10.2.0.0/16; ip route add throw 10.3.0.0/16\n"
		"ip -6 route add blackhole 3fff::/20; ip -6 route add prohibit 2001:dba::/64\n";

	errno = 0;
	need(system(script) == 0, "ip(8) from iproute2, or a kernel feature that it asks for");
	for (size_t i = 0; i < N_SAMPLES; i++)
		fds[i] = make(&samples[i]);
}

int main(void)
{
	struct sks_port_limits limits;
	int fds[N_SAMPLES], open_fds;

	need(close_range(3, ~0U, 0) == 0, "close_range(2), Linux 5.9");
	home = own_netns();
	need(unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET), which needs root");
	there = own_netns();
	furnish(fds);
	go(home);

	need(sks_inside_socket(-1, AF_INET, SOCK_STREAM, 0) == -EBADF, "the first use");
	/* Files of sysctls stay open. */
	need(!sks_inside_port_limits(there, &limits) && !sks_inside_port_limits(home, &limits),
	     "the limits");
	open_fds = count_fds();
	check_inside(fds[0]);
	check_routes();
	tap_check(count_fds() == open_fds, "no descriptor left over");
	check_held(fds, SOCK_DGRAM, IPPROTO_UDP);
	check_extremes(check_held(fds, SOCK_STREAM, IPPROTO_TCP));
	tap_check(count_fds() == open_fds + MANY, "nor after dumps");
	tap_check(in_child(stays_at_home) == 0, "no setns when the namespace is the own one");
	tap_check(in_child(loses_its_way) == -SIGABRT, "aborts when there is no way back");
	return tap_done();
}

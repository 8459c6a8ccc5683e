/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of the helper's workers (helper/worker.c, inside.c, process.c), as TAP: what they
 * answer, and what they do not do even if the helper itself asks for it.
 *
 * Usage, as root: worker_test
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../helper/inside.h"
#include "../../helper/process_work.h"
#include "../../helper/roles.h"
#include "tap.h"

#define ASKED 50 /* the worker keeps the files of 64 namespaces */

static uint64_t ino_of(int fd)
{
	struct stat st;

	need(!fstat(fd, &st), "fstat");
	return st.st_ino;
}

/* A namespace that is not ours; low: its first port that needs no privilege. */
static int other_netns(const char *low)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), other, sysctl;

	need(home >= 0 && !unshare(CLONE_NEWNET), "unshare, as root");
	other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sysctl = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);
	need(write(sysctl, low, strlen(low)) > 0, "ip_unprivileged_port_start");
	need(other >= 0 && !setns(home, CLONE_NEWNET), "setns");
	close(sysctl);
	close(home);
	return other;
}

static void check_inside(int netns)
{
	struct sks_port_limits limits = {};
	int fd = sks_inside_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG), of = -1;
	uint64_t ino = 0;

	tap_check(fd >= 0 && !sks_netns_of_socket(fd, &of, &ino) && ino == ino_of(netns),
		  "a socket that was made inside");
	close(fd);
	close(of);
	tap_check(!sks_inside_port_limits(netns, &limits) && limits.unprivileged_start == 1024 &&
			  limits.local_first < limits.local_last,
		  "which ports need privilege there");
	tap_check(sks_inside_socket(netns, AF_PACKET, SOCK_RAW, 0) == -EPROTONOSUPPORT &&
			  sks_inside_socket(netns, AF_UNIX, SOCK_STREAM, 0) == -EPROTONOSUPPORT &&
			  sks_inside_socket(netns, AF_INET, SOCK_RAW, IPPROTO_ICMP) ==
				  -EPROTONOSUPPORT &&
			  sks_inside_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) ==
				  -EPROTONOSUPPORT,
		  "sockets of other kinds are not made");
}

static bool is_among(uint64_t ino, const uint64_t asked[ASKED])
{
	for (size_t i = 0; i < ASKED; i++) {
		if (asked[i] == ino)
			return true;
	}
	return false;
}

/*
 * The files of their sysctls stay open, and they go; another one gets the number of one of them. Of
 * one alone it might be anybody else on this machine who gets it.
 */
static void check_same_number(void)
{
	struct sks_port_limits limits = {};
	time_t until = time(NULL) + 20;
	uint64_t asked[ASKED];
	int netns = -1;

	for (size_t i = 0; i < ASKED; i++) {
		netns = other_netns("79");
		need(!sks_inside_port_limits(netns, &limits) && limits.unprivileged_start == 79,
		     "79");
		asked[i] = ino_of(netns);
		close(netns);
	}
	while (!is_among(ino_of(netns = other_netns("80")), asked) && time(NULL) < until)
		close(netns);
	need(is_among(ino_of(netns), asked), "a number that is used again");
	tap_check(!sks_inside_port_limits(netns, &limits) && limits.unprivileged_start == 80,
		  "what was read of a namespace says nothing of the next one with its number");
	close(netns);
}

static pid_t idle(void)
{
	pid_t pid = fork();

	need(pid >= 0, "fork");
	while (!pid)
		pause();
	return pid;
}

static void check_process(void)
{
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), netns;
	uint32_t inodes[SKS_PROCESS_INODES] = { 1, (uint32_t)ino_of(sock) };
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	pid_t child = idle(), any = 0;
	struct sks_process process = { child, 0, (int)syscall(SYS_pidfd_open, child, 0) };

	need(own >= 0 && process.pidfd >= 0, "pidfd_open");
	tap_check(sks_process_is_ours(&process), "a process of ours");
	process.uid = 1;
	tap_check(!sks_process_is_ours(&process), "not one of another user");
	process.uid = 0;
	tap_check(sks_process_holds(child, inodes, 2) == 1 &&
			  sks_process_holds(child, inodes, 1) == -ESRCH,
		  "which of some sockets it has");
	tap_check(sks_process_held_elsewhere(inodes[1], child) == 0, "nobody else has that");
	netns = sks_netns_of_process(child, ino_of(own));
	tap_check(netns >= 0 && ino_of(netns) == ino_of(own), "its network namespace");
	close(netns);
	tap_check(sks_netns_of_process(child, 1) == -ESRCH, "it is in no other");
	netns = sks_netns_of_any(ino_of(own), &any);
	tap_check(netns >= 0 && ino_of(netns) == ino_of(own) && any > 0, "by whoever is in it");
	close(netns);
	tap_check(sks_netns_of_any(1, &any) == -ESRCH, "nobody is in no namespace");
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	process.pid = getpid();
	tap_check(!sks_process_is_ours(&process), "what lives says nothing of one that has ended");
	close(process.pidfd);
	close(own);
	close(sock);
}

static void check_nonsense(void)
{
	struct sks_process_question question = { .op = 99, .n = 1 };
	struct sks_process_answer answer = {};
	int fd = -1;

	tap_check(!sks_worker_ask(&sks_process_worker, &question, -1, &answer, &fd) &&
			  answer.value == -EPROTO,
		  "a question that there is not");
	question = (struct sks_process_question){ .op = SKS_PROCESS_HOLDS, .n = 65 };
	tap_check(!sks_worker_ask(&sks_process_worker, &question, -1, &answer, &fd) &&
			  answer.value == -EPROTO,
		  "more sockets than there is room for");
}

static void check_end(int netns)
{
	(void)kill(sks_inside_worker.pid, SIGKILL);
	tap_check(sks_inside_socket(netns, AF_INET, SOCK_STREAM, 0) == -EPIPE &&
			  sks_inside_socket(netns, AF_INET, SOCK_STREAM, 0) == -EPIPE,
		  "one that is gone answers nothing");
}

int main(void)
{
	int netns = other_netns("1024");

	need_done(sks_roles_start_workers(), "the workers");
	check_inside(netns);
	check_same_number();
	check_process();
	check_nonsense();
	check_end(netns);
	close(netns);
	return tap_done();
}

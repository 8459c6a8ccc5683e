/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of helper/holder.c and helper/diag_conn.c, as TAP: real processes that share real
 * sockets. Run as root: it makes a network namespace of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../helper/diag_conn.h"
#include "../../helper/holder.h"
#include "tap.h"

#define PORT	      8080
#define MANY	      500
#define MANY_CHILDREN 20

static uint32_t inode_of(int fd)
{
	struct stat st;

	need(fstat(fd, &st) == 0, "fstat");
	return (uint32_t)st.st_ino;
}

static int make(int type, uint16_t port, int backlog)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	need(fd >= 0 && !bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	need(type == SOCK_DGRAM || !listen(fd, backlog), "listen");
	return fd;
}

static int dial(int type, uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	need(fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)), "connect");
	return fd;
}

/* A process that does nothing, with a name that a careless parser would stumble over. */
static pid_t idle(int ready, int close_fd)
{
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "a) R 1 (b");
	if (close_fd >= 0)
		close(close_fd);
	(void)!write(ready, "", 1);
	for (;;)
		pause();
}

static void wait_ready(int ready, int n)
{
	char byte;

	while (n-- > 0)
		need(read(ready, &byte, 1) == 1, "a child");
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static size_t count(const struct sks_holders *holders, pid_t pid)
{
	size_t n = 0;

	for (size_t i = 0; i < holders->n; i++)
		n += holders->list[i].pid == pid;
	return n;
}

/* self holds it twice; one child holds it, another has closed it. */
static void check_holders(int ready[2])
{
	int sock = make(SOCK_STREAM, 1, 1), other = make(SOCK_STREAM, 2, 1);
	const uint32_t inodes[] = { inode_of(sock), inode_of(other) };
	pid_t self = getpid(), with = idle(ready[1], -1), without = idle(ready[1], sock);
	struct sks_holders holders = { 0 };
	int twin = dup(sock);

	wait_ready(ready[0], 2);
	tap_check(!sks_holders_find(inodes, 1, &holders) && holders.n == 3 &&
			  count(&holders, self) == 2 && count(&holders, with) == 1 &&
			  count(&holders, without) == 0,
		  "each descriptor of each process that holds the socket");
	tap_check(holders.list[0].inode == inodes[0], "and which socket it is");
	tap_check(sks_holds(&holders, with) && !sks_holds(&holders, without), "who holds it");
	tap_check(sks_parent(with) == self, "the parent of a process with a nasty name");
	tap_check(sks_parent(0) == 0 && sks_parent(1) == 0, "no parent");
	tap_check(sks_holders_top(&holders, with) == self, "the topmost is above");
	tap_check(sks_holders_top(&holders, self) == self, "and does not climb beyond a holder");
	free(holders.list);
	tap_check(!sks_holders_find(inodes, 2, &holders) && holders.n == 6, "of two sockets");
	free(holders.list);
	tap_check(!sks_holders_find(&(uint32_t){ 0 }, 1, &holders) && !holders.n, "of none");
	free(holders.list);
	end(with);
	end(without);
	close(sock);
	close(other);
	close(twin);
}

/* Its parent closes it, so that it is a tree of its own. */
static void check_elsewhere(int ready[2])
{
	int sock = make(SOCK_STREAM, 3, 1);
	uint32_t inode = inode_of(sock);
	pid_t one = idle(ready[1], -1), two = idle(ready[1], -1);

	wait_ready(ready[0], 2);
	tap_check(sks_is_held_elsewhere(inode, one) == 0, "children of a holder are one tree");
	close(sock);
	tap_check(sks_is_held_elsewhere(inode, one) == 1 && sks_is_held_elsewhere(inode, two) == 1,
		  "without it they are two");
	end(two);
	tap_check(sks_is_held_elsewhere(inode, one) == 0, "and now the last one");
	end(one);
	tap_check(sks_is_held_elsewhere(inode, one) == 0, "nobody has it");
}

static void check_descendants(int ready[2])
{
	pid_t self = getpid(), child = fork(), grandchild;
	struct sks_pids pids = { 0 };

	need(child >= 0, "fork");
	if (!child) {
		(void)idle(ready[1], -1);
		for (;;)
			pause();
	}
	wait_ready(ready[0], 1);
	tap_check(!sks_descendants(&child, 1, &pids) && pids.n == 2 &&
			  sks_pids_have(&pids, child) && !sks_pids_have(&pids, self),
		  "a child and its child");
	grandchild = pids.list[0] == child ? pids.list[1] : pids.list[0];
	free(pids.list);
	tap_check(!sks_descendants(&self, 1, &pids) && sks_pids_have(&pids, self) &&
			  sks_pids_have(&pids, grandchild) && !sks_pids_have(&pids, 1),
		  "all of ours, with ourselves");
	free(pids.list);
	end(child);
	(void)kill(grandchild, SIGKILL);
	tap_check(!sks_descendants(&child, 1, &pids) && !pids.n, "of one that has gone");
	free(pids.list);
}

static void check_sockets(void)
{
	struct sks_pids self = { (pid_t[]){ getpid() }, 1 };
	int tcp = make(SOCK_STREAM, 4, 1), udp = make(SOCK_DGRAM, 4, 0);
	struct sks_inodes inodes = { 0 };
	uint32_t gone = inode_of(tcp);

	tap_check(!sks_sockets_of(&self, &inodes) && inodes.n == 2 &&
			  sks_inodes_have(&inodes, inode_of(tcp)) &&
			  sks_inodes_have(&inodes, inode_of(udp)),
		  "the sockets of a process");
	free(inodes.list);
	close(tcp);
	close(udp);
	tap_check(!sks_sockets_of(&self, &inodes) && !sks_inodes_have(&inodes, gone), "none");
	free(inodes.list);
	self.list[0] = 0x7ffffffe;
	tap_check(!sks_sockets_of(&self, &inodes) && !inodes.n, "of nobody");
	free(inodes.list);
}

/* So many that no machine looks at them all in a millisecond. */
static void check_limit(int ready[2])
{
	int sock = make(SOCK_STREAM, 5, 1), twins[MANY];
	uint32_t inode = inode_of(sock);
	struct sks_holders holders = { 0 };
	pid_t children[MANY_CHILDREN];

	for (size_t i = 0; i < MANY; i++)
		twins[i] = dup(sock);
	for (size_t i = 0; i < MANY_CHILDREN; i++)
		children[i] = idle(ready[1], -1);
	wait_ready(ready[0], MANY_CHILDREN);
	(void)sks_holder_limit(1);
	tap_check(sks_holders_find(&inode, 1, &holders) == -ETIMEDOUT,
		  "a walk ends when its time is over");
	tap_check(sks_is_held_elsewhere(inode, children[0]) == -ETIMEDOUT,
		  "and so does what is made of it");
	(void)sks_holder_limit(0);
	tap_check(!sks_holders_find(&inode, 1, &holders) &&
			  holders.n == (MANY_CHILDREN + 1) * (MANY + 1),
		  "without a limit it comes through");
	free(holders.list);
	for (size_t i = 0; i < MANY_CHILDREN; i++)
		end(children[i]);
	for (size_t i = 0; i < MANY; i++)
		close(twins[i]);
	close(sock);
}

static const struct sks_conn *find(const struct sks_conn_list *list, uint32_t inode)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->conns[i].inode == inode)
			return &list->conns[i];
	}
	return NULL;
}

static size_t dump(int netns, uint8_t proto, uint32_t states, uint16_t port,
		   struct sks_conn_list *ret_list)
{
	const struct sks_port_range range = { port, port };

	return tap_check(!sks_diag_conns(netns, proto, states, &range, port != 0, ret_list),
			 "a dump of protocol %u, states %x, port %u", proto, states, port)
		       ? ret_list->n
		       : 0;
}

/* What has been sent through the loopback need not have arrived: on a busy machine a thread of the
 * kernel's does that.
 */
static void wait_queue(int listener, unsigned int n)
{
	struct tcp_info info = { 0 };

	for (int ms = 0; info.tcpi_unacked != n; ms++) {
		need(ms < 5000 && !usleep(1000), "connections that wait");
		need(!getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info,
				 &(socklen_t){ sizeof(info) }),
		     "TCP_INFO");
	}
}

static void wait_event(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	need(poll(&p, 1, 5000) == 1 && p.revents & events, "what was sent");
}

static void check_queue(int netns)
{
	int sock = make(SOCK_STREAM, PORT, 8), stranger = make(SOCK_STREAM, PORT + 1, 8);
	int clients[] = { dial(SOCK_STREAM, PORT), dial(SOCK_STREAM, PORT) }, accepted;
	struct sks_conn_list list = { 0 };
	const struct sks_conn *conn;
	uint64_t cookie;

	need(!getsockopt(sock, SOL_SOCKET, SO_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }),
	     "SO_COOKIE");
	wait_queue(sock, 2);
	tap_check(dump(netns, IPPROTO_TCP, 1u << TCP_LISTEN, PORT, &list) == 1 &&
			  list.conns[0].cookie == cookie && list.conns[0].queue == 2 &&
			  list.conns[0].inode == inode_of(sock),
		  "a listener with two that wait");
	sks_conns_free(&list);
	accepted = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
	tap_check(dump(netns, IPPROTO_TCP, 1u << TCP_ESTABLISHED, PORT, &list) == 2 &&
			  find(&list, 0) && find(&list, inode_of(accepted)),
		  "one that waits, and one that a process holds");
	sks_conns_free(&list);
	shutdown(clients[0], SHUT_WR);
	wait_event(accepted, POLLRDHUP);
	dump(netns, IPPROTO_TCP, 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT, PORT, &list);
	conn = find(&list, inode_of(accepted));
	tap_check(list.n == 2 && conn && conn->state == TCP_CLOSE_WAIT && conn->family == AF_INET &&
			  conn->local_port == PORT && conn->local[0] == 127 && conn->remote_port,
		  "and one that the client has half closed");
	sks_conns_free(&list);
	tap_check(dump(netns, IPPROTO_TCP, 1u << TCP_LISTEN, 0, &list) == 2, "any port");
	sks_conns_free(&list);
	tap_check(!list.conns && !list.n, "an empty list after sks_conns_free");
	close(accepted);
	close(clients[0]);
	close(clients[1]);
	close(sock);
	close(stranger);
}

static bool is_half_open(int netns)
{
	const struct sks_port_range range = { PORT, PORT };
	struct sks_conn_list list = { 0 };
	bool ret = !sks_diag_conns(netns, IPPROTO_TCP, 1u << TCP_SYN_RECV, &range, true, &list) &&
		   list.n;

	sks_conns_free(&list);
	return ret;
}

/* The listener's answer to a SYN is lost, so that the connection stays half open. */
static void check_half_open(int netns)
{
	int sock = make(SOCK_STREAM, PORT, 8), client;
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(PORT) }, from;
	struct sks_conn_list list = { 0 };
	socklen_t len = sizeof(from);

	need(system("nft -f - <<- END\n"
		    "table inet t { chain c { type filter hook input priority 0; "
		    "tcp flags & (syn | ack) == (syn | ack) drop; }; }\nEND") == 0,
	     "nft(8) from nftables");
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	need(client >= 0 && connect(client, (struct sockaddr *)&addr, sizeof(addr)) < 0 &&
		     errno == EINPROGRESS && !getsockname(client, (struct sockaddr *)&from, &len),
	     "connect");
	for (int ms = 0; ms < 5000 && !is_half_open(netns); ms++)
		usleep(1000);
	tap_check(dump(netns, IPPROTO_TCP, 1u << TCP_SYN_RECV, PORT, &list) == 1 &&
			  list.conns[0].state == TCP_SYN_RECV && !list.conns[0].inode &&
			  list.conns[0].remote_port == ntohs(from.sin_port),
		  "one that is half open");
	sks_conns_free(&list);
	tap_check(dump(netns, IPPROTO_TCP, 1u << TCP_ESTABLISHED, PORT, &list) == 0,
		  "which is no connection yet");
	sks_conns_free(&list);
	need(system("nft delete table inet t") == 0, "nft delete");
	close(client);
	close(sock);
}

static void check_udp(int netns)
{
	int sock = make(SOCK_DGRAM, PORT, 0), client = dial(SOCK_DGRAM, PORT);
	struct sks_conn_list list = { 0 };

	need(send(client, "12345", 5, 0) == 5, "send");
	wait_event(sock, POLLIN);
	tap_check(dump(netns, IPPROTO_UDP, 1u << TCP_CLOSE, PORT, &list) == 1 &&
			  list.conns[0].queue > 0 && list.conns[0].inode == inode_of(sock),
		  "datagrams that wait");
	sks_conns_free(&list);
	close(client);
	close(sock);
}

int main(void)
{
	int ready[2], netns;

	need(close_range(3, ~0U, 0) == 0, "close_range(2), Linux 5.9");
	need(unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET), which needs root");
	need(system("ip link set lo up") == 0, "ip(8) from iproute2");
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	need(netns >= 0 && pipe2(ready, O_CLOEXEC) == 0, "pipe");
	check_holders(ready);
	check_elsewhere(ready);
	check_descendants(ready);
	check_sockets();
	check_limit(ready);
	check_queue(netns);
	check_half_open(netns);
	check_udp(netns);
	return tap_done();
}

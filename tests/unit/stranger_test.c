/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test, as TAP, of a socket whose process locks it after it was looked at: it gets into no
 * map that counts, however late it comes there.
 *
 * The lock is held by a setsockopt(2) that waits for memory, which nobody gives it before the end.
 *
 * Usage, as root: stranger_test
 */
#include <linux/netlink.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../../helper/cgroup.h"
#include "../../helper/change.h"
#include "../../helper/claim_set.h"
#include "../../helper/dest.h"
#include "../../helper/slot.h"
#include "../../helper/stranger.h"
#include "dispatch_real.h"
#include "tap.h"

static struct sks_dest *dest;
static int faults[5], locked;
static char *memory; /* a page that is there, and one that is not */
static long page;
static int cgroup; /* -1: no bind hooks */
static char hooks[128];

static void *lock(void *arg)
{
	(void)setsockopt(locked, IPPROTO_IPV6, IPV6_PKTINFO, memory + page - sizeof(int),
			 sizeof(struct in6_pktinfo));
	return arg;
}

static pthread_t lock_socket(int fd, int holder)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg fault;
	pthread_t thread;

	page = sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	need(memory != MAP_FAILED && !ioctl(holder, UFFDIO_API, &api), "userfaultfd");
	memset(memory, 0, (size_t)page);
	range.range = (struct uffdio_range){ (uintptr_t)memory + (size_t)page, (uint64_t)page };
	need(!ioctl(holder, UFFDIO_REGISTER, &range), "UFFDIO_REGISTER");
	locked = fd;
	need(!pthread_create(&thread, NULL, lock, NULL), "pthread_create");
	need(read(holder, &fault, sizeof(fault)) == sizeof(fault), "the lock is held");
	return thread;
}

static void unlock_socket(pthread_t thread, int holder)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)memory + (size_t)page, (uint64_t)page },
	};

	need(!ioctl(holder, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE");
	(void)pthread_join(thread, NULL);
}

/* The filters are privileges.bats' matter. */
static int as_it_is(void)
{
	(void)signal(SIGCHLD, SIG_IGN);
	return 0;
}

static int make_listener(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(fd >= 0 && !listen(fd, 1), "listen");
	return fd;
}

static void set_up(void)
{
	struct sks_socket sock = {
		.proto = SKS_TCP,
		.families = SKS_SERVES_BOTH | SKS_SERVES_AS_V6,
		.addr = { .family = AF_INET6 },
		.port = 7777,
	};
	struct sks_service *service;

	need_done(sks_store_add_service(space, &service), "sks_store_add_service");
	service->named = 1;
	strcpy(service->label, "web");
	need_done(sks_dest_get(space, service, &sock, &dest), "sks_dest_get");
	need_done(sks_change_republish(space), "sks_change_republish");
}

/* As the helper gets it: sent through a connection. Returns its own descriptor of it. */
static int receive(const struct sks_peer *peer, int sock, struct sks_socket *ret_socket,
		   int *ret_err)
{
	struct sks_verdict verdict = {};
	int pair[2], fd = -1;
	char byte = 0;

	need(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
	need_done(sks_wire_send(pair[0], &byte, 1, NULL, 0, sock), "sks_wire_send");
	*ret_err = sks_stranger_receive(peer, peer->uid, pair[1], &byte, 1, &fd);
	if (*ret_err == 1)
		*ret_err = sks_stranger_read(fd, ret_socket, &verdict);
	close(pair[0]);
	close(pair[1]);
	return fd;
}

static struct sks_slot slot_of(const struct sks_socket *socket)
{
	return (struct sks_slot){ .cookie = socket->cookie, .families = socket->families };
}

/* A port at every address is root's alone. */
static int claim(uint16_t port)
{
	struct sks_claim nobodys = { 1 | 1 << 16, SKS_CLAIM_NOBODYS }, roots = {};
	struct sks_claim_key key = sks_claim_space_key(space);

	if (cgroup < 0)
		return cgroup;
	snprintf(hooks, sizeof(hooks), "%s/claims", real_dir);
	need_done(sks_bpf_claims_attach(hooks, cgroup), "sks_bpf_claims_attach");
	need_done(sks_bpf_put_claim(&key, &nobodys), "the namespace's claim");
	memcpy(&key.what, (uint8_t[]){ IPPROTO_TCP, SKS_CLAIM_V6, port >> 8, (uint8_t)port }, 4);
	key.prefixlen = SKS_CLAIM_PORT;
	need_done(sks_bpf_put_claim(&key, &roots), "root's claim");
	return 0;
}

static int bind_for(const struct sks_peer *peer, const struct sks_socket *socket, int fd)
{
	const struct sks_address addr = {
		.in6 = { .sin6_family = AF_INET6, .sin6_port = htons(9999) },
		.len = sizeof(addr.in6),
	};

	need_done(sks_bpf_bind_as(socket->cookie, peer->uid, IPPROTO_TCP, &addr.any),
		  "sks_bpf_bind_as");
	return sks_stranger_bind(fd, &addr);
}

/* A bind(2) of our own (as root) to that port, of a socket that is to be bound for a user. */
static int bind_beside(uint8_t proto, uint16_t port, uint32_t uid, uint16_t own_port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), err;
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	need(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), "SO_COOKIE");
	need_done(sks_bpf_bind_as(cookie, uid, proto, (const struct sockaddr *)&addr),
		  "sks_bpf_bind_as");
	addr.sin6_port = htons(own_port);
	err = bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) ? errno : 0;
	sks_bpf_bound(cookie);
	close(fd);
	return err;
}

/* What is done late for a user is still done as the user. */
static void test_bound_late(const struct sks_peer *peer)
{
	struct sockaddr_in6 addr = {};
	socklen_t len = sizeof(addr);
	int own = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, err;
	struct sks_socket socket;
	pthread_t thread;

	if (claim(9999)) {
		tap_check(true, "a bind that comes late # SKIP no bind hooks here");
		return;
	}
	tap_check(bind_beside(IPPROTO_TCP, 9999, 65533, 9999) == EADDRINUSE &&
			  bind_beside(IPPROTO_TCP, 9998, 65533, 9999) == 0 &&
			  bind_beside(IPPROTO_UDP, 9999, 65533, 9999) == 0,
		  "of a socket that is bound for a user no other bind is judged so");
	fd = receive(peer, own, &socket, &err);
	need_done(err, "a socket that is not bound");
	need(bind_for(peer, &socket, fd) == -EADDRINUSE, "root's port is taken");
	thread = lock_socket(own, faults[1]);
	tap_check(bind_for(peer, &socket, fd) == -ETIMEDOUT, "a bind is not waited for");
	sks_stranger_close(fd);
	unlock_socket(thread, faults[1]);
	usleep(300000);
	tap_check(!getsockname(own, (struct sockaddr *)&addr, &len) && !addr.sin6_port,
		  "and when it comes late it gets no port of another user's");
	sks_bpf_claims_detach();
	sks_bpf_remove(hooks);
}

/* In a sockmap of slots, be it the one that counts or not. */
static unsigned int count_sockets(int map)
{
	unsigned int n = 0;
	uint64_t cookie;

	for (uint32_t i = 0; i < space->maps.entries[SKS_MAP_SOCKETS]; i++)
		n += !bpf_map_lookup_elem(map, &i, &cookie);
	return n;
}

/* What comes late is taken out at once: its map is about to go, and the kernel would lock it. */
static bool stays_empty(int map)
{
	unsigned int full = 0;

	for (int i = 0; i < 50; i++) {
		full = count_sockets(map) ? full + 1 : 0;
		usleep(10000);
	}
	return !full;
}

/* Without descriptors for a map of its own; the next one that comes has it made. */
static void test_not_renewed(const struct sks_peer *peer, const struct sks_peer *next)
{
	const struct rlimit none = { 3, 4096 }, some = { 1024, 4096 };
	unsigned int before = count_sockets(space->maps.fd[SKS_MAP_SOCKETS]);
	int own = make_listener(), good = make_listener(), fd, err;
	struct sks_socket socket;
	struct sks_slot slot;
	pthread_t thread;
	uint32_t i, number = space->next_slot;

	fd = receive(peer, own, &socket, &err);
	need_done(err, "a socket");
	thread = lock_socket(own, faults[2]);
	slot = slot_of(&socket);
	need(!setrlimit(RLIMIT_NOFILE, &none), "setrlimit");
	tap_check(sks_slot_take(space, dest, fd, &slot, &i) == -ETIMEDOUT,
		  "locked where there is no memory for another map");
	need(!setrlimit(RLIMIT_NOFILE, &some), "setrlimit");
	sks_stranger_close(fd);
	fd = receive(next, good, &socket, &err);
	need_done(err, "the next one");
	space->next_slot = number; /* as if all numbers had been given out since */
	slot = slot_of(&socket);
	need_done(sks_slot_take(space, dest, fd, &slot, &i), "the next one's slot");
	sks_stranger_close(fd);
	unlock_socket(thread, faults[2]);
	usleep(300000);
	tap_check(count_sockets(space->maps.fd[SKS_MAP_SOCKETS]) == before + 1 &&
			  sks_slot_lives(&space->maps, i),
		  "it comes into no map in which there is another one since");
	sks_slot_drop(space, i);
	close(good);
}

static int listen_at(uint16_t port)
{
	const struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* What one user's reply socket makes wait has no other user's socket, who frees its port. */
static void test_aborted_meanwhile(const struct sks_peer *peer)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(9998) };
	struct sks_reply_socket reply = { .uid = 65530, .port = 9998, .family = AF_INET6 };
	int own = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), good = listen_at(9997), fd, err;
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct sks_socket socket;
	socklen_t len = sizeof(reply.cookie);
	pthread_t thread;

	addr.sin6_addr = in6addr_loopback;
	memcpy(reply.addr, &addr.sin6_addr, sizeof(reply.addr));
	need(good >= 0 && netlink >= 0 && !bind(own, (struct sockaddr *)&addr, sizeof(addr)) &&
		     !getsockopt(own, SOL_SOCKET, SO_COOKIE, &reply.cookie, &len),
	     "sockets");
	fd = receive(peer, good, &socket, &err);
	need_done(err, "a socket");
	thread = lock_socket(own, faults[3]);
	tap_check(sks_stranger_abort(&reply, reply.uid, netlink) == -ETIMEDOUT,
		  "the end of a locked one is not waited for");
	sks_stranger_close(fd);
	close(good);
	good = listen_at(9997);
	tap_check(good >= 0, "and nobody keeps what another user had sent meanwhile");
	unlock_socket(thread, faults[3]);
	close(good);
	close(own);
	close(netlink);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 addr = {};
	socklen_t len = sizeof(addr);

	need(!getsockname(fd, (struct sockaddr *)&addr, &len), "getsockname");
	return ntohs(addr.sin6_port);
}

static void test_reply_late(const struct sks_peer *peer)
{
	const struct sks_reply_bind how = {
		.addr.in6 = { .sin6_family = AF_INET6,
			      .sin6_port = htons(9996),
			      .sin6_addr = IN6ADDR_LOOPBACK_INIT },
		.addr.len = sizeof(how.addr.in6),
	};
	int own = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd, err;
	struct sks_socket socket;
	pthread_t thread;

	fd = receive(peer, own, &socket, &err);
	need_done(err, "a socket that is not bound");
	thread = lock_socket(own, faults[4]);
	tap_check(sks_stranger_bind_reply(fd, &how) == -ETIMEDOUT, "a reply socket's neither");
	sks_stranger_close(fd);
	unlock_socket(thread, faults[4]);
	usleep(300000);
	tap_check(!port_of(own), "and when it comes late it gets no port");
	close(own);
}

/* All before the test is left with the helper's capabilities. */
static void open_faults(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		faults[i] = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
		need(faults[i] >= 0, "userfaultfd, as root");
	}
}

int main(void)
{
	const struct sks_peer peer = { .uid = 65534 }, other = { .uid = 65533 },
			      third = { .uid = 65532 }, fourth = { .uid = 65531 },
			      fifth = { .uid = 65529 };
	struct sks_socket socket;
	struct sks_slot slot;
	uint32_t i = 0;
	int own = make_listener(), good = make_listener(), fd, old, err;
	pthread_t thread;

	open_faults();
	cgroup = sks_cgroup_open();
	if (cgroup >= 0 && sks_bpf_claims_load())
		cgroup = -1;
	need_done(sks_worker_start(&sks_stranger_worker, as_it_is), "sks_worker_start");
	need_done(sks_strangers_start(), "sks_strangers_start");
	real_start();
	set_up();
	fd = receive(&peer, own, &socket, &err);
	tap_check(!err && socket.proto == SKS_TCP && socket.cookie && socket.listening,
		  "a stranger's socket is read by another process");
	old = fcntl(space->maps.fd[SKS_MAP_SOCKETS], F_DUPFD_CLOEXEC, 0);
	thread = lock_socket(own, faults[0]);
	slot = slot_of(&socket);
	tap_check(sks_slot_take(space, dest, fd, &slot, &i) == -ETIMEDOUT,
		  "locked since, it is not waited for");
	sks_stranger_close(fd);
	tap_check(receive(&peer, good, &socket, &err) < 0 && err == -EBUSY,
		  "the same user's next one is refused");
	fd = receive(&other, good, &socket, &err);
	need_done(err, "another user's socket");
	slot = slot_of(&socket);
	tap_check(!sks_slot_take(space, dest, fd, &slot, &i) && sks_slot_lives(&space->maps, i),
		  "another user's gets into the map");
	sks_stranger_close(fd);
	tap_check(!count_sockets(old), "the map that was replaced is empty");
	unlock_socket(thread, faults[0]);
	tap_check(stays_empty(old), "and stays so when the locked one comes there, late");
	tap_check(count_sockets(space->maps.fd[SKS_MAP_SOCKETS]) == 1 &&
			  sks_slot_lives(&space->maps, i),
		  "it does not come into the one that counts");
	old = fcntl(space->maps.fd[SKS_MAP_SOCKETS], F_DUPFD_CLOEXEC, 0);
	need_done(sks_bpf_grow(space->dir, &space->maps, SKS_MAP_SLOTS,
			       4 * space->maps.entries[SKS_MAP_SLOTS]),
		  "sks_bpf_grow");
	tap_check(!count_sockets(old) && sks_slot_lives(&space->maps, i),
		  "a map that has become too small is emptied when it goes");
	test_not_renewed(&fourth, &other);
	test_bound_late(&third);
	test_aborted_meanwhile(&other);
	test_reply_late(&fifth);
	real_crash();
	tap_check(sks_slot_lives(&space->maps, i), "and the next helper finds it so");
	return tap_done();
}

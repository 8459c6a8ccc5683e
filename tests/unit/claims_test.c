/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of what an ordinary user may claim for a label by requests that no library of ours
 * sends, as TAP: ports by sockets that are bound elsewhere, and more than the quotas by specs that
 * sleep.
 *
 * Usage, as root: claims_test
 */
#include <arpa/inet.h>

#include "../../helper/change.h"
#include "../../helper/inside.h"
#include "../../helper/request.h"
#include "../../helper/slot.h"
#include "dispatch_real.h"

#define USER 1000

/* One server: what it says in each request. */
struct server {
	uint8_t id;
	uint16_t mode;
	const char *spec, *label;
	uint32_t uid;
};

static struct sks_verdict verdict;

static int ask(uint16_t op, const struct server *server, int fd, uint16_t port)
{
	struct sks_request req = {
		.version = SKS_WIRE_VERSION,
		.op = op,
		.mode = server->mode,
		.weight = server->mode == SKS_MODE_JOIN ? 100 : 0,
		.port = port,
		.spec_len = (uint32_t)strlen(server->spec),
		.instance = { server->id, 1 },
	};
	struct sks_asked asked = {
		.spaces = &real_spaces,
		.peer = { .pid = getpid(), .uid = server->uid, .root = !server->uid },
		.netns = real_netns,
		.req = &req,
		.spec = server->spec,
		.fd = fd,
		.ret_fd = -1,
	};
	struct stat st;

	need(!fstat(real_netns, &st), "fstat");
	snprintf(req.label, sizeof(req.label), "%s", server->label);
	asked.netns_ino = st.st_ino;
	asked.netns_cookie = fd >= 0 ? sks_netns_cookie(fd) : 0;
	sks_ask(&asked);
	verdict = asked.verdict;
	return asked.verdict.err ?: op == SKS_OP_REGISTER && !asked.steered ? -ENOMSG : 0;
}

/* port 0: any. */
static int listener(const char *addr, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	need(fd >= 0 && inet_pton(AF_INET, addr, &in.sin_addr) == 1, "socket");
	need(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
		     !bind(fd, (struct sockaddr *)&in, sizeof(in)) && !listen(fd, 4),
	     "listener");
	return fd;
}

/* A listener on a port for root: as a user who was granted it has one. */
static int low_listener(const char *addr, uint16_t port)
{
	int fd;

	stage_restrict(false);
	fd = listener(addr, port);
	stage_restrict(true);
	return fd;
}

static enum m_kind on(const char *addr, uint16_t port)
{
	struct m_packet packet = { .proto = SKS_TCP, .family = SKS_V4, .port = port };

	need(inet_pton(AF_INET, addr, packet.addr) == 1, addr);
	return real_verdict(&packet).kind;
}

/* All servers are gone, and the label. */
static void end(uint32_t uid, int *fds, size_t n)
{
	const struct server nobody = { .spec = "", .label = "web", .uid = uid };

	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	sks_change_sweep(space, 0);
	(void)ask(SKS_OP_UNREGISTER, &nobody, -1, 0);
}

static void test_registered_again(void)
{
	struct server server = { 1, SKS_MODE_REPLACE, "any:9001", "web", USER };
	int fds[2] = { listener("0.0.0.0", 0), listener("0.0.0.0", 0) };

	need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "a server");
	server.spec = "80=any:9001";
	(void)ask(SKS_OP_REGISTER, &server, fds[0], 80);
	tap_check(ask(SKS_OP_REGISTER, &server, fds[1], 80) == -EACCES &&
			  on("10.0.0.1", 80) == M_PASS,
		  "a socket that is registered brings no port that it was not asked for");
	end(USER, fds, 2);
}

static void test_other_address(void)
{
	struct server server = { 1, SKS_MODE_REPLACE, "any:9001", "web", USER };
	int fds[3] = { low_listener("127.0.0.1", 80), listener("0.0.0.0", 0),
		       listener("127.0.0.1", 0) };

	need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "a server");
	server.id = 2;
	tap_check(ask(SKS_OP_REGISTER, &server, fds[1], 80) == -EACCES &&
			  on("10.0.0.1", 80) == M_PASS,
		  "a port at one address is not granted at every address");
	tap_check(ask(SKS_OP_REGISTER, &server, fds[2], 80) == 0 && on("127.0.0.1", 80) == M_SOCKET,
		  "at the same address it is");
	end(USER, fds, 3);
}

/* One that joins with another port, which it may have in both families. */
static void test_other_family(void)
{
	struct server server = { 1, SKS_MODE_REPLACE, "any:9001", "web", USER },
		      joins = { 3, SKS_MODE_JOIN, "", "web", USER };
	struct m_packet packet = { .proto = SKS_TCP, .family = SKS_V6, .port = 80 };
	int fds[3] = { low_listener("0.0.0.0", 80), listener("0.0.0.0", 0),
		       real_socket(SKS_TCP, SKS_SERVES_BOTH).fd };

	need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "a server");
	server.id = 2;
	need(!ask(SKS_OP_REGISTER, &server, fds[1], 80), "the next one");
	tap_check(ask(SKS_OP_REGISTER, &joins, fds[2], 0) == -EINVAL &&
			  real_verdict(&packet).kind == M_PASS,
		  "a port of one family is not granted in the other");
	end(USER, fds, 3);
}

static void test_quota_asleep(void)
{
	struct server one = { 1, SKS_MODE_REPLACE, "any:5000-5255", "web", USER },
		      two = { 2, SKS_MODE_REPLACE, "any:6000-6255", "web", USER },
		      three = { 3, SKS_MODE_REPLACE, "any:7000", "more", USER };
	int fds[3] = { listener("0.0.0.0", 0), listener("0.0.0.0", 0), listener("0.0.0.0", 0) };

	need(!ask(SKS_OP_REGISTER, &one, fds[0], 0), "a server");
	tap_check(!ask(SKS_OP_REGISTER, &two, fds[1], 0),
		  "the ports of the one that is replaced are not in the way of as many others");
	two.spec = "any:6000";
	need(!ask(SKS_OP_REGISTER, &two, fds[1], 0), "fewer");
	tap_check(ask(SKS_OP_REGISTER, &three, fds[2], 0) == -EDQUOT,
		  "but they are its user's: it may have them back");
	end(USER, fds, 3);
}

/* Killed after a new spec counts, and before its instance's sockets say so. */
static void test_killed_before_sockets_say(void)
{
	struct server server = { 1, SKS_MODE_REPLACE, "any:5000", "web", USER },
		      next = { 2, SKS_MODE_REPLACE, "any:5002", "web", USER };
	int fds[2] = { listener("0.0.0.0", 0), listener("0.0.0.0", 0) };
	uint32_t before, slot = 0;

	need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "a server");
	while (!space->maps.slots[slot].cookie)
		slot++;
	before = space->maps.slots[slot].spec;
	server.spec = "any:5001";
	need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "another spec");
	space->maps.slots[slot].spec = before;
	real_crash();
	need(!ask(SKS_OP_REGISTER, &next, fds[1], 0), "the next one");
	close(fds[1]);
	sks_change_sweep(space, 0);
	tap_check(on("10.0.0.1", 5001) == M_SOCKET,
		  "a helper that was killed leaves no socket to a spec that is gone");
	end(USER, fds, 1);
}

/* Killed with a socket in its slot, and before anything of it counted. */
static void test_killed_before_commit(void)
{
	struct server server = { 1, SKS_MODE_REPLACE, "any:5000", "web", USER },
		      joins = { 2, SKS_MODE_JOIN, "", "web", USER };
	int fds[2] = { listener("0.0.0.0", 7777), listener("0.0.0.0", 0) };
	struct sockaddr_in in;
	socklen_t in_len = sizeof(in), len = sizeof(uint64_t);
	struct sks_slot taken;
	uint32_t slot = 0;

	need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "a server");
	while (!space->maps.slots[slot].cookie)
		slot++;
	taken = space->maps.slots[slot];
	taken.instance[0] = joins.id;
	taken.flags |= SKS_SLOT_MOVED;
	need(!getsockname(fds[1], (struct sockaddr *)&in, &in_len) &&
		     !getsockopt(fds[1], SOL_SOCKET, SO_COOKIE, &taken.cookie, &len),
	     "its port and cookie");
	taken.port = ntohs(in.sin_port);
	need(!sks_slot_take(space, &space->maps.dests[taken.dest], fds[1], &taken, &slot), "slot");
	real_crash();
	tap_check(!ask(SKS_OP_REGISTER, &joins, fds[1], 7777) && on("10.0.0.1", 7777) == M_SOCKET,
		  "what a helper that was killed did not publish, its server asks for again");
	end(USER, fds, 2);
}

/* What a spec that slept leads to when it counts again. */
static void test_fall_back_wide(void)
{
	struct server wide = { 1, SKS_MODE_REPLACE, "any:*", "web", 0 },
		      next = { 2, SKS_MODE_REPLACE, "any:81", "web", 0 };
	int fds[4] = { listener("0.0.0.0", 0), listener("0.0.0.0", 0), listener("0.0.0.0", 2222) };

	need(!ask(SKS_OP_REGISTER, &wide, fds[0], 0) && on("10.0.0.1", 2222) == M_PASS, "a server");
	need(!ask(SKS_OP_REGISTER, &next, fds[1], 0), "the next one");
	fds[3] = listener("0.0.0.0", 2223);
	close(fds[1]);
	sks_change_sweep(space, 0);
	tap_check(on("10.0.0.1", 80) == M_SOCKET && on("10.0.0.1", 2222) == M_PASS,
		  "what \"*\" left to others, it leaves to them when its server is back");
	tap_check(on("10.0.0.1", 2223) == M_PASS, "also what came meanwhile");
	fds[1] = fds[3];
	end(0, fds, 3);
}

static void test_fall_back_taken(void)
{
	struct server one = { 1, SKS_MODE_REPLACE, "any:5000", "web", USER },
		      next = { 2, SKS_MODE_REPLACE, "any:5001", "web", USER },
		      other = { 3, SKS_MODE_REPLACE, "any:5000", "theirs", USER + 1 };
	int fds[3] = { listener("0.0.0.0", 0), listener("0.0.0.0", 0), listener("0.0.0.0", 0) };
	struct m_packet packet = { .proto = SKS_TCP, .family = SKS_V4, .port = 5000 };
	socklen_t len = sizeof(uint64_t);
	uint64_t theirs;

	need(!getsockopt(fds[2], SOL_SOCKET, SO_COOKIE, &theirs, &len), "SO_COOKIE");
	need(!ask(SKS_OP_REGISTER, &one, fds[0], 0), "a server");
	need(!ask(SKS_OP_REGISTER, &next, fds[1], 0), "the next one");
	need(!ask(SKS_OP_REGISTER, &other, fds[2], 0), "another user's");
	close(fds[1]);
	sks_change_sweep(space, 0);
	tap_check(real_verdict(&packet).cookie == theirs,
		  "what another user has got meanwhile, a server that is back does not get");
	other.spec = "";
	need(!ask(SKS_OP_UNREGISTER, &other, -1, 0), "the other label's end");
	tap_check(!ask(SKS_OP_REGISTER, &one, fds[0], 0) && on("10.0.0.1", 5000) == M_SOCKET,
		  "unless it asks for it again");
	close(fds[2]);
	end(USER, fds, 1);
}

/* Those that joined go by the spec that the label has: nothing sleeps for them. */
static void test_spec_again_and_again(void)
{
	static const char *const specs[2] = { "any:5000", "any:5001" };
	struct server server = { 1, SKS_MODE_REPLACE, specs[0], "web", USER },
		      joins = { 2, SKS_MODE_JOIN, "", "web", USER };
	int fds[2] = { listener("0.0.0.0", 0), listener("0.0.0.0", 0) };

	need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "a server");
	need(!ask(SKS_OP_REGISTER, &joins, fds[1], 0), "one that joins");
	for (int i = 1; i < 10; i++) {
		server.spec = specs[i % 2];
		need(!ask(SKS_OP_REGISTER, &server, fds[0], 0), "another spec");
	}
	tap_check(space->used_bindings == 1, "of an instance's specs the last one stays: %u",
		  space->used_bindings);
	end(USER, fds, 2);
}

int main(void)
{
	real_start();
	test_registered_again();
	test_other_address();
	test_spec_again_and_again();
	test_other_family();
	test_quota_asleep();
	test_killed_before_sockets_say();
	test_killed_before_commit();
	test_fall_back_wide();
	test_fall_back_taken();
	return tap_done();
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of a label's life, as TAP: instances come in every mode, stand by, take over, open
 * and close sockets, and helpers are killed, at random. After each step a naive model, written from
 * the words of the contract, says who must get a connection, and what the request must be answered.
 *
 * Usage, as root: instance_test [SEED]
 */
#include <sys/stat.h>
#include <time.h>

#include "../../helper/change.h"
#include "../../helper/inside.h"
#include "../../helper/request.h"
#include "dispatch_real.h"
#include "random.h"

#define ROUNDS	  60
#define STEPS	  60
#define INSTANCES 8
#define SOCKETS	  4
#define PORT	  7777 /* that every instance asks for */

/* Ports that one spec, the other, and neither opens. */
static const uint16_t steered[] = { 80, 81, 82 };
static const char *const specs[] = { "", "any:80", "any:81" };

struct it {
	uint32_t id;	  /* 0: not there */
	unsigned int gen; /* the number of its time; those that joined share one */
	uint16_t mode;
	unsigned int spec; /* that it came with: index of specs */
	unsigned int goes; /* that it goes by */
	bool standby;
	struct {
		int fd; /* -1: closed */
		uint64_t cookie;
		uint16_t bound; /* elsewhere than asked for, or 0 */
	} sockets[SOCKETS];
};

static struct it its[INSTANCES];
static unsigned int gens, current, counts; /* the label's: a gen, and a spec */
static uint32_t next_id;
static int failed;

static bool has_socket(const struct it *it)
{
	bool any = false;

	for (int i = 0; i < SOCKETS; i++)
		any |= it->id && it->sockets[i].fd >= 0;
	return any;
}

/* The latest time of which somebody serves; 0: nobody does. */
static unsigned int top_gen(void)
{
	unsigned int top = 0;

	for (int i = 0; i < INSTANCES; i++) {
		if (has_socket(&its[i]) && !its[i].standby && its[i].gen > top)
			top = its[i].gen;
	}
	return top;
}

/* What a sweep makes of it: the current time's sockets may all be closed. */
static void model_sweep(void)
{
	unsigned int top = top_gen();
	bool up = false;

	for (int i = 0; i < INSTANCES; i++)
		up |= has_socket(&its[i]) && !its[i].standby && its[i].gen == current;
	if (up || !top)
		return;
	current = top;
	for (int i = 0; i < INSTANCES; i++) {
		if (has_socket(&its[i]) && its[i].gen == top)
			counts = its[i].goes;
	}
}

/* As from elsewhere: the kernel lets no test say that a packet comes from here. */
static struct m_verdict verdict_on(uint16_t port)
{
	struct bpf_sk_lookup ctx = {
		.family = AF_INET,
		.protocol = IPPROTO_TCP,
		.remote_port = htons((uint16_t)(1024 + below(60000))),
		.local_port = port,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_out = &ctx, .ctx_size_out = sizeof(ctx));

	ctx.local_ip4 = htonl(0x0a000001);
	ctx.remote_ip4 = random_u32();
	real_open_program();
	need(bpf_prog_test_run_opts(real_program, &opts) == 0, "BPF_PROG_TEST_RUN");
	if (opts.retval == SK_DROP)
		return (struct m_verdict){ .kind = M_DROP };
	return (struct m_verdict){ .kind = ctx.cookie ? M_SOCKET : M_PASS, .cookie = ctx.cookie };
}

/* May this socket get it? Any of the latest instance that serves, or of those that joined it. */
static bool may_serve(uint64_t cookie)
{
	unsigned int top = top_gen();
	bool of_top = false;

	for (int i = 0; i < INSTANCES; i++) {
		for (int k = 0; has_socket(&its[i]) && k < SOCKETS; k++)
			of_top |= !its[i].standby && its[i].gen == top &&
				  its[i].sockets[k].fd >= 0 && its[i].sockets[k].cookie == cookie;
	}
	return of_top;
}

static void fail(const char *what, unsigned int port)
{
	if (!failed++)
		printf("# %s (port %u)\n", what, port);
}

static void check_port(uint16_t port, bool opened)
{
	struct m_verdict verdict = verdict_on(port);

	if (!opened) {
		if (verdict.kind != M_PASS)
			fail("a port that nobody asked for is steered", port);
	} else if (!top_gen()) {
		if (verdict.kind != M_DROP)
			fail("a label that is down does not refuse", port);
	} else if (verdict.kind != M_SOCKET || !may_serve(verdict.cookie)) {
		fail(verdict.kind == M_SOCKET ? "the wrong socket gets it" : "nobody gets it",
		     port);
	}
}

static void check_guards(void)
{
	for (int i = 0; i < INSTANCES; i++) {
		for (int k = 0; has_socket(&its[i]) && k < SOCKETS; k++) {
			uint16_t bound = its[i].sockets[k].bound;

			if (its[i].sockets[k].fd < 0 || !bound)
				continue;
			if (verdict_on(bound).kind != M_DROP)
				fail("from elsewhere the port is open at which it was bound",
				     bound);
		}
	}
}

static bool any_moved(void)
{
	for (int i = 0; i < INSTANCES; i++) {
		for (int k = 0; has_socket(&its[i]) && !its[i].standby && k < SOCKETS; k++) {
			if (its[i].sockets[k].fd >= 0 && its[i].sockets[k].bound)
				return true;
		}
	}
	return false;
}

/* swept: the records have caught up with the sockets. */
static void check_all(bool swept)
{
	for (unsigned int i = 0; i < 3; i++) {
		if (current)
			check_port(steered[i], counts == i + 1);
	}
	if (!swept)
		return;
	if (current)
		check_port(PORT, any_moved());
	check_guards();
}

static int ask(uint16_t op, const struct it *it, int fd, uint16_t port)
{
	struct sks_request req = {
		.version = SKS_WIRE_VERSION,
		.op = op,
		.mode = it ? it->mode : 0,
		.port = port,
		.label = "web",
		.spec_len = it ? (uint32_t)strlen(specs[it->spec]) : 0,
	};
	struct sks_asked asked = {
		.spaces = &real_spaces,
		.peer = { .pid = getpid(), .root = true, .binds_low = true },
		.netns = real_netns,
		.req = &req,
		.spec = it ? specs[it->spec] : "",
		.fd = fd,
		.ret_fd = -1,
	};
	struct stat st;

	need(!fstat(real_netns, &st), "fstat");
	asked.netns_ino = st.st_ino;
	asked.netns_cookie = fd >= 0 ? sks_netns_cookie(fd) : 0;
	if (it) {
		req.weight = it->mode == SKS_MODE_JOIN ? (uint16_t)(1 + below(300)) : 0;
		memcpy(req.instance, &it->id, sizeof(it->id));
		req.instance[15] = 1;
	}
	sks_ask(&asked);
	return asked.verdict.err ?: op == SKS_OP_REGISTER && !asked.steered ? -ENOMSG : 0;
}

/* Several on one port need it; and a test of the program can't be where it is on. */
static void set_reuseport(int fd, int on)
{
	need(!setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), "SO_REUSEPORT");
}

static void set_all_reuseport(int on)
{
	for (int i = 0; i < INSTANCES; i++) {
		for (int k = 0; its[i].id && k < SOCKETS; k++) {
			if (its[i].sockets[k].fd >= 0)
				set_reuseport(its[i].sockets[k].fd, on);
		}
	}
}

static int listener(bool moved, uint16_t *ret_bound)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = moved ? 0 : htons(PORT) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(fd >= 0, "socket");
	set_all_reuseport(1);
	set_reuseport(fd, 1);
	need(!bind(fd, (struct sockaddr *)&in, sizeof(in)) && !listen(fd, 4) &&
		     !getsockname(fd, (struct sockaddr *)&in, &len),
	     "listener");
	set_reuseport(fd, 0);
	set_all_reuseport(0);
	*ret_bound = moved ? ntohs(in.sin_port) : 0;
	return fd;
}

static struct it *another_standby(const struct it *it)
{
	for (int i = 0; i < INSTANCES; i++) {
		if (&its[i] != it && has_socket(&its[i]) && its[i].standby)
			return &its[i];
	}
	return NULL;
}

/* Who else serves? */
static bool is_served_without(const struct it *it)
{
	for (int i = 0; i < INSTANCES; i++) {
		if (&its[i] != it && has_socket(&its[i]) && !its[i].standby)
			return true;
	}
	return false;
}

/* The instance is the label's, and its spec counts. */
static void model_take(struct it *it)
{
	it->goes = it->spec ?: counts;
	it->gen = ++gens;
	current = it->gen;
	counts = it->goes;
}

/* What a registration must say, and what follows. */
static int model_open(struct it *it)
{
	bool fresh = !has_socket(it), served = is_served_without(it);

	if (!fresh && !it->standby && it->gen == current)
		return 0;
	if (!fresh && it->standby)
		return 0;
	if (!fresh || (served && it->mode == SKS_MODE_REFUSE))
		return -EADDRINUSE; /* it was replaced, or comes second */
	it->standby = false;
	if (served && it->mode == SKS_MODE_STANDBY) {
		if (another_standby(it))
			return -EBUSY;
		it->standby = true;
		it->gen = ++gens;
		it->goes = it->spec ?: counts;
		return 0;
	}
	if (served && it->mode == SKS_MODE_JOIN) {
		if (it->spec && it->spec != counts)
			return -EINVAL;
		it->gen = current;
		it->goes = counts;
		return 0;
	}
	model_take(it);
	return 0;
}

static void open_socket(struct it *it)
{
	bool moved = is_served_without(it) && it->mode != SKS_MODE_REFUSE;
	uint16_t bound;
	int i = 0, fd, err, expected;

	while (i < SOCKETS && it->sockets[i].fd >= 0)
		i++;
	if (i == SOCKETS)
		return;
	fd = listener(moved, &bound);
	model_sweep();
	expected = model_open(it);
	err = ask(SKS_OP_REGISTER, it, fd, moved ? PORT : 0);
	if (err != expected) {
		printf("# mode %u: %d (%s), not %d\n", it->mode, err, strerror(-err), expected);
		fail("a registration is answered otherwise than it should be", 0);
	}
	if (err) {
		close(fd);
		if (!has_socket(it))
			it->id = 0;
		return;
	}
	it->sockets[i].fd = fd;
	it->sockets[i].bound = bound;
	need(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &it->sockets[i].cookie,
			 &(socklen_t){ sizeof(uint64_t) }),
	     "SO_COOKIE");
}

static void come(struct it *it)
{
	*it = (struct it){ .id = ++next_id };
	for (int i = 0; i < SOCKETS; i++)
		it->sockets[i].fd = -1;
	it->mode = (uint16_t[]){ SKS_MODE_REFUSE, SKS_MODE_REPLACE, SKS_MODE_REPLACE, SKS_MODE_JOIN,
				 SKS_MODE_STANDBY }[below(5)];
	it->spec = below(3);
	if (!current && !it->spec)
		it->spec = 1;
	open_socket(it);
}

static void close_sockets(struct it *it, bool all)
{
	unsigned int one = below(SOCKETS);

	for (unsigned int i = 0; i < SOCKETS; i++) {
		if (it->sockets[i].fd < 0 || (!all && i != one))
			continue;
		close(it->sockets[i].fd);
		it->sockets[i].fd = -1;
	}
	if (!has_socket(it))
		it->id = 0;
}

static void promote(void)
{
	struct it *waits;
	int err;

	model_sweep();
	waits = another_standby(NULL);
	err = ask(SKS_OP_PROMOTE, NULL, -1, 0);
	if (!waits) {
		if (err != -ENOENT)
			fail("somebody was promoted who was not there", 0);
		return;
	}
	if (err)
		fail("who stands by is not promoted", 0);
	waits->standby = false;
	current = waits->gen = ++gens;
	counts = waits->goes;
}

static void step(void)
{
	struct it *it = &its[below(INSTANCES)];
	unsigned int dice = below(100);
	bool swept = true;

	if (!it->id && dice < 60) {
		come(it);
	} else if (it->id && dice < 35) {
		open_socket(it);
	} else if (it->id && dice < 70) {
		close_sockets(it, chance(60));
		swept = chance(50);
		if (swept)
			sks_change_sweep(space, 0);
		if (swept)
			model_sweep();
	} else if (dice < 85) {
		promote();
	} else {
		real_crash();
		model_sweep();
	}
	if (space->n_services)
		check_all(swept);
}

/* One label's whole life. */
static bool play(void)
{
	memset(its, 0, sizeof(its));
	gens = current = counts = 0;
	failed = 0;
	for (int i = 0; !failed && i < STEPS; i++) {
		step();
		if (failed)
			printf("# at step %d\n", i);
	}
	for (int i = 0; i < INSTANCES; i++) {
		if (its[i].id)
			close_sockets(&its[i], true);
	}
	sks_change_sweep(space, 0);
	if (ask(SKS_OP_UNREGISTER, NULL, -1, 0) || space->maps.services[0].born)
		fail("the label does not go", 0);
	for (unsigned int i = 0; i < 3; i++)
		if (verdict_on(steered[i]).kind != M_PASS)
			fail("it leaves a port behind", steered[i]);
	return !failed;
}

int main(int argc, char **argv)
{
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)now.tv_nsec << 20 ^ now.tv_sec;
	random_state = seed | 1;
	printf("# seed %llu\n", (unsigned long long)random_state);
	real_start();
	for (int i = 0; i < ROUNDS; i++)
		if (!tap_check(play(), "a label's life, %d steps", STEPS))
			break;
	return tap_done();
}

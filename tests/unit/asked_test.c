/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the test of the memory of who asked where, as TAP: it is bounded and never says what was not
 * so, whoever is killed or stopped while he writes. It looks inside: nobody is stopped just there.
 *
 * Usage: asked_test
 */
#include <signal.h>
#include <sys/wait.h>

#include "../../preload/asked.c"
#include "tap.h"

#define OWN    5353
#define MATES  12 /* more peers than a bucket has room for */
#define PEERS  1000000
#define ROUNDS 200

static struct sks_asked *asked;
static struct sks_endpoint mates[MATES]; /* of one bucket */

static struct sks_endpoint end_of(uint32_t host, uint16_t port)
{
	struct sks_endpoint end = { .addr = { [10] = 0xff, [11] = 0xff }, .port = port };

	for (int i = 0; i < 4; i++)
		end.addr[12 + i] = (uint8_t)(host >> (24 - 8 * i));
	return end;
}

static struct sks_endpoint peer_of(uint32_t i)
{
	return end_of(0x0a000000u + i, (uint16_t)(1024 + i % 7));
}

static void note_at(const struct sks_endpoint *peer, uint16_t port, const void *name)
{
	struct sks_endpoint where = end_of(0x7f000001, port);

	sks_asked_note(asked, OWN, peer, &where, name, true);
}

/* 0: that is not known. */
static uint16_t port_of(const struct sks_endpoint *peer, const void *name)
{
	const struct sks_hints hints = { .name = name };
	struct sks_endpoint where;

	return sks_asked_find(asked, OWN, peer, &hints, &where) ? where.port : 0;
}

static bool is_port(const char *what, uint16_t port, uint16_t expected)
{
	return tap_check(port == expected, "%s: port %u, expected %u", what, port, expected);
}

static struct bucket *bucket_of(const struct sks_endpoint *peer)
{
	return &asked->shared->buckets[hash_of(OWN, peer) & (BUCKETS - 1)];
}

static struct entry *entry_of(const struct sks_endpoint *peer)
{
	struct bucket *bucket = bucket_of(peer);

	for (int i = 0; i < WAYS; i++) {
		if (is_of(bucket, i, tag_of(hash_of(OWN, peer)), OWN, peer))
			return &bucket->entries[i];
	}
	printf("Bail out! the peer has no entry\n");
	exit(1);
}

static void find_mates(void)
{
	int n = 0;

	for (uint32_t i = 0x800000; n < MATES; i++) {
		struct sks_endpoint peer = peer_of(i);

		if (!n || bucket_of(&peer) == bucket_of(&mates[0]))
			mates[n++] = peer;
	}
}

static void begin_anew(void)
{
	asked = sks_asked_map();
	need(asked, "mmap");
}

/* Each thread's answer goes by where the server has got the peer's address. */
static void test_names(void)
{
	struct sks_endpoint peer = peer_of(1), other = peer_of(2);
	struct sks_hints hints = {};
	struct sks_endpoint where;
	char a[16], b[16], c[16];

	begin_anew();
	is_port("nobody has asked", port_of(&peer, a), 0);
	note_at(&peer, 53, a);
	note_at(&peer, 77, b);
	is_port("the first question's buffer", port_of(&peer, a), 53);
	is_port("the second question's buffer", port_of(&peer, b), 77);
	is_port("a copy of the address: what came last", port_of(&peer, c), 77);
	is_port("no name: what came last", port_of(&peer, NULL), 77);
	is_port("another peer", port_of(&other, a), 0);
	note_at(&other, 78, a);
	is_port("a buffer used anew", port_of(&other, a), 78);
	is_port("the buffer's earlier peer: what came last", port_of(&peer, a), 77);
	hints.has_source = true;
	hints.source = end_of(0x7f000002, 0);
	tap_check(!sks_asked_find(asked, OWN, &peer, &hints, &where),
		  "nothing was asked at the address that it is to leave from");
	tap_check(!sks_asked_find(asked, OWN + 1, &peer, &(struct sks_hints){}, &where),
		  "nothing was asked of another socket");
}

static void answered_at(const struct sks_endpoint *peer, uint16_t port, const void *name)
{
	struct sks_endpoint where = end_of(0x7f000001, port);

	sks_asked_answered(asked, OWN, peer, &where, name);
}

static void test_answered(void)
{
	struct sks_endpoint peer = peer_of(1);
	char a[16], b[16];

	begin_anew();
	note_at(&peer, 53, a);
	answered_at(&peer, 53, a);
	is_port("answered, and nothing newer was asked", port_of(&peer, a), 53);
	note_at(&peer, 77, b);
	is_port("answered, and something newer was asked", port_of(&peer, a), 77);
	is_port("the newer question", port_of(&peer, b), 77);
	note_at(&peer, 53, a);
	is_port("asked anew by the same buffer", port_of(&peer, a), 53);
	is_port("not answered: still what it was", port_of(&peer, b), 77);
	answered_at(&peer, 77, b);
	is_port("answered, and the other question is newer", port_of(&peer, b), 53);
}

/* What follows is done by that thread. */
static void become(uint32_t thread)
{
	asked->process = thread;
}

/* To and from a copy of the peer's address: by which thread is all that is known. */
static void receives(uint32_t thread, const struct sks_endpoint *peer, uint16_t port)
{
	become(thread);
	note_at(peer, port, NULL);
}

static void answers(uint32_t thread, const struct sks_endpoint *peer, uint16_t port)
{
	become(thread);
	answered_at(peer, port, NULL);
}

static unsigned int n_entries(const struct sks_endpoint *peer)
{
	unsigned int n = 0;

	for (int i = 0; i < WAYS; i++)
		n += is_of(bucket_of(peer), i, tag_of(hash_of(OWN, peer)), OWN, peer);
	return n;
}

/* Answers that are given to a copy of the peer's address. */
static void test_threads(void)
{
	struct sks_endpoint peer = peer_of(1);

	begin_anew();
	receives(1, &peer, 53);
	receives(2, &peer, 77);
	become(1);
	is_port("two ask at once: a thread answers its own", port_of(&peer, NULL), 53);
	become(2);
	is_port("and the other one, too", port_of(&peer, NULL), 77);
	answers(1, &peer, 53);
	is_port("it has, and hands on: what came last, and waits", port_of(&peer, NULL), 77);
	answers(1, &peer, 77);
	is_port("a second answer to that", port_of(&peer, NULL), 77);
	receives(2, &peer, 53);
	receives(2, &peer, 53);
	receives(1, &peer, 77);
	answers(2, &peer, 53);
	is_port("of two one is answered: a thread answers its own", port_of(&peer, NULL), 53);
	receives(1, &peer, 53);
	receives(1, &peer, 53);
	answers(3, &peer, 53);
	receives(1, &peer, 77);
	become(3);
	is_port("one of two is answered by who received none: what came last", port_of(&peer, NULL),
		77);
	for (uint32_t i = 10; i < 20; i++) {
		receives(1, &peer, 53);
		answers(i, &peer, 53);
	}
	tap_check(n_entries(&peer) <= 4, "each answer by another thread: %u entries",
		  n_entries(&peer));
}

/* Two questions of one thread, one of which another one answers. */
static void test_rest(void)
{
	struct sks_endpoint peer = peer_of(1);

	begin_anew();
	receives(1, &peer, 53);
	receives(1, &peer, 53);
	answers(2, &peer, 53);
	receives(3, &peer, 77);
	become(1);
	is_port("the rest is still for who received it", port_of(&peer, NULL), 53);
}

/* What two writers have mixed up is nobody's. */
static void test_mixed(void)
{
	struct sks_endpoint peer = peer_of(1);
	char a[16];

	begin_anew();
	note_at(&peer, 53, a);
	entry_of(&peer)->where = end_of(0x7f000001, 77);
	is_port("an entry of two", port_of(&peer, NULL), 0);
	is_port("its record by buffer is whole", port_of(&peer, a), 53);
	note_at(&peer, 53, NULL);
	is_port("noted anew", port_of(&peer, NULL), 53);
	find_place(set_of(asked, a), a)->where = end_of(0x7f000001, 77);
	is_port("a record by buffer of two", port_of(&peer, a), 53);
}

/* A child that shares the memory is killed while it writes mates[0]. */
static void kill_writer(void)
{
	struct bucket *bucket = bucket_of(&mates[0]);
	pid_t child = fork();
	bool broken;
	int status;

	need(child >= 0, "fork");
	if (!child) {
		if (sks_version_begin(&bucket->version, &broken)) {
			entry_of(&mates[0])->where = end_of(0x7f000001, 99);
			raise(SIGKILL);
		}
		_exit(1);
	}
	need(waitpid(child, &status, 0) == child, "waitpid");
	need(WIFSIGNALED(status), "a child to be killed");
}

static void test_killed(void)
{
	struct sks_endpoint stranger = peer_of(1);
	struct bucket *bucket;

	begin_anew();
	for (int i = 0; i < 3; i++)
		note_at(&mates[i], 53, NULL);
	note_at(&stranger, 77, NULL);
	bucket = bucket_of(&mates[0]);
	kill_writer();
	tap_check(bucket->version & 1, "the writer has left its record half-way");
	is_port("nobody believes it", port_of(&mates[0], NULL), 0);
	is_port("nor the rest of it", port_of(&mates[1], NULL), 0);
	is_port("others are not concerned", port_of(&stranger, NULL), 77);
	note_at(&mates[1], 78, NULL);
	tap_check(!(bucket->version & 1),
		  "the next one who writes mends it: nobody waits any more");
	is_port("what it wrote is there", port_of(&mates[1], NULL), 78);
	is_port("what was half written is not", port_of(&mates[0], NULL), 0);
	is_port("nor what the killed one may have meant to write over", port_of(&mates[2], NULL),
		0);
	note_at(&mates[0], 53, NULL);
	is_port("asked anew", port_of(&mates[0], NULL), 53);
}

/* A thread that a signal stopped for good within its record by buffer. */
static void test_left(void)
{
	struct sks_endpoint peer = peer_of(1);
	struct recent *recent;
	char a[16];
	bool broken;

	begin_anew();
	note_at(&peer, 53, a);
	recent = find_place(set_of(asked, a), a);
	need(sks_version_begin(&recent->version, &broken) && !broken, "a record");
	recent->where = end_of(0x7f000001, 99);
	is_port("a record left half-way: what is known otherwise", port_of(&peer, a), 53);
	note_at(&peer, 77, a);
	tap_check(!(recent->version & 1), "the next one who writes mends it");
	is_port("asked anew", port_of(&peer, a), 77);
}

static uint16_t expected_of(const struct sks_endpoint *peer)
{
	return (uint16_t)(1000 + hash_of(0, peer) % 1000);
}

/* For ever; *rounds counts. */
static void write_on(_Atomic unsigned int *rounds)
{
	for (;; (*rounds)++) {
		for (int i = 0; i < MATES; i++)
			note_at(&mates[i], expected_of(&mates[i]), NULL);
	}
}

/* Writers are killed wherever they are; nobody ever reads what was not so. */
static void test_many_killed(void)
{
	_Atomic unsigned int *rounds = sks_memory_map(4096, MAP_SHARED);
	unsigned int wrong = 0, known = 0, missed = 0;

	begin_anew();
	need(rounds, "mmap");
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int before = *rounds;
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child)
			write_on(rounds);
		while (*rounds < before + 10) {
			for (int i = 0; i < MATES; i++) {
				uint16_t port = port_of(&mates[i], NULL);

				known += port != 0;
				wrong += port && port != expected_of(&mates[i]);
			}
		}
		kill(child, SIGKILL);
		need(waitpid(child, NULL, 0) == child, "waitpid");
		for (int i = 0; i < MATES; i++) {
			note_at(&mates[i], expected_of(&mates[i]), NULL);
			missed += port_of(&mates[i], NULL) != expected_of(&mates[i]);
		}
	}
	tap_check(known > 0 && !wrong, "%u writers killed: %u answers read meanwhile, %u wrong",
		  ROUNDS, known, wrong);
	tap_check(!missed, "what is noted after each is there: %u are not", missed);
}

static void test_many_peers(void)
{
	unsigned int found = 0, wrong = 0, late = 0;

	begin_anew();
	for (uint32_t i = 0; i < PEERS; i++) {
		struct sks_endpoint peer = peer_of(i);

		note_at(&peer, expected_of(&peer), NULL);
		late += port_of(&peer, NULL) != expected_of(&peer);
	}
	for (uint32_t i = 0; i < PEERS; i++) {
		struct sks_endpoint peer = peer_of(i);
		uint16_t port = port_of(&peer, NULL);

		found += port != 0;
		wrong += port && port != expected_of(&peer);
	}
	tap_check(!late, "%u peers, each found when it had asked: %u are not", PEERS, late);
	tap_check(found == BUCKETS * WAYS, "as many are known as there is room for: %u", found);
	tap_check(!wrong, "and none wrong: %u are", wrong);
}

int main(void)
{
	begin_anew();
	find_mates();
	test_names();
	test_answered();
	test_threads();
	test_rest();
	test_mixed();
	test_killed();
	test_left();
	test_many_killed();
	test_many_peers();
	return tap_done();
}

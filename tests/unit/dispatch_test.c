/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the property test of what the helper compiles and the program decides, as TAP: after every
 * random change each random packet gets what the naive model says, and a change that is forgotten,
 * by an abort or with the helper's death, has changed nothing.
 *
 * Usage, as root: dispatch_test [SEED [ROUNDS]]
 */
#include <time.h>

#include "../../helper/compile.h"
#include "dispatch_change.h"
#include "dispatch_lookup.h"
#include "dispatch_numbers.h"
#include "dispatch_state.h"

#define ROUNDS	  512
#define PACKETS	  208 /* a round */
#define VERDICTS  100000u
#define EXPLAINED 24 /* of so many one is asked of sksteerctl lookup, too */

/* LATE: the helper dies right after its commit. */
enum fate { COMMIT, ABORT, CRASH, LATE, FATES };

static unsigned int met[M_TIE + 1], fates[FATES], n_ambiguous, n_full, n_crowded, n_starred;

/* --- for people ------------------------------------------------------------------------------- */

static void print_verdict(const char *whose, struct m_verdict verdict)
{
	static const char *const names[] = { "pass", "drop", "socket", "tie" };

	printf("# %s: %s %llu\n", whose, names[verdict.kind], (unsigned long long)verdict.cookie);
}

static void print_packet(const struct m_packet *p)
{
	struct sks_prefix addr = { .family = m_family(p->family),
				   .len = p->family == SKS_V6 ? 128 : 32 };
	char text[SKS_PREFIX_STRLEN];

	memcpy(addr.addr, p->addr, sizeof(addr.addr));
	printf("# packet to %s port %u/%s\n", sks_prefix_format(&addr, text), p->port,
	       p->proto == SKS_UDP ? "udp" : "tcp");
}

static void print_listener(const struct model *m, const struct m_listener *l)
{
	char text[SKS_PREFIX_STRLEN];
	bool first = m->first_port[l->service][l->proto] == l->port;

	printf("# s%u listens on %s port %u/%s, families %u, ifindex %u%s:", l->service,
	       l->addr.len ? sks_prefix_format(&l->addr, text) : "any address", l->port,
	       l->proto == SKS_UDP ? "udp" : "tcp", l->families, l->ifindex,
	       first ? ", first" : "");
	for (unsigned int i = 0; i < l->n; i++)
		printf(" %llu (families %u, %s)", (unsigned long long)l->sockets[i].cookie,
		       l->sockets[i].families,
		       l->sockets[i].state == M_OPEN	 ? "open"
		       : l->sockets[i].state == M_SILENT ? "silent"
							 : "closed");
	printf("\n");
}

static void print_binding(const struct m_binding *b)
{
	struct sks_binding record = space->maps.bindings[b->record];
	struct sks_target target = sks_binding_target(&record);
	char text[SKS_TARGET_STRLEN], listener[SKS_PREFIX_STRLEN];

	printf("# s%u %s %s", b->service, b->left_out ? "leaves out" : "has",
	       sks_target_format(&target, text));
	if (b->listener_port)
		printf(" of listener %s port %u",
		       b->listener_addr.family ? sks_prefix_format(&b->listener_addr, listener)
					       : "",
		       b->listener_port);
	printf(", since %u\n", b->age);
}

static void print_model(const struct model *m)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		if (m->listeners[i].used)
			print_listener(m, &m->listeners[i]);
	}
	for (unsigned int i = 0; i < M_BINDINGS; i++) {
		if (m->bindings[i].used)
			print_binding(&m->bindings[i]);
	}
}

/* --- one change ------------------------------------------------------------------------------- */

/* Has any rule in the maps this flag? */
static bool has_rule(uint32_t flags)
{
	for (uint32_t i = 0; i < space->maps.entries[SKS_MAP_RULES4]; i++) {
		if ((space->maps.rules4[i].flags | space->maps.rules6[i].flags) & flags)
			return true;
	}
	return false;
}

/*
 * 0 and what is to be published or discarded; -EINVAL: several sockets could serve a clause;
 * -ENOSPC: too many prefixes beside one of a socket that is bound to an interface. all: looks at
 * all that is judged, and not only at what has changed.
 */
static int compile(const struct sks_service *judged, bool all)
{
	struct sks_ranges ranges[2] = {};
	struct sks_scope scope = { .ranges = ranges };
	struct sks_routes routes = {}, pieces = {};
	struct sks_verdict verdict = {};
	int err;

	if (judged && all)
		sks_store_mark(space, sks_service_number(space, judged));
	need_done(sks_store_affected(space, ranges), "sks_store_affected");
	err = sks_routes_resolve(space, sks_next_epoch(space), scope, judged, &routes, &verdict);
	if (!err) {
		need_done(sks_routes_cut(space, sks_next_epoch(space), &routes, &pieces),
			  "sks_routes_cut");
		err = sks_compile(space, ranges, &routes, &pieces, SKS_JUDGED_USER, &verdict);
	}
	sks_ranges_free(&ranges[SKS_TCP]);
	sks_ranges_free(&ranges[SKS_UDP]);
	sks_routes_free(&routes);
	sks_routes_free(&pieces);
	return err;
}

static void commit(void)
{
	sks_store_commit(space);
	sks_compile_publish(space);
}

/* As helper/change.c does it: a family that the listener has not served so far opens afterwards. */
static void commit_socket(const struct m_socket *s, bool die)
{
	const struct sks_dest *dest = &space->maps.dests[arrival->dest];
	uint32_t before = SKS_SERVES_BOTH;

	if (dest->born != sks_next_epoch(space))
		before = sks_dest_families(dest, sks_epoch(&space->maps));
	sks_slot_link(space, s->slot, before, s->fd);
	commit();
	if (!die)
		sks_slot_link(space, s->slot, ~before, s->fd);
}

/* The next helper sees which sockets have gone, and makes the table anew. */
static void take_up(void)
{
	real_crash();
	(void)sks_slots_sweep(space);
	forget_closed(&model);
	look_around(&model, 0);
}

/* Dies after the change was written; its socket may have come to the new listener already. */
static bool crash(struct m_socket *s)
{
	bool forgotten;

	if (s && arrival->age != sks_next_epoch(space))
		close_socket(s);
	else if (s && chance(50))
		sks_slot_link(space, s->slot, SKS_SERVES_BOTH, s->fd);
	take_up();
	forgotten = !s || !sks_slot_find(space, s->cookie);
	if (s)
		close_socket(s);
	return forgotten;
}

/* False: the next helper knows a socket whose registration never was. */
static bool finish(enum fate fate, struct m_socket *s)
{
	fates[fate]++;
	if (fate == CRASH)
		return crash(s);
	if (fate != ABORT) {
		if (s)
			commit_socket(s, fate == LATE);
		else
			commit();
		model = next;
		if (fate == LATE)
			take_up();
		return true;
	}
	sks_compile_discard(space);
	if (s) {
		sks_slot_drop(space, s->slot);
		close_socket(s);
	}
	sks_store_abort(space);
	return true;
}

static bool has_bound_listener(const struct model *m)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		if (m->listeners[i].used && m->listeners[i].ifindex)
			return true;
	}
	return false;
}

/* False: the helper and the model disagree on whether the change can be. */
static bool change(void)
{
	enum fate fate = chance(60) ? COMMIT : chance(60) ? ABORT : chance(50) ? CRASH : LATE;
	struct m_socket *s = NULL;
	unsigned int judged;
	bool ambiguous;
	int err;

	shuffle_sockets();
	next = model;
	arrival = NULL;
	for (uint32_t n = 1 + below(5); n; n--)
		change_something();
	/* Whoever only asks brings no socket. */
	if (arrival && (fate == COMMIT || fate == LATE || chance(50)))
		s = take_socket();
	look_around(&next, sks_next_epoch(space));
	judged = arrival ? arrival->service : below(M_SERVICES);
	ambiguous = next.alive[judged] && m_is_ambiguous(&next, judged);
	/* What has changed and nobody marked is found where not all is looked at. */
	err = compile(next.alive[judged] ? service_record(&next, judged) : NULL,
		      ambiguous || chance(50));
	if (err == -ENOSPC && has_bound_listener(&next) && !ambiguous) {
		n_full++;
	} else if (err != (ambiguous ? -EINVAL : 0)) {
		printf("# resolving: error %d, but the model finds it %s\n", err,
		       ambiguous ? "ambiguous" : "fine");
		print_model(&next);
		return false;
	}
	n_ambiguous += ambiguous;
	if (err && fate != CRASH)
		fate = ABORT;
	if (!finish(fate, s)) {
		printf("# the next helper has taken up what was never committed\n");
		return false;
	}
	n_crowded += has_rule(SKS_RULE_TRIE);
	n_starred += has_rule(SKS_RULE_STAR);
	return true;
}

static bool agrees(const struct model *m, const struct m_packet *p)
{
	struct m_verdict wanted = model_verdict(m, p), got = real_verdict(p);

	met[wanted.kind]++;
	if (wanted.kind == M_TIE)
		return true;
	return wanted.kind == got.kind && wanted.cookie == got.cookie &&
	       (met[wanted.kind] % EXPLAINED || lookup_explains(p, &wanted));
}

/* --- a failure -------------------------------------------------------------------------------- */

/* The same bindings in a fresh table; of their past only the order of births is kept. */
static void rebuild(struct model *m)
{
	for (uint32_t i = 0; i < space->n_bindings; i++) {
		if (sks_in_next(space, &space->maps.bindings[i]))
			sks_store_kill_binding(space, &space->maps.bindings[i]);
	}
	for (unsigned int i = 0; i < M_BINDINGS; i++) {
		struct m_binding *b = &m->bindings[i];

		if (!b->used)
			continue;
		write_target(m, b);
		space->maps.bindings[b->record].born = b->age;
	}
	need_done(compile(NULL, false), "compiling fewer bindings");
	commit();
}

/* Drops every binding without which the two still disagree. */
static void explain(const struct m_packet *p)
{
	print_packet(p);
	print_verdict("the model", model_verdict(&model, p));
	print_verdict("the program", real_verdict(p));
	rebuild(&model);
	if (agrees(&model, p))
		printf("# in a fresh table they agree: it takes what happened before\n");
	for (unsigned int i = 0; i < M_BINDINGS && !agrees(&model, p); i++) {
		next = model;
		next.bindings[i].used = false;
		rebuild(&next);
		if (!agrees(&next, p))
			model = next;
		else
			rebuild(&model);
	}
	print_model(&model);
}

static bool play(unsigned long rounds)
{
	for (unsigned long round = 0; round < rounds; round++) {
		if (!change() || !is_graceful() || !is_tidy())
			return false;
		if (!state_holds()) {
			printf("# round %lu\n", round);
			return false;
		}
		for (unsigned int i = 0; i < PACKETS; i++) {
			struct m_packet p = random_packet(&model);

			if (agrees(&model, &p))
				continue;
			printf("# round %lu\n", round);
			explain(&p);
			return false;
		}
	}
	return true;
}

static void check(bool ok, const char *what)
{
	static unsigned int n;

	printf("%sok %u - %s\n", ok ? "" : "not ", ++n, what);
	fflush(stdout);
}

/* So few of them are ambiguous that a run may have none. */
static bool met_all(void)
{
	return met[M_SOCKET] && met[M_DROP] && met[M_PASS] && fates[ABORT] && fates[CRASH] &&
	       fates[LATE] && n_crowded && n_starred;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : ROUNDS;
	struct timespec now;
	uint64_t seed;
	bool same, all, enough;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	seed = argc > 1 ? strtoull(argv[1], NULL, 10)
			: (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	random_state = seed * 0x9e3779b97f4a7c15u | 1;
	printf("1..4\n# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	real_start();
	same = play(rounds);
	/* By lot a run may lack one of them. */
	for (int more = 0; same && !met_all() && rounds >= ROUNDS && more < 8; more++)
		same = play(ROUNDS);
	check(same, "every packet gets what the model says");
	printf("# %u sockets, %u refused, %u passed, %u ties; %u changes, %u aborted, %u helpers "
	       "killed, "
	       "%u ambiguous, %u full, %u with a full rule, %u with a rule of all ports\n",
	       met[M_SOCKET], met[M_DROP], met[M_PASS], met[M_TIE], fates[COMMIT], fates[ABORT],
	       fates[CRASH] + fates[LATE], n_ambiguous, n_full, n_crowded, n_starred);
	all = met_all();
	check(all || !same || rounds < ROUNDS, "every kind of outcome was met");
	printf("# %u lookups, %u of them with a binding\n", n_explained, n_explained_by);
	check(n_explained_by || !same || rounds < ROUNDS, "lookup explains packets by bindings");
	enough = met[M_SOCKET] + met[M_DROP] + met[M_PASS] >= VERDICTS;
	check(enough || !same || rounds < ROUNDS, "at least 100 000 verdicts were compared");
	return !same || !all || (!(enough && n_explained_by) && rounds >= ROUNDS);
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the random changes of dispatch_test.c, each made twice: in the helper's records of the next
 * state and in the model.
 */
#ifndef SKSTEER_DISPATCH_CHANGE_H
#define SKSTEER_DISPATCH_CHANGE_H

#include "../../helper/binding.h"
#include "../../helper/dest.h"
#include "../../helper/service.h"
#include "../../helper/slot.h"
#include "dispatch_random.h"
#include "dispatch_real.h"

#define CROWDED 160 /* bindings, from which on more of them go than come */

static struct model model;	   /* the published state */
static struct model next;	   /* with the change under way */
static struct m_listener *arrival; /* in next: where the change's one socket comes; NULL: none */
static uint8_t arrival_families;

static struct sks_service *service_record(const struct model *m, unsigned int i)
{
	return &space->maps.services[m->number[i]];
}

static unsigned int count_bindings(const struct model *m)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < M_BINDINGS; i++)
		n += m->bindings[i].used;
	return n;
}

/* --- records of the next state ---------------------------------------------------------------- */

static unsigned int pick_service(void)
{
	unsigned int i = below(M_SERVICES);
	struct sks_service *record;

	if (next.alive[i])
		return i;
	need_done(sks_store_add_service(space, &record), "sks_store_add_service");
	record->named = 1;
	snprintf(record->label, sizeof(record->label), "s%u", i);
	next.alive[i] = true;
	next.number[i] = sks_service_number(space, record);
	memset(next.first_port[i], 0, sizeof(next.first_port[i]));
	return i;
}

static void write_target(const struct model *m, struct m_binding *b)
{
	struct sks_target target = {
		.where_prefix = b->prefix,
		.listener_addr = b->listener_addr,
		.listener_port = b->listener_port,
		.first = b->first,
		.last = b->last,
		.proto = b->proto == SKS_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.where = b->where,
		.all = b->all,
	};
	enum sks_source source = b->left_out  ? SKS_LEFT_OUT
				 : b->by_hand ? SKS_FROM_CTL
					      : SKS_FROM_SPEC;
	struct sks_verdict verdict;

	need_done(sks_binding_add(space, service_record(m, b->service), &target, source, 0,
				  &verdict),
		  "sks_binding_add");
	b->record = space->next_binding - 1; /* the next one is sought from there on */
}

static void add_binding(struct m_binding b)
{
	for (unsigned int i = 0; i < M_BINDINGS; i++) {
		if (next.bindings[i].used)
			continue;
		b.age = sks_next_epoch(space);
		write_target(&next, &b);
		next.bindings[i] = b;
		return;
	}
}

static void kill_binding(void)
{
	struct m_binding *b = &next.bindings[below(M_BINDINGS)];

	for (unsigned int tries = 0; tries < M_BINDINGS && !b->used; tries++)
		b = &next.bindings[below(M_BINDINGS)];
	if (!b->used)
		return;
	sks_store_kill_binding(space, &space->maps.bindings[b->record]);
	b->used = false;
}

/* Mostly one that a listener which is there could serve. */
static struct m_binding new_binding(unsigned int *ret_family)
{
	struct m_binding b = random_binding((uint8_t)pick_service());

	*ret_family = below(2);
	for (unsigned int tries = 0; tries < M_LISTENERS; tries++) {
		const struct m_listener *l = &next.listeners[below(M_LISTENERS)];

		if (!l->used || l->service != b.service || chance(10))
			continue;
		b.proto = l->proto;
		*ret_family = (l->families & SKS_SERVES_BOTH) == SKS_SERVES_BOTH
				      ? below(2)
				      : l->families >> SKS_V6 & 1;
		break;
	}
	if (b.where == SKS_WHERE_PREFIX)
		b.prefix = random_prefix(*ret_family);
	return b;
}

/* Many prefixes on the same ports: more than a rule has room for. */
static void add_crowd(void)
{
	unsigned int family, n = 5 + below(36);
	struct m_binding b = new_binding(&family);

	b.where = SKS_WHERE_PREFIX;
	while (n--) {
		b.prefix = random_prefix(family);
		add_binding(b);
	}
}

static void leave_out(void)
{
	struct m_binding b = { .used = true, .left_out = true, .proto = below(2) };

	b.service = (uint8_t)pick_service();
	b.first = random_port();
	b.last = b.first + (b.first < 65000 ? below(3) : 0);
	add_binding(b);
}

/* --- listeners -------------------------------------------------------------------------------- */

static bool is_same(const struct m_listener *a, const struct m_listener *b)
{
	return a->used && a->service == b->service && a->proto == b->proto && a->port == b->port &&
	       a->ifindex == b->ifindex && a->addr.len == b->addr.len &&
	       (!a->addr.len || sks_prefix_equal(&a->addr, &b->addr));
}

static struct m_listener *find_listener(const struct m_listener *wanted)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		if (is_same(&next.listeners[i], wanted))
			return &next.listeners[i];
	}
	return NULL;
}

static struct m_listener *free_listener(void)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		if (!next.listeners[i].used)
			return &next.listeners[i];
	}
	return NULL;
}

/* A label without a socket of that protocol refuses where its bindings name addresses. */
static void stand_in(void)
{
	uint8_t s = (uint8_t)pick_service(), proto = below(2);
	struct m_listener *l = free_listener();

	if (!l)
		return;
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		if (next.listeners[i].used && next.listeners[i].service == s &&
		    next.listeners[i].proto == proto)
			return;
	}
	*l = (struct m_listener){ .used = true, .service = s, .proto = proto };
	l->families = SKS_SERVES_BOTH;
	l->addr.family = AF_INET6;
	l->age = sks_next_epoch(space);
	need_done(sks_dest_stand_in(space, service_record(&next, s), proto), "sks_dest_stand_in");
	for (uint32_t i = 1; i < space->n_dests; i++) {
		const struct sks_dest *dest = &space->maps.dests[i];

		if (dest->born == l->age && !dest->port && dest->service == next.number[s] &&
		    dest->proto == proto)
			l->dest = (uint16_t)i;
	}
}

/* What stood in refused both families: a wildcard listener goes on with that. */
static void end_stand_ins(struct m_listener *real)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		struct m_listener *l = &next.listeners[i];

		if (!l->used || l->port || l->service != real->service || l->proto != real->proto)
			continue;
		l->used = false;
		if (!real->addr.len)
			real->families |= SKS_SERVES_BOTH;
	}
}

/* A socket is about to come: to a new listener, or to one that may then serve another family too. */
static void arrive(struct m_listener wanted)
{
	uint16_t *first = &next.first_port[wanted.service][wanted.proto];
	struct sks_service *record = service_record(&next, wanted.service);
	struct sks_socket sock = {
		.proto = wanted.proto,
		.families = wanted.families,
		.addr = wanted.addr,
		.port = wanted.port,
		.ifindex = wanted.ifindex,
	};
	struct m_listener *l = find_listener(&wanted);
	struct sks_dest *dest;

	if (arrival || (l ? l->n == M_SOCKETS : !free_listener()))
		return;
	if (!*first) {
		*first = wanted.port;
		sks_owner_next(space, record)->first_port[wanted.proto] = wanted.port;
	}
	need_done(sks_dest_get(space, record, &sock, &dest), "sks_dest_get");
	arrival_families = wanted.families;
	end_stand_ins(&wanted);
	if (!l) {
		l = free_listener();
		*l = wanted;
		l->age = sks_next_epoch(space);
		l->dest = (uint16_t)(dest - space->maps.dests);
	}
	l->families |= wanted.families;
	arrival = l;
}

static void add_listener(void)
{
	const struct m_listener *l = &next.listeners[below(M_LISTENERS)];
	struct m_listener wanted = random_listener((uint8_t)pick_service());

	if (l->used && l->port && chance(50)) {
		wanted = *l;
		wanted.n = 0;
		if (!l->addr.len)
			wanted.families = random_families();
	}
	arrive(wanted);
}

static bool has_sockets(const struct m_listener *l)
{
	return l->used && (l->n || l == arrival);
}

/* One whose sockets are gone already; of an interface rather than not, for it is in the way. */
static void kill_listener(void)
{
	struct m_listener *idle = NULL;

	for (struct m_listener *l = next.listeners; l < next.listeners + M_LISTENERS; l++) {
		if (l->used && !has_sockets(l) && (!idle || l->ifindex))
			idle = l;
	}
	if (!idle)
		return;
	sks_store_kill_dest(space, &space->maps.dests[idle->dest]);
	idle->used = false;
}

static void kill_service(unsigned int s)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		if (has_sockets(&next.listeners[i]) && next.listeners[i].service == s)
			return;
	}
	if (!next.alive[s])
		return;
	sks_service_kill(space, service_record(&next, s));
	next.alive[s] = false;
	for (unsigned int i = 0; i < M_LISTENERS; i++)
		next.listeners[i].used &= next.listeners[i].service != s;
	for (unsigned int i = 0; i < M_BINDINGS; i++)
		next.bindings[i].used &= next.bindings[i].service != s;
}

static void change_something(void)
{
	uint32_t dice = below(100);
	unsigned int family;

	if (count_bindings(&next) > CROWDED && dice < 60)
		kill_binding();
	else if (dice < 38)
		add_binding(new_binding(&family));
	else if (dice < 50)
		kill_binding();
	else if (dice < 73)
		add_listener();
	else if (dice < 76)
		stand_in();
	else if (dice < 83)
		leave_out();
	else if (dice < 91)
		add_crowd();
	else if (dice < 97)
		kill_listener();
	else
		kill_service(below(M_SERVICES));
}

/* --- sockets, which are not part of the epochs -------------------------------------------------- */

static void close_socket(struct m_socket *s)
{
	if (s->state != M_CLOSED)
		close(s->fd);
	s->state = M_CLOSED;
}

/* The socket enters the map before anything is judged; nothing is steered to it yet. */
static struct m_socket *take_socket(void)
{
	struct m_socket s = real_socket(arrival->proto, arrival_families);
	struct sks_slot slot = {
		.cookie = s.cookie,
		.families = s.families,
		.since = sks_owner(service_record(&next, arrival->service), sks_next_epoch(space))
				 ->taken_over,
	};

	need_done(sks_slot_take(space, &space->maps.dests[arrival->dest], s.fd, &slot, &s.slot),
		  "sks_slot_take");
	arrival->sockets[arrival->n] = s;
	return &arrival->sockets[arrival->n++];
}

/* Which families a listener has sockets for, as a change sees it that is made now. */
static void look_around(struct model *m, uint32_t epoch)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		struct m_listener *l = &m->listeners[i];

		l->up = l->age == epoch ? l->families : 0;
		for (unsigned int k = 0; k < l->n; k++)
			l->up |= l->sockets[k].families;
	}
}

static void forget_closed(struct model *m)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		struct m_listener *l = &m->listeners[i];
		unsigned int kept = 0;

		for (unsigned int k = 0; k < l->n; k++) {
			if (l->sockets[k].state != M_CLOSED)
				l->sockets[kept++] = l->sockets[k];
		}
		l->n = kept;
	}
}

static bool are_siblings(const struct m_listener *a, const struct m_listener *b)
{
	return a != b && a->used && b->used && a->service == b->service && a->proto == b->proto &&
	       a->port == b->port;
}

/* A listener loses all its sockets where another could serve its bindings, and it is seen. */
static void lose_sibling(void)
{
	struct m_listener *l = &model.listeners[below(M_LISTENERS)];
	bool lost = false;

	for (unsigned int i = 0; i < M_LISTENERS && !lost; i++)
		lost = l->n && model.listeners[i].n && are_siblings(l, &model.listeners[i]);
	for (unsigned int i = 0; lost && i < l->n; i++)
		close_socket(&l->sockets[i]);
	if (lost) {
		(void)sks_slots_sweep(space);
		forget_closed(&model);
	}
}

/* Servers go and shut down while the helper does something else. */
static void shuffle_sockets(void)
{
	struct m_listener *l = &model.listeners[below(M_LISTENERS)];
	struct m_socket *s = l->n ? &l->sockets[below(l->n)] : NULL;

	if (chance(l->ifindex ? 50 : 12)) {
		for (unsigned int i = 0; l->used && i < l->n; i++)
			close_socket(&l->sockets[i]);
	} else if (s && s->state == M_OPEN && chance(15)) {
		close_socket(s);
	} else if (s && s->state == M_OPEN && chance(15)) {
		real_silence(s, l->proto);
		s->state = M_SILENT;
	}
	if (chance(20)) {
		(void)sks_slots_sweep(space);
		forget_closed(&model);
	}
	if (chance(30))
		lose_sibling();
}

#endif

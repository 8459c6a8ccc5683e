/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the random changes of dispatch_test.c, each made twice: in the helper's records of the next
 * state and in the model.
 */
#ifndef SKSTEER_DISPATCH_CHANGE_H
#define SKSTEER_DISPATCH_CHANGE_H

#include "../../helper/binding.h"
#include "../../helper/service.h"
#include "dispatch_random.h"
#include "dispatch_real.h"

#define CROWDED 120 /* bindings, from which on more of them go than come */

static struct model model; /* the published state */
static struct model next;  /* with the change under way */
static bool made_one;	   /* a change has one socket at most, so that one listener is the older */

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
	record = sks_store_add_service(space);
	need(record != NULL, "sks_store_add_service");
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

	need_done(sks_binding_add(space, service_record(m, b->service), &target, source, &verdict),
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
		*ret_family = l->families == 3 ? below(2) : l->families == 1u << SKS_V6;
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

static bool is_there(const struct m_listener *wanted)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		const struct m_listener *l = &next.listeners[i];

		if (l->used && l->service == wanted->service && l->proto == wanted->proto &&
		    l->port == wanted->port && l->ifindex == wanted->ifindex &&
		    l->addr.len == wanted->addr.len &&
		    (!l->addr.len || sks_prefix_equal(&l->addr, &wanted->addr)))
			return true;
	}
	return false;
}

static void add_listener(void)
{
	struct m_listener l = random_listener((uint8_t)pick_service());
	uint16_t *first = &next.first_port[l.service][l.proto];
	struct sks_dest *dest;
	unsigned int i = 0;

	while (i < M_LISTENERS && next.listeners[i].used)
		i++;
	if (i == M_LISTENERS || is_there(&l) || made_one)
		return;
	made_one = true;
	dest = sks_store_add_dest(space);
	need(dest != NULL, "sks_store_add_dest");
	dest->service = next.number[l.service];
	dest->proto = l.proto;
	dest->port = l.port;
	dest->ifindex = l.ifindex;
	dest->wildcard = !l.addr.len;
	dest->family = l.addr.family;
	dest->families = l.families;
	memcpy(dest->addr, l.addr.addr, sizeof(dest->addr));
	l.age = sks_next_epoch(space);
	l.dest = (uint16_t)(dest - space->maps.dests);
	if (!*first) {
		*first = l.port;
		sks_owner_next(space, service_record(&next, l.service))->first_port[l.proto] =
			l.port;
	}
	l.fresh = true;
	next.listeners[i] = l;
}

/* One whose sockets are gone already. */
static void kill_listener(void)
{
	struct m_listener *l = next.listeners;

	while (l < next.listeners + M_LISTENERS && (!l->used || l->n))
		l++;
	if (l == next.listeners + M_LISTENERS)
		return;
	sks_store_kill_dest(space, &space->maps.dests[l->dest]);
	l->used = l->fresh = false;
}

static void kill_service(unsigned int s)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		if (next.listeners[i].used && next.listeners[i].service == s && next.listeners[i].n)
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
	else if (dice < 40)
		add_binding(new_binding(&family));
	else if (dice < 52)
		kill_binding();
	else if (dice < 76)
		add_listener();
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

static void add_socket(struct m_listener *l, uint8_t families)
{
	struct m_socket s;
	struct sks_slot slot = {};
	uint32_t number;

	if (l->n == M_SOCKETS)
		return;
	s = real_socket(l->proto, families);
	slot.cookie = s.cookie;
	slot.families = families;
	need_done(sks_store_add_socket(space, &space->maps.dests[l->dest], s.fd, &slot, &number),
		  "sks_store_add_socket");
	l->sockets[l->n++] = s;
}

/* A new listener's first sockets come right before the commit. */
static void furnish(struct model *m)
{
	for (unsigned int i = 0; i < M_LISTENERS; i++) {
		struct m_listener *l = &m->listeners[i];

		if (!l->used || !l->fresh)
			continue;
		l->fresh = false;
		if (l->families == 3 && chance(50)) {
			add_socket(l, 1u << SKS_V4);
			add_socket(l, 1u << SKS_V6);
		} else {
			add_socket(l, l->families);
		}
	}
}

static void close_socket(struct m_socket *s)
{
	if (s->state != M_CLOSED)
		close(s->fd);
	s->state = M_CLOSED;
}

static void sweep(struct model *m)
{
	(void)sks_store_sweep(space);
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

/* Servers come, go and shut down while the helper does something else. */
static void shuffle_sockets(void)
{
	struct m_listener *l = &model.listeners[below(M_LISTENERS)];
	struct m_socket *s = l->n ? &l->sockets[below(l->n)] : NULL;

	if (chance(20)) {
		for (unsigned int i = 0; l->used && i < l->n; i++)
			close_socket(&l->sockets[i]);
		if (chance(70))
			sweep(&model);
	} else if (l->used && chance(50)) {
		add_socket(l, l->families == 3 ? (uint8_t)(1 + below(3)) : l->families);
	} else if (s && s->state == M_OPEN && chance(60)) {
		close_socket(s);
	} else if (s && s->state == M_OPEN) {
		real_silence(s, l->proto);
		s->state = M_SILENT;
	}
}

#endif

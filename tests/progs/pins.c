/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a look at the pinned maps of one namespace past the helper: pins WHAT DIR.
 *
 * audit: exit status 0, or says which record is none of the current state's, or half of one.
 * epoch: prints how many changes were published.
 * old: makes the running program one of another build, as it is after an upgrade.
 * foreign: makes the maps those of another version, whose layout is 2, or the one that follows DIR.
 * cut: leaves what a helper leaves that is killed in the middle of two registrations. One brings
 * the label "half", the other has put the socket of the label "cut" into the map, but not its
 * record. unchain: leaves what one leaves that is killed right after it has published that the
 * current instance of the label "cut" takes over: its sockets are in no chain yet.
 */
#include <err.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/maps.h"

static int faults;

#define FAULT(...) (faults++, printf(__VA_ARGS__))

static int open_pin(const char *dir, const char *name)
{
	char path[512];
	union bpf_attr attr = {};
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	attr.pathname = (__u64)(unsigned long)path;
	fd = (int)syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0)
		err(2, "%s", path);
	return fd;
}

/* *ret_entries: how many of that size there are. */
static void *map_pin(const char *dir, const char *name, size_t size, __u32 *ret_entries)
{
	int fd = open_pin(dir, name);
	struct bpf_map_info info = {};
	union bpf_attr attr = {};
	void *mem;

	attr.info.bpf_fd = (__u32)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (__u64)(unsigned long)&info;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)))
		err(2, "%s", name);
	if (info.value_size != size)
		errx(2, "%s has values of %u bytes", name, info.value_size);
	mem = mmap(NULL, size * info.max_entries, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		err(2, "mmap %s", name);
	close(fd);
	*ret_entries = info.max_entries;
	return mem;
}

static struct sks_ports *ports;
static struct sks_dest *dests;
static struct sks_slot *slots;
static struct sks_service *services;
static struct sks_binding *bindings;
static struct sks_group *groups;
static __u32 n_dests, n_slots, n_services, n_bindings, n_groups;

static void map_all(const char *dir)
{
	__u32 one;

	ports = map_pin(dir, "ports", sizeof(*ports), &one);
	dests = map_pin(dir, "dests", sizeof(*dests), &n_dests);
	slots = map_pin(dir, "slots", sizeof(*slots), &n_slots);
	services = map_pin(dir, "services", sizeof(*services), &n_services);
	bindings = map_pin(dir, "bindings", sizeof(*bindings), &n_bindings);
	groups = map_pin(dir, "groups", sizeof(*groups), &n_groups);
}

static bool holds_socket(int sockets, __u32 slot, __u64 *ret_cookie)
{
	union bpf_attr attr = { .map_fd = (__u32)sockets };

	attr.key = (__u64)(unsigned long)&slot;
	attr.value = (__u64)(unsigned long)ret_cookie;
	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) == 0;
}

/* A record that is there at all, and belongs to the published state. */
static bool is_current(const char *what, unsigned int i, __u32 born, __u32 died, __u32 epoch)
{
	if (!born)
		return false;
	if (born > epoch)
		FAULT("%s %u is of a state that never came (%u > %u)\n", what, i, born, epoch);
	else if (died)
		FAULT("%s %u has died (at %u, now %u) and is still there\n", what, i, died, epoch);
	else
		return true;
	return false;
}

static bool is_chained(const struct sks_dest *dest, __u32 slot, int family)
{
	__u32 at = dest->slot[family];

	for (__u32 n = 0; n < n_slots && at && at < n_slots; n++) {
		if (at == slot)
			return true;
		at = slots[at].next[family];
	}
	return false;
}

static const struct sks_owner *owner_of(const struct sks_service *service)
{
	const struct sks_owner *owner = service->owner;
	__u32 epoch = ports->head.epoch;

	return owner[1].since <= epoch &&
			       (owner[0].since > epoch || owner[1].since > owner[0].since)
		       ? &owner[1]
		       : owner;
}

/* One that stands by is in no chain; all others are in those of the families that they serve. */
static void audit_chains(__u32 i, const struct sks_dest *dest)
{
	bool stands_by = slots[i].flags & SKS_SLOT_STANDBY;
	const struct sks_service *service = &services[dest->service % n_services];

	if (slots[i].since > ports->head.epoch)
		FAULT("slot %u is of an instance that never came\n", i);
	if (stands_by && slots[i].since == owner_of(service)->taken_over)
		FAULT("slot %u stands by, and its instance has taken over\n", i);
	for (int family = SKS_V4; family <= (int)SKS_V6; family++) {
		bool chained = is_chained(dest, i, family);

		if (stands_by && chained)
			FAULT("slot %u stands by in a chain of family %d\n", i, family);
		if (!stands_by && slots[i].families & 1 << family && !chained)
			FAULT("slot %u is in no chain of family %d\n", i, family);
	}
}

static void audit_slots(const char *dir, unsigned int members[SKS_MAX_SERVICES])
{
	int sockets = open_pin(dir, "sockets");

	for (__u32 i = 1; i < n_slots; i++) {
		const struct sks_dest *dest = &dests[slots[i].dest % n_dests];
		__u64 cookie = 0;
		bool held = holds_socket(sockets, i, &cookie);

		if (held && !slots[i].cookie)
			FAULT("slot %u has a socket and no record\n", i);
		if (!slots[i].cookie)
			continue;
		members[dest->service % n_services]++;
		if (!held || cookie != slots[i].cookie)
			FAULT("slot %u has a record and no socket\n", i);
		if (!dest->born || !services[dest->service % n_services].born)
			FAULT("slot %u has no destination or service\n", i);
		audit_chains(i, dest);
	}
}

/* Of each place of a group: its socket is the destination's, and a weighty one has places. */
static void audit_groups(void)
{
	static __u32 owner[SKS_MAX_GROUPS];

	for (__u32 i = 1; i < 2 * n_dests; i++) {
		const struct sks_dest *dest = &dests[i / 2];
		__u32 number = dest->born ? dest->group[i % 2] : 0, n_free = 0;

		if (!number)
			continue;
		if (owner[number % n_groups])
			FAULT("group %u is of two destinations\n", number);
		owner[number % n_groups] = i;
		for (unsigned int k = 0; k < SKS_GROUP_PLACES; k++) {
			__u32 slot = groups[number % n_groups].place[k];

			n_free += !slot;
			if (slot && (!slots[slot].cookie || slots[slot].dest != i / 2))
				FAULT("place %u of group %u is slot %u's, of another\n", k, number,
				      slot);
		}
		if (n_free && n_free < SKS_GROUP_PLACES)
			FAULT("group %u has %u places free\n", number, n_free);
	}
}

/* What a server's spec, or a socket that was bound elsewhere, has brought. */
static bool is_wanted(const struct sks_binding *binding)
{
	const struct sks_owner *owner = owner_of(&services[binding->service]);
	bool moved = binding->source == SKS_OWN_PORT || binding->source == SKS_GUARDED;

	if (!moved && (binding->source != SKS_FROM_SPEC || binding->spec == owner->spec))
		return true;
	for (__u32 i = 1; i < n_slots; i++) {
		const struct sks_dest *dest = &dests[slots[i].dest % n_dests];

		if (!slots[i].cookie || dest->service != binding->service)
			continue;
		if (!moved ? slots[i].spec == binding->spec
			   : slots[i].flags & SKS_SLOT_MOVED &&
				     binding->first == (binding->source == SKS_GUARDED
								? slots[i].port
								: dest->port))
			return true;
	}
	return false;
}

static bool is_bound(__u16 service, enum sks_source source, __u16 port)
{
	for (unsigned int i = 0; i < n_bindings; i++) {
		if (bindings[i].born && !bindings[i].died && bindings[i].service == service &&
		    bindings[i].source == source && bindings[i].first == port)
			return true;
	}
	return false;
}

static int by_content(const void *pa, const void *pb)
{
	const __u32 *a = pa, *b = pb;

	return memcmp(&bindings[*a], &bindings[*b], sizeof(*bindings));
}

/* No two bindings are the same. */
static void audit_twins(void)
{
	__u32 *numbers = calloc(n_bindings, sizeof(*numbers)), n = 0;

	if (!numbers)
		err(2, "%u bindings", n_bindings);
	for (__u32 i = 0; i < n_bindings; i++) {
		if (bindings[i].born && !bindings[i].died)
			numbers[n++] = i;
	}
	qsort(numbers, n, sizeof(*numbers), by_content);
	for (__u32 i = 1; i < n; i++) {
		if (!by_content(&numbers[i - 1], &numbers[i]))
			FAULT("bindings %u and %u are the same\n", numbers[i - 1], numbers[i]);
	}
	free(numbers);
}

static void audit_moved(void)
{
	for (unsigned int i = 0; i < n_bindings; i++) {
		const struct sks_binding *a = &bindings[i];

		if (!a->born || a->died)
			continue;
		if (!is_wanted(a))
			FAULT("binding %u (source %u, port %u) is nobody's\n", i, a->source,
			      a->first);
	}
	audit_twins();
	for (__u32 i = 1; i < n_slots; i++) {
		const struct sks_dest *dest = &dests[slots[i].dest % n_dests];

		if (!slots[i].cookie || !(slots[i].flags & SKS_SLOT_MOVED))
			continue;
		if (!is_bound(dest->service, SKS_GUARDED, slots[i].port))
			FAULT("slot %u's port %u is not guarded\n", i, slots[i].port);
		if (!(slots[i].flags & SKS_SLOT_STANDBY) &&
		    !is_bound(dest->service, SKS_OWN_PORT, dest->port))
			FAULT("slot %u's port %u is not its service's\n", i, dest->port);
	}
}

/* Where the current instance has no socket, no other one's serves. */
static void audit_instances(const unsigned int members[SKS_MAX_SERVICES])
{
	for (__u32 k = 0; k < n_services; k++) {
		const struct sks_owner *owner = owner_of(&services[k]);
		bool current = false, serves = false;

		if (!services[k].born || !members[k])
			continue;
		for (__u32 i = 1; i < n_slots; i++) {
			if (!slots[i].cookie || dests[slots[i].dest % n_dests].service != k ||
			    slots[i].flags & SKS_SLOT_STANDBY)
				continue;
			serves = true;
			current |= slots[i].since == owner->taken_over;
		}
		if (serves && !current)
			FAULT("service %u (%s) is of an instance that is gone\n", k,
			      services[k].label);
	}
}

static int audit(const char *dir)
{
	static unsigned int members[SKS_MAX_SERVICES];
	__u32 epoch = ports->head.epoch;

	if (ports->head.generation & 1)
		FAULT("maps are being replaced\n");
	for (unsigned int i = 0; i < n_dests; i++) {
		if (is_current("destination", i, dests[i].born, dests[i].died, epoch) &&
		    !services[dests[i].service].born)
			FAULT("destination %u has no service\n", i);
	}
	for (unsigned int i = 0; i < n_bindings; i++) {
		if (is_current("binding", i, bindings[i].born, bindings[i].died, epoch) &&
		    !services[bindings[i].service].born)
			FAULT("binding %u has no service\n", i);
	}
	audit_slots(dir, members);
	audit_groups();
	audit_moved();
	audit_instances(members);
	for (unsigned int i = 0; i < n_services; i++) {
		if (is_current("service", i, services[i].born, services[i].died, epoch) &&
		    !services[i].named && !members[i])
			FAULT("service %u (%s) is ephemeral and has no socket\n", i,
			      services[i].label);
	}
	for (unsigned int i = 0; i < 2 * SKS_PORT_NUMBERS; i++) {
		__u16 value = ports->table[(epoch & 1) * 2 * SKS_PORT_NUMBERS + i];

		if (value && value < SKS_DEST_GUARD && !dests[value % n_dests].born)
			FAULT("port %u leads to destination %u, which is not there\n",
			      i % SKS_PORT_NUMBERS, value);
	}
	return faults ? 1 : 0;
}

static int cut(void)
{
	__u32 next = ports->head.epoch + 1;
	unsigned int service = 0, binding = 0;

	while (services[service].born)
		service++;
	while (bindings[binding].born)
		binding++;
	services[service] = (struct sks_service){ .born = next, .named = 1, .label = "half" };
	bindings[binding] = (struct sks_binding){ .born = next,
						  .service = (__u16)service,
						  .first = 9,
						  .last = 9,
						  .source = SKS_FROM_SPEC,
						  .where = 1 };
	for (unsigned int i = 0; i < n_bindings; i++) {
		if (bindings[i].born && !strcmp(services[bindings[i].service].label, "cut"))
			bindings[i].died = next;
	}
	for (unsigned int i = 1; i < n_slots; i++) {
		if (slots[i].cookie && !strcmp(services[dests[slots[i].dest].service].label, "cut"))
			slots[i].cookie = 0;
	}
	return 0;
}

static int unchain(void)
{
	for (__u32 i = 1; i < n_slots; i++) {
		struct sks_dest *dest = &dests[slots[i].dest % n_dests];
		const struct sks_service *service = &services[dest->service];

		if (!slots[i].cookie || strcmp(service->label, "cut") != 0 ||
		    slots[i].since != owner_of(service)->taken_over)
			continue;
		for (int family = SKS_V4; family <= (int)SKS_V6; family++) {
			if (dest->slot[family] == i)
				dest->slot[family] = slots[i].next[family];
			slots[i].next[family] = 0;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 3 && (argc != 4 || strcmp(argv[1], "foreign")))
		errx(2, "usage: pins audit|cut|unchain|epoch|foreign|old DIR [LAYOUT]");
	map_all(argv[2]);
	if (!strcmp(argv[1], "audit"))
		return audit(argv[2]);
	if (!strcmp(argv[1], "cut"))
		return cut();
	if (!strcmp(argv[1], "unchain"))
		return unchain();
	if (!strcmp(argv[1], "epoch"))
		printf("%u\n", ports->head.epoch);
	else if (!strcmp(argv[1], "foreign"))
		ports->head.layout = argc > 3 ? (__u32)atoi(argv[3]) : 2;
	else if (!strcmp(argv[1], "old"))
		ports->head.program ^= 1;
	else
		errx(2, "no such thing: %s", argv[1]);
	return 0;
}

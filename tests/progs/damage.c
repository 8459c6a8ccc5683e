/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns damage to the pinned maps of one namespace, as no helper does it.
 *
 * damage DIR FIELD RECORD VALUE: writes the number into that field of that record and prints what
 * stood there, so that it can be put back. RECORD "used": the first one in use, "free": the first
 * that is not. Fields "table" and "rule.": RECORD is a TCP port, in the table of the current epoch.
 * Field "prefixes": an entry of 10.0.0.0/8 for the rule of that TCP port, leading to VALUE; 0 takes
 * it out.
 * damage DIR sum: prints a number that tells whether anything in the mapped maps has changed.
 */
#include <err.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/maps.h"

static const struct field {
	const char *name, *map;
	size_t record, offset, width;
	size_t used; /* where a word stands that is not 0 in a record that is in use */
} fields[] = {
#define FIELD(name, map, type, field, used)                                               \
	{                                                                                 \
		name, map, sizeof(struct type), offsetof(struct type, field),             \
			sizeof(((struct type *)NULL)->field), offsetof(struct type, used) \
	}
	FIELD("epoch", "ports", sks_ports, head.epoch, head.magic),
	FIELD("star", "ports", sks_ports, head.star[0], head.magic),
	FIELD("table", "ports", sks_ports, table[0], head.magic),
	FIELD("rule.dest", "rules4", sks_rule4, dest[0], dest),
	FIELD("rule.rest", "rules4", sks_rule4, rest[0], dest),
	FIELD("dest.service", "dests", sks_dest, service, born),
	FIELD("dest.slot", "dests", sks_dest, slot[0], born),
	FIELD("dest.group", "dests", sks_dest, group[0], born),
	FIELD("dest.family", "dests", sks_dest, family, born),
	FIELD("slot.dest", "slots", sks_slot, dest, cookie),
	FIELD("slot.next", "slots", sks_slot, next[0], cookie),
	FIELD("slot.families", "slots", sks_slot, families, cookie),
	FIELD("slot.flags", "slots", sks_slot, flags, cookie),
	FIELD("group.place", "groups", sks_group, place[7], place),
	FIELD("service.named", "services", sks_service, named, born),
	FIELD("service.label", "services", sks_service, label[0], born),
	FIELD("binding.service", "bindings", sks_binding, service, born),
	FIELD("binding.proto", "bindings", sks_binding, proto, born),
	FIELD("binding.first", "bindings", sks_binding, first, born),
	FIELD("binding.where", "bindings", sks_binding, where, born),
#undef FIELD
};

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

static unsigned char *map_pin(const char *dir, const char *name, size_t *ret_size)
{
	int fd = open_pin(dir, name);
	struct bpf_map_info info = {};
	union bpf_attr attr = {};
	unsigned char *mem;

	attr.info.bpf_fd = (__u32)fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (__u64)(unsigned long)&info;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)))
		err(2, "%s", name);
	*ret_size = (size_t)info.value_size * info.max_entries;
	mem = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		err(2, "mmap %s", name);
	return mem;
}

static size_t find_record(const struct field *field, const char *which, const unsigned char *mem,
			  size_t size)
{
	__u32 word;

	if (strcmp(which, "used") != 0 && strcmp(which, "free") != 0)
		return strtoul(which, NULL, 10);
	for (size_t i = 1; (i + 1) * field->record <= size; i++) {
		memcpy(&word, mem + i * field->record + field->used, sizeof(word));
		if ((word != 0) == (strcmp(which, "used") == 0))
			return i;
	}
	memcpy(&word, mem + field->used, sizeof(word));
	if (!word || strcmp(which, "used") != 0)
		errx(2, "no record of %s is %s", field->map, which);
	return 0;
}

static size_t rule_of(const char *dir, __u32 port)
{
	size_t size;
	const struct sks_ports *ports = (struct sks_ports *)map_pin(dir, "ports", &size);
	__u16 value = ports->table[sks_table_index(ports->head.epoch, SKS_TCP, port)];

	if (value < SKS_TABLE_RULES)
		errx(2, "port %u has no rule", port);
	return (value - SKS_TABLE_RULES) * 2u + SKS_TCP;
}

static void poke(const char *dir, const struct field *field, const char *which, __u64 value)
{
	__u64 old = 0;
	size_t size, at;
	unsigned char *mem = map_pin(dir, field->map, &size);

	if (!strncmp(field->name, "rule.", 5))
		at = rule_of(dir, (__u32)atoi(which)) * field->record + field->offset;
	else if (!strcmp(field->name, "table"))
		at = offsetof(struct sks_ports, table) +
		     2 * sks_table_index(((struct sks_ports *)mem)->head.epoch, SKS_TCP,
					 (__u32)atoi(which));
	else if (!strcmp(field->name, "star"))
		at = field->offset +
		     4 * sks_star_index(((struct sks_ports *)mem)->head.epoch, SKS_TCP);
	else
		at = find_record(field, which, mem, size) * field->record + field->offset;
	size = !strcmp(field->name, "table") ? 2 : field->width;
	memcpy(&old, mem + at, size);
	memcpy(mem + at, &value, size);
	printf("%llu\n", (unsigned long long)old);
}

static void put_prefix(const char *dir, __u32 rule, __u32 dest)
{
	struct sks_trie_key key = { .prefixlen = 32 + 8, .rule = rule * 2, .addr = { 10 } };
	__u32 hop = sks_hop(dest, 8);
	union bpf_attr attr = { .map_fd = (__u32)open_pin(dir, "prefixes") };

	attr.key = (__u64)(unsigned long)&key;
	if (dest)
		attr.value = (__u64)(unsigned long)&hop;
	if (syscall(SYS_bpf, dest ? BPF_MAP_UPDATE_ELEM : BPF_MAP_DELETE_ELEM, &attr, sizeof(attr)))
		err(2, "prefixes");
	puts("0");
}

static void sum(const char *dir)
{
	static const char *const maps[] = { "ports", "rules4", "rules6",   "dests",
					    "slots", "groups", "services", "bindings" };
	__u64 hash = 0;

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		size_t size;
		const unsigned char *mem = map_pin(dir, maps[i], &size);

		for (size_t at = 0; at < size; at++)
			hash = (hash ^ mem[at]) * 0x100000001b3u;
	}
	printf("%llx\n", (unsigned long long)hash);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "sum")) {
		sum(argv[1]);
		return 0;
	}
	if (argc != 5)
		errx(2, "usage: damage DIR (sum | FIELD RECORD VALUE)");
	if (!strcmp(argv[2], "prefixes")) {
		put_prefix(argv[1], (__u32)rule_of(argv[1], (__u32)atoi(argv[3])),
			   (__u32)atoi(argv[4]));
		return 0;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (strcmp(argv[2], fields[i].name) != 0)
			continue;
		poke(argv[1], &fields[i], argv[3], strtoull(argv[4], NULL, 0));
		return 0;
	}
	errx(2, "no such field: %s", argv[2]);
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl lookup`: who would get a connection, or a datagram, and why. */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../binding.h"
#include "../inside.h"
#include "../json.h"
#include "../lookup.h"
#include "../report.h"
#include "field.h"
#include "lookup.h"
#include "owner.h"

static struct json_object *look(const struct sks_space *space, void *data)
{
	struct sks_lookup *lookup = data;

	lookup->space = space;
	return sks_lookup(lookup) ? json_object_new_object() : sks_lookup_report(lookup);
}

/* 0, or -errno after having said why. */
static int ask(const struct sks_ctl *ctl, struct sks_lookup *lookup,
	       struct json_object **ret_answer)
{
	char unusable[SKS_PINS_WHYLEN];
	int err = sks_pins_read(ctl->bpffs, ctl->netns_ino, look, lookup, ret_answer, unusable);

	if (err == -ENOENT && sks_ctl_sees_bpffs(ctl->bpffs)) {
		*ret_answer = look(NULL, lookup);
		err = *ret_answer ? 0 : -ENOMEM;
	}
	if (err == -EUCLEAN)
		warnx("%s", unusable);
	else if (err)
		warnx("lookup: %s %s (%s)", sks_ctl_pins_text(err), ctl->bpffs, strerror(-err));
	else if (lookup->err)
		warnx("lookup: cannot ask the kernel: %s", strerror(-lookup->err));
	return err ?: lookup->err;
}

/* As status finds them: two services of a report, the second of what is nobody's. */
static void find_processes(struct json_object *answer)
{
	static const char *const keys[] = { "sockets", "listeners" };
	struct json_object *report = json_object_new_object();
	struct json_object *services = json_object_new_array(), *list;

	json_object_object_add(report, "services", services);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct json_object *service = json_object_new_object();

		(void)json_object_object_get_ex(answer, keys[i], &list);
		json_object_object_add(service, "sockets", json_object_get(list));
		json_object_array_add(services, service);
	}
	sks_owner_correct(report);
	json_object_put(report);
}

/* That no packet for it comes here at all. */
static void remark(const struct sks_lookup *lookup, struct json_object *answer)
{
	struct sks_target target = { .where = SKS_WHERE_PREFIX };
	struct sks_verdict verdict = {};

	target.where_prefix = lookup->packet.local;
	if (!lookup->packet.ifindex)
		sks_targets_remark(lookup->netns, &target, 1, &verdict);
	if (*verdict.text)
		json_object_object_add(answer, "note", json_object_new_string(verdict.text));
}

static void print_json(const struct sks_ctl *ctl, const struct sks_packet *packet,
		       struct json_object *answer)
{
	struct json_object *object = json_object_new_object(), *client;
	char interface[IF_NAMESIZE];

	sks_json_add_number(object, "namespace", ctl->netns_ino);
	sks_json_add_string(object, "protocol", packet->proto == SKS_UDP ? "udp" : "tcp");
	sks_json_add_address(object, "address", &packet->local);
	sks_json_add_number(object, "port", packet->local_port);
	if (packet->ifindex && if_indextoname(packet->ifindex, interface))
		sks_json_add_string(object, "interface", interface);
	if (packet->remote.family != AF_UNSPEC) {
		client = json_object_new_object();
		sks_json_add_address(client, "address", &packet->remote);
		sks_json_add_number(client, "port", packet->remote_port);
		sks_json_add(object, "from", client);
	}
	json_object_object_foreach(answer, key, value)
	{
		json_object_object_add(object, key, json_object_get(value));
	}
	(void)puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
								  JSON_C_TO_STRING_SPACED |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static bool gets_anywhere(const struct json_object *answer)
{
	if (strcmp(sks_field_text(answer, "verdict"), "not steered") == 0 ||
	    sks_field(answer, "overruled"))
		return sks_field_length(sks_field(answer, "listeners"));
	return strcmp(sks_field_text(answer, "verdict"), "refused") != 0;
}

static int answer(const struct sks_ctl *ctl, struct sks_lookup *lookup)
{
	struct json_object *answer = NULL;
	bool gets;

	if (ask(ctl, lookup, &answer)) {
		json_object_put(answer);
		return SKS_CTL_FAILED;
	}
	find_processes(answer);
	remark(lookup, answer);
	gets = gets_anywhere(answer);
	if (ctl->json)
		print_json(ctl, &lookup->packet, answer);
	else
		sks_lookup_show(&lookup->packet, answer);
	json_object_put(answer);
	return gets ? SKS_CTL_DONE : SKS_CTL_FAILED;
}

int sks_ctl_lookup(const struct sks_ctl *ctl)
{
	CLEANUP_FD int netns = sks_netns_of_process(getpid(), ctl->netns_ino);
	static struct sks_lookup lookup;
	int status = sks_lookup_words(ctl, &lookup.packet);

	if (status)
		return status;
	if (netns < 0) {
		warnx("/proc/self/ns/net: %s", strerror(-netns));
		return SKS_CTL_FAILED;
	}
	lookup.netns = netns;
	status = answer(ctl, &lookup);
	sks_lookup_end(&lookup);
	return status;
}

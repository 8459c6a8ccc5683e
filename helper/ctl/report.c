/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the helper's report comes to us: asked for, judged, parsed. */
#include "report.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../sealed.h"

/* Far beyond what full maps make; another program at that socket could send anything. */
#define MAX_REPORT (1 << 30)

struct json_object *sks_ctl_empty_report(const struct sks_ctl *ctl)
{
	struct json_object *report = json_object_new_object();

	json_object_object_add(report, "namespace", json_object_new_uint64(ctl->netns_ino));
	json_object_object_add(report, "services", json_object_new_array());
	return report;
}

static bool is_report(const struct json_object *report, bool everywhere)
{
	struct json_object *list;

	if (!json_object_object_get_ex(report, everywhere ? "namespaces" : "services", &list) ||
	    !json_object_is_type(list, json_type_array))
		return false;
	for (size_t i = 0; everywhere && i < json_object_array_length(list); i++) {
		if (!is_report(json_object_array_get_idx(list, i), false))
			return false;
	}
	return true;
}

static struct json_object *parse_report(const char *text, size_t len, bool everywhere)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *report = NULL;

	if (tokener)
		report = json_tokener_parse_ex(tokener, text, (int)len);
	json_tokener_free(tokener);
	if (is_report(report, everywhere))
		return report;
	json_object_put(report);
	return NULL;
}

static struct json_object *read_memfd(int fd, bool everywhere)
{
	struct json_object *report;
	char *text;
	size_t len;

	if (sks_sealed_read(fd, MAX_REPORT, &text, &len))
		return NULL;
	report = parse_report(text, len, everywhere);
	free(text);
	return report;
}

int sks_ctl_ask_report(const struct sks_ctl *ctl, const char *label, bool everywhere,
		       struct json_object **ret_report)
{
	struct sks_request req = { .op = SKS_OP_STATUS };
	struct json_object *report;
	struct sks_reply reply;
	CLEANUP_FD int fd = -1;
	int err;

	if (everywhere)
		req.flags = SKS_EVERYWHERE;
	if (label)
		memcpy(req.label, label, strlen(label));
	err = sks_ctl_call(ctl, &req, NULL, &reply, &fd);
	if (err)
		return err;
	if (reply.err && reply.err != -ENOENT) {
		warnx("%s", reply.text);
		return 1;
	}
	report = reply.err ? sks_ctl_empty_report(ctl) : read_memfd(fd, everywhere);
	if (!report) {
		warnx("the helper at %s: its report is unreadable", ctl->socket);
		return 1;
	}
	*ret_report = report;
	return 0;
}

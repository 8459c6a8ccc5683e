/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns where a report comes from: the pins, or the helper where they are not to be seen. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../bpffs.h"
#include "../report.h"
#include "report.h"

static int read_here(const struct sks_ctl *ctl, struct json_object **ret_report)
{
	char why[SKS_CTL_WHYLEN], unusable[SKS_PINS_WHYLEN];
	int err, pins_err = sks_report_pins(ctl->bpffs, ctl->netns_ino, ret_report, unusable);

	if (pins_err == -EUCLEAN) /* no helper of ours can read them either */
		warnx("%s", unusable);
	if (!pins_err || pins_err == -EUCLEAN)
		return pins_err;
	err = sks_ctl_ask_report(ctl, NULL, false, ret_report);
	if (err < 0 && pins_err == -ENOENT && sks_ctl_sees_bpffs(ctl->bpffs)) {
		*ret_report = sks_ctl_empty_report(ctl);
		return 0;
	}
	if (err < 0)
		warnx("%s %s, and %s", sks_ctl_pins_text(pins_err), ctl->bpffs,
		      sks_ctl_why(ctl, err, why));
	return err;
}

static bool is_denied(int err)
{
	return err == -EACCES || err == -EPERM;
}

static int read_entry(const struct sks_ctl *ctl, const char *name, struct json_object *namespaces)
{
	uint64_t ino = sks_space_number(name);
	char why[SKS_PINS_WHYLEN];
	struct json_object *report;
	int err;

	if (!ino)
		return 0; /* being set up, or nothing of ours */
	err = sks_report_pins(ctl->bpffs, ino, &report, why);
	if (!err)
		json_object_array_add(namespaces, report);
	else if (err == -EUCLEAN)
		warnx("%s", why);
	else if (err != -ENOENT && !is_denied(err))
		warnx("%s/%s: %s", ctl->bpffs, name, strerror(-err));
	return err == -ENOENT ? 0 : err; /* of a namespace that has died */
}

static int by_number(const void *a, const void *b)
{
	struct json_object *numbers[2];

	(void)json_object_object_get_ex(*(struct json_object *const *)a, "namespace", &numbers[0]);
	(void)json_object_object_get_ex(*(struct json_object *const *)b, "namespace", &numbers[1]);
	return json_object_get_uint64(numbers[0]) < json_object_get_uint64(numbers[1]) ? -1 : 1;
}

/* Of the helper: its own group, which may not see the pins, has leave to. */
static int ask_all(const struct sks_ctl *ctl, int pins_err, struct json_object **ret_report)
{
	char why[SKS_CTL_WHYLEN];
	int err = sks_ctl_ask_report(ctl, NULL, true, ret_report);

	if (err < 0)
		warnx("%s %s, and %s", sks_ctl_pins_text(pins_err), ctl->bpffs,
		      sks_ctl_why(ctl, err, why));
	return err;
}

/* What can be read is shown even where something can't. */
static int read_all(const struct sks_ctl *ctl, struct json_object **ret_report)
{
	struct json_object *report, *namespaces;
	DIR *list = opendir(ctl->bpffs);
	struct dirent *entry;
	int err = 0, failed;

	if (!list && (errno != ENOENT || !sks_ctl_sees_bpffs(ctl->bpffs)))
		return ask_all(ctl, -errno, ret_report);
	namespaces = json_object_new_array();
	while (list && !is_denied(err) && (entry = readdir(list))) {
		failed = read_entry(ctl, entry->d_name, namespaces);
		err = err && !is_denied(failed) ? err : failed;
	}
	if (list)
		(void)closedir(list);
	if (is_denied(err)) {
		json_object_put(namespaces);
		return ask_all(ctl, err, ret_report);
	}
	json_object_array_sort(namespaces, by_number);
	report = json_object_new_object();
	json_object_object_add(report, "namespaces", namespaces);
	*ret_report = report;
	return err;
}

int sks_ctl_read_report(const struct sks_ctl *ctl, struct json_object **ret_report)
{
	*ret_report = NULL;
	return ctl->all ? read_all(ctl, ret_report) : read_here(ctl, ret_report);
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl status`: where the report comes from, and which part of it is shown. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../bpffs.h"
#include "../report.h"
#include "ctl.h"
#include "owner.h"
#include "report.h"
#include "table.h"

static int read_here(const struct sks_ctl *ctl, struct json_object **ret_report)
{
	char why[SKS_CTL_WHYLEN], unusable[SKS_PINS_WHYLEN];
	int err, pins_err = sks_report_pins(ctl->bpffs, ctl->netns_ino, ret_report, unusable);

	if (pins_err == -EUCLEAN) /* no helper of ours can read them either */
		warnx("%s", unusable);
	if (!pins_err || pins_err == -EUCLEAN)
		return pins_err;
	err = sks_ctl_ask_report(ctl, NULL, ret_report);
	if (err < 0 && pins_err == -ENOENT && sks_ctl_sees_bpffs(ctl->bpffs)) {
		*ret_report = sks_ctl_empty_report(ctl);
		return 0;
	}
	if (err < 0)
		warnx("%s %s, and %s", sks_ctl_pins_text(pins_err), ctl->bpffs,
		      sks_ctl_why(ctl, err, why));
	return err;
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
	else if (err != -ENOENT)
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

/* What can be read is shown even where something can't. */
static int read_all(const struct sks_ctl *ctl, struct json_object **ret_report)
{
	struct json_object *report, *namespaces;
	DIR *list = opendir(ctl->bpffs);
	struct dirent *entry;
	int err = 0, failed;

	if (!list && (errno != ENOENT || !sks_ctl_sees_bpffs(ctl->bpffs))) {
		warn("--all reads the pins below %s, which is for root", ctl->bpffs);
		return -errno;
	}
	report = json_object_new_object();
	namespaces = json_object_new_array();
	while (list && (entry = readdir(list))) {
		failed = read_entry(ctl, entry->d_name, namespaces);
		err = err ? err : failed;
	}
	if (list)
		(void)closedir(list);
	json_object_array_sort(namespaces, by_number);
	json_object_object_add(report, "namespaces", namespaces);
	*ret_report = report;
	return err;
}

/* Several users may have services of one label. Returns how many are left. */
static size_t keep_label(struct json_object *report, const char *label)
{
	struct json_object *services, *name;

	(void)json_object_object_get_ex(report, "services", &services);
	for (size_t i = json_object_array_length(services); i-- > 0;) {
		(void)json_object_object_get_ex(json_object_array_get_idx(services, i), "label",
						&name);
		if (!name || strcmp(json_object_get_string(name), label) != 0)
			(void)json_object_array_del_idx(services, i, 1);
	}
	return json_object_array_length(services);
}

static void print_json(struct json_object *report)
{
	(void)puts(json_object_to_json_string_ext(report, JSON_C_TO_STRING_PRETTY |
								  JSON_C_TO_STRING_SPACED |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* The name that ip(8) has for it, or "". */
static void find_name(uint64_t ino, char ret_name[NAME_MAX + 1])
{
	DIR *list = opendir("/run/netns");
	struct dirent *entry;
	struct stat st;

	*ret_name = '\0';
	while (list && !*ret_name && (entry = readdir(list))) {
		if (!fstatat(dirfd(list), entry->d_name, &st, 0) && st.st_ino == ino)
			(void)snprintf(ret_name, NAME_MAX + 1, "%s", entry->d_name);
	}
	if (list)
		(void)closedir(list);
}

static void print_heading(const struct sks_ctl *ctl, const struct json_object *report)
{
	struct json_object *number;
	char name[NAME_MAX + 1];
	uint64_t ino;

	(void)json_object_object_get_ex(report, "namespace", &number);
	ino = json_object_get_uint64(number);
	find_name(ino, name);
	(void)printf("network namespace %llu%s%s%s%s\n", (unsigned long long)ino,
		     *name ? " \"" : "", name, *name ? "\"" : "",
		     ino == ctl->netns_ino ? " (this one)" : "");
}

static int print_services(const struct json_object *report, const char *nothing)
{
	struct json_object *services, *taken;
	int err;

	(void)json_object_object_get_ex(report, "services", &services);
	if (!json_object_array_length(services)) {
		(void)printf("%s\n", nothing);
		return 0;
	}
	err = sks_table_services(stdout, services);
	if (json_object_object_get_ex(report, "ports_taken", &taken) &&
	    !json_object_get_boolean(taken))
		(void)printf("ports are not taken: others may bind them, and get no traffic there "
			     "(the helper's log says why)\n");
	return err;
}

/* whole: nothing was left out that could not be read. */
static int print_all(const struct sks_ctl *ctl, const struct json_object *namespaces, bool whole)
{
	size_t n = json_object_array_length(namespaces);
	int err = 0;

	if (!n && whole)
		(void)printf("nothing is steered in any network namespace\n");
	for (size_t i = 0; !err && i < n; i++) {
		const struct json_object *report = json_object_array_get_idx(namespaces, i);

		if (i)
			(void)putchar('\n');
		print_heading(ctl, report);
		err = print_services(report, "nothing is steered here");
	}
	return err;
}

/* 0, or -ENOENT after having said that there is no such label. */
static int select_label(const struct sks_ctl *ctl, struct json_object *report,
			struct json_object *namespaces)
{
	const char *label = ctl->n_operands ? ctl->operands[0] : NULL;
	size_t kept = 0;

	if (!label)
		return 0;
	if (!namespaces)
		kept = keep_label(report, label);
	for (size_t i = namespaces ? json_object_array_length(namespaces) : 0; i-- > 0;) {
		size_t n = keep_label(json_object_array_get_idx(namespaces, i), label);

		if (!n)
			(void)json_object_array_del_idx(namespaces, i, 1);
		kept += n;
	}
	if (kept)
		return 0;
	warnx("no service \"%s\"%s in %s network namespace", label, geteuid() ? " of yours" : "",
	      namespaces ? "any" : "this");
	return -ENOENT;
}

int sks_ctl_status(const struct sks_ctl *ctl)
{
	struct json_object *report = NULL, *namespaces = NULL;
	int err = ctl->all ? read_all(ctl, &report) : read_here(ctl, &report);
	int shown = 0;

	if (!report)
		return SKS_CTL_FAILED;
	if (ctl->all)
		(void)json_object_object_get_ex(report, "namespaces", &namespaces);
	else
		sks_owner_correct(report);
	for (size_t i = 0; namespaces && i < json_object_array_length(namespaces); i++)
		sks_owner_correct(json_object_array_get_idx(namespaces, i));
	if (select_label(ctl, report, namespaces))
		err = -ENOENT;
	else if (ctl->json)
		print_json(report);
	else if (ctl->all)
		shown = print_all(ctl, namespaces, !err);
	else
		shown = print_services(
			report, geteuid() ? "nothing of yours is steered in this network namespace"
					  : "nothing is steered in this network namespace");
	if (shown)
		warnx("%s", strerror(-shown));
	json_object_put(report);
	return err || shown ? SKS_CTL_FAILED : SKS_CTL_DONE;
}

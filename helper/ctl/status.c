/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl status`: which part of the report is shown. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "await.h"
#include "ctl.h"
#include "draw.h"
#include "owner.h"
#include "rates.h"
#include "report.h"

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
	err = sks_draw_services(stdout, services);
	if (json_object_object_get_ex(report, "ports_taken", &taken) &&
	    !json_object_get_boolean(taken))
		(void)printf("ports are not taken: others may bind them, and get no traffic there\n"
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

static int show_once(const struct sks_ctl *ctl, struct sks_rates *rates)
{
	struct json_object *report = NULL, *namespaces = NULL;
	int err = sks_ctl_read_report(ctl, &report), shown = 0;

	if (!report)
		return SKS_CTL_FAILED;
	if (json_object_object_get_ex(report, "namespaces", &namespaces))
		for (size_t i = 0; i < json_object_array_length(namespaces); i++)
			sks_owner_correct(json_object_array_get_idx(namespaces, i));
	else
		sks_owner_correct(report);
	if (rates)
		sks_rates_add(rates, report);
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

static void begin_block(const struct sks_ctl *ctl, bool first)
{
	time_t now = time(NULL);
	char text[40];
	struct tm tm;

	if (ctl->json)
		return;
	if (isatty(STDOUT_FILENO))
		(void)fputs("\033[H\033[J", stdout);
	else if (!first)
		(void)putchar('\n');
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	(void)printf("%s, every %u s\n", text, ctl->every);
}

/* What can't be told now may be told the next time. */
static int show_again(const struct sks_ctl *ctl)
{
	CLEANUP_FD int signals = sks_await_signals();
	struct sks_rates rates = { 0 };
	bool first = true;

	if (signals < 0)
		return SKS_CTL_FAILED;
	do {
		begin_block(ctl, first);
		(void)show_once(ctl, &rates);
		(void)fflush(stdout);
		first = false;
	} while (sks_await(-1, signals, (int)ctl->every * 1000) == SKS_GOES_ON);
	sks_rates_free(&rates);
	return SKS_CTL_DONE;
}

int sks_ctl_status(const struct sks_ctl *ctl)
{
	return ctl->every ? show_again(ctl) : show_once(ctl, NULL);
}

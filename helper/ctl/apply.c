/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl apply`: all that the caller's labels have by sksteerctl, as a file lists it. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../apply_text.h"
#include "../sealed.h"
#include "apply_file.h"
#include "ctl.h"

/* As all that a person waits for (ask.c); the longest list takes the helper several seconds more. */
#define TIMEOUT_MS   5000
#define BYTES_PER_MS 512
#define MAX_TOLD     (256u << 20) /* far beyond what two times a million bindings take */

static int by_text(const void *pa, const void *pb)
{
	return strverscmp(*(char *const *)pa, *(char *const *)pb);
}

/* What is no line of ours, another program at that socket has sent. */
static void print_line(const char *line)
{
	for (; *line; line++)
		(void)putchar(*line >= ' ' && *line <= '~' ? *line : '?');
	(void)putchar('\n');
}

static int print_sorted(char *text)
{
	size_t n = 0, at = 0;
	char **lines, *rest = text, *line;

	for (const char *c = text; *c; c++)
		n += *c == '\n';
	lines = calloc(n + 2, sizeof(char *));
	if (!lines)
		return -ENOMEM;
	while ((line = strsep(&rest, "\n")))
		lines[at++] = line;
	n = at - 1; /* nothing stands behind the last newline */
	qsort(lines, n, sizeof(char *), by_text);
	for (size_t i = 0; i < n; i++)
		print_line(lines[i]);
	free(lines);
	return 0;
}

static int print_told(const struct sks_ctl *ctl, int fd)
{
	char *text;
	size_t len;
	int err;

	if (fd < 0) {
		(void)puts("nothing to do");
		return SKS_CTL_DONE;
	}
	err = sks_sealed_read(fd, MAX_TOLD, &text, &len);
	if (!err) {
		err = print_sorted(text);
		free(text);
	}
	if (!err)
		return SKS_CTL_DONE;
	warnx("the helper at %s: its answer is unreadable: %s", ctl->socket, strerror(-err));
	return SKS_CTL_FAILED;
}

static int ask(const struct sks_ctl *ctl, int list, size_t len)
{
	struct sks_request req = {
		.version = SKS_WIRE_VERSION,
		.op = SKS_OP_APPLY,
		.flags = ctl->dry_run ? SKS_APPLY_DRY : 0,
	};
	CLEANUP_FD int told = -1;
	struct sks_reply reply;
	int err = sks_wire_call(ctl->socket, &req, NULL, list,
				TIMEOUT_MS + (int)(len / BYTES_PER_MS), &reply, &told);

	if (!err && reply.err == -EPROTO) {
		warnx("the helper at %s is of an earlier version, which has no apply: restart it",
		      ctl->socket);
		return SKS_CTL_FAILED;
	}
	return sks_ctl_answer(ctl, err, &reply) ?: print_told(ctl, told);
}

int sks_ctl_apply(const struct sks_ctl *ctl)
{
	CLEANUP_FD int list = -1;
	char *text;
	size_t len;

	if (sks_apply_file_read(ctl->operands[0], ctl->allow_empty, &text, &len))
		return SKS_CTL_FAILED;
	list = sks_sealed_make("sksteer-apply", text, len);
	free(text);
	if (list < 0) {
		warnx("apply: a file in memory: %s", strerror(-list));
		return SKS_CTL_FAILED;
	}
	return ask(ctl, list, len);
}

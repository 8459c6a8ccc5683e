/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl metrics`: whom it asks, and whom it tells. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "openmetrics.h"
#include "report.h"

#define PATH	    "/metrics"
#define REQUEST_MS  5000 /* in which a scrape has to come */
#define ALL_SECONDS 30	 /* in which all is over, whatever the other end does */

/* NULL: it does not tell us, or there is none. */
static struct json_object *ask_tally(const struct sks_ctl *ctl, bool *ret_up)
{
	struct sks_request req = { .op = SKS_OP_TALLY };
	struct sks_reply reply;

	*ret_up = !sks_ctl_call(ctl, &req, NULL, &reply, NULL);
	return *ret_up && !reply.err ? json_tokener_parse(reply.text) : NULL;
}

/* What is known, also where not all of it is. */
static int write_all(const struct sks_ctl *ctl, FILE *to)
{
	struct json_object *report, *numbers;
	bool up;
	int err = sks_ctl_read_report(ctl, &report), failed;

	numbers = ask_tally(ctl, &up);
	failed = sks_openmetrics_write(to, report, up, numbers);
	if (failed)
		warnx("%s", strerror(-failed));
	json_object_put(report);
	json_object_put(numbers);
	return err || failed ? SKS_CTL_FAILED : SKS_CTL_DONE;
}

/* Standard input is a connection: with a socket unit that has Accept=yes, and StandardInput=socket.
 */
static int answer_scrape(const struct sks_ctl *ctl)
{
	char *body = NULL;
	size_t len = 0;
	bool head;
	int http, err = 0;

	(void)alarm(ALL_SECONDS);
	http = sks_http_read(STDIN_FILENO, PATH, REQUEST_MS, &head);
	if (http == 200) {
		FILE *to = open_memstream(&body, &len);

		/* That not all is known is said in the text. */
		if (to)
			(void)write_all(ctl, to);
		if (!to || fclose(to))
			http = 500;
	}
	if (http)
		err = sks_http_answer(STDIN_FILENO, http, SKS_OPENMETRICS_TYPE, body, len, head);
	if (err)
		warnx("standard input: %s", strerror(-err));
	free(body);
	return err ? SKS_CTL_FAILED : SKS_CTL_DONE;
}

int sks_ctl_metrics(const struct sks_ctl *ctl)
{
	return ctl->http ? answer_scrape(ctl) : write_all(ctl, stdout);
}

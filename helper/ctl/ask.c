/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns sksteerctl's way to the helper, and what is said when nobody is there or it can't be asked. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../common/spec.h"
#include "../../common/text.h"
#include "ctl.h"

/* A person waits: the helper may be busy with 65 535 ports, but not for as long as this. */
#define TIMEOUT_MS 5000

/* The version of a helper that speaks another one, which the last call has met; or 0. */
static uint16_t theirs;

static int call(const struct sks_ctl *ctl, const struct sks_request *req, const char *spec, int fd,
		struct sks_reply *ret_reply, int *ret_fd)
{
	int err = sks_wire_call(ctl->socket, req, spec, fd, TIMEOUT_MS, ret_reply, ret_fd);

	theirs = err == -EPROTO ? ret_reply->version : 0;
	return err;
}

int sks_ctl_call(const struct sks_ctl *ctl, struct sks_request *req, const char *spec,
		 struct sks_reply *ret_reply, int *ret_fd)
{
	req->version = SKS_WIRE_VERSION;
	req->spec_len = spec ? (uint32_t)strlen(spec) : 0;
	return call(ctl, req, spec, -1, ret_reply, ret_fd);
}

int sks_ctl_send(const struct sks_ctl *ctl, struct sks_request *req, int fd,
		 struct sks_reply *ret_reply)
{
	req->version = SKS_WIRE_VERSION;
	return call(ctl, req, NULL, fd, ret_reply, NULL);
}

bool sks_ctl_is_absent(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED;
}

char *sks_ctl_why(const struct sks_ctl *ctl, int err, char buf[SKS_CTL_WHYLEN])
{
	bool default_path = strcmp(ctl->socket, SKS_SOCKET_PATH) == 0;
	const char *option = default_path ? "" : " --socket ";
	const char *value = default_path ? "" : ctl->socket;
	struct sks_text text;

	sks_text_init(&text, buf, SKS_CTL_WHYLEN);

	if (sks_ctl_is_absent(err))
		(void)snprintf(buf, SKS_CTL_WHYLEN,
			       "no helper at %s: start one as root: sksteerd%s%s", ctl->socket,
			       option, value);
	else if (err == -ETIMEDOUT)
		(void)snprintf(buf, SKS_CTL_WHYLEN, "the helper at %s does not answer",
			       ctl->socket);
	else if (err == -ECONNRESET)
		(void)snprintf(buf, SKS_CTL_WHYLEN,
			       "the helper at %s hung up: it is too busy, or was just ending",
			       ctl->socket);
	else if (err == -EPROTO && theirs)
		sks_wire_mismatch(&text, ctl->socket, theirs, "sksteerctl");
	else if (err == -EPROTO)
		(void)snprintf(buf, SKS_CTL_WHYLEN, "what answers at %s is no sksteerd",
			       ctl->socket);
	else
		(void)snprintf(buf, SKS_CTL_WHYLEN, "the helper at %s: %s", ctl->socket,
			       strerror(-err));
	return buf;
}

int sks_ctl_answer(const struct sks_ctl *ctl, int err, const struct sks_reply *reply)
{
	char why[SKS_CTL_WHYLEN];

	if (err) {
		warnx("%s", sks_ctl_why(ctl, err, why));
		return SKS_CTL_FAILED;
	}
	if (reply->err) {
		warnx("%s", *reply->text ? reply->text : strerror(-reply->err));
		return SKS_CTL_FAILED;
	}
	if (*reply->text)
		warnx("note: %s", reply->text);
	return SKS_CTL_DONE;
}

int sks_ctl_request(const struct sks_ctl *ctl, struct sks_request *req, const char *spec)
{
	struct sks_reply reply;
	int err = sks_ctl_call(ctl, req, spec, &reply, NULL);

	return sks_ctl_answer(ctl, err, &reply);
}

int sks_ctl_check_label(const struct sks_ctl *ctl, const char *label)
{
	if (sks_label_is_valid(label))
		return 0;
	warnx("%s: \"%s\" is not a label: a letter or digit, then up to %u letters, digits, "
	      "\"_\", \".\" or \"-\"",
	      ctl->verb, label, SKS_LABEL_MAX - 1);
	return -EINVAL;
}

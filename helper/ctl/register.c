/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl register`: sockets that are there already become a label's. */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ctl.h"
#include "sockets.h"

/* 0, or -errno after having said what is wrong. */
static int ask(const struct sks_ctl *ctl, enum sks_op op, const struct sks_sockets *sockets,
	       size_t i)
{
	const struct sks_found *found = &sockets->list[i];
	struct sks_request req = { .op = (uint16_t)op };
	const char *label = ctl->operands[0];
	char why[SKS_CTL_WHYLEN];
	struct sks_reply reply;
	bool given;
	int err;

	memcpy(req.label, label, strlen(label));
	memcpy(req.instance, sockets->instance, sizeof(req.instance));
	err = sks_ctl_send(ctl, &req, found->fd, &reply);
	/* One that is not the label's yet is not told so by a question. */
	given = !err && !reply.err && (reply.steered || (op == SKS_OP_CHECK && !*reply.text));
	if (err)
		warnx("%s", sks_ctl_why(ctl, err, why));
	else if (!given && (reply.err || *reply.text))
		warnx("%s", *reply.text ? reply.text : strerror(-reply.err));
	else if (!given)
		warnx("%s: \"%s\" is for other sockets than that of port %u/%s", ctl->verb, label,
		      found->port, found->proto == IPPROTO_UDP ? "udp" : "tcp");
	else if (*reply.text)
		warnx("note: %s", reply.text);
	return err ?: reply.err ?: given ? 0 : -EINVAL;
}

/* All are judged before the first one is registered. */
int sks_ctl_register(const struct sks_ctl *ctl)
{
	struct sks_sockets sockets;
	int err = 0;

	if (sks_ctl_check_label(ctl, ctl->operands[0]))
		return SKS_CTL_USAGE;
	if (ctl->fd >= 0 && !ctl->pid) {
		warnx("%s: --fd is a descriptor of the process that --pid names", ctl->verb);
		return SKS_CTL_USAGE;
	}
	if (ctl->fd >= 0 && ctl->port) {
		warnx("%s: --fd and --port both say which socket: give one", ctl->verb);
		return SKS_CTL_USAGE;
	}
	if (sks_sockets_find(ctl, &sockets))
		return SKS_CTL_FAILED;
	for (size_t i = 0; !err && i < sockets.n; i++)
		err = ask(ctl, SKS_OP_CHECK, &sockets, i);
	for (size_t i = 0; !err && i < sockets.n; i++)
		err = ask(ctl, SKS_OP_REGISTER, &sockets, i);
	sks_sockets_free(&sockets);
	return err ? SKS_CTL_FAILED : SKS_CTL_DONE;
}

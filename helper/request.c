// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which function answers a request. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "report.h"
#include "request.h"

/* A memfd that its reader cannot change under another reader's eyes, or -errno. */
static int sealed_text(const char *text)
{
	CLEANUP_FD int fd = memfd_create("sksteer-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		return -EIO;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -errno;
	return sks_take_fd(&fd);
}

void sks_ask_status(struct sks_asked *asked)
{
	struct sks_space *space = sks_spaces_find(asked->spaces, asked->netns_ino);
	uint32_t uid = asked->peer.root ? SKS_UID_ALL : asked->peer.uid;
	struct json_object *report;
	int fd;

	if (!space) {
		(void)sks_refuse(&asked->verdict, -ENOENT, "nothing is loaded in this namespace");
		return;
	}
	report = sks_report(space, uid);
	fd = report ? sealed_text(json_object_to_json_string(report)) : -ENOMEM;
	json_object_put(report);
	if (fd < 0)
		(void)sks_refuse(&asked->verdict, fd, "cannot write the report: %s", strerror(-fd));
	else
		asked->ret_fd = fd;
}

void sks_ask(struct sks_asked *asked)
{
	if (*asked->req->label && !sks_label_is_valid(asked->req->label)) {
		/* Not quoted: the answer is one line of printable text. */
		(void)sks_refuse(&asked->verdict, -EINVAL,
				 "a label is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}");
		return;
	}
	switch (asked->req->op) {
	case SKS_OP_CHECK:
	case SKS_OP_REGISTER:
		sks_ask_register(asked);
		break;
	case SKS_OP_STATUS:
		sks_ask_status(asked);
		break;
	case SKS_OP_BIND:
		sks_ask_bind(asked);
		break;
	case SKS_OP_UNBIND:
		sks_ask_unbind(asked);
		break;
	case SKS_OP_UNLOAD:
		sks_ask_unload(asked);
		break;
	default:
		(void)sks_refuse(&asked->verdict, -EPROTO, "unknown operation %u", asked->req->op);
	}
}

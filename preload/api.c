/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what a program that knows of us may call: sksteer.h. */
#include "sksteer.h"

#include <stdlib.h>
#include <string.h>

#include "../common/raw.h"
#include "config.h"
#include "dgram.h"
#include "fd.h"
#include "report.h"
#include "words.h"

#define SKS_EXPORT __attribute__((visibility("default")))
#define TIMEOUT_MS 1000

static const char *helper_path(void)
{
	const char *path = secure_getenv("SKSTEER_SOCKET");

	return path && *path ? path : SKS_SOCKET_PATH;
}

/* Keeps err, and its words, for sksteer_strerror(). text may be NULL: there are none. */
static int leave(int err, const char *text)
{
	struct sks_words *words = sks_words_get();
	struct sks_text to;

	if (!words)
		return err;
	words->err = err;
	sks_text_init(&to, words->text, sizeof(words->text));
	if (text)
		sks_text_str(&to, text);
	return err;
}

static int leave_silence(int err, uint16_t theirs)
{
	char text[SKS_REPLY_TEXT];
	struct sks_text to;

	sks_text_init(&to, text, sizeof(text));
	sks_report_why(&to, helper_path(), err, theirs);
	return leave(err, text);
}

static int put_label(struct sks_request *req, const char *label)
{
	if (!label || !*label)
		return 0;
	if (!sks_label_is_valid(label))
		return leave(-EINVAL, "a label is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}");
	memcpy(req->label, label, strlen(label));
	return 0;
}

static int call(const struct sks_request *req, const char *spec, int fd)
{
	struct sks_reply reply;
	int err = sks_wire_call(helper_path(), req, spec, fd, TIMEOUT_MS, &reply, NULL);

	if (err == -EBADF) /* what was to be sent */
		return leave(err, NULL);
	if (err)
		return leave_silence(err, err == -EPROTO ? reply.version : 0);
	/* Without the library's variables its hooks know no helper to ask. */
	if (!reply.err && req->flags & SKS_REGISTER_ANSWERS && reply.steered)
		sks_dgram_adopt(fd, reply.token);
	if (!reply.err && req->op == SKS_OP_REGISTER && !reply.steered)
		return leave(-ENOMSG, *reply.text ? reply.text : "no clause speaks of this socket");
	return leave(reply.err, reply.text);
}

/* FNV-1a. */
static uint64_t hash(const char *text, size_t len)
{
	uint64_t h = 14695981039346656037u;

	while (len--)
		h = (h ^ (unsigned char)*text++) * 1099511628211u;
	return h;
}

/*
 * A program is one instance of a label, and one with what the library's variables steer. Without a
 * label each spec is a service of its own: another socket's must not take its place.
 */
static int put_instance(struct sks_request *req, const char *spec)
{
	const struct sks_config *config = sks_config_get();
	const uint8_t *instance = config ? config->instance : sks_words_instance();
	uint64_t own = *req->label ? 0 : hash(spec, req->spec_len);

	if (!instance)
		return leave(-ENOMEM, NULL);
	memcpy(req->instance, instance, sizeof(req->instance));
	for (size_t i = 0; i < sizeof(own); i++)
		req->instance[i] ^= (uint8_t)(own >> 8 * i);
	return 0;
}

SKS_EXPORT int sksteer_register(int fd, const char *spec, const char *label)
{
	struct sks_request req = { .version = SKS_WIRE_VERSION, .op = SKS_OP_REGISTER };
	size_t len = spec ? strnlen(spec, SKS_SPEC_MAX + 1) : 0;
	int err = put_label(&req, label);

	if (err)
		return err;
	if (fd < 0)
		return leave(-EBADF, NULL);
	if (len > SKS_SPEC_MAX)
		return leave(-E2BIG, "the spec is longer than 16384 bytes");
	req.spec_len = (uint32_t)len;
	if (sks_config_get() && sks_fd_protocol(fd) == SKS_UDP)
		req.flags = SKS_REGISTER_ANSWERS;
	err = put_instance(&req, spec);
	return err ? err : call(&req, spec, fd);
}

SKS_EXPORT int sksteer_unregister(const char *label)
{
	struct sks_request req = { .version = SKS_WIRE_VERSION, .op = SKS_OP_UNREGISTER };
	int err = put_label(&req, label);

	if (err)
		return err;
	if (!*req.label)
		return leave(-EINVAL, "no label is named");
	return call(&req, NULL, -1);
}

SKS_EXPORT const char *sksteer_strerror(int err)
{
	const struct sks_words *words = sks_words_get();

	if (words && words->err == err && *words->text)
		return words->text;
	return err ? strerror(-err) : "steered";
}

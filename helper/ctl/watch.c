/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns `sksteerctl watch`: events as they come, across restarts of the helper. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "../../common/cleanup.h"
#include "await.h"
#include "ctl.h"
#include "field.h"
#include "spell.h"

#define RECORD_SIZE 4096
#define RETRY_MS    200

static void put_process(const struct json_object *event)
{
	uint64_t pid = sks_field_number(event, "pid");
	const char *comm = sks_field_text(event, "process");

	if (!pid)
		return;
	(void)printf(" process %llu", (unsigned long long)pid);
	if (*comm) {
		(void)fputs(" (", stdout);
		sks_put_safely(stdout, comm);
		(void)putchar(')');
	}
}

static void put_words(const struct json_object *event)
{
	const struct json_object *socket = sks_field(event, "socket");
	const char *service = sks_field_text(event, "service"),
		   *reason = sks_field_text(event, "reason");
	char listener[SKS_LISTENER_LEN];

	sks_put_safely(stdout, sks_field_text(event, "time"));
	(void)putchar(' ');
	sks_put_safely(stdout, sks_field_text(event, "event"));
	if (sks_field_number(event, "lost"))
		(void)printf(": %llu events", (unsigned long long)sks_field_number(event, "lost"));
	if (*service) {
		(void)putchar(' ');
		sks_put_safely(stdout, service);
	}
	if (sks_field(event, "uid")) {
		(void)fputs(" of ", stdout);
		sks_put_user(stdout, (uint32_t)sks_field_number(event, "uid"));
	}
	if (socket) {
		(void)putchar(' ');
		sks_put_safely(stdout, sks_spell_listener(socket, listener));
	}
	put_process(event);
	if (sks_field(event, "namespace"))
		(void)printf(" net-%llu", (unsigned long long)sks_field_number(event, "namespace"));
	if (*reason) {
		(void)fputs(": ", stdout);
		sks_put_safely(stdout, reason);
	}
	(void)putchar('\n');
}

/* A line is whole, and there, before the next event is waited for. */
static void put_event(const struct sks_ctl *ctl, struct json_object *event)
{
	if (ctl->json)
		(void)puts(json_object_to_json_string_ext(
			event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		put_words(event);
	(void)fflush(stdout);
}

/* What the helper can't say itself. */
static void put_own(const struct sks_ctl *ctl, const char *name)
{
	struct json_object *event = json_object_new_object();
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json_object_object_add(event, "time", json_object_new_string(text));
	json_object_object_add(event, "event", json_object_new_string(name));
	put_event(ctl, event);
	json_object_put(event);
}

static enum sks_end follow(const struct sks_ctl *ctl, int fd, int signals)
{
	enum sks_end end;

	while ((end = sks_await(fd, signals, -1)) == SKS_GOES_ON) {
		char record[RECORD_SIZE + 1];
		ssize_t len = recv(fd, record, RECORD_SIZE, MSG_DONTWAIT);
		struct json_object *event;

		if (len < 0 && errno == EAGAIN)
			continue;
		if (len <= 0)
			return SKS_AT_END;
		record[len] = '\0';
		event = json_tokener_parse(record);
		if (json_object_is_type(event, json_type_object))
			put_event(ctl, event);
		json_object_put(event);
	}
	return end;
}

/* 0; -errno: nobody answered; 1: refused, which is said. */
static int subscribe(const struct sks_ctl *ctl, int *ret_fd)
{
	struct sks_request req = { .op = SKS_OP_WATCH };
	struct sks_reply reply;
	int err;

	req.flags = ctl->all ? SKS_EVERYWHERE : 0;
	*ret_fd = -1;
	err = sks_ctl_call(ctl, &req, NULL, &reply, ret_fd);
	if (err)
		return err;
	if (reply.err || *ret_fd < 0) {
		warnx("%s", *reply.text ? reply.text : "the helper gives nothing to watch");
		return 1;
	}
	return 0;
}

/* The next helper, whenever that starts. */
static enum sks_end await_helper(const struct sks_ctl *ctl, int signals, int *ret_fd, int *ret_err)
{
	enum sks_end end;

	while ((end = sks_await(-1, signals, RETRY_MS)) == SKS_GOES_ON) {
		*ret_err = subscribe(ctl, ret_fd);
		if (!sks_ctl_is_absent(*ret_err) && *ret_err != -ETIMEDOUT &&
		    *ret_err != -ECONNRESET)
			return SKS_GOES_ON;
	}
	*ret_err = 0;
	return end;
}

static int watch(const struct sks_ctl *ctl, int signals)
{
	CLEANUP_FD int fd = -1;
	int err = subscribe(ctl, &fd);

	while (!err && follow(ctl, fd, signals) == SKS_AT_END) {
		sks_closep(&fd);
		put_own(ctl, "helper-gone");
		if (await_helper(ctl, signals, &fd, &err) != SKS_GOES_ON)
			break;
		if (!err)
			put_own(ctl, "helper-back");
	}
	return err;
}

int sks_ctl_watch(const struct sks_ctl *ctl)
{
	CLEANUP_FD int signals = -1;
	char why[SKS_CTL_WHYLEN];
	int err;

	signals = sks_await_signals();
	if (signals < 0)
		return SKS_CTL_FAILED;
	err = watch(ctl, signals);
	if (err < 0)
		warnx("%s", sks_ctl_why(ctl, err, why));
	return err ? SKS_CTL_FAILED : SKS_CTL_DONE;
}

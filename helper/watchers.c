// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns who watches (see watchers.h). */
#include "watchers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/wire.h"
#include "groups.h"
#include "json.h"
#include "request.h"
#include "tally.h"

/* Of events that are not read yet: some hundreds. The kernel takes twice that. */
#define QUEUE_BYTES (512 * 1024)

static struct watcher {
	int fd; /* our end */
	uint32_t uid;
	bool sees_all;
	uint64_t netns_ino; /* 0: every one */
	uint64_t lost;	    /* and not told yet */
} watchers[SKS_WATCHERS_MAX];
static size_t n_watchers;

bool sks_watchers_any(void)
{
	return n_watchers;
}

static void drop(struct watcher *watcher)
{
	(void)close(watcher->fd);
	*watcher = watchers[--n_watchers];
}

/* 0, or why it did not get it. */
static int send_to(const struct watcher *watcher, struct json_object *event)
{
	const char *text = json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN);

	return text ? sks_wire_send(watcher->fd, text, strlen(text), NULL, 0, -1) : -ENOMEM;
}

/* As send_to(): where it has room, it knows what it has missed. */
static int say_lost(struct watcher *watcher)
{
	struct json_object *event;
	int err;

	if (!watcher->lost)
		return 0;
	event = sks_watchers_event("lost", watcher->netns_ino);
	sks_json_add_number(event, "lost", watcher->lost);
	err = send_to(watcher, event);
	json_object_put(event);
	if (!err)
		watcher->lost = 0;
	return err;
}

static bool is_gone(int err)
{
	return err == -EPIPE || err == -ECONNRESET;
}

void sks_watchers_tell(uint64_t netns_ino, uint32_t uid, struct json_object *event)
{
	for (size_t i = n_watchers; i-- > 0;) {
		struct watcher *watcher = &watchers[i];
		int err;

		if ((!watcher->sees_all && watcher->uid != uid) ||
		    (watcher->netns_ino && watcher->netns_ino != netns_ino))
			continue;
		err = say_lost(watcher) ?: send_to(watcher, event);
		if (is_gone(err)) {
			drop(watcher);
			continue;
		}
		sks_tally.events++;
		watcher->lost += err != 0;
		sks_tally.events_lost += err != 0;
	}
	json_object_put(event);
}

void sks_watchers_settle(void)
{
	for (size_t i = n_watchers; i-- > 0;) {
		struct pollfd end = { .fd = watchers[i].fd };

		if (poll(&end, 1, 0) > 0 && end.revents & (POLLERR | POLLHUP))
			drop(&watchers[i]);
		else
			(void)say_lost(&watchers[i]);
	}
}

struct json_object *sks_watchers_event(const char *name, uint64_t netns_ino)
{
	struct json_object *event = json_object_new_object();
	struct timespec now;
	char text[40], date[24];
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text, sizeof(text), "%s.%03dZ", date, (int)(now.tv_nsec / 1000000));
	sks_json_add_string(event, "time", text);
	sks_json_add_string(event, "event", name);
	if (netns_ino)
		sks_json_add_number(event, "namespace", netns_ino);
	return event;
}

static bool has_room(const struct sks_peer *peer)
{
	size_t own = 0;

	for (size_t i = 0; i < n_watchers; i++)
		own += watchers[i].uid == peer->uid;
	if (peer->root)
		return n_watchers < SKS_WATCHERS_MAX;
	return own < SKS_WATCHERS_A_USER && n_watchers < SKS_WATCHERS_MAX - SKS_WATCHERS_KEPT;
}

/* A socket of its own, so that the connection is over after its one request, as all are. */
void sks_ask_watch(struct sks_asked *asked)
{
	bool everywhere = asked->req->flags & SKS_EVERYWHERE;
	bool sees_all = sks_peer_sees_all(&asked->peer);
	int ends[2], queue = QUEUE_BYTES;

	sks_watchers_settle();
	if (everywhere && !sees_all) {
		(void)sks_refuse(&asked->verdict, -EPERM,
				 "every namespace is for root and the helper's group");
		return;
	}
	if (!has_room(&asked->peer)) {
		(void)sks_refuse(&asked->verdict, -EBUSY, "too many watch already");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		(void)sks_refuse(&asked->verdict, -errno, "no socket to watch by: %s",
				 strerror(errno));
		return;
	}
	/* It has nothing to say to us. */
	(void)shutdown(ends[0], SHUT_RD);
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof(queue));
	watchers[n_watchers++] = (struct watcher){
		.fd = ends[0],
		.uid = asked->peer.uid,
		.sees_all = sees_all,
		.netns_ino = everywhere ? 0 : asked->netns_ino,
	};
	asked->ret_fd = ends[1];
}

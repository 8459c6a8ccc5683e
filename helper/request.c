// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns which function answers a request. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "../common/cleanup.h"
#include "events.h"
#include "groups.h"
#include "handout.h"
#include "inside.h"
#include "json.h"
#include "report.h"
#include "request.h"
#include "tally.h"

/* By cookies where there are any: they are never used again. */
int sks_ask_netns(struct sks_asked *asked)
{
	uint64_t cookie = sks_netns_cookie(asked->fd), ino;
	CLEANUP_FD int netns = -1;
	bool same = cookie == asked->netns_cookie;
	int err;

	if (!cookie || !asked->netns_cookie) {
		err = sks_netns_of_socket(asked->fd, &netns, &ino);
		if (err)
			return sks_refuse(&asked->verdict, err,
					  "the socket's namespace is unknown: %s", strerror(-err));
		same = ino == asked->netns_ino;
	}
	if (!same)
		return sks_refuse(&asked->verdict, -EXDEV,
				  "the socket is of another network namespace than its sender");
	return 0;
}

/* {"namespaces": [...]} */
static struct json_object *report_everywhere(const struct sks_asked *asked)
{
	struct json_object *all = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < asked->spaces->n; i++)
		json_object_array_add(list, sks_report(asked->spaces->spaces[i], SKS_UID_ALL,
						       asked->req->label));
	sks_json_add(all, "namespaces", list);
	return all;
}

static struct json_object *report_of(struct sks_asked *asked)
{
	bool everybody = sks_peer_sees_all(&asked->peer);
	struct sks_space *space;

	if (asked->req->flags & SKS_EVERYWHERE) {
		if (everybody)
			return report_everywhere(asked);
		(void)sks_refuse(&asked->verdict, -EPERM,
				 "every namespace is for root and the helper's group");
		return NULL;
	}
	space = sks_spaces_find(asked->spaces, asked->netns_ino);
	if (space)
		return sks_report(space, everybody ? SKS_UID_ALL : asked->peer.uid,
				  asked->req->label);
	(void)sks_refuse(&asked->verdict, -ENOENT, "nothing is loaded in this namespace");
	return NULL;
}

void sks_ask_status(struct sks_asked *asked)
{
	struct json_object *report = report_of(asked);
	int fd;

	if (asked->verdict.err)
		return;
	fd = report ? sks_handout(json_object_to_json_string(report), asked->peer.uid) : -ENOMEM;
	json_object_put(report);
	if (fd == -EDQUOT)
		(void)sks_refuse(&asked->verdict, fd, "%u reports of user %u are still open",
				 SKS_HANDOUTS_A_USER, asked->peer.uid);
	else if (fd < 0)
		(void)sks_refuse(&asked->verdict, fd, "cannot write the report: %s", strerror(-fd));
	else
		asked->ret_fd = fd;
}

static bool needs_maps(const struct sks_request *req)
{
	return req->op != SKS_OP_UNLOAD && req->op != SKS_OP_TALLY && req->op != SKS_OP_WATCH &&
	       (req->op != SKS_OP_STATUS || !(req->flags & SKS_EVERYWHERE));
}

/* Only to be taken out: whatever else is asked for, there are no maps that we could trust.
 */
static bool is_unusable(struct sks_asked *asked)
{
	char why[SKS_PINS_WHYLEN];

	if (!needs_maps(asked->req) ||
	    !sks_spaces_are_unusable(asked->spaces, asked->netns_ino, why))
		return false;
	(void)sks_refuse(&asked->verdict, -EUCLEAN, "%s", why);
	return true;
}

struct sks_address sks_ask_address(const struct sks_request *req)
{
	struct sks_address addr;

	if (req->family == AF_INET) {
		addr.in = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = htons(req->port),
		};
		memcpy(&addr.in.sin_addr, req->addr, sizeof(addr.in.sin_addr));
		addr.len = sizeof(addr.in);
	} else {
		addr.in6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_port = htons(req->port),
			.sin6_scope_id = req->scope,
		};
		memcpy(&addr.in6.sin6_addr, req->addr, sizeof(addr.in6.sin6_addr));
		addr.len = sizeof(addr.in6);
	}
	return addr;
}

struct sks_service *sks_ask_label(struct sks_asked *asked, struct sks_space **ret_space)
{
	struct sks_service *service = NULL;

	*ret_space = sks_spaces_find(asked->spaces, asked->netns_ino);
	if (*ret_space && *asked->req->label) {
		sks_change_sweep(*ret_space, 0);
		service = sks_service_find(*ret_space, asked->peer.uid, asked->req->label, NULL);
	}
	if (!service)
		(void)sks_refuse(&asked->verdict, -ENOENT, "no label \"%s\" of user %u here",
				 asked->req->label, asked->peer.uid);
	return service;
}

struct sks_change sks_ask_change(struct sks_asked *asked, struct sks_space *space,
				 struct sks_service *service)
{
	return (struct sks_change){
		.spaces = asked->spaces,
		.space = space,
		.peer = &asked->peer,
		.netns = asked->netns,
		.service = service,
		.fd = -1,
		.verdict = &asked->verdict,
	};
}

static void dispatch(struct sks_asked *asked)
{
	if (asked->req->op != SKS_OP_REPLY_SOCKET && *asked->req->label &&
	    !sks_label_is_valid(asked->req->label)) {
		/* Not quoted: the answer is one line of printable text. */
		(void)sks_refuse(&asked->verdict, -EINVAL,
				 "a label is [A-Za-z0-9][A-Za-z0-9_.-]{0,62}");
		return;
	}
	if (is_unusable(asked))
		return;
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
	case SKS_OP_APPLY:
		sks_ask_apply(asked);
		break;
	case SKS_OP_UNLOAD:
		sks_ask_unload(asked);
		break;
	case SKS_OP_PROMOTE:
		sks_ask_promote(asked);
		break;
	case SKS_OP_UNREGISTER:
		sks_ask_unregister(asked);
		break;
	case SKS_OP_WEIGHT:
		sks_ask_weight(asked);
		break;
	case SKS_OP_SHARED:
		sks_ask_shared(asked);
		break;
	case SKS_OP_OPEN:
		sks_ask_open(asked);
		break;
	case SKS_OP_REPLY_SOCKET:
		sks_ask_reply_socket(asked);
		break;
	case SKS_OP_TALLY:
		sks_ask_tally(asked);
		break;
	case SKS_OP_WATCH:
		sks_ask_watch(asked);
		break;
	default:
		(void)sks_refuse(&asked->verdict, -EPROTO, "unknown operation %u", asked->req->op);
	}
}

static bool is_for_ports(const struct sks_request *req)
{
	return req->op == SKS_OP_CHECK || req->op == SKS_OP_REGISTER || req->op == SKS_OP_OPEN ||
	       req->op == SKS_OP_BIND || req->op == SKS_OP_APPLY;
}

void sks_ask(struct sks_asked *asked)
{
	dispatch(asked);
	if (asked->verdict.err >= 0 || !is_for_ports(asked->req))
		return;
	sks_tally.denials++;
	sks_event_denied(asked);
}

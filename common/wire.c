/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns one record of the wire contract: how it is sent, received, and judged well-formed. */
#include "wire.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "raw.h"

/* Room for one descriptor more than is allowed, so that a second one is seen and not cut off. */
#define FDS_ROOM 2

/* A server may have little stack: only who asks for all descriptors has room for them there. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FDS_ROOM * sizeof(int))];
};

union control_of_all {
	struct cmsghdr align;
	char buf[CMSG_SPACE(SKS_WIRE_FDS * sizeof(int))];
};

static bool all_zero(const void *bytes, size_t len)
{
	const unsigned char *b = bytes;
	unsigned char any = 0;

	while (len--)
		any |= *b++;
	return !any;
}

static void attach_fd(struct msghdr *msg, union control *ctl, int fd)
{
	struct cmsghdr *cmsg = &ctl->align;

	memset(ctl, 0, sizeof(*ctl));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	msg->msg_control = ctl;
	msg->msg_controllen = CMSG_SPACE(sizeof(fd));
}

int sks_wire_send(int conn, const void *head, size_t head_len, const void *tail, size_t tail_len,
		  int fd)
{
	union control ctl;
	struct iovec iov[] = {
		{ .iov_base = (void *)head, .iov_len = head_len },
		{ .iov_base = (void *)tail, .iov_len = tail_len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = tail_len ? 2 : 1 };
	long sent;

	if (fd >= 0)
		attach_fd(&msg, &ctl, fd);
	sent = sks_raw(SYS_sendmsg, conn, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	return sent < 0 ? (int)sent : 0;
}

/*
 * How many descriptors came along, which now are ours. Only the first control message is looked
 * at: the kernel sends one SCM_RIGHTS, and CMSG_NXTHDR needs a function that musl does not have.
 */
static size_t taken_fds(struct msghdr *msg, int *ret_fds, size_t room)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	size_t n;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (n > room)
		n = room;
	memcpy(ret_fds, CMSG_DATA(cmsg), n * sizeof(int));
	return n;
}

/* msg has the control buffer, with room for so many descriptors. */
static int receive(int conn, struct msghdr *msg, int flags, size_t room, int *ret_fds,
		   size_t *ret_n)
{
	long len = sks_raw(SYS_recvmsg, conn, msg, flags | MSG_CMSG_CLOEXEC);

	*ret_n = 0;
	if (len < 0)
		return (int)len;
	*ret_n = taken_fds(msg, ret_fds, room);
	/* Cut off: there were more, or no free descriptors for all of them. */
	if (*ret_n > 1 || (msg->msg_flags & MSG_CTRUNC))
		return -EPROTO;
	return msg->msg_flags & MSG_TRUNC ? -EMSGSIZE : (int)len;
}

int sks_wire_recv_all(int conn, void *buf, size_t size, int flags, int ret_fds[SKS_WIRE_FDS],
		      size_t *ret_n)
{
	union control_of_all ctl;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	msg.msg_control = &ctl;
	msg.msg_controllen = sizeof(ctl);
	return receive(conn, &msg, flags, SKS_WIRE_FDS, ret_fds, ret_n);
}

int sks_wire_recv(int conn, void *buf, size_t size, int flags, int *ret_fd)
{
	union control ctl;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[FDS_ROOM];
	size_t n;
	int len;

	msg.msg_control = &ctl;
	msg.msg_controllen = sizeof(ctl);
	len = receive(conn, &msg, flags, FDS_ROOM, fds, &n);
	if (len >= 0) {
		*ret_fd = n ? fds[0] : -1;
		return len;
	}
	while (n > 0)
		(void)sks_raw(SYS_close, fds[--n]);
	return len;
}

/* Which flags an operation has, in the place of a scope. */
static uint32_t flags_of(uint16_t op)
{
	return op == SKS_OP_REGISTER			   ? SKS_REGISTER_ANSWERS
	       : op == SKS_OP_STATUS || op == SKS_OP_WATCH ? SKS_EVERYWHERE
	       : op == SKS_OP_APPLY			   ? SKS_APPLY_DRY
							   : 0;
}

/*
 * CHECK may say, OPEN and REPLY_SOCKET say, which address and port bind(2) is asked for; REGISTER a
 * port.
 */
static bool address_is_sound(const struct sks_request *req)
{
	bool must = req->op == SKS_OP_OPEN || req->op == SKS_OP_REPLY_SOCKET;
	bool may = must || req->op == SKS_OP_CHECK;

	switch (req->family) {
	case 0:
		return (!req->port || req->op == SKS_OP_REGISTER) && !must &&
		       !(req->flags & ~flags_of(req->op)) && all_zero(req->addr, sizeof(req->addr));
	case AF_INET:
		return may && !req->scope && all_zero(req->addr + 4, sizeof(req->addr) - 4);
	case AF_INET6:
		return may && (!req->scope || must);
	default:
		return false;
	}
}

/* Of REPLY_SOCKET the whole, which is about no label, mode or spec. */
static bool reply_socket_is_sound(const struct sks_request *req)
{
	size_t len = req->family == AF_INET ? 4 : sizeof(req->peer_addr);

	return req->cookie && req->port && !req->mode && !req->spec_len &&
	       all_zero(req->label + sizeof(req->token), sizeof(req->label) - sizeof(req->token)) &&
	       !req->pid && all_zero(req->peer_addr + len, sizeof(req->peer_addr) - len) &&
	       !req->peer_port == all_zero(req->peer_addr, sizeof(req->peer_addr));
}

/* What it is about is in its descriptor. */
static bool apply_is_sound(const struct sks_request *req)
{
	return !req->mode && !req->spec_len && all_zero(req->label, sizeof(req->label));
}

/* A weight may be 0: the socket gets no new connection while another one of its label does. */
static bool weight_is_sound(const struct sks_request *req)
{
	if (req->op == SKS_OP_WEIGHT)
		return req->pid && req->mode == SKS_MODE_REFUSE;
	return !req->pid && (!req->weight || req->mode == SKS_MODE_JOIN);
}

static bool label_is_padded(const char label[SKS_LABEL_SIZE])
{
	size_t len = strnlen(label, SKS_LABEL_SIZE);

	return len < SKS_LABEL_SIZE && all_zero(label + len, SKS_LABEL_SIZE - len);
}

int sks_request_check(const struct sks_request *req, size_t record_len)
{
	if (record_len < sizeof(*req) || req->version != SKS_WIRE_VERSION)
		return -EPROTO;
	if (req->spec_len > SKS_SPEC_MAX || record_len != sizeof(*req) + req->spec_len)
		return -EPROTO;
	if (req->op < SKS_OP_CHECK || req->op > SKS_OP_APPLY || req->mode > SKS_MODE_STANDBY)
		return -EPROTO;
	if (!address_is_sound(req))
		return -EPROTO;
	if (req->op == SKS_OP_REPLY_SOCKET)
		return reply_socket_is_sound(req) ? 0 : -EPROTO;
	if (req->op == SKS_OP_APPLY && !apply_is_sound(req))
		return -EPROTO;
	if (!label_is_padded(req->label))
		return -EPROTO;
	return weight_is_sound(req) && !req->cookie ? 0 : -EPROTO;
}

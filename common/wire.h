/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the wire contract: what preload, sksteer-run and sksteerctl say to the helper.
 *
 * SOCK_SEQPACKET on a path socket. The helper speaks first (a greeting), the client sends one
 * request with at most one descriptor, the helper sends one reply with at most one descriptor, and
 * both close. The descriptor is sent only after the greeting: in a stopped helper's queue it would
 * keep a port listening after its server is gone.
 *
 * The path may not be there for a server any more (chroot, a mount namespace). So a helper of root
 * listens by an abstract name too, a zero byte and then its path, and the library tries that in its
 * own network namespace when nobody is at the path. It says nothing there unless SO_PEERCRED names
 * uid 0: any user may have taken the name first.
 *
 * Host byte order: both ends are on this machine. Who asks is SO_PEERCRED's word, never a field's.
 */
#ifndef SKSTEER_WIRE_H
#define SKSTEER_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "spec.h"

#define SKS_WIRE_VERSION  3u
#define SKS_SOCKET_PATH	  "/run/sksteer/helper.sock"
#define SKS_INSTANCE_SIZE 16u
#define SKS_LABEL_SIZE	  64u /* SKS_LABEL_MAX and its NUL */
#define SKS_REPLY_TEXT	  464u

enum sks_op {
	SKS_OP_CHECK =
		1, /* would REGISTER of this listener be granted? fd: the socket, bound or not */
	SKS_OP_REGISTER = 2, /* fd: a listening TCP or a bound UDP socket, which joins its
				instance's service */
	SKS_OP_ATTEND = 3,   /* stay while the process that sends this lives (--idle-exit). With an
				instance: it stands by in that one's supervisor (seccomp engine) */
	SKS_OP_STATUS = 4,   /* the reply's fd: a sealed memfd with the caller's services as JSON */
	SKS_OP_BIND = 5,     /* label and spec */
	SKS_OP_UNBIND = 6,   /* label and spec */
	SKS_OP_UNLOAD = 7,   /* program, link and maps of the caller's namespace; root only */
	SKS_OP_OPEN = 8,     /* fd: an unbound socket, which the helper binds to family, addr, scope
				and port, where the policy grants that port and bind(2) was denied */
	SKS_OP_UNREGISTER = 9,	  /* label: it and its bindings go; its servers run on */
	SKS_OP_PROMOTE = 10,	  /* label: what stands by takes over, at once */
	SKS_OP_WEIGHT = 11,	  /* label, pid, weight: of the sockets that this process has */
	SKS_OP_SHARED = 12,	  /* fd: a listener; is it another instance's, too? reply.steered */
	SKS_OP_REPLY_SOCKET = 13, /* fd: an unbound UDP socket of the sender's, which the helper
				     binds to family, addr, scope and port, where datagrams are
				     steered to the registered socket that has the cookie, so that
				     answers leave from there. The sender is the service's
				     user, or has been given the token */
	SKS_OP_TALLY = 14,	  /* the reply's text: what the helper counts of itself, as a JSON
				     object; for root and the helper's own group */
	SKS_OP_WATCH = 15, /* the reply's fd: a SOCK_SEQPACKET socket from which events are read,
			      each a JSON object, until the helper ends (helper/events.h) */
	SKS_OP_APPLY = 16, /* fd: a sealed memfd with the labels and targets that the caller is to
			      have by sksteerctl, no others (helper/apply_text.h). The reply's
			      fd, if anything differs: a memfd, of lines as "+ web 80/tcp" */
};

enum sks_mode {
	SKS_MODE_REFUSE = 0,
	SKS_MODE_REPLACE = 1,
	SKS_MODE_JOIN = 2,
	SKS_MODE_SHARE = 3,
	SKS_MODE_STANDBY = 4, /* as REPLACE, but takes nothing over before SKS_OP_PROMOTE */
};

/* What a server whose bind(2) was CHECKed is to do. */
enum sks_place {
	SKS_PLACE_ASKED = 0,	 /* bind(2) as it is */
	SKS_PLACE_ELSEWHERE = 1, /* the same address, but the reply's port (0: any), and say in
				    REGISTER which port was asked for */
	SKS_PLACE_SHARED = 2,	 /* the reply's descriptor is the socket, bound already */
};

/* Of a UDP socket: its process answers from where it was asked, by reply sockets. */
#define SKS_REGISTER_ANSWERS 1u
/*
 * STATUS and WATCH: of every network namespace, not only the sender's; for root and the helper's
 * own group. STATUS then brings {"namespaces": [...]}.
 */
#define SKS_EVERYWHERE 1u
/* Only what it would add and remove, or why it would be refused. */
#define SKS_APPLY_DRY 1u

struct sks_greeting {
	uint16_t version;
	uint16_t reserved[3]; /* 0 */
};
_Static_assert(sizeof(struct sks_greeting) == 8, "wire ABI");

/* Followed in the same record by spec_len bytes of spec text, without a NUL. */
struct sks_request {
	uint16_t version;
	uint16_t op;   /* enum sks_op */
	uint16_t mode; /* enum sks_mode */
	union {
		uint16_t weight;    /* of SKS_MODE_JOIN or SKS_OP_WEIGHT, else 0 */
		uint16_t peer_port; /* REPLY_SOCKET: of the only peer that it is to receive from,
				       host order; 0: it receives nothing */
	};
	uint32_t spec_len; /* <= SKS_SPEC_MAX */
	uint16_t family;   /* CHECK, OPEN, REPLY_SOCKET: AF_INET or AF_INET6 and ...; else 0 */
	uint16_t port;	   /* ... the port that bind(2) is asked for. REGISTER: the port that it was
			      asked for, where the socket was bound elsewhere instead; else 0 */
	uint8_t addr[16];  /* CHECK, OPEN, REPLY_SOCKET: the address, network byte order; else 0 */
	union {
		uint8_t instance[SKS_INSTANCE_SIZE]; /* random; zero from sksteerctl */
		uint8_t peer_addr[16]; /* REPLY_SOCKET: as addr, of the same family; or 0 */
	};
	union {
		char label[SKS_LABEL_SIZE]; /* NUL-padded; empty: ephemeral */
		uint64_t token;		    /* REPLY_SOCKET: as REGISTER's reply had it, or 0 */
	};
	union {
		uint32_t scope; /* OPEN, REPLY_SOCKET: sin6_scope_id; else 0 */
		uint32_t flags; /* of the operation: SKS_REGISTER_..., SKS_EVERYWHERE, SKS_APPLY_...
				 */
	};
	uint32_t pid;	 /* WEIGHT, as its sender sees it; else 0 */
	uint64_t cookie; /* REPLY_SOCKET: SO_COOKIE of the registered socket; else 0 */
};
_Static_assert(sizeof(struct sks_request) == 128, "wire ABI");

/* err 0 with a text is a warning; err < 0 is -errno, and nothing was changed. */
struct sks_reply {
	uint16_t version;
	uint16_t steered; /* REGISTER: 1; 0 when no clause speaks of the socket. SHARED: 1 or 0.
			     REPLY_SOCKET: 1; 0 when the port yields to sockets of others, so that
			     it is to be kept no longer than it is used */
	int32_t err;
	uint16_t place;	   /* CHECK: enum sks_place; else 0 */
	uint16_t port;	   /* of SKS_PLACE_ELSEWHERE: bind to it, 0: to any; else 0 */
	uint32_t reserved; /* 0 */
	/* REGISTER of a UDP socket, for whoever has it: asks for reply sockets, whichever user that
	 * is by then. Good until the helper ends. Else 0. */
	uint64_t token;
	char text[SKS_REPLY_TEXT]; /* one line, NUL-terminated, no newline; may be empty */
};
_Static_assert(sizeof(struct sks_reply) == 488, "wire ABI");

/* The abstract name that belongs to a path, and the length of that address. */
socklen_t sks_wire_name(const char *path, struct sockaddr_un *ret_addr);

/*
 * The whole exchange, within timeout_ms of CLOCK_MONOTONIC from the call. spec may be NULL when
 * req->spec_len is 0. fd is -1 or borrowed: it is sent, never closed, and only after the greeting.
 * *ret_fd, where ret_fd is not NULL: a CLOEXEC descriptor the caller owns, or -1.
 *
 * 0: *ret_reply is the helper's answer (whose err is the verdict). Else nothing was answered:
 * -ENOENT, -ECONNREFUSED, -EACCES, … from connect(2): no helper; -ETIMEDOUT: it does not answer;
 * -ECONNRESET: it went away; -EPROTO: it speaks another version, which ret_reply->version says, or,
 * where that is 0, no language of ours. Allocates nothing, raises no signal, leaves no descriptor.
 * Async-signal-safe.
 */
int sks_wire_call(const char *path, const struct sks_request *req, const char *spec, int fd,
		  int timeout_ms, struct sks_reply *ret_reply, int *ret_fd);

struct sks_text; /* text.h */
/*
 * Appends which of both is to be updated: the helper at that path, which speaks version theirs, or
 * the program called ours. Async-signal-safe.
 */
void sks_wire_mismatch(struct sks_text *text, const char *path, uint16_t theirs, const char *ours);

/*
 * 0, or -EPROTO: record_len is not that of the request and its spec, it is of another version, or
 * fields that must be zero or bounded are not. Whether label and spec make sense is not judged.
 */
int sks_request_check(const struct sks_request *req, size_t record_len);

/*
 * sendmsg(2) of one record with at most one borrowed descriptor. Never blocks (-EAGAIN: no room)
 * and raises no SIGPIPE (-EPIPE). 0 or -errno.
 */
int sks_wire_send(int conn, const void *head, size_t head_len, const void *tail, size_t tail_len,
		  int fd);

/*
 * recvmsg(2) of one record into buf, with flags such as MSG_DONTWAIT: its length, 0 at the end of
 * the stream, or -errno; -EMSGSIZE when it was longer than size, -EPROTO when more than one
 * descriptor came along (none is kept). *ret_fd is -1 or a CLOEXEC descriptor the caller owns;
 * untouched on failure.
 */
int sks_wire_recv(int conn, void *buf, size_t size, int flags, int *ret_fd);

#define SKS_WIRE_FDS 253 /* the kernel sends no more with one record */

/*
 * The same for whoever has to close a stranger's descriptors with care: *ret_n of them are the
 * caller's, on failure too.
 */
int sks_wire_recv_all(int conn, void *buf, size_t size, int flags, int ret_fds[SKS_WIRE_FDS],
		      size_t *ret_n);

#endif

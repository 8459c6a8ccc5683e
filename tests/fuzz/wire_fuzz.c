/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the fuzzing of the wire: requests as the helper judges them, records with descriptors as
 * both ends receive them, and helpers that greet and answer as they like.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../common/wire.h"
#include "fuzz.h"

#define MAX_FDS	   253 /* the kernel's SCM_MAX_FD */
#define TIMEOUT_MS 9   /* too short to be patient with who hangs up */

/* Everything was closed that came: so the next descriptor is the same as before. */
static int lowest_fd(void)
{
	int fd = dup(STDIN_FILENO);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

/* --- requests ----------------------------------------------------------------------------------- */

static void judge_request(struct fuzz_input *input)
{
	size_t len;
	struct sks_request *req = fuzz_bytes(input, SIZE_MAX, &len);
	int err = sks_request_check(req, len);

	CHECK(err == 0 || err == -EPROTO);
	if (!err) {
		CHECK(len == sizeof(*req) + req->spec_len && req->spec_len <= SKS_SPEC_MAX);
		CHECK(req->version == SKS_WIRE_VERSION && req->mode <= SKS_MODE_STANDBY);
		CHECK(req->op >= SKS_OP_CHECK && req->op <= SKS_OP_APPLY);
		CHECK(memchr(req->label, 0, sizeof(req->label)));
		(void)sks_label_is_valid(req->label);
	}
	free(req);
}

/* --- records ------------------------------------------------------------------------------------ */

/* So many descriptors, of the kinds that a stranger may pass; some senders add who they are. */
static void send_record(int conn, const void *bytes, size_t len, unsigned int n_fds, bool creds)
{
	char control[CMSG_SPACE(MAX_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	struct ucred self = { getpid(), getuid(), getgid() };
	int fds[MAX_FDS];
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	memset(control, 0, sizeof(control));
	for (unsigned int i = 0; i < n_fds; i++)
		fds[i] = i % 2 ? conn : STDIN_FILENO;
	if (creds) {
		*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(self)), SOL_SOCKET, SCM_CREDENTIALS };
		memcpy(CMSG_DATA(cmsg), &self, sizeof(self));
		msg.msg_controllen += CMSG_SPACE(sizeof(self));
		cmsg = (struct cmsghdr *)(control + msg.msg_controllen);
	}
	if (n_fds) {
		*cmsg = (struct cmsghdr){ CMSG_LEN(n_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
		msg.msg_controllen += CMSG_SPACE(n_fds * sizeof(int));
	}
	if (!msg.msg_controllen)
		msg.msg_control = NULL;
	(void)sendmsg(conn, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static unsigned int how_many(uint8_t byte)
{
	static const unsigned int numbers[] = { 0, 1, 2, 3, 7, MAX_FDS, 1, 0 };

	return numbers[byte % 8];
}

static void receive_record(struct fuzz_input *input)
{
	uint8_t how = fuzz_byte(input);
	unsigned int n_fds = how_many(how);
	size_t room = fuzz_word(input) % 2048, len;
	void *bytes = fuzz_bytes(input, 1024, &len), *buf = malloc(room + 1);
	int pair[2], fd = -2, before, got;

	CHECK(buf && !socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	send_record(pair[0], bytes, len, n_fds, how & 8);
	if (how & 16) {
		close(pair[0]);
		pair[0] = -1;
	}
	before = lowest_fd();
	got = sks_wire_recv(pair[1], buf, room, MSG_DONTWAIT, &fd);
	if (n_fds > 1)
		CHECK(got == -EPROTO);
	else if (len > room)
		CHECK(got == -EMSGSIZE);
	else
		CHECK(got == (int)len && !memcmp(buf, bytes, len));
	CHECK(got < 0 ? fd == -2 : (fd >= 0) == (n_fds == 1));
	if (fd >= 0) {
		CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
		close(fd);
	}
	CHECK(lowest_fd() == before);
	if (pair[0] >= 0)
		close(pair[0]);
	close(pair[1]);
	free(bytes);
	free(buf);
}

/* --- helpers ------------------------------------------------------------------------------------ */

/* What the helper of the next exchange does, in order; it hangs up at the end. */
struct script {
	void *greeting, *reply;
	size_t greeting_len, reply_len;
	unsigned int greeting_fds, reply_fds;
	bool is_silent; /* hangs up at once */
	bool is_hasty;	/* answers before it was asked */
};

static char path[64];
static int listener = -1, over = -1;
static struct script script;
static pthread_barrier_t begins, ends;

static void play(int conn)
{
	char request[sizeof(struct sks_request) + SKS_SPEC_MAX];
	int fd = -1;

	if (script.is_silent)
		return;
	send_record(conn, script.greeting, script.greeting_len, script.greeting_fds, false);
	if (!script.is_hasty && sks_wire_recv(conn, request, sizeof(request), 0, &fd) <= 0)
		return;
	if (fd >= 0)
		close(fd);
	send_record(conn, script.reply, script.reply_len, script.reply_fds, false);
}

/* Until the call is over: who is turned away may try again. */
static void serve_all(void)
{
	struct pollfd polled[] = { { .fd = listener, .events = POLLIN },
				   { .fd = over, .events = POLLIN } };
	uint64_t word;
	int conn;

	while (poll(polled, 2, -1) > 0 && !polled[1].revents) {
		conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		CHECK(conn >= 0);
		play(conn);
		close(conn);
	}
	CHECK(read(over, &word, sizeof(word)) == sizeof(word));
	while ((conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(conn);
}

static void *be_helper(void *arg)
{
	for (;;) {
		pthread_barrier_wait(&begins);
		serve_all();
		pthread_barrier_wait(&ends);
	}
	return arg;
}

static void remove_socket(void)
{
	(void)unlink(path);
}

static void start_helper(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	pthread_t thread;

	(void)snprintf(path, sizeof(path), "/tmp/sksteer-fuzz-%d", (int)getpid());
	strcpy(addr.sun_path, path);
	remove_socket();
	atexit(remove_socket);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	over = eventfd(0, EFD_CLOEXEC);
	CHECK(over >= 0 && listener >= 0 &&
	      !bind(listener, (struct sockaddr *)&addr, sizeof(addr)));
	CHECK(!listen(listener, 4) && !pthread_barrier_init(&begins, NULL, 2));
	CHECK(!pthread_barrier_init(&ends, NULL, 2));
	CHECK(!pthread_create(&thread, NULL, be_helper, NULL));
}

static void check_reply(int err, const struct sks_reply *reply, int fd, bool wants_fd)
{
	if (err) {
		CHECK(err == -EPROTO || err == -ECONNRESET || err == -ETIMEDOUT);
		CHECK(fd == -1 || fd == -2);
		return;
	}
	CHECK(reply->version == SKS_WIRE_VERSION && reply->err <= 0 && reply->err > -4096);
	CHECK(memchr(reply->text, 0, sizeof(reply->text)));
	CHECK(reply->place <= SKS_PLACE_SHARED && (!reply->err || !reply->place));
	CHECK(!reply->port || reply->place == SKS_PLACE_ELSEWHERE);
	CHECK(wants_fd ? fd == -1 || fcntl(fd, F_GETFD) == FD_CLOEXEC : fd == -2);
	if (fd >= 0)
		close(fd);
}

static void call_helper(struct fuzz_input *input)
{
	uint8_t how = fuzz_byte(input), fds = fuzz_byte(input);
	struct sks_request req = { .version = SKS_WIRE_VERSION, .op = SKS_OP_REGISTER };
	struct sks_greeting greeting = { .version = SKS_WIRE_VERSION };
	struct sks_reply reply = {};
	const uint64_t one = 1;
	int fd = -2, before, err;

	if (listener < 0)
		start_helper();
	script = (struct script){
		.greeting_fds = how & 1 ? how_many(fds) : 0,
		.reply_fds = how_many(fds >> 4),
		.is_silent = (how & 0xe) == 0xe,
		.is_hasty = how & 16,
	};
	script.greeting = fuzz_bytes(input, how & 32 ? fuzz_byte(input) : 0, &script.greeting_len);
	script.reply = fuzz_bytes(input, 600, &script.reply_len);
	/* Most get to the reply. */
	if (!(how & 32)) {
		free(script.greeting);
		script.greeting = malloc(sizeof(greeting));
		CHECK(script.greeting);
		memcpy(script.greeting, &greeting, sizeof(greeting));
		script.greeting_len = sizeof(greeting);
	}
	before = lowest_fd();
	pthread_barrier_wait(&begins);
	err = sks_wire_call(path, &req, NULL, how & 64 ? STDIN_FILENO : -1, TIMEOUT_MS, &reply,
			    how & 128 ? &fd : NULL);
	CHECK(write(over, &one, sizeof(one)) == sizeof(one));
	pthread_barrier_wait(&ends);
	check_reply(err, &reply, fd, how & 128);
	CHECK(lowest_fd() == before);
	free(script.greeting);
	free(script.reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };

	switch (fuzz_byte(&input) % 3) {
	case 0:
		judge_request(&input);
		break;
	case 1:
		receive_record(&input);
		break;
	default:
		call_helper(&input);
	}
	return 0;
}

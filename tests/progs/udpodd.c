/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the calls that nobody thinks of: odd arguments to what receives and sends on a UDP socket,
 * and what comes of each, a line a call: udpodd ADDRESS#PORT PORT. The socket is bound there, and
 * the datagrams for it are sent to the same address at the other PORT.
 */
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "udp.h"

static union address own, to, mine;
static int sock, client;
static char buf[256];
static char *nowhere;		    /* ends where no memory is */
static volatile int minus_one = -1; /* or the compiler says it */

static void say(const char *what, ssize_t result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %zd\n", what, result);
	fflush(stdout);
	memset(buf, 0, sizeof(buf));
}

static uint32_t bytes_in(int fd)
{
	uint32_t info[16] = {};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len))
		err(1, "SO_MEMINFO");
	return info[0];
}

/* Returns when it is there: a busy machine takes its time even over loopback. */
static void send_one(const char *text)
{
	uint32_t before = bytes_in(sock);

	if (sendto(client, text, strlen(text), 0, &to.any, address_len(&to)) < 0)
		err(1, "sendto");
	for (int i = 0; i < 2000 && bytes_in(sock) <= before; i++)
		usleep(1000);
}

/* Nothing is left of a case when the next one begins, neither a datagram nor an error. */
static void drain(int fd)
{
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno != EAGAIN)
		;
}

static void say_name(const char *what, ssize_t result, const union address *peer, socklen_t len)
{
	say(what, result);
	printf("  %u, family %u\n", len, result >= 0 ? peer->any.sa_family : 0);
}

static void odd_names(void)
{
	union address peer = {};
	socklen_t len = sizeof(peer);

	send_one("all");
	say_name("recvfrom", recvfrom(sock, buf, sizeof(buf), 0, &peer.any, &len), &peer, len);
	send_one("no name");
	say("recvfrom without a name", recvfrom(sock, buf, sizeof(buf), 0, NULL, NULL));
	send_one("no length");
	say("recvfrom without a length", recvfrom(sock, buf, sizeof(buf), 0, &peer.any, NULL));
	drain(sock);
	for (int i = 0; i < 3; i++) {
		len = (socklen_t[]){ 4, 0, (socklen_t)-1 }[i];
		memset(&peer, 0x55, sizeof(peer));
		send_one("short");
		say_name("recvfrom, short name",
			 recvfrom(sock, buf, sizeof(buf), 0, &peer.any, &len), &peer, len);
		printf("  %x %x\n", peer.any.sa_family, peer.in.sin_port == 0x5555);
		drain(sock);
	}
	send_one("bad");
	len = sizeof(peer);
	say("recvfrom, name nowhere",
	    recvfrom(sock, buf, sizeof(buf), 0, (struct sockaddr *)nowhere, &len));
	drain(sock);
}

static void odd_buffers(void)
{
	struct iovec iov[2] = { { buf, 2 }, { nowhere, 64 } };

	send_one("");
	say("an empty datagram", recv(sock, buf, sizeof(buf), 0));
	send_one("");
	say("an empty datagram, read", read(sock, buf, sizeof(buf)));
	send_one("twelve bytes");
	say("recv into nothing", recv(sock, NULL, 0, 0));
	send_one("twelve bytes");
	say("read into nothing", read(sock, NULL, 0));
	drain(sock);
	send_one("twelve bytes");
	say("recv MSG_TRUNC into nothing", recv(sock, NULL, 0, MSG_TRUNC));
	drain(sock);
	send_one("twelve bytes");
	say("recv, buffer nowhere", recv(sock, nowhere, 64, 0));
	drain(sock);
	send_one("twelve bytes");
	say("read, buffer nowhere", read(sock, nowhere, 64));
	drain(sock);
	send_one("twelve bytes");
	say("readv, a part nowhere", readv(sock, iov, 2));
	drain(sock);
	say("readv, no parts", readv(sock, iov, 0));
	say("readv, -1 parts", readv(sock, iov, minus_one));
	send_one("twelve bytes");
	say("recv MSG_PEEK MSG_TRUNC into nothing", recv(sock, NULL, 0, MSG_PEEK | MSG_TRUNC));
	say("recv MSG_PEEK, buffer nowhere", recv(sock, nowhere, 64, MSG_PEEK));
	say("recv MSG_PEEK", recv(sock, buf, 5, MSG_PEEK));
	say("recv MSG_PEEK MSG_TRUNC", recv(sock, buf, 5, MSG_PEEK | MSG_TRUNC));
	say("recv", recv(sock, buf, sizeof(buf), 0));
	say("recv MSG_DONTWAIT", recv(sock, buf, sizeof(buf), MSG_DONTWAIT));
	say("recv MSG_ERRQUEUE", recv(sock, buf, sizeof(buf), MSG_ERRQUEUE | MSG_DONTWAIT));
	say("recv MSG_OOB", recv(sock, buf, sizeof(buf), MSG_OOB | MSG_DONTWAIT));
}

static void odd_messages(void)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct msghdr many = { .msg_iov = &iov, .msg_iovlen = 1025 };
	struct msghdr bad = { .msg_iov = (struct iovec *)nowhere, .msg_iovlen = 1 };
	struct msghdr name = {
		.msg_name = nowhere, .msg_namelen = 28, .msg_iov = &iov, .msg_iovlen = 1
	};

	send_one("message");
	say("recvmsg, no name", recvmsg(sock, &msg, 0));
	say("recvmsg, NULL", recvmsg(sock, NULL, MSG_DONTWAIT));
	say("recvmsg, too many parts", recvmsg(sock, &many, MSG_DONTWAIT));
	say("recvmsg, parts nowhere", recvmsg(sock, &bad, MSG_DONTWAIT));
	send_one("message");
	say("recvmsg, name nowhere", recvmsg(sock, &name, MSG_DONTWAIT));
	drain(sock);
	name.msg_name = &mine;
	name.msg_namelen = (socklen_t)-1;
	send_one("message");
	say("recvmsg, name too short", recvmsg(sock, &name, MSG_DONTWAIT));
	drain(sock);
	send_one("message");
	msg.msg_flags = 0x5555;
	msg.msg_control = NULL;
	msg.msg_controllen = 99;
	say("recvmsg, control NULL", recvmsg(sock, &msg, MSG_DONTWAIT));
	printf("  control %zu flags %x\n", msg.msg_controllen, (unsigned int)msg.msg_flags);
	send_one("message");
	msg.msg_iovlen = 0;
	say("recvmsg, no parts", recvmsg(sock, &msg, MSG_DONTWAIT));
	printf("  flags %x\n", (unsigned int)msg.msg_flags);
	drain(sock);
}

static void say_queued(const char *what)
{
	int queued = -1;

	say(what, ioctl(sock, FIONREAD, &queued));
	printf("  %d\n", queued);
}

static void odd_lengths(void)
{
	say_queued("FIONREAD of nothing");
	send_one("twelve bytes");
	send_one("more");
	say_queued("FIONREAD");
	say_queued("FIONREAD again");
	say("FIONREAD, nowhere", ioctl(sock, FIONREAD, nowhere));
	say("recv", recv(sock, buf, sizeof(buf), 0));
	say_queued("FIONREAD of the second");
	drain(sock);
	send_one("");
	say_queued("FIONREAD, an empty datagram");
	say("recv", recv(sock, buf, sizeof(buf), MSG_DONTWAIT));
}

static void odd_batches(void)
{
	static struct iovec iov[1100];
	static struct mmsghdr msgs[1100];
	struct timespec soon = { .tv_nsec = 20000000 }, bad = { .tv_nsec = -1 };

	for (int i = 0; i < 1100; i++) {
		iov[i] = (struct iovec){ buf, sizeof(buf) };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	say("recvmmsg of none", recvmmsg(sock, msgs, 0, MSG_DONTWAIT, NULL));
	say("recvmmsg, nothing there", recvmmsg(sock, msgs, 4, MSG_DONTWAIT, NULL));
	say("recvmmsg, bad time", recvmmsg(sock, msgs, 4, MSG_DONTWAIT, &bad));
	send_one("1");
	send_one("22");
	say("recvmmsg of 1100", recvmmsg(sock, msgs, 1100, MSG_DONTWAIT, NULL));
	printf("  %u %u\n", msgs[0].msg_len, msgs[1].msg_len);
	send_one("333");
	say("recvmmsg MSG_WAITFORONE", recvmmsg(sock, msgs, 8, MSG_WAITFORONE, NULL));
	/* Time is looked at when a datagram has come, so there has to be one. */
	send_one("4444");
	say("recvmmsg in time", recvmmsg(sock, msgs, 1, 0, &soon));
	send_one("1");
	msgs[1].msg_hdr.msg_iov = (struct iovec *)nowhere;
	send_one("22");
	say("recvmmsg, the second nowhere", recvmmsg(sock, msgs, 2, MSG_DONTWAIT, NULL));
	drain(sock);
	msgs[1].msg_hdr.msg_iov = &iov[1];
}

static void odd_sends(void)
{
	_Alignas(struct cmsghdr) char control[64] = "";
	struct iovec iov = { buf, 8 };
	struct msghdr msg = { .msg_name = &mine,
			      .msg_namelen = address_len(&mine),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };
	struct mmsghdr msgs[2] = { { .msg_hdr = msg }, { .msg_hdr = msg } };
	static char large[70000];

	send_one("who");
	say("recv", recv(sock, buf, sizeof(buf), 0));
	say("sendto", sendto(sock, buf, 8, 0, &mine.any, address_len(&mine)));
	say("sendto of nothing", sendto(sock, NULL, 0, 0, &mine.any, address_len(&mine)));
	say("sendto nobody", sendto(sock, buf, 8, 0, NULL, 0));
	say("send", send(sock, buf, 8, 0));
	say("write", write(sock, buf, 8));
	say("sendto, short", sendto(sock, buf, 8, 0, &mine.any, 4));
	say("sendto, buffer nowhere", sendto(sock, nowhere, 8, 0, &mine.any, address_len(&mine)));
	say("sendto, too long",
	    sendto(sock, large, sizeof(large), 0, &mine.any, address_len(&mine)));
	say("sendto MSG_OOB", sendto(sock, buf, 8, MSG_OOB, &mine.any, address_len(&mine)));
	say("sendto MSG_DONTROUTE",
	    sendto(sock, buf, 8, MSG_DONTROUTE, &mine.any, address_len(&mine)));
	say("sendmsg", sendmsg(sock, &msg, 0));
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	say("sendmsg, control of zeroes", sendmsg(sock, &msg, 0));
	say("sendmmsg", sendmmsg(sock, msgs, 2, 0));
	say("sendmmsg of none", sendmmsg(sock, msgs, 0, 0));
	msgs[1].msg_hdr.msg_namelen = 4;
	say("sendmmsg, the second short", sendmmsg(sock, msgs, 2, 0));
	msgs[0].msg_hdr.msg_namelen = 4;
	say("sendmmsg, both short", sendmmsg(sock, msgs, 2, 0));
	/* Each that was sent comes, and no more. */
	for (int n = 0;; n++) {
		struct pollfd p = { .fd = client, .events = POLLIN };

		if (poll(&p, 1, n < 7 ? 2000 : 20) <= 0) {
			printf("  %d have come\n", n);
			break;
		}
		(void)!read(client, large, sizeof(large));
	}
}

/* What we have to read or write ourselves, where the kernel would only say that it can't. */
static void wild_pointers(void)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = nowhere, .msg_controllen = 64
	};
	union address peer;

	send_one("bad");
	say("recvfrom, length nowhere",
	    recvfrom(sock, buf, sizeof(buf), 0, &peer.any, (socklen_t *)nowhere));
	drain(sock);
	say("readv, parts nowhere", readv(sock, (struct iovec *)nowhere, 2));
	say("recvmsg, nowhere", recvmsg(sock, (struct msghdr *)nowhere, MSG_DONTWAIT));
	send_one("message");
	say("recvmsg, control nowhere", recvmsg(sock, &msg, MSG_DONTWAIT));
	printf("  control %zu flags %x\n", msg.msg_controllen, (unsigned int)msg.msg_flags);
	drain(sock);
	say("recvmmsg, nowhere", recvmmsg(sock, (struct mmsghdr *)nowhere, 4, MSG_DONTWAIT, NULL));
	say("sendto, nowhere",
	    sendto(sock, buf, 8, 0, (struct sockaddr *)nowhere, address_len(&mine)));
	say("sendmsg, nowhere", sendmsg(sock, (struct msghdr *)nowhere, 0));
	msg.msg_name = &mine;
	msg.msg_namelen = address_len(&mine);
	msg.msg_controllen = 64;
	say("sendmsg, control nowhere", sendmsg(sock, &msg, 0));
	say("sendmmsg, nowhere", sendmmsg(sock, (struct mmsghdr *)nowhere, 2, 0));
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void odd_times(void)
{
	const struct itimerval soon = { .it_value.tv_usec = 20000 };
	const struct timeval timeout = { .tv_usec = 20000 }, never = {};
	struct sigaction action = { .sa_handler = on_alarm };
	union address peer;
	socklen_t len = sizeof(peer);

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	say("recvfrom, interrupted", recvfrom(sock, buf, sizeof(buf), 0, &peer.any, &len));
	setitimer(ITIMER_REAL, &soon, NULL);
	say("read, interrupted", read(sock, buf, sizeof(buf)));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	say("recvfrom, timed out", recvfrom(sock, buf, sizeof(buf), 0, &peer.any, &len));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
}

static void odd_descriptors(void)
{
	int fds[2];

	say("recv of none", recv(-1, buf, sizeof(buf), 0));
	say("recv of a closed one", recv(999, buf, sizeof(buf), 0));
	say("read of none", read(-1, buf, sizeof(buf)));
	say("sendto by none", sendto(-1, buf, 8, 0, &mine.any, address_len(&mine)));
	say("dup of none", dup(-1));
	say("dup2 to itself", dup2(sock, sock) == sock ? 1 : -1);
	say("dup3 to itself", dup3(sock, sock, 0));
	if (pipe(fds))
		err(1, "pipe");
	say("recv of a pipe", recv(fds[0], buf, sizeof(buf), 0));
	say("write to a pipe", write(fds[1], "text", 4));
	say("read of a pipe", read(fds[0], buf, sizeof(buf)));
	/* In the socket's own place, from now on, there is a pipe. */
	say("dup2 over the socket", dup2(fds[0], sock) == sock ? 1 : -1);
	say("write to a pipe", write(fds[1], "text", 4));
	say("read of the pipe", read(sock, buf, sizeof(buf)));
	say("recvfrom of the pipe", recvfrom(sock, buf, sizeof(buf), 0, NULL, NULL));
}

static int opened(union address *addr)
{
	int fd = socket(addr->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = address_len(addr);

	if (fd < 0 || bind(fd, &addr->any, len) || getsockname(fd, &addr->any, &len))
		err(1, "a socket");
	return fd;
}

int main(int argc, char **argv)
{
	long page = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (argc < 3 || memory == MAP_FAILED || munmap(memory + page, (size_t)page))
		errx(2, "usage: udpodd ADDRESS#PORT PORT");
	nowhere = memory + page;
	address_parse(argv[1], &own);
	mine = to = own;
	mine.in.sin_port = 0;
	to.in.sin_port = htons((uint16_t)atoi(argv[2]));
	sock = opened(&own);
	client = opened(&mine);
	if (argv[3]) {
		wild_pointers();
		return 0;
	}
	odd_names();
	odd_buffers();
	odd_messages();
	odd_lengths();
	odd_batches();
	odd_sends();
	odd_times();
	odd_descriptors();
	return 0;
}

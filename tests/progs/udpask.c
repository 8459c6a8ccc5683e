/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a client that checks from where it is answered: udpask [OPTION]... ADDRESS#PORT...
 *
 * It sends numbered datagrams to the targets in turn, all of one family, and says what came of them:
 * "N right" were answered from the very address and port that was asked, and, where there are any,
 * ", N wrong" from elsewhere, "own" from the port of -o, "garbled" with other bytes than were sent,
 * "refused", "lost", and, not counted as outcomes, "retries" and "again" (answered once more).
 * Succeeds when all are right.
 *
 *	-n COUNT	so many datagrams (default: one for each target)
 *	-w WINDOW	so many are unanswered at a time (default 1)
 *	-b		a window is answered before the next one is sent
 *	-g GROUP	so many at a time to the same target, as segments of one send (UDP_SEGMENT)
 *	-k SOCKETS	so many sockets take turns (default 1)
 *	-s ADDRESS[#PORT]	to come from
 *	-p PEERS	so many addresses from there on take turns (IPv4)
 *	-e TURNS	datagrams of one address in a row (default 1)
 *	-l LENGTH	of each datagram
 *	-W WORD		in each datagram, for the server
 *	-o PORT		the server's own
 *	-x		answers may be shorter than what was sent
 *	-t MILLISECONDS, -r RETRIES	wait so long, so many times more (1000, 0)
 *	-T SECONDS	for all of it (60)
 */
#include <poll.h>
#include <time.h>

#include "udp.h"

#define MAX_SOCKETS 256
#define MAX_TARGETS 1024
#define GAP_MS	    100 /* five times what poll(2) waits */

enum outcome { WAITS, RIGHT, WRONG, OWN, GARBLED, REFUSED, LOST, OUTCOMES };

static const char *const names[OUTCOMES] = {
	"", "right", "wrong", "own", "garbled", "refused", "lost",
};

struct request {
	int64_t deadline; /* ms */
	uint8_t tries, outcome;
};

static struct {
	long count, window, group, sockets, peers, turns, length, timeout, retries, seconds;
	unsigned int own;
	bool batches, shorter;
	const char *word;
	union address source;
} config = { .window = 1,
	     .group = 1,
	     .sockets = 1,
	     .peers = 1,
	     .turns = 1,
	     .timeout = 1000,
	     .seconds = 60,
	     .word = "" };
static union address targets[MAX_TARGETS];
static int n_targets;
static struct pollfd socks[MAX_SOCKETS];
static struct request *requests;
static long outcomes[OUTCOMES], retries, again;
static long next, first; /* to be sent; the first that waits */
static long waiting;

/*
 * Where this process was kept from running, so was the server, or it has not been asked yet: such a
 * gap counts as GAP_MS. A machine that stops for a second loses no datagram.
 */
static int64_t now_ms(void)
{
	static int64_t before, gaps;
	struct timespec t;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (before && now - before > GAP_MS)
		gaps += now - before - GAP_MS;
	before = now;
	return now - gaps;
}

static const union address *target_of(long number)
{
	return &targets[number / config.group % n_targets];
}

static struct in_addr peer_of(long number)
{
	uint32_t n = (uint32_t)(number / config.turns % config.peers);

	return (struct in_addr){ htonl(ntohl(config.source.in.sin_addr.s_addr) + n) };
}

static size_t fill(char *data, long number)
{
	size_t len = (size_t)snprintf(data, ROOM, "%010ld %s", number, config.word);

	if ((size_t)config.length > len) {
		memset(data + len, 'x', (size_t)config.length - len);
		len = (size_t)config.length;
	}
	return len;
}

static void settle(long number, enum outcome outcome)
{
	struct request *request = &requests[number];

	/* What comes too late, or twice, is still to come from where it belongs. */
	if (request->outcome != WAITS && outcome != WRONG) {
		again++;
		return;
	}
	if (request->outcome == WAITS)
		waiting--;
	else
		outcomes[request->outcome]--;
	request->outcome = outcome;
	outcomes[outcome]++;
}

/* As many as are sent at a time, of which number is the first. */
static void send_group(long number)
{
	static char data[ROOM];
	_Alignas(struct cmsghdr) char control[128] = "";
	const union address *to = target_of(number);
	struct iovec iov = { data, 0 };
	struct msghdr msg = { .msg_name = (void *)to,
			      .msg_namelen = address_len(to),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control };
	uint16_t segment = 0;

	for (long i = number; i < number + config.group && i < config.count; i++) {
		segment = (uint16_t)fill(data + iov.iov_len, i);
		iov.iov_len += segment;
		requests[i].deadline = now_ms() + config.timeout;
		requests[i].tries++;
	}
	if (config.group > 1)
		add_control(&msg, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (config.peers > 1) {
		struct in_pktinfo from = { .ipi_spec_dst = peer_of(number) };

		add_control(&msg, IPPROTO_IP, IP_PKTINFO, &from, sizeof(from));
	}
	if (!msg.msg_controllen)
		msg.msg_control = NULL;
	/* What a socket has learnt of an earlier datagram is not about this one. */
	for (int i = 0; i < 3; i++) {
		if (sendmsg(socks[number / config.group % config.sockets].fd, &msg, 0) >= 0)
			return;
	}
	warn("%ld", number);
}

static void send_more(void)
{
	if (config.batches && waiting)
		return;
	while (next < config.count && waiting < config.window) {
		long left = config.count - next;
		long n = left < config.group ? left : config.group;

		send_group(next);
		next += n;
		waiting += n;
	}
}

static void complain(long number, const union address *from, const struct in_addr *to)
{
	static int said;
	char asked[80], answered[80];

	if (said++ >= 5)
		return;
	fprintf(stderr, "%ld: asked %s, answered from %s", number,
		address_text(target_of(number), asked), address_text(from, answered));
	if (to)
		fprintf(stderr, " to another peer, %s", inet_ntoa(*to));
	fprintf(stderr, "\n");
}

static bool is_address(const union address *a, const union address *b)
{
	if (a->any.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) &&
	       a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

static enum outcome judge(long number, const union address *from, const char *data, size_t len)
{
	const union address *asked = target_of(number);
	static char sent[ROOM];
	size_t n = fill(sent, number);

	if (!is_address(asked, from))
		return WRONG;
	if (address_port(asked) != address_port(from))
		return address_port(from) == config.own ? OWN : WRONG;
	if (config.shorter && len < n)
		n = len;
	return len == n && !memcmp(data, sent, n) ? RIGHT : GARBLED;
}

static const struct in_addr *sent_to(struct msghdr *msg)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO)
			return &((struct in_pktinfo *)CMSG_DATA(cmsg))->ipi_addr;
	}
	return NULL;
}

/* One answer, or one error. Returns false when there is none. */
static bool receive(int fd, int flags)
{
	static char data[ROOM];
	_Alignas(struct cmsghdr) char control[512];
	union address from = {};
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = { .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(fd, &msg, flags | MSG_DONTWAIT);
	const struct in_addr *to = NULL;
	enum outcome outcome;
	long number;

	if (len < 0)
		return errno == ECONNREFUSED; /* the error queue has it */
	number = number_of(data, (size_t)len);
	if (number < 0 || number >= next) {
		warnx("an answer without a number");
		outcomes[GARBLED]++;
		return true;
	}
	if (flags & MSG_ERRQUEUE) {
		settle(number, REFUSED);
		return true;
	}
	if (config.peers > 1) {
		to = sent_to(&msg);
		if (to && to->s_addr == peer_of(number).s_addr)
			to = NULL;
	}
	outcome = judge(number, &from, data, (size_t)len);
	if (to && outcome == RIGHT)
		outcome = WRONG;
	if (outcome == WRONG)
		complain(number, &from, to);
	settle(number, outcome);
	return true;
}

/* Sends again, or gives up, what has waited long enough. */
static void look_at_deadlines(bool all)
{
	int64_t now = now_ms();

	while (first < next && requests[first].outcome != WAITS)
		first++;
	for (long i = first; i < next; i++) {
		struct request *request = &requests[i];

		if (request->outcome != WAITS || (request->deadline > now && !all))
			continue;
		if (request->tries > config.retries || config.group > 1 || all) {
			settle(i, LOST);
		} else {
			retries++;
			send_group(i);
		}
	}
}

static void open_socket(long i)
{
	sa_family_t family = targets[0].any.sa_family;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union address from = config.source;

	if (fd < 0)
		err(1, "socket");
	/* Beyond net.core.rmem_max, where root may. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ 8 << 20 }, sizeof(int)))
		option(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20);
	option(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
	       family == AF_INET ? IP_RECVERR : IPV6_RECVERR, 1);
	if (config.peers > 1) {
		option(fd, IPPROTO_IP, IP_PKTINFO, 1);
		from.in.sin_addr.s_addr = INADDR_ANY;
	}
	if (from.any.sa_family && bind(fd, &from.any, address_len(&from)))
		err(1, "bind to the source");
	socks[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:w:bg:k:s:p:e:l:W:o:xt:r:T:")) != -1) {
		long *value = c == 'n'	 ? &config.count
			      : c == 'w' ? &config.window
			      : c == 'g' ? &config.group
			      : c == 'k' ? &config.sockets
			      : c == 'p' ? &config.peers
			      : c == 'e' ? &config.turns
			      : c == 'l' ? &config.length
			      : c == 't' ? &config.timeout
			      : c == 'r' ? &config.retries
			      : c == 'T' ? &config.seconds
					 : NULL;

		if (value)
			*value = atol(optarg);
		else if (c == 'b')
			config.batches = true;
		else if (c == 'x')
			config.shorter = true;
		else if (c == 's')
			address_parse(optarg, &config.source);
		else if (c == 'W')
			config.word = optarg;
		else if (c == 'o')
			config.own = (unsigned int)atoi(optarg);
		else
			exit(2);
	}
	n_targets = argc - optind;
	if (n_targets < 1 || n_targets > MAX_TARGETS || config.sockets > MAX_SOCKETS)
		errx(2, "no targets, or too many");
	for (int i = 0; i < n_targets; i++)
		address_parse(argv[optind + i], &targets[i]);
	if (!config.count)
		config.count = n_targets;
	if (config.peers > 1 && config.source.any.sa_family != AF_INET)
		errx(2, "-p is for IPv4, from an address on");
}

int main(int argc, char **argv)
{
	const char *slow = getenv("SKS_SLOW");
	int64_t end;

	parse_options(argc, argv);
	if (slow && atoi(slow) > 0) {
		config.timeout *= atoi(slow);
		config.seconds *= atoi(slow);
	}
	requests = calloc((size_t)config.count, sizeof(*requests));
	if (!requests)
		err(1, "calloc");
	for (long i = 0; i < config.sockets; i++)
		open_socket(i);
	end = now_ms() + config.seconds * 1000;
	for (send_more(); waiting && now_ms() < end; send_more()) {
		int n = poll(socks, (nfds_t)config.sockets, 20);

		for (long i = 0; n > 0 && i < config.sockets; i++) {
			while (socks[i].revents & POLLERR && receive(socks[i].fd, MSG_ERRQUEUE))
				;
			while (socks[i].revents & (POLLIN | POLLERR) && receive(socks[i].fd, 0))
				;
		}
		look_at_deadlines(false);
	}
	look_at_deadlines(true);
	outcomes[LOST] += config.count - next;
	printf("%ld right", outcomes[RIGHT]);
	for (int i = WRONG; i < OUTCOMES; i++) {
		if (outcomes[i])
			printf(", %ld %s", outcomes[i], names[i]);
	}
	if (retries)
		printf(", %ld retries", retries);
	if (again)
		printf(", %ld again", again);
	printf("\n");
	return outcomes[RIGHT] == config.count ? 0 : 1;
}

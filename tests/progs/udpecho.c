/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a server that sends back what it receives, by the calls that it is told to use:
 * udpecho ADDRESS#PORT[,v6only][,reuse][,dev=INTERFACE] [WORD]...
 *
 *	recv=recvfrom|recvmsg|recvmmsg|peek|peekfrom|recvfrom_chk, or, of a connected socket,
 *	     recv|read|readv|recv_chk|read_chk
 *	send=sendto|sendmsg|sendmmsg, or, by a connected socket, send|write
 *	wait=block|epoll|select|poll	all but the first with a socket that does not block
 *	by=self|fork|child		a child for each answer; one that was there before all
 *	fd=dup|dup2|dup3|dupfd|cloexec	goes by that descriptor; split: sends by a dup of it
 *	threads=N, batch=N		each thread has buffers of its own, for so many datagrams
 *	reverse			the last of a batch is answered first
 *	copies			answers go to a copy of the peer's address
 *	ask=WISH,...			asks for control messages (udpecho_set.h), before bind(2);
 *	later=WISH,...	after it; unask=WISH,...: and then not any more
 *	from			sends from the address that IP_PKTINFO says was asked
 *	segment			sends in segments, what UDP_GRO has put together
 *	room=N, control=N	so much room for the datagram, for control messages
 *	trunc			receives with MSG_TRUNC
 *	connect=self|fresh	connects to its first peer; to each, with a socket of its own
 *	close			closes, after each answer, what it does not know
 *	drop=UID		becomes that user, once it is bound
 *	exec		goes on as a program executed anew, which inherits the socket
 *	tell, show		says what it receives; how IP_RECVORIGDSTADDR is set
 *
 * What comes with the word LATE is answered when something comes with GO. Says "ready".
 */
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>

#include "udpecho_peers.h"

static union address own;
static struct packet late[8];
static unsigned int n_late;

/* --- waiting ------------------------------------------------------------------------------------ */

static void wait_by_epoll(int fd, int epoll)
{
	struct epoll_event event;

	if (epoll_wait(epoll, &event, 1, -1) < 0 && errno != EINTR)
		err(1, "epoll_wait");
	(void)fd;
}

static void wait_by_select(int fd)
{
	fd_set fds;

	FD_ZERO(&fds);
	FD_SET(fd, &fds);
	if (select(fd + 1, &fds, NULL, NULL, NULL) < 0 && errno != EINTR)
		err(1, "select");
}

static void wait_for(int fd, int epoll)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (config.wait == EPOLL)
		wait_by_epoll(fd, epoll);
	else if (config.wait == SELECT)
		wait_by_select(fd);
	else if (config.wait == POLL && poll(&p, 1, -1) < 0 && errno != EINTR)
		err(1, "poll");
}

/* By edges: who is woken takes all there is. */
static int new_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll");
	return epoll;
}

/* --- answering ---------------------------------------------------------------------------------- */

/* Of a child that is handed peers and datagrams by a socket pair. */
struct hand_over {
	union address peer;
	socklen_t peer_len;
	uint32_t len;
	char data[2048];
};

static void start_child(int fd, struct packet *packet)
{
	struct hand_over it;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		err(1, "socketpair");
	config.pipe = pair[0];
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(pair[1], &it, sizeof(it), 0) > 0) {
		packet->peer = it.peer;
		packet->peer_len = it.peer_len;
		packet->len = it.len;
		packet->msg.msg_control = NULL;
		packet->msg.msg_controllen = 0;
		memcpy(packet->data, it.data, it.len);
		answer(fd, packet, 1);
	}
	_exit(0);
}

static void hand_over(const struct packet *packet)
{
	struct hand_over it = { .peer = packet->peer,
				.peer_len = packet->peer_len,
				.len = (uint32_t)packet->len };

	if (packet->len > sizeof(it.data))
		errx(1, "too long to be handed over");
	memcpy(it.data, packet->data, packet->len);
	if (send(config.pipe, &it, sizeof(it), 0) < 0)
		err(1, "hand over");
}

static void close_the_unknown(int fd)
{
	if (fd > 3)
		close_range(3, (unsigned int)fd - 1, 0);
	close_range((unsigned int)fd + 1, ~0U, 0);
}

/* Does it wait for its time? */
static bool put_off(const struct packet *packet)
{
	struct packet *kept = &late[n_late];

	if (!has_word(packet->data, packet->len, "LATE") || n_late == 8)
		return false;
	*kept = *packet;
	kept->data = malloc(packet->len);
	if (!kept->data)
		err(1, "malloc");
	memcpy(kept->data, packet->data, packet->len);
	kept->msg.msg_controllen = 0;
	n_late++;
	return true;
}

static void serve_packets(int fd, struct packet *packets, unsigned int n)
{
	int to = config.send_fd < 0 ? fd : config.send_fd;

	if (n == 1 && put_off(packets))
		return;
	if (has_word(packets->data, packets->len, "GO")) {
		for (unsigned int i = 0; i < n_late; i++)
			answer(to, &late[i], 1);
		n_late = 0;
	}
	if (config.by == CHILD) {
		for (unsigned int i = 0; i < n; i++)
			hand_over(&packets[i]);
	} else if (config.by == FORK) {
		pid_t child = fork();

		if (child < 0)
			err(1, "fork");
		if (!child) {
			answer(to, packets, n);
			_exit(0);
		}
	} else {
		answer(to, packets, n);
	}
	if (config.closes)
		close_the_unknown(fd);
}

/* --- serving ------------------------------------------------------------------------------------ */

static struct packet *new_packets(void)
{
	struct packet *packets = calloc(config.batch, sizeof(*packets));

	for (unsigned int i = 0; packets && i < config.batch; i++) {
		packets[i].data = malloc(ROOM);
		if (!packets[i].data)
			packets = NULL;
	}
	if (!packets)
		err(1, "no memory");
	return packets;
}

static void *serve(void *fd_ptr)
{
	struct packet *packets = new_packets();
	int fd = *(int *)fd_ptr, epoll = config.wait == EPOLL ? new_epoll(fd) : -1;

	if (config.by == CHILD)
		start_child(fd, packets);
	if (config.connect_self)
		connect_to_first(fd);
	if (config.connect_fresh)
		serve_peers(fd, packets, &own);
	for (;;) {
		bool more;

		wait_for(fd, epoll);
		do {
			int n = receive(fd, packets);

			more = config.wait == EPOLL && (n > 0 || errno != EAGAIN);
			if (n > 0)
				serve_packets(fd, packets, (unsigned int)n);
			if (n < 0 || answer_failed)
				receive_errors(fd, packets);
			answer_failed = false;
		} while (more);
	}
	return NULL;
}

/* --- words -------------------------------------------------------------------------------------- */

/* The place of value among the names, which have spaces between them. */
static unsigned int one_of(const char *names, const char *value)
{
	size_t len = strlen(value);
	unsigned int i = 0;

	for (const char *name = names; *name; name += strcspn(name, " "), name += *name == ' ') {
		if (strcspn(name, " ") == len && !strncmp(name, value, len))
			return i;
		i++;
	}
	errx(2, "not one of %s: %s", names, value);
}

struct words {
	const char *ask, *later, *unask, *fd;
	long drop;
	int inherited; /* -1: nothing is */
	bool show, exec;
};

static bool parse_value(struct words *words, const char *name, const char *value)
{
	if (!strcmp(name, "recv"))
		config.receive = one_of("recvfrom recvmsg recvmmsg peekfrom peek recvfrom_chk "
					"recv read readv recv_chk read_chk",
					value);
	else if (!strcmp(name, "send"))
		config.send = one_of("sendto sendmsg sendmmsg send write", value);
	else if (!strcmp(name, "wait"))
		config.wait = one_of("block epoll select poll", value);
	else if (!strcmp(name, "by"))
		config.by = one_of("self fork child", value);
	else if (!strcmp(name, "connect"))
		*(one_of("self fresh", value) ? &config.connect_fresh : &config.connect_self) =
			true;
	else if (!strcmp(name, "threads"))
		config.threads = (unsigned int)atoi(value);
	else if (!strcmp(name, "batch"))
		config.batch = (unsigned int)atoi(value);
	else if (!strcmp(name, "room"))
		config.data_room = atoi(value);
	else if (!strcmp(name, "control"))
		config.control_room = atoi(value);
	else if (!strcmp(name, "ask"))
		words->ask = value;
	else if (!strcmp(name, "later"))
		words->later = value;
	else if (!strcmp(name, "unask"))
		words->unask = value;
	else if (!strcmp(name, "fd"))
		words->fd = value;
	else if (!strcmp(name, "drop"))
		words->drop = atol(value);
	else if (!strcmp(name, "inherited"))
		words->inherited = atoi(value);
	else
		return false;
	return true;
}

static bool parse_flag(struct words *words, const char *word)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "reverse", &config.reverse }, { "copies", &config.copies },
		{ "from", &config.from },	{ "segment", &config.segment },
		{ "trunc", &config.trunc },	{ "close", &config.closes },
		{ "tell", &config.tell },	{ "show", &words->show },
		{ "exec", &words->exec },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!strcmp(flags[i].name, word)) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static void parse_words(struct words *words, char **argv)
{
	for (char **word = argv; *word; word++) {
		char *value = strchr(*word, '=');

		if (value)
			*value++ = '\0';
		if (!(value ? parse_value(words, *word, value) : parse_flag(words, *word)))
			errx(2, "no such word: %s", *word);
	}
	if (config.batch < 1 || config.batch > MAX_BATCH || config.data_room > ROOM ||
	    config.control_room > 512)
		errx(2, "too much");
}

/* The same program, with its socket as a word more in the place of "exec". */
static void execute_anew(char **argv, int fd)
{
	char inherited[32];

	snprintf(inherited, sizeof(inherited), "inherited=%d", fd);
	for (char **word = argv; *word; word++) {
		if (!strcmp(*word, "exec"))
			*word = inherited;
	}
	if (fcntl(fd, F_SETFD, 0))
		err(1, "fcntl");
	execv(argv[0], argv);
	err(1, "%s", argv[0]);
}

/* Its socket, bound and set, as the words say. */
static int set_up(struct words *words, char *place)
{
	char *options = strchr(place, ',');
	int fd = words->inherited;

	if (options)
		*options++ = '\0';
	address_parse(place, &own);
	if (fd >= 0)
		return fd;
	fd = bound_socket(&own, options, config.wait == BLOCK ? 0 : SOCK_NONBLOCK, words->ask);
	set_wishes(fd, own.any.sa_family, words->later, true);
	set_wishes(fd, own.any.sa_family, words->unask, false);
	if (words->show)
		show_options(fd, own.any.sa_family);
	return fd;
}

int main(int argc, char **argv)
{
	struct words words = { .ask = "", .later = "", .unask = "", .drop = -1, .inherited = -1 };
	char **copy;
	int fd;

	if (argc < 2)
		errx(2, "usage: udpecho ADDRESS#PORT [WORD]...");
	signal(SIGCHLD, SIG_IGN);
	copy = calloc((size_t)argc + 1, sizeof(*copy));
	for (int i = 0; copy && i < argc; i++)
		copy[i] = strdup(argv[i]); /* what is parsed is cut into pieces */
	parse_words(&words, argv + 2);
	fd = set_up(&words, argv[1]);
	if (words.exec)
		execute_anew(copy, fd);
	if (words.fd)
		fd = duplicated(fd, words.fd);
	if (words.drop >= 0)
		drop_root((uid_t)words.drop);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return 1;
	for (unsigned int i = 1; i < config.threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, &fd))
			errx(1, "pthread_create");
	}
	serve(&fd);
}

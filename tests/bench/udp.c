/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the measuring of what answers from the port that was asked cost: a datagram to a server and
 * back, through a steered port and through the server's own.
 *
 *	udp serve PORT			sends back what comes to that port of 127.0.0.1
 *	udp measure OWN STEERED PLAIN	ports: of a server that is steered to, of the same one, and
 *of one without the library
 */
#include <errno.h>

#include "bench.h"

#define ROUNDS 61
#define TRIPS  400 /* a round and kind, in turns of TURN */
#define TURN   50
#define LENGTH 64 /* of a datagram: a short question to a name server */

enum kind { OWN, OWN_AGAIN, STEERED, PLAIN, KINDS };

static const struct {
	const char *row, *goal;
	enum kind to;
} rows[] = {
	{ "UDP round trip, steered port / the same server's own port", "<= 1.10", OWN },
	{ "UDP round trip, steered port / a server without the library", "", PLAIN },
	{ "UDP round trip, own port / own port (the method's own error)", "", OWN_AGAIN },
};

static double took[KINDS][ROUNDS]; /* microseconds, the round's median */

static void serve(int port)
{
	int sock = bound_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, "127.0.0.1", port);
	struct sockaddr_in peer;
	char data[512];

	stay_on_one_cpu();
	for (;;) {
		socklen_t len = sizeof(peer);
		ssize_t n = recvfrom(sock, data, sizeof(data), 0, (struct sockaddr *)&peer, &len);

		if (n >= 0)
			(void)!sendto(sock, data, (size_t)n, 0, (struct sockaddr *)&peer, len);
	}
}

/* A client that takes answers from anywhere, and looks. */
static void trip(int sock, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char data[LENGTH] = "";

	need(sendto(sock, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to)) ==
		     sizeof(data),
	     "sendto");
	need(recvfrom(sock, data, sizeof(data), 0, (struct sockaddr *)&from, &len) == sizeof(data),
	     "an answer");
	if (from.sin_port != to.sin_port)
		errx(1, "port %d is answered from port %d", port, ntohs(from.sin_port));
}

static void take_turn(int sock, int port, double ret[TURN])
{
	for (int i = 0; i < TURN; i++) {
		uint64_t begin = clock_ns(CLOCK_MONOTONIC);

		trip(sock, port);
		ret[i] = us_since(begin);
	}
}

static void run_round(int sock, const int ports[KINDS], int round)
{
	static double trips[KINDS][TRIPS];

	for (int i = 0; i < TRIPS; i += TURN) {
		for (enum kind kind = 0; kind < KINDS; kind++)
			take_turn(sock, ports[kind], trips[kind] + i);
	}
	for (enum kind kind = 0; kind < KINDS; kind++)
		took[kind][round] = quantile(trips[kind], TRIPS, 0.5);
}

static void measure(const int ports[KINDS])
{
	int sock = bound_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, "127.0.0.1", 0);
	const struct timeval patience = { .tv_sec = 5 };
	double ratios[ROUNDS];

	need(!setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
	     "SO_RCVTIMEO");
	stay_on_one_cpu();
	for (int round = 0; round < ROUNDS; round++)
		run_round(sock, ports, round);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (int round = 0; round < ROUNDS; round++)
			ratios[round] = took[rows[i].to == OWN_AGAIN ? OWN : STEERED][round] /
					took[rows[i].to][round];
		print_row(rows[i].row, quantile(ratios, ROUNDS, 0.5), "ratio", rows[i].goal);
	}
	print_row("UDP round trip, a server without the library",
		  quantile(took[PLAIN], ROUNDS, 0.5), "us", "");
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(ports_parse(argv[2]).first);
	if (argc != 5 || strcmp(argv[1], "measure") != 0)
		errx(2, "usage: udp serve PORT | measure OWN STEERED PLAIN");
	measure((const int[KINDS]){
		[OWN] = ports_parse(argv[2]).first,
		[OWN_AGAIN] = ports_parse(argv[2]).first,
		[STEERED] = ports_parse(argv[3]).first,
		[PLAIN] = ports_parse(argv[4]).first,
	});
	return 0;
}

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns a bounded flood of SYNs, and the CPU time that each costs.
 *
 *	flood -k PID [-r ROUNDS] [-n NUMBER] NAME,INTERFACE,MAC,ADDRESS,PORTS...
 *
 * Sends NUMBER frames a turn by a packet socket, from random addresses and ports, IPv4. Over veth
 * the kernel receives each frame, answers it included, before the sending call returns, so this
 * process's CPU clock counts both sides; -k names the ksoftirqd of our CPU, whose time counts too.
 * The first variant is what sending alone costs: it has somebody else's MAC, so the frames are
 * dropped as soon as they arrive.
 *
 * Prints for each variant: name, fewest nanoseconds a frame, median over the rounds of (its turn
 * less the first variant's) / (the second variant's less the first's).
 */
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#include "bench.h"

#define VARIANTS_MAX 8
#define BATCH	     64

struct frame {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

struct variant {
	char *name;
	struct ports ports;
	struct frame frame;
	int fd;
	unsigned long walked;
	double least, *turns;
};

static uint64_t random_state = 88172645463325252;

static uint32_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static uint32_t sum_of(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* From 10.128.0.0/9, which nobody here has. */
static void fill_frame(struct variant *v, struct frame *frame)
{
	*frame = v->frame;
	frame->ip.saddr = htonl(0x0a800000 | (random_word() & 0x7fffff));
	frame->ip.check = folded(sum_of(&frame->ip, sizeof(frame->ip)));
	frame->tcp.source = htons((uint16_t)(1024 + random_word() % 60000));
	frame->tcp.dest = htons((uint16_t)ports_walk(v->ports, v->walked++));
	frame->tcp.seq = random_word();
	frame->tcp.check = folded(sum_of(&frame->ip.saddr, 8) + IPPROTO_TCP + sizeof(frame->tcp) +
				  sum_of(&frame->tcp, sizeof(frame->tcp)));
}

static void send_frames(struct variant *v, int number)
{
	struct mmsghdr messages[BATCH];
	struct frame frames[BATCH];
	struct iovec parts[BATCH];
	int i, sent;

	memset(messages, 0, sizeof(messages));
	for (; number > 0; number -= sent) {
		for (i = 0; i < BATCH; i++) {
			fill_frame(v, &frames[i]);
			parts[i].iov_base = &frames[i];
			parts[i].iov_len = sizeof(frames[i]);
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		sent = sendmmsg(v->fd, messages, BATCH, 0);
		if (sent <= 0)
			err(1, "sendmmsg");
	}
}

static void parse_variant(struct variant *v, char *text, size_t rounds)
{
	struct sockaddr_ll link = { .sll_family = AF_PACKET };
	struct frame *f = &v->frame;
	const char *interface, *mac, *address;

	v->name = strsep(&text, ",");
	interface = strsep(&text, ",");
	mac = strsep(&text, ",");
	address = strsep(&text, ",");
	if (!text)
		errx(2, "a variant is NAME,INTERFACE,MAC,ADDRESS,PORTS");
	v->ports = ports_parse(text);
	v->turns = calloc(rounds, sizeof(*v->turns));
	f->ether.ether_type = htons(ETHERTYPE_IP);
	if (!v->turns || !ether_aton_r(mac, (struct ether_addr *)f->ether.ether_dhost))
		errx(2, "no MAC: %s", mac);
	f->ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP };
	f->ip.tot_len = htons(sizeof(f->ip) + sizeof(f->tcp));
	f->ip.daddr = inet_addr(address);
	f->tcp = (struct tcphdr){ .doff = 5, .syn = 1, .window = htons(64240) };
	v->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	link.sll_ifindex = (int)if_nametoindex(interface);
	if (v->fd < 0 || bind(v->fd, (struct sockaddr *)&link, sizeof(link)))
		err(1, "%s", interface);
	set_option(v->fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
}

static double measure(struct variant *v, clockid_t softirqs, int number)
{
	uint64_t spent;

	send_frames(v, number / 8);
	spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + clock_ns(softirqs);
	send_frames(v, number);
	return (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) + clock_ns(softirqs) - spent) / number;
}

static void print_results(struct variant *variants, int n, size_t rounds)
{
	double *ratios = calloc(rounds, sizeof(*ratios));
	size_t round;
	int i;

	for (i = 0; i < n && ratios; i++) {
		double least = 1e18;

		for (round = 0; round < rounds; round++) {
			double base = variants[0].turns[round];

			ratios[round] = (variants[i].turns[round] - base) /
					(variants[1].turns[round] - base);
			if (variants[i].turns[round] < least)
				least = variants[i].turns[round];
		}
		printf("%s\t%.1f\t%.4f\n", variants[i].name, least, quantile(ratios, rounds, 0.5));
	}
	free(ratios);
}

int main(int argc, char **argv)
{
	static struct variant variants[VARIANTS_MAX];
	clockid_t softirqs = CLOCK_PROCESS_CPUTIME_ID;
	int option, number = 2048, n = 0, i;
	size_t rounds = 15, round;

	while ((option = getopt(argc, argv, "k:r:n:")) != -1) {
		if (option == 'k' && clock_getcpuclockid(atoi(optarg), &softirqs))
			errx(1, "no clock of process %s", optarg);
		if (option == 'r')
			rounds = strtoul(optarg, NULL, 10);
		else if (option == 'n')
			number = atoi(optarg) / BATCH * BATCH;
		else if (option != 'k')
			return 2;
	}
	if (softirqs == CLOCK_PROCESS_CPUTIME_ID || rounds < 1 || number < BATCH ||
	    argc - optind < 2 || argc - optind > VARIANTS_MAX)
		errx(2, "what is the number of rounds, frames, variants, ksoftirqd's pid?");
	for (; argv[optind]; n++, optind++)
		parse_variant(&variants[n], argv[optind], rounds);
	for (round = 0; round < rounds; round++)
		for (i = 0; i < n; i++) {
			struct variant *v = &variants[(round + (size_t)i) % (size_t)n];

			v->turns[round] = measure(v, softirqs, number);
		}
	print_results(variants, n, rounds);
	return 0;
}

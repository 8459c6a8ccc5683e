/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns what a verdict costs: the rows of `make bench-dispatch`, one "NAME TAB VALUE TAB UNIT TAB
 * GOAL" a line. tests/bench/dispatch sets the stage and calls it as root:
 *
 *	dispatch plan any|prefix N
 *		what to bind, as "LABEL SPEC" a line
 *	dispatch measure N MIXED THREE PORTS PREFIXES [COUNT=DIR]...
 *		MIXED and so on are directories of pins, of namespaces: one with the bindings of the
 *		packets below; one with three; with N ports; with N prefixes; and with COUNT ports
 *		for the curve. Environment: BUILD, the directory of what was built.
 *
 * net(x) is the least time of x less that of a program that does nothing; a row is the median of
 * BENCHES of them. The same packet over and over finds everything in the caches and in the branch
 * predictor; for those that do not see random.bpf.c.
 */
#include "stage.h"

#define BENCHES 5
#define ROUNDS	15 /* a bench */
#define COPIES	3  /* a bench loads everything so often: where it comes to lie is worth 2 ns */
#define REPEATS 1000000
#define POINTS	8 /* of the curve */

enum {
	EMPTY,
	FLOOR,
	SEED,
	MISS,
	MISS6,
	ANY,
	ANY6,
	ANY_UDP,
	ANY_COUNTERS,
	PREFIX,
	PREFIX6,
	PREFIX_COUNTERS,
	THREE,
	MANY,
	RANDOM_EMPTY,
	RANDOM_ANY,
	RANDOM_PREFIX_EMPTY,
	RANDOM_PREFIX,
	RANDOM_LINES,
	RUNS
};

/* RATIO to the floor; NET; ABOVE the floor; RATIO_TO other. In ns where it is no ratio. */
enum value { RATIO, NET, ABOVE, RATIO_TO };

static const struct row {
	const char *name;
	enum value value;
	int run, empty, other;
	bool many; /* of N bindings */
	const char *goal;
} rows[] = {
	{ "floor", NET, FLOOR, EMPTY, 0, false, "" },
	{ "seed hit", NET, SEED, EMPTY, 0, false, "" },
	{ "miss", RATIO, MISS, EMPTY, 0, false, "<= 0.35" },
	{ "miss ipv6", RATIO, MISS6, EMPTY, 0, false, "<= 0.35" },
	{ "hit any", RATIO, ANY, EMPTY, 0, false, "<= 1.25" },
	{ "hit any ipv6", RATIO, ANY6, EMPTY, 0, false, "<= 1.25" },
	{ "hit any udp", RATIO, ANY_UDP, EMPTY, 0, false, "<= 1.25" },
	{ "hit any counters", ABOVE, ANY_COUNTERS, EMPTY, 0, false, "<= 4" },
	{ "hit prefix", RATIO, PREFIX, EMPTY, 0, false, "<= 1.8" },
	{ "hit prefix ipv6", RATIO, PREFIX6, EMPTY, 0, false, "<= 1.8" },
	{ "hit prefix counters", ABOVE, PREFIX_COUNTERS, EMPTY, 0, false, "" },
	{ "hit 100 000 / 3", RATIO_TO, MANY, EMPTY, THREE, true, "<= 1.15" },
	{ "random any", RATIO, RANDOM_ANY, RANDOM_EMPTY, 0, true, "<= 2.2" },
	{ "random prefix, no address compared (a lower bound)", RATIO, RANDOM_LINES,
	  RANDOM_PREFIX_EMPTY, 0, true, "" },
	{ "random prefix", RATIO, RANDOM_PREFIX, RANDOM_PREFIX_EMPTY, 0, true, "<= 6" },
};

/* Of each bench, in ns. */
static double best[BENCHES][RUNS];

struct point {
	uint32_t n;
	const char *dir;
};

/* A packet of a run must get what its name says, or its time means nothing. */
static void expect(const struct run *run, bool socket, int number)
{
	struct outcome got = run_once(run->prog, &run->packet);

	if (got.verdict != SK_PASS || !!got.cookie != socket)
		errx(1, "run %d: verdict %u, socket %llu", number, got.verdict,
		     (unsigned long long)got.cookie);
}

/* --- rows ------------------------------------------------------------------------------------- */

static double row_value(const struct row *row, const double ns[RUNS])
{
	double net = ns[row->run] - ns[row->empty], floor = ns[FLOOR] - ns[EMPTY];

	switch (row->value) {
	case RATIO:
		return net / floor;
	case ABOVE:
		return net - floor;
	case RATIO_TO:
		return net / (ns[row->other] - ns[row->empty]);
	case NET:
		break;
	}
	return net;
}

static void print_rows(uint32_t n)
{
	static const char *const units[] = { "x floor", "ns", "ns", "x" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double values[BENCHES], median;
		char name[64];

		for (int bench = 0; bench < BENCHES; bench++)
			values[bench] = row_value(&rows[i], best[bench]);
		median = quantile(values, BENCHES, 0.5);
		/* A smaller bench is no measure of the goal. */
		(void)snprintf(name, sizeof(name), rows[i].many && n != 100000 ? "%s (%u)" : "%s",
			       rows[i].name, n);
		print_row(name, median, units[rows[i].value], rows[i].goal);
		fprintf(stderr, "  %-24s %8.3f  (%.3f to %.3f)\n", name, median, values[0],
			values[BENCHES - 1]);
	}
}

/* --- the stages ------------------------------------------------------------------------------- */

static void add_peers(struct run *runs)
{
	const struct loaded *peers = load_peers();

	open_seed_port(peers->obj, PLAN_ANY_PORT);
	runs[EMPTY] = peer_run(peers, "empty");
	runs[FLOOR] = peer_run(peers, "least");
	runs[SEED] = peer_run(peers, "seed");
}

/* The bindings of MIXED are in tests/bench/dispatch. */
static void add_mixed(struct run *runs, const char *dir)
{
	int plain = load_again(dir, false), counting = load_again(dir, true);
	struct bpf_sk_lookup any = packet4(htonl(INADDR_LOOPBACK), PLAN_ANY_PORT, IPPROTO_TCP);
	struct bpf_sk_lookup any6 = packet6("::1", PLAN_ANY_PORT), udp = any;
	struct bpf_sk_lookup prefix =
		packet4(inet_addr("127.1.9.9"), PLAN_PREFIX_PORT, IPPROTO_TCP);
	struct bpf_sk_lookup prefix6 = packet6("2001:db8:9::9", PLAN_PREFIX_PORT);
	struct bpf_sk_lookup miss = any, miss6 = any6;

	udp.protocol = IPPROTO_UDP;
	miss.local_port = miss6.local_port = PLAN_MISS_PORT;
	runs[MISS] = (struct run){ plain, miss };
	runs[MISS6] = (struct run){ plain, miss6 };
	runs[ANY] = (struct run){ plain, any };
	runs[ANY6] = (struct run){ plain, any6 };
	runs[ANY_UDP] = (struct run){ plain, udp };
	runs[ANY_COUNTERS] = (struct run){ counting, any };
	runs[PREFIX] = (struct run){ plain, prefix };
	runs[PREFIX6] = (struct run){ plain, prefix6 };
	runs[PREFIX_COUNTERS] = (struct run){ counting, prefix };
}

static void add_random(struct run *ours, struct run *empty, const char *dir, enum plan_kind kind,
		       uint32_t n)
{
	const struct loaded *peers = load_peers();

	*ours = load_random(peers, dir, kind, n);
	*empty = peer_run(peers, "random_empty");
}

static void load_runs(struct run runs[RUNS], uint32_t n, char **dirs)
{
	struct bpf_sk_lookup packet = packet4(htonl(INADDR_LOOPBACK), PLAN_ANY_PORT, IPPROTO_TCP);

	add_peers(runs);
	add_mixed(runs, dirs[0]);
	runs[THREE] = (struct run){ load_again(dirs[1], false), packet };
	packet.local_port = plan_port(0);
	runs[MANY] = (struct run){ load_again(dirs[2], false), packet };
	add_random(&runs[RANDOM_ANY], &runs[RANDOM_EMPTY], dirs[2], PLAN_ANY, n);
	add_random(&runs[RANDOM_PREFIX], &runs[RANDOM_PREFIX_EMPTY], dirs[3], PLAN_PREFIX, n);
	runs[RANDOM_LINES] = runs[RANDOM_PREFIX];
	runs[RANDOM_LINES].prog = program(loaded[n_loaded - 1].obj, "random_lines");
	for (int i = 0; i < RUNS; i++)
		expect(&runs[i],
		       i != EMPTY && i != MISS && i != MISS6 && i != RANDOM_EMPTY &&
			       i != RANDOM_PREFIX_EMPTY,
		       i);
}

static void measure_rows(uint32_t n, char **dirs)
{
	struct run runs[RUNS];

	for (int bench = 0; bench < BENCHES; bench++) {
		uint64_t begin = clock_ns(CLOCK_MONOTONIC);
		double *ns = best[bench];

		forget_times(ns, RUNS);
		for (int copy = 0; copy < COPIES; copy++) {
			load_runs(runs, n, dirs);
			time_runs(runs, ns, RUNS, ROUNDS / COPIES, REPEATS);
			unload_all();
		}
		fprintf(stderr, "  dispatch: bench %d of %d, %.1f s, floor %.2f ns over %.2f ns\n",
			bench + 1, BENCHES, us_since(begin) / 1e6, ns[FLOOR] - ns[EMPTY],
			ns[EMPTY]);
	}
	print_rows(n);
}

/* --- the curve -------------------------------------------------------------------------------- */

enum { CURVE_EMPTY, CURVE_FLOOR, CURVE_SEED, CURVE_OURS, CURVE_RUNS };

static void add_point(struct run *runs, const struct point *point)
{
	const struct loaded *peers = load_peers();

	for (uint32_t i = 0; i < plan_tcp(point->n); i++)
		open_seed_port(peers->obj, plan_port(i));
	runs[CURVE_EMPTY] = peer_run(peers, "random_empty");
	runs[CURVE_FLOOR] = peer_run(peers, "random_least");
	runs[CURVE_SEED] = peer_run(peers, "random_seed");
	runs[CURVE_OURS] = load_random(peers, point->dir, PLAN_ANY, point->n);
}

static void print_point(const struct point *point, const double ns[CURVE_RUNS])
{
	char name[64];

	(void)snprintf(name, sizeof(name), "curve ours %u", point->n);
	print_row(name, ns[CURVE_OURS] - ns[CURVE_EMPTY], "ns", "");
	/* It knows one port once, whatever the protocol. */
	(void)snprintf(name, sizeof(name), "curve seed %u", plan_tcp(point->n));
	print_row(name, ns[CURVE_SEED] - ns[CURVE_EMPTY], "ns", "");
	(void)snprintf(name, sizeof(name), "curve floor %u", point->n);
	print_row(name, ns[CURVE_FLOOR] - ns[CURVE_EMPTY], "ns", "");
}

static void measure_curve(const struct point *points, unsigned int n_points)
{
	static struct run runs[POINTS * CURVE_RUNS];
	static double ns[POINTS * CURVE_RUNS];
	unsigned int n = n_points * CURVE_RUNS;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);

	forget_times(ns, n);
	for (int copy = 0; copy < COPIES; copy++) {
		for (unsigned int i = 0; i < n_points; i++)
			add_point(runs + i * CURVE_RUNS, &points[i]);
		time_runs(runs, ns, n, ROUNDS / COPIES, REPEATS / 2);
		unload_all();
	}
	for (unsigned int i = 0; i < n_points; i++)
		print_point(&points[i], ns + i * CURVE_RUNS);
	fprintf(stderr, "  dispatch: curve of %u points, %.1f s\n", n_points,
		us_since(begin) / 1e6);
}

static uint32_t number(const char *text)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!n || n > 1000000)
		errx(2, "%s: not a number of bindings", text);
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	struct point points[POINTS];
	unsigned int n_points = 0;

	if (argc == 4 && !strcmp(argv[1], "plan")) {
		plan_print(strcmp(argv[2], "any") ? PLAN_PREFIX : PLAN_ANY, number(argv[3]));
		return 0;
	}
	if (argc < 7 || argc > 7 + POINTS || strcmp(argv[1], "measure"))
		errx(2, "usage: dispatch plan|measure ... (see the source)");
	for (int i = 7; i < argc; i++) {
		const char *dir = strchr(argv[i], '=');

		if (!dir)
			errx(2, "%s: not COUNT=DIR", argv[i]);
		points[n_points++] = (struct point){ number(argv[i]), dir + 1 };
	}
	stay_on_one_cpu();
	measure_rows(number(argv[2]), argv + 3);
	measure_curve(points, n_points);
	return 0;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the tests of the grammar, common/spec.h, as TAP: what is good, what is bad, and how long. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../common/spec.h"
#include "spec_bad.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define TCP(a, b) .first = (a), .last = (b), .proto = IPPROTO_TCP
#define UDP(a, b) .first = (a), .last = (b), .proto = IPPROTO_UDP
#define ALL_TCP	  TCP(1, 65535), .all = true
#define ALL_UDP	  UDP(1, 65535), .all = true
#define ANY	  .where = SKS_WHERE_ANY
#define IN	  .where = SKS_WHERE_PREFIX, .where_prefix
#define AT	  .listener_addr
#define OF	  .listener_port

#define V4(a, b, c, d, bits)                                             \
	{                                                                \
		.family = AF_INET, .len = (bits), .addr = { a, b, c, d } \
	}
#define V6(bits, ...)                                                      \
	{                                                                  \
		.family = AF_INET6, .len = (bits), .addr = { __VA_ARGS__ } \
	}
#define DB8 0x20, 0x01, 0x0d, 0xb8

/* The targets end with the first that has no ports. */
static const struct good_spec {
	const char *text;
	struct sks_target targets[5];
} good_specs[] = {
	{ "80", { { TCP(80, 80) } } },
	{ "1", { { TCP(1, 1) } } },
	{ "65535", { { TCP(65535, 65535) } } },
	{ "7,77,777", { { TCP(7, 7) }, { TCP(77, 77) }, { TCP(777, 777) } } },
	{ "8000-8100", { { TCP(8000, 8100) } } },
	{ "80-80", { { TCP(80, 80) } } },
	{ "80,80-81", { { TCP(80, 80) }, { TCP(80, 81) } } },
	{ "*", { { ALL_TCP } } },
	{ "1-65535", { { TCP(1, 65535) } } },
	{ "*;1-65535", { { ALL_TCP } } },
	{ "1-65535,*", { { TCP(1, 65535) } } },
	{ "80,8000-8100,*", { { TCP(80, 80) }, { TCP(8000, 8100) }, { ALL_TCP } } },
	{ "80/tcp", { { TCP(80, 80) } } },
	{ "53/udp", { { UDP(53, 53) } } },
	{ "53,853/udp", { { UDP(53, 53) }, { UDP(853, 853) } } },
	{ "53;53/udp", { { TCP(53, 53) }, { UDP(53, 53) } } },
	{ "53/udp;53", { { UDP(53, 53) }, { TCP(53, 53) } } },
	{ "*/udp", { { ALL_UDP } } },
	{ "80,80;80", { { TCP(80, 80) } } },
	{ "any:7,77", { { TCP(7, 7), ANY }, { TCP(77, 77), ANY } } },
	{ "any:*", { { ALL_TCP, ANY } } },
	{ "any:53/udp", { { UDP(53, 53), ANY } } },
	{ "any:80;80", { { TCP(80, 80), ANY }, { TCP(80, 80) } } },
	{ "192.0.2.0/24:53", { { TCP(53, 53), IN = V4(192, 0, 2, 0, 24) } } },
	{ "192.0.2.0/24:53/udp", { { UDP(53, 53), IN = V4(192, 0, 2, 0, 24) } } },
	{ "192.0.2.1:80", { { TCP(80, 80), IN = V4(192, 0, 2, 1, 32) } } },
	{ "192.0.2.1/32:80;192.0.2.1:80", { { TCP(80, 80), IN = V4(192, 0, 2, 1, 32) } } },
	{ "1.2.3.4/31:5", { { TCP(5, 5), IN = V4(1, 2, 3, 4, 31) } } },
	{ "0.0.0.0/0:80", { { TCP(80, 80), IN = V4(0, 0, 0, 0, 0) } } },
	{ "0.0.0.0/8:80", { { TCP(80, 80), IN = V4(0, 0, 0, 0, 8) } } },
	{ "10.0.0.0/8:1-1024,2000/udp",
	  { { UDP(1, 1024), IN = V4(10, 0, 0, 0, 8) },
	    { UDP(2000, 2000), IN = V4(10, 0, 0, 0, 8) } } },
	{ "[::/0]:80", { { TCP(80, 80), IN = V6(0, 0) } } },
	{ "[::1]:80", { { TCP(80, 80), IN = V6(128, [15] = 1) } } },
	{ "[2001:db8::/32]:53", { { TCP(53, 53), IN = V6(32, DB8) } } },
	{ "[2001:DB8:0::/32]:53;[2001:db8::/32]:53", { { TCP(53, 53), IN = V6(32, DB8) } } },
	{ "[2001:db8::1/128]:53", { { TCP(53, 53), IN = V6(128, DB8, [15] = 1) } } },
	{ "[::192.0.2.1]:80", { { TCP(80, 80), IN = V6(128, [12] = 192, 0, 2, 1) } } },
	{ "[::fffe:0:0/95]:80", { { TCP(80, 80), IN = V6(95, [10] = 0xff, 0xfe) } } },
	{ "[64:ff9b::/96]:80", { { TCP(80, 80), IN = V6(96, 0, 0x64, 0xff, 0x9b) } } },
	{ "192.0.2.0/24:53;[2001:db8::/32]:53;192.0.2.0/24:53/udp",
	  { { TCP(53, 53), IN = V4(192, 0, 2, 0, 24) },
	    { TCP(53, 53), IN = V6(32, DB8) },
	    { UDP(53, 53), IN = V4(192, 0, 2, 0, 24) } } },
	{ "80=8000-8100;443=8443",
	  { { TCP(8000, 8100), OF = 80 }, { TCP(8443, 8443), OF = 443 } } },
	{ "80=80", { { TCP(80, 80), OF = 80 } } },
	{ "80=8000;80=8000,8001", { { TCP(8000, 8000), OF = 80 }, { TCP(8001, 8001), OF = 80 } } },
	{ "53=5353;54=5353/udp", { { TCP(5353, 5353), OF = 53 }, { UDP(5353, 5353), OF = 54 } } },
	{ "80=any:8000", { { TCP(8000, 8000), ANY, OF = 80 } } },
	{ "80=8;443=any:8", { { TCP(8, 8), OF = 80 }, { TCP(8, 8), ANY, OF = 443 } } },
	{ "8;80=192.0.2.1:8",
	  { { TCP(8, 8) }, { TCP(8, 8), IN = V4(192, 0, 2, 1, 32), OF = 80 } } },
	{ "127.0.0.1:80=8000", { { TCP(8000, 8000), AT = V4(127, 0, 0, 1, 32), OF = 80 } } },
	{ "127.0.0.1:80=any:*", { { ALL_TCP, ANY, AT = V4(127, 0, 0, 1, 32), OF = 80 } } },
	{ "[::1]:80=[2001:db8::/32]:8-9/udp",
	  { { UDP(8, 9), IN = V6(32, DB8), AT = V6(128, [15] = 1), OF = 80 } } },
	{ "0.0.0.0:80=8;[::]:80=8",
	  { { TCP(8, 8), AT = V4(0, 0, 0, 0, 0), OF = 80 },
	    { TCP(8, 8), AT = V6(0, 0), OF = 80 } } },
	{ "127.0.0.1:80=8;127.0.0.2:81=8",
	  { { TCP(8, 8), AT = V4(127, 0, 0, 1, 32), OF = 80 },
	    { TCP(8, 8), AT = V4(127, 0, 0, 2, 32), OF = 81 } } },
};

static struct sks_target targets[SKS_SPEC_TARGETS];
static unsigned int n_tests, n_failed;

/* Specs that cannot be printed are shown with '?'. */
static void check(bool ok, const char *what, const char *spec, size_t len)
{
	printf("%sok %u - %s ", ok ? "" : "not ", ++n_tests, what);
	for (size_t i = 0, shown = len < 60 ? len : 60; i < shown; i++)
		putchar(spec[i] >= ' ' && spec[i] <= '~' && spec[i] != '#' ? spec[i] : '?');
	printf("\n");
	n_failed += !ok;
}

static bool same(const struct sks_target *a, const struct sks_target *b)
{
	return sks_target_equal(a, b) && a->all == b->all && a->listener_port == b->listener_port &&
	       sks_prefix_equal(&a->listener_addr, &b->listener_addr);
}

static void test_good(const struct good_spec *good)
{
	struct sks_spec_error error = { .text = "" };
	size_t n = 0;
	int r;

	r = sks_spec_parse(good->text, strlen(good->text), targets, SKS_SPEC_TARGETS, &n, &error);
	check(r == 0, "good:", good->text, strlen(good->text));
	if (r < 0)
		printf("# %s\n", error.text);
	for (size_t i = 0; i < n && i < LENGTH(good->targets); i++) {
		if (!same(&targets[i], &good->targets[i]))
			n = SKS_SPEC_TARGETS;
	}
	check(n < LENGTH(good->targets) && good->targets[n].first == 0,
	      "  its targets:", good->text, strlen(good->text));
}

static void test_bad(const struct bad_spec *bad)
{
	struct sks_spec_error error = { .offset = SIZE_MAX };
	char want[SKS_SPEC_ERROR_SIZE];
	size_t n = 4711;
	int r;

	snprintf(want, sizeof(want), "\"%s\" at character %zu: %s", bad->item, bad->offset + 1,
		 bad->why);
	r = sks_spec_parse(bad->text, bad->len, targets, SKS_SPEC_TARGETS, &n, &error);
	check(r == -EINVAL && n == 4711 && error.offset == bad->offset &&
		      strcmp(error.text, want) == 0,
	      "bad:", bad->text, bad->len);
	if (r == 0)
		printf("# was accepted\n");
	else if (error.offset != bad->offset || strcmp(error.text, want) != 0)
		printf("# %s\n# %s, wanted\n", error.text, want);
}

static void test_format(void)
{
	static const char *const specs[] = {
		"80",
		"80-81",
		"*",
		"1-65535",
		"53/udp",
		"any:80",
		"any:*/udp",
		"192.0.2.0/24:53/udp",
		"[2001:db8::/32]:8000-8100",
		"[2001:db8:1111:2222:3333:4444:5555:6666/127]:10000-10001/udp",
	};
	char buf[SKS_TARGET_STRLEN];
	struct sks_spec_error error;
	size_t n;

	for (size_t i = 0; i < LENGTH(specs); i++) {
		size_t len = strlen(specs[i]);

		check(sks_spec_parse(specs[i], len, targets, 1, &n, &error) == 0 && n == 1 &&
			      sks_target_format(&targets[0], buf) == buf &&
			      strcmp(buf, specs[i]) == 0,
		      "format:", specs[i], len);
	}
}

static bool names(const char *spec, uint8_t proto, struct sks_prefix addr, uint16_t port)
{
	struct sks_spec_cursor cursor = { .text = spec, .len = strlen(spec) };
	struct sks_spec_error error;
	struct sks_target target;

	return sks_spec_next(&cursor, &target, &error) == 1 &&
	       sks_target_names(&target, proto, &addr, port);
}

#define CHECK(condition) check(condition, "", #condition, sizeof(#condition) - 1)

static void test_names(void)
{
	const struct sks_prefix lo4 = V4(127, 0, 0, 1, 32), wild4 = V4(0, 0, 0, 0, 0);
	const struct sks_prefix lo6 = V6(128, [15] = 1), wild6 = V6(0, 0);

	CHECK(names("80=81", IPPROTO_TCP, lo4, 80));
	CHECK(names("80=81", IPPROTO_TCP, wild6, 80));
	CHECK(!names("80=81", IPPROTO_TCP, lo4, 81));
	CHECK(!names("80=81", IPPROTO_UDP, lo4, 80));
	CHECK(names("80=81/udp", IPPROTO_UDP, lo4, 80));
	CHECK(!names("80", IPPROTO_TCP, lo4, 80));
	CHECK(names("127.0.0.1:80=81", IPPROTO_TCP, lo4, 80));
	CHECK(!names("127.0.0.1:80=81", IPPROTO_TCP, wild4, 80));
	CHECK(!names("0.0.0.0:80=81", IPPROTO_TCP, lo4, 80));
	CHECK(names("0.0.0.0:80=81", IPPROTO_TCP, wild4, 80));
	CHECK(!names("[::]:80=81", IPPROTO_TCP, wild4, 80));
	CHECK(names("[::]:80=81", IPPROTO_TCP, wild6, 80));
	CHECK(names("[::1]:80=81", IPPROTO_TCP, lo6, 80));
}

static void test_labels(void)
{
	char label[SKS_LABEL_MAX + 2];

	CHECK(sks_label_is_valid("web"));
	CHECK(sks_label_is_valid("0"));
	CHECK(sks_label_is_valid("A-b_c.9"));
	CHECK(!sks_label_is_valid(""));
	CHECK(!sks_label_is_valid("-web"));
	CHECK(!sks_label_is_valid(".web"));
	CHECK(!sks_label_is_valid("@web-1"));
	CHECK(!sks_label_is_valid("web/1"));
	CHECK(!sks_label_is_valid("web 1"));
	CHECK(!sks_label_is_valid("w\303\251b"));
	memset(label, 'x', sizeof(label));
	label[SKS_LABEL_MAX] = '\0';
	CHECK(sks_label_is_valid(label));
	label[SKS_LABEL_MAX] = 'x';
	label[SKS_LABEL_MAX + 1] = '\0';
	CHECK(!sks_label_is_valid(label));
}

/* Fills text with as many items as fit, each of another target if it is told so. */
static size_t fill(char *text, size_t size, bool distinct)
{
	size_t len = 0;

	for (unsigned int port = 1; len + 6 < size; port++)
		len += (size_t)sprintf(text + len, "%s%u", len ? "," : "", distinct ? port : 9);
	return len;
}

static void test_size(void)
{
	static char text[SKS_SPEC_MAX + 2];
	struct sks_spec_error error, again;
	struct sks_spec_cursor cursor;
	struct sks_target target;
	size_t len, n = 0;
	clock_t start;

	memset(text, '1', sizeof(text));
	CHECK(sks_spec_parse(text, SKS_SPEC_MAX + 1, targets, 1, &n, &error) == -E2BIG);
	CHECK(error.offset == 0 && strstr(error.text, "...\" at character 1: a spec has at most"));
	CHECK(sks_spec_parse(text, SKS_SPEC_MAX, targets, 1, &n, &error) == -EINVAL);
	CHECK(sks_spec_parse("1,2,2", 5, targets, 2, &n, &error) == 0 && n == 2);
	CHECK(sks_spec_parse("1,2,3", 5, targets, 2, &n, &error) == -E2BIG && error.offset == 4);
	CHECK(sks_spec_parse(NULL, 0, targets, 2, &n, &error) == -EINVAL);

	cursor = (struct sks_spec_cursor){ .text = "1,,2", .len = 4 };
	CHECK(sks_spec_next(&cursor, &target, &error) == 1 && cursor.item == 0);
	CHECK(sks_spec_next(&cursor, &target, &error) == -EINVAL);
	CHECK(sks_spec_next(&cursor, &target, &again) == -EINVAL);
	CHECK(strcmp(error.text, again.text) == 0);

	start = clock();
	len = fill(text, sizeof(text), false);
	CHECK(sks_spec_parse(text, len, targets, SKS_SPEC_TARGETS, &n, &error) == 0 && n == 1);
	len = fill(text, sizeof(text), true);
	CHECK(sks_spec_parse(text, len, targets, SKS_SPEC_TARGETS, &n, &error) == 0 && n > 3400);
	CHECK(clock() - start < CLOCKS_PER_SEC / 10); /* sanitized too */
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(good_specs); i++)
		test_good(&good_specs[i]);
	for (size_t i = 0; i < LENGTH(bad_specs); i++)
		test_bad(&bad_specs[i]);
	test_format();
	test_names();
	test_labels();
	test_size();
	printf("1..%u\n", n_tests);
	return n_failed != 0;
}

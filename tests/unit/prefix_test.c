/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the tests of common/prefix.h and common/text.h, as TAP. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/prefix.h"
#include "../../common/text.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static unsigned int n_tests, n_failed;

static void check(bool ok, const char *what, const char *which)
{
	printf("%sok %u - %s %s\n", ok ? "" : "not ", ++n_tests, what, which);
	n_failed += !ok;
}

/* Made by libc alone, so that our own parser is not its own judge. */
static struct sks_prefix prefix(int family, const char *addr, uint8_t len)
{
	struct sks_prefix p = { .family = (uint8_t)family, .len = len };

	if (inet_pton(family, addr, p.addr) != 1)
		abort();
	return p;
}

static struct sks_prefix v4(const char *addr, uint8_t len)
{
	return prefix(AF_INET, addr, len);
}

static struct sks_prefix v6(const char *addr, uint8_t len)
{
	return prefix(AF_INET6, addr, len);
}

static void test_pairs(void)
{
	static const struct sks_prefix none;
	const struct {
		struct sks_prefix a, b;
		bool contains, intersects;
		const char *name;
	} pairs[] = {
		{ v4("192.0.2.0", 24), v4("192.0.2.0", 24), true, true, "itself" },
		{ v4("192.0.2.0", 24), v4("192.0.2.255", 32), true, true, "last of /24" },
		{ v4("192.0.2.0", 24), v4("192.0.3.0", 32), false, false, "one past /24" },
		{ v4("192.0.2.0", 25), v4("192.0.2.128", 25), false, false, "halves of /24" },
		{ v4("192.0.2.64", 26), v4("192.0.2.0", 24), false, true, "the longer first" },
		{ v4("10.0.0.0", 7), v4("11.255.255.255", 32), true, true, "/7, last" },
		{ v4("10.0.0.0", 7), v4("12.0.0.0", 32), false, false, "one past /7" },
		{ v4("0.0.0.0", 0), v4("255.255.255.255", 32), true, true, "all of IPv4" },
		{ v4("0.0.0.0", 0), v6("::", 128), false, false, "IPv4 and IPv6" },
		{ v6("::", 0), v6("2001:db8::1", 128), true, true, "all of IPv6" },
		{ v6("2001:db8::", 33), v6("2001:db8:7fff::", 48), true, true, "inside /33" },
		{ v6("2001:db8::", 33), v6("2001:db8:8000::", 48), false, false, "past /33" },
		{ v6("::1", 128), v6("::1", 128), true, true, "::1" },
		{ v6("::2", 127), v6("::3", 128), true, true, "/127" },
		{ none, none, false, false, "no prefix and no prefix" },
		{ none, v4("192.0.2.1", 32), false, false, "no prefix and an address" },
		{ v4("0.0.0.0", 0), none, false, false, "all of IPv4 and no prefix" },
	};

	for (size_t i = 0; i < LENGTH(pairs); i++) {
		const struct sks_prefix *a = &pairs[i].a, *b = &pairs[i].b;

		check(sks_prefix_contains(a, b) == pairs[i].contains, "contains:", pairs[i].name);
		check(sks_prefix_intersects(a, b) == pairs[i].intersects &&
			      sks_prefix_intersects(b, a) == pairs[i].intersects,
		      "intersects:", pairs[i].name);
	}
}

static void test_canonical(void)
{
	struct sks_prefix p = v4("192.0.2.0", 24);

	check(sks_prefix_is_canonical(&p), "canonical:", "/24");
	p.len = 22;
	check(!sks_prefix_is_canonical(&p), "canonical:", "a bit beyond /22");
	p.len = 33;
	check(!sks_prefix_is_canonical(&p), "canonical:", "IPv4 /33");
	p.len = 32;
	p.addr[4] = 1;
	check(!sks_prefix_is_canonical(&p), "canonical:", "a fifth byte of IPv4");
	p = v6("2001:db8::", 29);
	check(sks_prefix_is_canonical(&p), "canonical:", "/29");
	p.len = 28;
	check(!sks_prefix_is_canonical(&p), "canonical:", "a bit beyond /28");
	p = v6("::1", 128);
	check(sks_prefix_is_canonical(&p), "canonical:", "/128");
	p.len = 129;
	check(!sks_prefix_is_canonical(&p), "canonical:", "/129");
	p = (struct sks_prefix){ 0 };
	check(sks_prefix_is_canonical(&p), "canonical:", "no prefix");
	p.addr[0] = 1;
	check(!sks_prefix_is_canonical(&p), "canonical:", "no prefix with an address");
	p = (struct sks_prefix){ .family = AF_UNIX };
	check(!sks_prefix_is_canonical(&p), "canonical:", "another family");
	check(sks_family_bits(AF_INET) == 32 && sks_family_bits(AF_INET6) == 128 &&
		      sks_family_bits(AF_UNSPEC) == 0 && sks_family_bits(AF_UNIX) == 0,
	      "bits of", "each family");
}

static void test_format(void)
{
	const struct {
		struct sks_prefix prefix;
		const char *text;
	} formats[] = {
		{ { 0 }, "" },
		{ v4("192.0.2.1", 32), "192.0.2.1" },
		{ v4("192.0.2.0", 24), "192.0.2.0/24" },
		{ v4("0.0.0.0", 0), "0.0.0.0/0" },
		{ v4("0.0.0.0", 32), "0.0.0.0" },
		{ v4("255.255.255.254", 31), "255.255.255.254/31" },
		{ v6("::", 0), "[::/0]" },
		{ v6("::", 128), "[::]" },
		{ v6("::1", 128), "[::1]" },
		{ v6("1::", 16), "[1::/16]" },
		{ v6("2001:DB8:0:0:0:0:0:0", 32), "[2001:db8::/32]" },
		{ v6("1:0:0:2:0:0:0:3", 128), "[1:0:0:2::3]" },
		{ v6("1:0:0:2:3:0:0:4", 128), "[1::2:3:0:0:4]" },
		{ v6("1:0:2:3:4:5:6:7", 128), "[1:0:2:3:4:5:6:7]" },
		{ v6("0:1:2:3:4:5:6:7", 128), "[0:1:2:3:4:5:6:7]" },
		{ v6("1:2:3:4:5:6:0:0", 128), "[1:2:3:4:5:6::]" },
		{ v6("0:0:1:2:3:4:5:0", 128), "[::1:2:3:4:5:0]" },
		{ v6("::ffff:192.0.2.1", 128), "[::ffff:c000:201]" },
		{ v6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 127),
		  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127]" },
	};
	char buf[SKS_PREFIX_STRLEN];

	for (size_t i = 0; i < LENGTH(formats); i++) {
		check(sks_prefix_format(&formats[i].prefix, buf) == buf &&
			      strcmp(buf, formats[i].text) == 0,
		      "format:", formats[i].text);
	}
}

static void check_sockaddr(const void *sa, size_t len, int want, struct sks_prefix want_addr,
			   uint16_t want_port, const char *name)
{
	struct sks_prefix addr = v4("198.51.100.7", 32), untouched = addr;
	char shifted[sizeof(struct sockaddr_storage) + 1];
	uint16_t port = 4711;
	int r;

	memcpy(shifted + 1, sa, len); /* an odd address, as programs do pass */
	r = sks_prefix_from_sockaddr((const struct sockaddr *)(const void *)(shifted + 1), len,
				     &addr, &port);
	if (r < 0)
		check(r == want && sks_prefix_equal(&addr, &untouched) && port == 4711,
		      "from_sockaddr:", name);
	else
		check(r == want && sks_prefix_equal(&addr, &want_addr) && port == want_port,
		      "from_sockaddr:", name);
}

static void test_sockaddr(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
	struct sockaddr_storage other = { .ss_family = AF_UNIX };
	const struct sks_prefix none = { 0 };

	check_sockaddr(&in, sizeof(in), 0, v4("0.0.0.0", 0), 80, "0.0.0.0");
	check_sockaddr(&in, sizeof(in) - 1, -EINVAL, none, 0, "short IPv4");
	inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
	check_sockaddr(&in, sizeof(in), 0, v4("127.0.0.1", 32), 80, "127.0.0.1");
	check_sockaddr(&in6, sizeof(in6), 0, v6("::", 0), 443, "::");
	check_sockaddr(&in6, 24, 0, v6("::", 0), 443, ":: without a scope id");
	check_sockaddr(&in6, 23, -EINVAL, none, 0, "short IPv6");
	inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
	check_sockaddr(&in6, sizeof(in6), 0, v6("fe80::1", 128), 443, "fe80::1");
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
	check_sockaddr(&in6, sizeof(in6), 0, v4("127.0.0.1", 32), 443, "::ffff:127.0.0.1");
	inet_pton(AF_INET6, "::ffff:0.0.0.0", &in6.sin6_addr);
	check_sockaddr(&in6, sizeof(in6), 0, v4("0.0.0.0", 0), 443, "::ffff:0.0.0.0");
	check_sockaddr(&other, sizeof(other), -EAFNOSUPPORT, none, 0, "AF_UNIX");
	check_sockaddr(&other, 1, -EINVAL, none, 0, "one byte");
	check_sockaddr(&other, 0, -EINVAL, none, 0, "no byte");
}

/* What is good and bad as a where is spec_test.c's; here, what the two functions differ in. */
static void test_parse(void)
{
	const struct sks_prefix wild4 = v4("0.0.0.0", 0), full4 = v4("192.0.2.1", 32);
	char why[SKS_PREFIX_WHYLEN];
	struct sks_prefix p;

	check(sks_address_parse("0.0.0.0", 7, &p, why) == 0 && sks_prefix_equal(&p, &wild4),
	      "address_parse:", "0.0.0.0");
	check(sks_prefix_parse("0.0.0.0", 7, &p, why) == -EINVAL, "prefix_parse:", "0.0.0.0");
	check(sks_prefix_parse("0.0.0.0/0", 9, &p, why) == 0 && sks_prefix_equal(&p, &wild4),
	      "prefix_parse:", "0.0.0.0/0");
	check(sks_address_parse("0.0.0.0/0", 9, &p, why) == -EINVAL, "address_parse:", "0.0.0.0/0");
	check(sks_prefix_parse("192.0.2.1/32", 12, &p, why) == 0 && sks_prefix_equal(&p, &full4),
	      "prefix_parse:", "a full length is none");
	p = full4;
	check(sks_prefix_parse("192.0.2.1\0", 10, &p, why) == -EINVAL &&
		      sks_prefix_equal(&p, &full4),
	      "prefix_parse:", "a NUL behind the address");
	check(sks_prefix_parse("", 0, &p, why) == -EINVAL && *why, "prefix_parse:", "nothing");
}

static void test_text(void)
{
	struct sks_text text;
	char buf[24], tiny[4];
	uint32_t n = 7;

	sks_text_init(&text, buf, sizeof(buf));
	sks_text_int(&text, INT64_MIN);
	check(strcmp(buf, "-9223372036854775808") == 0, "text:", "INT64_MIN");
	sks_text_init(&text, buf, sizeof(buf));
	sks_text_uint(&text, UINT64_MAX);
	sks_text_char(&text, ' ');
	sks_text_hex(&text, 0);
	check(strcmp(buf, "18446744073709551615 0") == 0, "text:", "UINT64_MAX and 0");
	sks_text_init(&text, buf, sizeof(buf));
	sks_text_strn(&text, "abcdef", 3);
	sks_text_strn(&text, "g\0h", 3);
	sks_text_hex(&text, 0xdeadbeef);
	check(strcmp(buf, "abcgdeadbeef") == 0 && text.pos == 12, "text:", "strn and hex");
	sks_text_init(&text, tiny, sizeof(tiny));
	sks_text_str(&text, "12345");
	check(strcmp(tiny, "123") == 0 && text.pos == 3, "text:", "cut off");
	sks_text_init(&text, tiny, 1);
	sks_text_uint(&text, 5);
	check(tiny[0] == '\0' && text.pos == 0, "text:", "room for the NUL alone");

	check(sks_uint_parse("0", 1, 9, &n) == 0 && n == 0, "uint:", "0");
	check(sks_uint_parse("4294967295", 10, UINT32_MAX, &n) == 0 && n == UINT32_MAX,
	      "uint:", "UINT32_MAX");
	check(sks_uint_parse("4294967296", 10, UINT32_MAX, &n) == -ERANGE, "uint:", "one more");
	check(sks_uint_parse("99999999999999999999999", 23, 9, &n) == -ERANGE, "uint:", "huge");
	check(sks_uint_parse("99999x", 6, 9, &n) == -EINVAL, "uint:", "99999x");
	check(sks_uint_parse("00", 2, 9, &n) == -EINVAL, "uint:", "00");
	check(sks_uint_parse("", 0, 9, &n) == -EINVAL, "uint:", "nothing");
	check(sks_uint_parse("+1", 2, 9, &n) == -EINVAL, "uint:", "+1");
	check(n == UINT32_MAX, "uint:", "untouched on failure");
}

int main(void)
{
	test_pairs();
	test_canonical();
	test_format();
	test_sockaddr();
	test_parse();
	test_text();
	printf("1..%u\n", n_tests);
	return n_failed != 0;
}

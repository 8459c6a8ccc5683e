/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how the values of sksteerctl's options are read (see values.h). */
#include "values.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

#include "../../common/text.h"
#include "signals.h"

#define MAX_SECONDS 86400u

int sks_value_seconds(const char *option, const char *text, uint32_t min, uint32_t *ret_seconds)
{
	if (!sks_uint_parse(text, strlen(text), MAX_SECONDS, ret_seconds) && *ret_seconds >= min)
		return 0;
	warnx("%s: \"%s\" is not a number of seconds from %u to %u", option, text, min,
	      MAX_SECONDS);
	return -EINVAL;
}

int sks_value_signal(const char *option, const char *text, int *ret_signal)
{
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint32_t number;

	if (!sks_uint_parse(text, strlen(text), (uint32_t)SIGRTMAX, &number) && number) {
		*ret_signal = (int)number;
		return 0;
	}
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		const char *abbreviation = sks_signal_name(sig);

		if (abbreviation && strcmp(abbreviation, name) == 0) {
			*ret_signal = sig;
			return 0;
		}
	}
	warnx("%s: \"%s\" is no signal", option, text);
	return -EINVAL;
}

int sks_value_number(const char *option, const char *text, uint32_t min, uint32_t *ret_number)
{
	if (!sks_uint_parse(text, strlen(text), INT32_MAX, ret_number) && *ret_number >= min)
		return 0;
	warnx("%s: \"%s\" is not a number from %u to %d", option, text, min, INT32_MAX);
	return -EINVAL;
}

int sks_value_port(const char *option, const char *text, uint16_t *ret_port, uint8_t *ret_proto)
{
	size_t len = strcspn(text, "/");
	const char *proto = text[len] ? text + len + 1 : "tcp";
	uint32_t port;

	if (sks_uint_parse(text, len, UINT16_MAX, &port) || !port ||
	    (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0)) {
		warnx("%s: \"%s\" is not a port, as 80, 80/tcp or 53/udp", option, text);
		return -EINVAL;
	}
	*ret_port = (uint16_t)port;
	*ret_proto = *proto == 'u' ? IPPROTO_UDP : IPPROTO_TCP;
	return 0;
}

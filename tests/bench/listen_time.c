// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Owns how long one listen(2) on port 7777 takes, in microseconds. Preloaded with the library, it
 * returns when the ports are steered.
 */
#include "bench.h"

int main(void)
{
	int fd = bound_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, NULL, 7777);
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);

	need(!listen(fd, 16), "listen");
	printf("%.1f\n", us_since(begin));
	return 0;
}

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns a server that binds before any constructor has run, even libc's, and listens later. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

static int fd, bound;

static void early(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(7777) };

	fd = socket(AF_INET, SOCK_STREAM, 0);
	bound = bind(fd, (struct sockaddr *)&in, sizeof(in));
}

__attribute__((section(".preinit_array"), used)) static void (*const run_early)(void) = early;

int main(void)
{
	printf("bind %d listen %d\n", bound, listen(fd, 8));
	return 0;
}

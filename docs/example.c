/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A server that asks for its ports itself: cc example.c $(pkg-config --cflags --libs sksteer) */
#include <err.h>
#include <netinet/in.h>
#include <sksteer.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(7777) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), error;

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128))
		err(1, "port 7777");
	error = sksteer_register(fd, argc > 1 ? argv[1] : "80,443", argc > 2 ? argv[2] : NULL);
	if (error)
		warnx("%s", sksteer_strerror(error)); /* and serve port 7777 alone */
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		(void)dprintf(client, "hello\n");
		(void)close(client);
	}
}

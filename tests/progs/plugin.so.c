/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a plugin that waits, while it is being loaded, for a thread that makes the program's first
 * calls of those that the library interposes: the loader's lock is taken until they return.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *arg)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int failed = bind(fd, (struct sockaddr *)&in, len) || listen(fd, 8) ||
		     getsockname(fd, (struct sockaddr *)&in, &len) || shutdown(fd, SHUT_RDWR);

	(void)arg;
	close(fd);
	puts(failed ? "failed" : "served");
	fflush(stdout);
	return NULL;
}

__attribute__((constructor)) static void start(void)
{
	pthread_t id;

	if (!pthread_create(&id, NULL, serve, NULL))
		pthread_join(id, NULL);
}

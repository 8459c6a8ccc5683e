/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns a server of four threads, each of which opens the same port by SO_REUSEPORT, all at once. */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#define THREADS 4

static pthread_barrier_t start;

static void *serve(void *arg)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(7777) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	(void)arg;
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	pthread_barrier_wait(&start);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)))
		err(2, "bind");
	pthread_barrier_wait(&start);
	if (listen(fd, 8))
		err(2, "listen");
	return NULL;
}

int main(void)
{
	pthread_t ids[THREADS];

	pthread_barrier_init(&start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&ids[i], NULL, serve, NULL))
			errx(2, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	puts("served");
	return 0;
}

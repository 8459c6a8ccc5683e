/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns how much stack a call needs: servers have coroutines, and handlers on stacks of their own. */
#ifndef SKSTEER_TESTS_CALLS_STACK_H
#define SKSTEER_TESTS_CALLS_STACK_H

#include <err.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include "calls.h"

#define STACK_SIZE  (256 * 1024)
#define STACK_PAINT 0xa5
#define STACK_SMALL 3072 /* of the 8 KiB that a handler, or a coroutine, often has */

static unsigned char stack_area[STACK_SIZE] __attribute__((aligned(4096)));

/* On that stack, all of which is below this function's frame. */
static void *listen_on_it(void *arg)
{
	unsigned char *frame = __builtin_frame_address(0);
	volatile unsigned char *byte = stack_area;
	int ret;

	(void)arg;
	while (byte < frame - 512)
		*byte++ = STACK_PAINT;
	ret = listen(fd, 8);
	for (byte = stack_area; *byte == STACK_PAINT;)
		byte++;
	if (frame - byte <= STACK_SMALL)
		printf("listen %s, little stack\n", ret ? "failed" : "ok");
	else
		printf("listen %s, %td bytes of stack\n", ret ? "failed" : "ok", frame - byte);
	fflush(stdout);
	return NULL;
}

/* After an earlier listen: the loader needs some when it looks for a function. */
static void do_stack(void)
{
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	if (pthread_attr_setstack(&attr, stack_area, sizeof(stack_area)) ||
	    pthread_create(&id, &attr, listen_on_it, NULL))
		errx(2, "pthread_create");
	pthread_join(id, NULL);
}

#endif

// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns the having of programs verified (see loader.h). */
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "../common/cleanup.h"
#include "bpf_load.h"

/* The maps come one by one, and then the question. */
struct question {
	uint32_t map; /* the index of the descriptor; SKS_MAP_COUNT: load */
	uint32_t program;
};

struct answer {
	int32_t err;
	char why[200];
};

static void drop(int maps[SKS_MAP_COUNT])
{
	for (int i = 0; i < SKS_MAP_COUNT; i++) {
		sks_closep(&maps[i]);
		maps[i] = -1;
	}
}

static int load(uint32_t program, const int *maps)
{
	switch (program) {
	case SKS_PROGRAM_DISPATCH:
		return sks_bpf_load_dispatch(maps);
	case SKS_PROGRAM_CENSUS:
		return sks_bpf_load_census(maps);
	case SKS_PROGRAM_COPY:
		return sks_bpf_load_copy(maps);
	default:
		return -EPROTO;
	}
}

static void work(const void *question, int fd, void *ret_answer, int *ret_fd)
{
	static int maps[SKS_MAP_COUNT] = { [0 ... SKS_MAP_COUNT - 1] = -1 };
	const struct question *q = question;
	struct answer *answer = ret_answer;
	int got;

	*answer = (struct answer){};
	if (q->map < SKS_MAP_COUNT) {
		sks_closep(&maps[q->map]);
		maps[q->map] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		answer->err = maps[q->map] < 0 ? -errno : 0;
		return;
	}
	sks_bpf_forget();
	got = load(q->program, maps);
	drop(maps); /* what is not in use any more goes */
	if (got >= 0) {
		*ret_fd = got;
		return;
	}
	answer->err = got;
	(void)snprintf(answer->why, sizeof(answer->why), "%s", sks_bpf_why());
}

struct sks_worker sks_loader_worker = {
	.name = "sksteerd-loader",
	.question = sizeof(struct question),
	.answer = sizeof(struct answer),
	.work = work,
	.seconds = 60, /* the verifier of an old kernel, on a machine that has other work */
	.sock = -1,
};

static int ask(const struct question *question, int fd, int *ret_fd)
{
	struct answer answer;
	int err = sks_worker_ask(&sks_loader_worker, question, fd, &answer, ret_fd);

	if (!err && answer.err)
		sks_bpf_heard(answer.why);
	return err ?: answer.err;
}

int sks_loader_load(enum sks_program program, const int *maps, size_t n)
{
	CLEANUP_FD int fd = -1;
	int none, err = 0;

	for (uint32_t i = 0; !err && i < n; i++)
		err = ask(&(struct question){ i, program }, maps[i], &none);
	if (!err)
		err = ask(&(struct question){ SKS_MAP_COUNT, program }, -1, &fd);
	return err ?: sks_take_fd(&fd);
}

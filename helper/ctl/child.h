/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns the processes that sksteerctl starts: their start, their end, what they leave behind, and
 * the pauses in which it watches them.
 */
#ifndef SKSTEER_CTL_CHILD_H
#define SKSTEER_CTL_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct sks_child {
	pid_t pid;
	bool ended;
	int status; /* as of waitpid(2), once it has ended */
};

/*
 * Before anything is started: whatever descends from us stays our descendant, signals that would
 * end us are noticed in pauses instead, and no full pipe ends us. 0 or -errno.
 */
int sks_children_begin(void);

/* Whom it becomes, and what it does before: sets its environment. 0 or -errno. */
struct sks_start {
	char *const *argv; /* found through PATH */
	int (*prepare)(const void *data);
	const void *data;
	bool quiet; /* its output goes nowhere */
};

/*
 * Starts it in a session of its own, with /dev/null as its standard input. The child is borrowed
 * until it has ended. 0, or -errno, of execvp(3) too: then nothing runs.
 */
int sks_child_start(const struct sks_start *start, struct sks_child *ret_child);

/*
 * Waits so long, or until a child ends. Returns the signal that asked us to end, now or earlier,
 * else 0.
 */
int sks_children_pause(int ms);
/* Learns which children have ended. True: some process that descends from us is left. */
bool sks_children_left(void);
/* Ends all of them: SIGTERM, and SIGKILL after 5 s. False: there were none. */
bool sks_children_stop(void);
/* Ends what runs in the child's own session, at once. */
void sks_child_kill(struct sks_child *child);

#endif

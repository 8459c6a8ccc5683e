/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a death at a chosen system call: killat PID N.
 *
 * Traces that process, which has one thread. The first call that counts is the one after an
 * accept4(2) that brought a connection: a helper that waits for its next client has made none.
 * Right before the Nth it is killed, and "killed before call NR" is said (NR: the kernel's number).
 * At SIGTERM it waits until the process rests, lets go of it, says "made M calls", and leaves with
 * status 3. Says "ready" first.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_US 50000

static pid_t pid;
static unsigned long target, calls;
static bool counting;
static volatile sig_atomic_t asked_to_end;

static void on_signal(int sig)
{
	asked_to_end |= sig == SIGTERM;
}

static void say(const char *line, long number)
{
	printf(line, number);
	fflush(stdout);
}

static void take_syscall(void)
{
	static long entered;
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
		err(2, "PTRACE_GET_SYSCALL_INFO");
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		entered = (long)info.entry.nr;
		if (counting && ++calls == target) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			say("killed before call %ld\n", entered);
			exit(0);
		}
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		counting |= entered == SYS_accept4 && info.exit.rval >= 0;
	}
}

/* Returns the signal to go on with. */
static int take_stop(int status)
{
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80))
		take_syscall();
	else if (status >> 16 == 0)
		return sig;
	return 0;
}

static void attach(void)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
		err(2, "cannot trace %d", (int)pid);
	if (ptrace(PTRACE_SYSCALL, pid, 0, 0))
		err(2, "PTRACE_SYSCALL");
}

static void let_go(void)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, 0) != pid ||
	    ptrace(PTRACE_DETACH, pid, 0, 0))
		err(2, "cannot let go of %d", (int)pid);
	say("made %ld calls\n", (long)calls);
	exit(3);
}

/* At every tick. Between two of them nothing was called: it waits for something. */
static void look_for_rest(void)
{
	static unsigned long before = ~0ul;

	if (!asked_to_end)
		return;
	if (calls == before)
		let_go();
	before = calls;
}

int main(int argc, char **argv)
{
	const struct itimerval tick = { { 0, TICK_US }, { 0, TICK_US } };
	struct sigaction action = { .sa_handler = on_signal };

	if (argc != 3)
		errx(2, "usage: killat PID N");
	pid = (pid_t)atoi(argv[1]);
	target = strtoul(argv[2], NULL, 10);
	/* Without SA_RESTART: they interrupt the wait. */
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	attach();
	setitimer(ITIMER_REAL, &tick, NULL);
	say("ready\n", 0);
	for (;;) {
		int status;
		pid_t got = waitpid(pid, &status, 0);

		if (got < 0 && errno == EINTR) {
			look_for_rest();
			continue;
		}
		if (got != pid || !WIFSTOPPED(status))
			errx(2, "it ended by itself");
		if (ptrace(PTRACE_SYSCALL, pid, 0, take_stop(status)) && errno != ESRCH)
			err(2, "PTRACE_SYSCALL");
	}
}

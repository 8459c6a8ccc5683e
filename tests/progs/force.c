/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns a process that does what it was not built to do: at its next system call it makes another
 * one, as if whoever broke into it had, by ptrace(2).
 *
 *	force PID CALL [ARGUMENT]...
 *
 * Says "killed by N", or "returned N" (and lets the process go on: its own call was not made, and
 * has returned that).
 */
#include <elf.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define CALL(name)                \
	{                         \
#name, SYS_##name \
	}

static const struct {
	const char *name;
	long number;
} calls[] = {
	CALL(bind),	   CALL(bpf),
	CALL(clone),	   CALL(connect),
	CALL(execve),	   CALL(getpid),
	CALL(init_module), CALL(kill),
	CALL(mount),	   CALL(mprotect),
	CALL(openat),	   CALL(perf_event_open),
	CALL(pidfd_getfd), CALL(process_vm_writev),
	CALL(ptrace),	   CALL(setns),
	CALL(setsockopt),  CALL(setuid),
	CALL(shutdown),	   CALL(socket),
	CALL(tgkill),	   CALL(unshare),
};

static long number_of(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (!strcmp(calls[i].name, name))
			return calls[i].number;
	}
	errx(2, "%s: not one of ours", name);
}

static int next_stop(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SYSCALL, pid, 0, 0))
		err(2, "PTRACE_SYSCALL");
	if (waitpid(pid, &status, 0) != pid)
		err(2, "waitpid");
	return status;
}

/* Also the exit of a call that was under way is a stop, and what woke it up. */
static void await_entry(pid_t pid)
{
	struct __ptrace_syscall_info info = { .op = PTRACE_SYSCALL_INFO_NONE };

	while (info.op != PTRACE_SYSCALL_INFO_ENTRY) {
		if (!WIFSTOPPED(next_stop(pid)))
			errx(2, "it ended by itself");
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
			err(2, "PTRACE_GET_SYSCALL_INFO");
	}
}

static void replace(pid_t pid, long number, const long args[6])
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov))
		err(2, "PTRACE_GETREGSET");
#if defined(__x86_64__)
	regs.orig_rax = (unsigned long)number;
	regs.rdi = (unsigned long)args[0];
	regs.rsi = (unsigned long)args[1];
	regs.rdx = (unsigned long)args[2];
	regs.r10 = (unsigned long)args[3];
	regs.r8 = (unsigned long)args[4];
	regs.r9 = (unsigned long)args[5];
#elif defined(__aarch64__)
	int call = (int)number;
	struct iovec call_iov = { &call, sizeof(call) };

	if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &call_iov))
		err(2, "NT_ARM_SYSTEM_CALL");
	for (int i = 0; i < 6; i++)
		regs.regs[i] = (unsigned long)args[i];
#else
#error "which registers has a system call here?"
#endif
	if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov))
		err(2, "PTRACE_SETREGSET");
}

int main(int argc, char **argv)
{
	struct __ptrace_syscall_info info;
	long args[6] = { 0 };
	int status;
	pid_t pid;

	if (argc < 3 || argc > 9)
		errx(2, "usage: force PID CALL [ARGUMENT]...");
	pid = (pid_t)atoi(argv[1]);
	for (int i = 3; i < argc; i++)
		args[i - 3] = strtol(argv[i], NULL, 0);
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, 0) != pid)
		err(2, "cannot trace %d", (int)pid);
	await_entry(pid);
	replace(pid, number_of(argv[2]), args);
	if (!WIFSTOPPED(next_stop(pid)))
		errx(2, "it ended by itself");
	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
		err(2, "PTRACE_GET_SYSCALL_INFO");
	/* The death that a filter wants comes after the return from the call that was not made. */
	status = next_stop(pid);
	if (WIFSIGNALED(status))
		printf("killed by %d\n", WTERMSIG(status));
	else
		printf("returned %ld\n", (long)info.exit.rval);
	return WIFSTOPPED(status) && ptrace(PTRACE_DETACH, pid, 0, 0);
}

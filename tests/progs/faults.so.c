/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns faults of the kernel: preloaded into the helper, it makes one kind of its calls fail, or
 * kills it there, as the file $FAULTS says at that moment:
 *
 * "fail STEP N": the Nth such call since the file was written, and those that follow.
 * "kill STEP N": dies right before the Nth.
 *
 * STEP: map (is made), mmap (of a map), load (of a program: the verifier gets another one and
 * refuses it), run (of a program), pin, link (gets another program), rename, or any of the last
 * three. What libbpf tries out to learn about the kernel is left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long (*real_syscall)(long number, ...);
static void *(*real_mmap)(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
static int (*real_rename)(const char *from, const char *to);

/* True: it fails. */
static bool meet(const char *step)
{
	static struct timespec written;
	static int met;
	const char *path = getenv("FAULTS");
	char what[8] = "", which[8] = "";
	struct stat st;
	FILE *plan;
	int n = 0, words;

	if (!path || stat(path, &st))
		return false;
	if (memcmp(&st.st_mtim, &written, sizeof(written)) != 0) {
		written = st.st_mtim;
		met = 0;
	}
	plan = fopen(path, "re");
	words = plan ? fscanf(plan, "%7s %7s %d", what, which, &n) : 0;
	if (plan)
		fclose(plan);
	if (words != 3 || (strcmp(which, step) != 0 &&
			   (strcmp(which, "any") != 0 || !strstr("pin link rename", step))))
		return false;
	if (++met < n)
		return false;
	if (!strcmp(what, "kill"))
		raise(SIGKILL);
	return true;
}

static long spoil(long command, union bpf_attr *attr, long size)
{
	/* r0 = *(u32 *)(r1 + 4096), far beyond any context */
	static const struct bpf_insn bad[] = {
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 0, .src_reg = 1, .off = 4096 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr other;

	memcpy(&other, attr, (size_t)size < sizeof(other) ? (size_t)size : sizeof(other));
	other.insns = (__u64)(unsigned long)bad;
	other.insn_cnt = sizeof(bad) / sizeof(*bad);
	other.func_info_cnt = other.line_info_cnt = other.core_relo_cnt = 0;
	return real_syscall(SYS_bpf, command, &other, size);
}

static long bpf(long command, union bpf_attr *attr, long size)
{
	bool fails = false;

	if (command == BPF_MAP_CREATE && *attr->map_name && strncmp(attr->map_name, "libbpf", 6))
		fails = meet("map");
	else if (command == BPF_PROG_LOAD &&
		 (!strcmp(attr->prog_name, "sksteer") || !strcmp(attr->prog_name, "copy_sockets") ||
		  !strcmp(attr->prog_name, "census"))) {
		if (meet("load"))
			return spoil(command, attr, size);
	} else if (command == BPF_PROG_TEST_RUN)
		fails = meet("run");
	else if (command == BPF_OBJ_PIN)
		fails = meet("pin");
	else if (command == BPF_LINK_UPDATE)
		fails = meet("link");
	if (!fails)
		return real_syscall(SYS_bpf, command, attr, size);
	errno = ENOMEM;
	return -1;
}

/* libbpf's way to bpf(2). */
long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (!real_syscall)
		real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_bpf)
		return bpf(a[0], (union bpf_attr *)a[1], a[2]);
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (!real_mmap)
		real_mmap =
			(void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
	if (fd < 0 || !(flags & MAP_SHARED) || !meet("mmap"))
		return real_mmap(addr, len, prot, flags, fd, offset);
	errno = ENOMEM;
	return MAP_FAILED;
}

int rename(const char *from, const char *to)
{
	if (!real_rename)
		real_rename = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
	if (!meet("rename"))
		return real_rename(from, to);
	errno = ENOMEM;
	return -1;
}

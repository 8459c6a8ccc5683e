/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the inspection of the program to start: static, Go, setuid, and what else a preload misses. */
#include "reach.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../common/cleanup.h"

#define SCRIPT_LINE  256 /* the kernel's BINPRM_BUF_SIZE */
#define MAX_SECTIONS 4096

static bool is_executable_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int resolve_in(const char *dir, size_t dir_len, const char *command, char *ret_path,
		      size_t size)
{
	int len;

	/* An empty entry is the current directory, as everywhere. */
	len = snprintf(ret_path, size, "%.*s%s%s", (int)dir_len, dir, dir_len ? "/" : "./",
		       command);
	if (len < 0 || (size_t)len >= size)
		return -ENAMETOOLONG;
	if (is_executable_file(ret_path))
		return 0;
	return access(ret_path, F_OK) == 0 ? -EACCES : -ENOENT;
}

int sks_run_resolve(const char *command, char *ret_path, size_t size)
{
	const char *dir = getenv("PATH");
	int err, ret = -ENOENT;

	if (!*command)
		return -ENOENT;
	if (strchr(command, '/')) {
		if (strlen(command) >= size)
			return -ENAMETOOLONG;
		memcpy(ret_path, command, strlen(command) + 1);
		if (access(command, F_OK) < 0)
			return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -EACCES;
		return is_executable_file(command) ? 0 : -EACCES;
	}
	for (dir = dir ? dir : "/bin:/usr/bin"; dir; dir = *dir ? dir + 1 : NULL) {
		size_t dir_len = strcspn(dir, ":");

		err = resolve_in(dir, dir_len, command, ret_path, size);
		if (!err)
			return 0;
		/* One that may not be run is the answer only if no later directory has a better. */
		if (err == -EACCES)
			ret = -EACCES;
		dir += dir_len;
	}
	return ret;
}

/* The interpreter of a "#!" line, NUL-terminated in place; NULL when there is none. */
static char *script_interpreter(char line[SCRIPT_LINE])
{
	char *start;

	if (strncmp(line, "#!", 2) != 0)
		return NULL;
	start = line + 2 + strspn(line + 2, " \t");
	start[strcspn(start, " \t\n")] = '\0';
	return *start ? start : NULL;
}

static bool read_at(int fd, void *buf, size_t size, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, buf, size, (off_t)offset) == (ssize_t)size;
}

static bool has_interp(int fd, const ElfW(Ehdr) * ehdr)
{
	ElfW(Phdr) phdr;

	for (size_t i = 0; i < ehdr->e_phnum; i++) {
		if (!read_at(fd, &phdr, sizeof(phdr), ehdr->e_phoff + i * sizeof(phdr)))
			return true; /* damaged: exec's business, not ours */
		if (phdr.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static bool has_section(int fd, const ElfW(Ehdr) * ehdr, const char *name)
{
	ElfW(Shdr) shdr, names;
	char found[32] = "";

	if (ehdr->e_shstrndx >= ehdr->e_shnum || ehdr->e_shnum > MAX_SECTIONS ||
	    !read_at(fd, &names, sizeof(names), ehdr->e_shoff + ehdr->e_shstrndx * sizeof(names)))
		return false;
	for (size_t i = 0; i < ehdr->e_shnum; i++) {
		if (!read_at(fd, &shdr, sizeof(shdr), ehdr->e_shoff + i * sizeof(shdr)))
			return false;
		if (read_at(fd, found, strlen(name) + 1, names.sh_offset + shdr.sh_name) &&
		    strcmp(found, name) == 0)
			return true;
	}
	return false;
}

/* What makes the kernel set AT_SECURE, in which ld.so ignores LD_PRELOAD. */
static const char *secure_exec(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return "is setuid: a preload is ignored there";
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return "is setgid: a preload is ignored there";
	/* For the real root, file capabilities add nothing, and so AT_SECURE stays off. */
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "has file capabilities: a preload is ignored there";
	return NULL;
}

static const char *inspect_elf(int fd)
{
	static const unsigned char mine = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	ElfW(Ehdr) ehdr;

	if (!read_at(fd, &ehdr, sizeof(ehdr), 0) || memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0)
		return NULL;
	if (ehdr.e_ident[EI_CLASS] != mine)
		return "has another word size than libsksteer.so: a preload cannot reach it";
	if (has_section(fd, &ehdr, ".go.buildinfo"))
		return "is a Go program, which calls no libc: a preload cannot reach it";
	if (!has_interp(fd, &ehdr))
		return "is statically linked: a preload cannot reach it";
	return secure_exec(fd);
}

const char *sks_run_unreachable(const char *path, char *ret_program, size_t size)
{
	char line[SCRIPT_LINE] = "", *interpreter;
	CLEANUP_FD int fd = -1;

	(void)snprintf(ret_program, size, "%s", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (pread(fd, line, sizeof(line) - 1, 0) < 0)
		return NULL;
	interpreter = script_interpreter(line);
	if (!interpreter)
		return inspect_elf(fd);

	(void)snprintf(ret_program, size, "%s", interpreter);
	(void)close(fd);
	fd = open(interpreter, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? NULL : inspect_elf(fd);
}

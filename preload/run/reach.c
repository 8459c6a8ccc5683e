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
#define MAX_SCRIPTS  4 /* the kernel's limit to scripts that scripts interpret */

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

/*
 * The interpreter of a "#!" line, NUL-terminated in place; NULL when there is none. *ret_argument
 * is the first word after it, or "".
 */
static char *script_interpreter(char line[SCRIPT_LINE], char **ret_argument)
{
	char *start, *rest;

	if (strncmp(line, "#!", 2) != 0)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	start = line + 2 + strspn(line + 2, " \t");
	rest = start + strcspn(start, " \t");
	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	rest[strcspn(rest, " \t")] = '\0';
	*ret_argument = rest;
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
		return "is setuid";
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
		return "is setgid";
	/* For the real root, file capabilities add nothing, and so AT_SECURE stays off. */
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "has file capabilities";
	return NULL;
}

static const char *without_libc(int fd, const ElfW(Ehdr) * ehdr)
{
	static const unsigned char mine = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

	if (ehdr->e_ident[EI_CLASS] != mine)
		return "has another word size than libsksteer.so";
	if (has_section(fd, ehdr, ".go.buildinfo"))
		return "is a Go program, which calls no libc";
	if (!has_interp(fd, ehdr))
		return "is statically linked";
	return NULL;
}

/* Gaining rights comes first: that decides which engines there are. */
static enum sks_reach inspect_elf(int fd, const char **ret_why)
{
	ElfW(Ehdr) ehdr;

	if (!read_at(fd, &ehdr, sizeof(ehdr), 0) || memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0)
		return SKS_REACH_PRELOAD;
	*ret_why = secure_exec(fd);
	if (*ret_why)
		return SKS_REACH_SECURE;
	*ret_why = without_libc(fd, &ehdr);
	return *ret_why ? SKS_REACH_SUPERVISED : SKS_REACH_PRELOAD;
}

static bool is_env(const char *interpreter)
{
	const char *slash = strrchr(interpreter, '/');

	return strcmp(slash ? slash + 1 : interpreter, "env") == 0;
}

/* What runs the script at path instead: false where that is a program itself, or can't be told. */
static bool follow(int fd, char *path, size_t size)
{
	char line[SCRIPT_LINE] = "", *interpreter, *argument;

	if (pread(fd, line, sizeof(line) - 1, 0) < 0)
		return false;
	interpreter = script_interpreter(line, &argument);
	if (!interpreter)
		return false;
	if (is_env(interpreter) && *argument && *argument != '-' && !strchr(argument, '='))
		return sks_run_resolve(argument, path, size) == 0;
	(void)snprintf(path, size, "%s", interpreter);
	return true;
}

enum sks_reach sks_run_reach(const char *path, char *ret_program, size_t size, const char **ret_why)
{
	*ret_why = NULL;
	(void)snprintf(ret_program, size, "%s", path);
	for (int depth = 0; depth <= MAX_SCRIPTS; depth++) {
		CLEANUP_FD int fd = open(ret_program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			break;
		if (!follow(fd, ret_program, size))
			return inspect_elf(fd, ret_why);
	}
	return SKS_REACH_PRELOAD;
}

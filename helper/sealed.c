// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Owns texts in files in memory that nobody can change (see sealed.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "sealed.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

int sks_sealed_make(const char *name, const char *text, size_t len)
{
	CLEANUP_FD int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL))
		return -errno;
	return sks_take_fd(&fd);
}

bool sks_sealed_is(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int read_all(int fd, char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	buf[len] = '\0';
	return 0;
}

int sks_sealed_read(int fd, size_t max, char **ret_text, size_t *ret_len)
{
	struct stat st;
	char *text;
	int err;

	if (!sks_sealed_is(fd))
		return -EINVAL;
	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	err = read_all(fd, text, (size_t)st.st_size);
	if (err) {
		free(text);
		return err;
	}
	*ret_text = text;
	*ret_len = (size_t)st.st_size;
	return 0;
}

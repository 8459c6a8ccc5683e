/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns the calls of a confused server: prints what bind() answers to addresses that are none. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#undef bind
extern int bind(int fd, const struct sockaddr *addr, socklen_t len);

static void try(int fd, const void *addr, socklen_t len)
{
	int ret = bind(fd, addr, len);

	printf("%d %d\n", ret, ret < 0 ? errno : 0);
}

int main(void)
{
	static const socklen_t lens[] = { 0, 1, 8, 15, 16, 24, 28, 128, 129, 4096, 0x7fffffff };
	int fds[] = { socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET6, SOCK_DGRAM, 0), -1, 0 };
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sockaddr_in *last = (void *)(page + 4096 - sizeof(*last));

	if (page == MAP_FAILED || munmap(page + 4096, 4096))
		return 1;
	last->sin_family = AF_INET;
	last->sin_port = htons(7777);
	for (unsigned int i = 0; i < 4; i++) {
		for (unsigned int k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			try(fds[i], NULL, lens[k]);
			try(fds[i], (const void *)8, lens[k]);
			if (lens[k] != sizeof(*last))
				try(fds[i], last, lens[k]);
		}
	}
	return 0;
}

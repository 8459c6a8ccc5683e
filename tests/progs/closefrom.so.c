/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns a library that closes descriptors before those that were loaded ahead of it have begun. */
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
	closefrom(200);
	close(199);
}

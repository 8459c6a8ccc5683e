/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns as much of HTTP as a scrape is: one GET or HEAD of one path, read strictly and within
 * bounds, and one answer, after which the connection is over.
 */
#ifndef SKSTEER_CTL_HTTP_H
#define SKSTEER_CTL_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads the head of a request. 200: it is for that path; else the status to answer with: 400, 404,
 * 405, 408 after timeout_ms, 431, 505; 0: nobody is there to be answered. *ret_head: the answer is
 * to have no body.
 */
int sks_http_read(int fd, const char *path, int timeout_ms, bool *ret_head);

/*
 * Sends the answer, of that media type where it is 200, and waits for the other end to have it, for
 * a second. head: without the body. 0 or -errno.
 */
int sks_http_answer(int fd, int status, const char *type, const char *body, size_t len, bool head);

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns how the values of sksteerctl's options are read. Each returns 0, or says what is wrong with
 * the text, naming the option, and returns -EINVAL.
 */
#ifndef SKSTEER_CTL_VALUES_H
#define SKSTEER_CTL_VALUES_H

#include <stdint.h>

int sks_value_seconds(const char *option, const char *text, uint32_t min, uint32_t *ret_seconds);
int sks_value_number(const char *option, const char *text, uint32_t min, uint32_t *ret_number);
/* TERM, SIGTERM or 15. */
int sks_value_signal(const char *option, const char *text, int *ret_signal);
/* 80, 80/tcp or 53/udp. Host order; IPPROTO_... */
int sks_value_port(const char *option, const char *text, uint16_t *ret_port, uint8_t *ret_proto);

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what the fuzzers share: how they judge, and how they take an input apart. */
#ifndef SKSTEER_FUZZ_H
#define SKSTEER_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unlike assert(), there in every build. */
#define CHECK(condition)                                                                      \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			__builtin_trap();                                                     \
		}                                                                             \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* libFuzzer has no header for it */

struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/* Zero at its end. */
static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->data++;
}

static inline uint16_t fuzz_word(struct fuzz_input *input)
{
	uint16_t low = fuzz_byte(input);

	return (uint16_t)(low | fuzz_byte(input) << 8);
}

static inline uint32_t fuzz_long(struct fuzz_input *input)
{
	uint32_t low = fuzz_word(input);

	return low | (uint32_t)fuzz_word(input) << 16;
}

/* So many of its bytes, at most, in memory of exactly that size: ASan sees who reads beyond. */
static inline void *fuzz_bytes(struct fuzz_input *input, size_t most, size_t *ret_size)
{
	size_t size = input->size < most ? input->size : most;
	uint8_t *bytes = malloc(size ? size : 1);

	CHECK(bytes);
	if (size)
		memcpy(bytes, input->data, size);
	input->data += size;
	input->size -= size;
	*ret_size = size;
	return bytes;
}

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns whether the helper was built with AddressSanitizer (make SANITIZE=1). */
#ifndef SKSTEER_SANITIZED_H
#define SKSTEER_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SKS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SKS_SANITIZED 1
#endif
#endif
#ifndef SKS_SANITIZED
#define SKS_SANITIZED 0
#endif

#endif

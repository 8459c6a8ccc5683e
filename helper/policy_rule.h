/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Owns which rule decides for whom. Grants ("ports") of all sections that speak of a user add up;
 * of any other key the most specific section that has it decides: the user's own, else the first in
 * the file of a group that the user is in, else [default], else the built-in rule.
 *
 * A line is that of the file in which the deciding rule begins; 0: it is the built-in one.
 */
#ifndef SKSTEER_POLICY_RULE_H
#define SKSTEER_POLICY_RULE_H

#include <stdbool.h>

#include "peer.h"
#include "policy_file.h"

/* Of a key that has a number, or yes (1) or no (0). ret_line may be NULL. */
uint32_t sks_policy_value(const struct sks_policy_file *file, const struct sks_peer *peer,
			  enum sks_policy_key key, unsigned int *ret_line);

/* May they use the label? */
bool sks_policy_allows_label(const struct sks_policy_file *file, const struct sks_peer *peer,
			     const char *label, unsigned int *ret_line);

/* Does the whole prefix lie in one of theirs? Without the key every prefix does. */
bool sks_policy_allows_prefix(const struct sks_policy_file *file, const struct sks_peer *peer,
			      const struct sks_prefix *prefix, unsigned int *ret_line);

/*
 * What grants them the port of proto (IPPROTO_TCP or IPPROTO_UDP) at every address of place, or
 * NULL.
 */
const struct sks_policy_item *sks_policy_grant(const struct sks_policy_file *file,
					       const struct sks_peer *peer, uint8_t proto,
					       const struct sks_prefix *place, uint16_t port);

#endif

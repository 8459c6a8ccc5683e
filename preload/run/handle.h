/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Owns what bind(2) and listen(2) of the command have in common for whoever answers them. */
#ifndef SKSTEER_RUN_HANDLE_H
#define SKSTEER_RUN_HANDLE_H

#include "../offer.h"
#include "call.h"

struct sks_handle {
	const struct sks_call *call;
	const struct sks_config *config;
	struct sks_calls *calls;
	int fd; /* our copy of the caller's socket */
	uint64_t cookie;
	uint8_t proto;	    /* SKS_TCP, SKS_UDP, or 0 */
	bool speaks;	    /* our stderr is the caller's for now */
	bool close_on_exec; /* the caller's descriptor has that flag; of SKS_MODE_SHARE alone */
	int64_t deadline;   /* as sks_offer() has it */
};

/* 0, SKS_CALL_CONTINUE, or -errno. */
int64_t sks_handle_bind(struct sks_handle *handle);
int64_t sks_handle_listen(struct sks_handle *handle);

/*
 * Before anything is done, or said, for the caller: gives up what rights we have beyond its own.
 * What we have to see of it is seen by then. False: we can't, which has been said where it is meant.
 */
bool sks_handle_enter(struct sks_handle *handle, bool meant);

/*
 * Takes a copy of the caller's socket. False: it is none, or is out of our reach, which has been
 * said where the steering of it was asked for (meant).
 */
bool sks_handle_open(struct sks_handle *handle, bool meant);

/* Says that the caller's memory can't be read, where some clause may be about it. */
void sks_handle_blind(struct sks_handle *handle);

/* Lets the library's lines reach the caller's stderr, and the helper see the caller's name. */
void sks_handle_speak(struct sks_handle *handle);

struct sks_bound *sks_handle_bound(const struct sks_handle *handle);
/* choice NULL: nothing speaks of the socket. */
void sks_handle_remember(const struct sks_handle *handle, const struct sks_choice *choice);

/* The socket is the first listener of the protocol, if none was. */
void sks_handle_claim(const struct sks_handle *handle, const struct sks_choice *choice,
		      uint8_t proto);

/* After a helper that did not answer nobody is asked for a minute. 0: ask; -ETIMEDOUT. */
int sks_handle_may_ask(const struct sks_handle *handle);
/* Takes note of such an answer, and returns it. */
int sks_handle_asked(const struct sks_handle *handle, int err);
/* sks_offer() between the two. */
int sks_handle_offer(struct sks_handle *handle, enum sks_op op, uint16_t wanted);

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * sksteer for programs that register their sockets themselves: link with libsksteer (pkg-config
 * sksteer). See sksteer(3). The helper, sksteerd, has to run; SKSTEER_SOCKET names another socket
 * of it than /run/sksteer/helper.sock. All functions may be called by any thread, change neither
 * errno nor the socket, keep no descriptor, and take a second at most.
 */
#ifndef SKSTEER_H
#define SKSTEER_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Steers to a listening TCP or a bound UDP socket what spec says: "80,443", "any:8000-8100",
 * "192.0.2.0/24:53/udp" (sksteer(7) has the grammar). Ends when the last descriptor of the
 * socket is closed. label names the service, which then outlives its sockets; NULL: it has no name.
 * spec NULL: what has been bound to the label is steered there.
 *
 * 0: it is steered. -errno: it is not, and nothing was changed. sksteer_strerror() says more of
 * either. -ENOENT or -ECONNREFUSED: there is no helper; -ETIMEDOUT: it does not answer; -EACCES:
 * the user may not have that; -EADDRINUSE: somebody else has it; -EINVAL: a mistake in spec, label
 * or the socket; -ENOMSG: no clause of spec speaks of this socket.
 */
int sksteer_register(int fd, const char *spec, const char *label);

/* Ends a label, and all that is steered by it. Sockets stay open. 0 or -errno; -ENOENT: no such. */
int sksteer_unregister(const char *label);

/*
 * What this thread's last call came to, in words, if it was err (0 or -errno) that it returned: the
 * helper's own, a warning where err is 0; else what err means. Valid until the thread's next call.
 */
const char *sksteer_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The machine falls asleep and wakes: systemd-logind over D-Bus.
 *
 * Theory of operation. A delay lock is held while the machine is awake. When logind says that it
 * prepares for sleep, sleep() is called, and logind_may_sleep() gives the lock back: logind waits
 * for that, 5 s at most unless its administrator said otherwise (InhibitDelayMaxSec=), and sleeps
 * anyway. When it says that sleep is over, wake() is called and a new lock is asked for. Without
 * logind, or where it grants no lock, nothing is delayed; without a bus nothing is heard at all,
 * and who sleeps finds out by the clock, which counts while the machine sleeps. Calls come from the
 * loop; wake() only after sleep().
 */
#ifndef NETWORK_LOGIND_H
#define NETWORK_LOGIND_H

struct logind;
struct lw_loop;

struct logind_ops {
	void (*sleep)(void *user);
	void (*wake)(void *user);
};

/* 0 or a negative errno (-EOPNOTSUPP: built without libsystemd). */
int logind_new(struct lw_loop *loop, const struct logind_ops *ops, void *user,
	       struct logind **ret_logind);
/* All is done that sleep() asked for. Idempotent. */
void logind_may_sleep(struct logind *logind);
void logind_free(struct logind *logind);

#endif

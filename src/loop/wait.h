/* SPDX-License-Identifier: MIT */
/*
 * How a loop waits: until its descriptors have something or a time has passed, to the microsecond.
 * For loop.c alone.
 *
 * epoll_pwait2() takes nanoseconds, in the one system call that waiting costs anyway. Where the
 * kernel does not have it (before Linux 5.11), or a filter of system calls does not know it, whole
 * milliseconds are waited, rounded up. A thread may be woken later by its timer slack, 50 µs unless
 * it says otherwise: most of the error of a short wait. So a thread that runs a loop has less of it
 * meanwhile; for waits of more than 10 ms the kernel takes a thousandth of them all the same.
 */
#ifndef LOOP_WAIT_H
#define LOOP_WAIT_H

#include <stdint.h>

struct epoll_event;

enum { WAIT_SLACK_NS = 1000 };

/* timeout_ns -1: for ever. Return: the number of events, or a negative errno. */
int wait_for_events(int epoll, struct epoll_event *events, int n_max, int64_t timeout_ns);
/* As epoll_wait() wants it. */
int wait_in_ms(int64_t timeout_ns);

/* Return: the slack that the thread had, or a negative errno. */
int wait_set_slack(int slack_ns);

#endif

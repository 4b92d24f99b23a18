/* SPDX-License-Identifier: MIT */
/* Words to the service manager: sd_notify(3)'s protocol, by hand. */
#ifndef PROGRAM_NOTIFY_H
#define PROGRAM_NOTIFY_H

/* Send state ("READY=1\nSTATUS=…") to $NOTIFY_SOCKET; nothing where there is none. Never blocks,
 * never fails. */
void notify_state(const char *state);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Privileges: what the process may do, taken away as soon as it is not needed.
 *
 * Theory of operation. privileges_harden() comes first, before a secret is read: no core dumps, no
 * tracing by others, no new privileges by exec, files for us alone. privileges_drop() comes twice.
 * Before the library makes threads, which inherit what their maker has, it leaves what set-up still
 * needs; after set-up, what the end needs: CAP_NET_ADMIN where there is an interface whose changes
 * must be undone, what a DHCP client needs where one is run, nothing otherwise. The user stays who he is: without capabilities root is the
 * owner of some files.
 *
 * privileges_forbid_listening() makes sure that a tunnel's process is no server (Apple's TN3120: a
 * provider hosts no listener): from then on the kernel refuses listen(), and accept() on anything but
 * the control socket, to every thread, also those that were there before, and to whatever the process
 * starts. io_uring, which could do both unseen, is refused as a whole; so is every call by another
 * architecture's numbers. Nothing else is filtered: what a tunnel may do changes with the machine
 * (resolvers, DHCP clients), that it does not listen does not.
 */
#ifndef PROGRAM_PRIVILEGES_H
#define PROGRAM_PRIVILEGES_H

#include <stdbool.h>

struct lw_error;

enum privilege {
	PRIVILEGE_NET_ADMIN = 1 << 0,
	PRIVILEGE_LOW_PORTS = 1 << 1, /* listen below 1024 */
	PRIVILEGE_READ_ANY =
		1 << 2, /* an identity in a folder of another user, who called us by sudo */
	PRIVILEGE_DHCP = 1 << 3, /* of the DHCP client, a child: low ports and raw sockets */
};

void privileges_harden(void);
/* Keep at most these (enum privilege, or-ed). Whoever has none has nothing to drop. 0 or a negative
 * errno. */
int privileges_drop(unsigned keep, struct lw_error *ret_error);
/* control: the listening socket that stays. 0; -ENOTSUP, where the kernel or the build has no seccomp;
 * or another negative errno. */
int privileges_forbid_listening(int control, struct lw_error *ret_error);
/* Whether interfaces may be changed. */
bool privileges_has_net_admin(void);

#endif

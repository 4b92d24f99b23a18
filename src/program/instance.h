/* SPDX-License-Identifier: MIT */
/*
 * Instances: running hubs and tunnels, found by name.
 *
 * An instance called NAME holds a lock on ROOT/NAME/lock for as long as it runs; its control socket
 * is ROOT/NAME/control. The kernel drops the lock however the process ends, so what a killed one
 * left behind is seen to be stale, and replaced. ROOT is /run/longwire where that can be written,
 * else $XDG_RUNTIME_DIR/longwire. All of it is removed at the end, in such a way that somebody who
 * starts at that moment ends up with files of his own, never with a lock on a file that is no
 * longer there.
 */
#ifndef PROGRAM_INSTANCE_H
#define PROGRAM_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct instance;
struct lw_error;

enum {
	INSTANCE_NAME_SIZE = 64,
	INSTANCE_PATH_SIZE = 108, /* of a socket's address, with its end */
	INSTANCE_ROOTS_MAX = 2,
	INSTANCE_LIST_MAX = 256,
};

struct instance_roots {
	char paths[INSTANCE_ROOTS_MAX][INSTANCE_PATH_SIZE];
	size_t n;
};

struct instance_found {
	char name[INSTANCE_NAME_SIZE];
	char socket[INSTANCE_PATH_SIZE];
};

/* The folders of this system and user. */
void instance_roots_default(struct instance_roots *ret_roots);

/* given, or the stem of file ("/etc/longwire/office.yaml": "office"). 0, or -EINVAL: not a name. */
int instance_name(const char *file, const char *given, char ret_name[INSTANCE_NAME_SIZE],
		  struct lw_error *ret_error);

/* Take the name in the first root that can be written. -EBUSY: it runs already. */
int instance_open(const struct instance_roots *roots, const char *name,
		  struct instance **ret_instance, struct lw_error *ret_error);
void instance_close(struct instance *instance);
const char *instance_socket(const struct instance *instance);

/*
 * Those that run and may be looked at, at most max, by name. Return: how many. ret_hidden: how many
 * folders there were that this user may not look into.
 */
size_t instance_list(const struct instance_roots *roots, struct instance_found *ret_found,
		     size_t max, size_t *ret_hidden);

#endif

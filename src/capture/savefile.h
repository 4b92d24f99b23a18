/* SPDX-License-Identifier: MIT */
/*
 * A savefile that holds whole packets only, whatever the disk does.
 *
 * Theory of operation. libpcap does not say that a write failed, so nothing is left to chance below
 * it: packets gather in a stdio buffer of known size, which is flushed by us between two packets,
 * before it could overflow; each flush is checked. When one fails (ENOSPC, EIO, a quota) the file
 * is cut behind the last packet that reached it whole, what is still buffered is discarded, and the
 * savefile has stopped for ever. Writes are ordinary blocking writes to a regular file, that is, to
 * the page cache: the caller waits as long as write(2) of 128 KiB does.
 */
#ifndef CAPTURE_SAVEFILE_H
#define CAPTURE_SAVEFILE_H

#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

struct savefile;
struct lw_error;

enum { SAVEFILE_BUFFER_SIZE = 128 * 1024, SAVEFILE_SNAP_MAX = 262144 };

/*
 * Make path anew, mode 0600. An old regular file is unlinked first, so that its other names keep
 * their content; a symbolic link (-ELOOP) and everything else that is not a regular file (-EEXIST)
 * is refused. snap_length 1 … SAVEFILE_SNAP_MAX.
 */
int savefile_new(const char *path, enum lw_layer layer, uint32_t snap_length,
		 struct savefile **ret_savefile, struct lw_error *ret_error);
/* Flushes. */
void savefile_free(struct savefile *savefile);

/* Cut to the snap length, stamp with the wall clock, append. What fails shows in
 * savefile_error(). */
void savefile_write(struct savefile *savefile, const uint8_t *data, size_t length);
/* Return: 0, or the negative errno that stopped it. */
int savefile_flush(struct savefile *savefile);

int savefile_error(const struct savefile *savefile);
/* Packets that are whole in the file. Buffered ones come with the next flush. */
uint64_t savefile_written(const struct savefile *savefile);
/* Packets given to savefile_write that will never be in the file. */
uint64_t savefile_dropped(const struct savefile *savefile);

#endif

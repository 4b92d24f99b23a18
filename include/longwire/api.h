/* SPDX-License-Identifier: MIT */
/* What every public header needs: symbol visibility and the rules of the whole interface. */
#ifndef LONGWIRE_API_H
#define LONGWIRE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Rules of the interface
 *
 * - Functions that can fail return 0 or a count on success and a negative errno on failure. Outputs
 *   come last, are named ret_…, and are untouched on failure. Where a user needs to know why, the
 *   last parameter is a struct lw_error that may be NULL.
 * - Objects are opaque, made by _new or _open and ended by _free or _close, which accept NULL.
 * - Value structs begin with their size, which the caller sets (.size = sizeof(…)), so that a
 *   program built against an older header runs with a newer library, and one built against a newer
 *   header with an older library where it asks for nothing that is not known there. Everything in them is copied
 *   during the call, except where it says "borrowed" or "must stay valid"; the caller keeps what is
 *   his.
 * - One loop, one thread: every call on an object happens on the thread that dispatches its loop,
 *   and callbacks come on that thread. lw_loop_post() alone may be called from elsewhere.
 */

#if defined(__GNUC__)
#define LW_API          __attribute__((visibility("default")))
#define LW_MUST_CHECK   __attribute__((warn_unused_result))
#define LW_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define LW_API
#define LW_MUST_CHECK
#define LW_PRINTF(f, a)
#endif

#ifdef __cplusplus
#define LW_BEGIN extern "C" {
#define LW_END   }
#else
#define LW_BEGIN
#define LW_END
#endif

LW_BEGIN

/* The layer that a flow, a switch and a tunnel carry. Chosen once, never changed. */
enum lw_layer {
	LW_LAYER_ETHERNET = 1, /* whole Ethernet frames, without preamble and FCS */
	LW_LAYER_IP = 2,       /* IPv4 and IPv6 packets */
};

/* Return: "1.2.3", the version of the library in use (not of the header). */
LW_API const char *lw_version(void);

LW_END

#endif

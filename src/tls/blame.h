/* SPDX-License-Identifier: MIT */
/* Why a handshake failed, and whose fault that is, in a sentence. The library's codes end here.
 * Private to this folder. */
#ifndef TLS_BLAME_H
#define TLS_BLAME_H

#include "tls/admission.h"
#include "tls/transport.h"

struct lw_error;

/*
 * library_error: negative, as the library returned it. own: the pin of our key, for who is refused
 * because of it.
 */
void blame_failure(enum admission_side side, int library_error, const struct transport *transport,
		   const struct pin *own, struct lw_error *ret_error);

#endif

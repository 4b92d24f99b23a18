/* SPDX-License-Identifier: MIT */
/*
 * A client's handshake on any bytes. Oracle: no hub without the pinned key is admitted, and every
 * failure has a sentence.
 */
#include "tls_handshake_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_handshake(ADMISSION_CLIENT, data, size);
	return 0;
}

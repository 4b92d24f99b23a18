/* SPDX-License-Identifier: MIT */
/*
 * A hub's handshake on any bytes. Oracle: nobody without the key is admitted, and every failure has
 * a sentence.
 */
#include "tls_handshake_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_handshake(ADMISSION_HUB, data, size);
	return 0;
}

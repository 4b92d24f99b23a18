/* SPDX-License-Identifier: MIT */
/* The prefix table: a stream of operations (support/prefix_model.h) against a list. */
#include "../support/prefix_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	prefix_model_run(data, size);
	return 0;
}

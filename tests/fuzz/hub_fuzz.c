/* SPDX-License-Identifier: MIT */
/* The switch: a stream of operations (support/switch_model.h) against the naive model. */
#include "../support/switch_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	model_run(data, size);
	return 0;
}

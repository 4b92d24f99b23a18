/* SPDX-License-Identifier: MIT */
/* Text → capture filter: nothing is looked up, everything is bounded, and what was admitted runs on
 * any bytes. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "capture/filter.h"

#include "../support/resolver_spy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compile(enum lw_layer layer, const char *text)
{
	static const uint8_t packet[128] = { [12] = 0x08, [14] = 0x45, [23] = 6 };
	struct filter *filter = NULL;
	struct lw_error error = { .domain = LW_DOMAIN_NONE };
	int r = filter_new(layer, text, &filter, &error);

	if (r != 0 && r != -EINVAL && r != -E2BIG)
		abort();
	if ((r == 0) != (filter != NULL) || (r < 0 && !error.text[0]))
		abort();
	if (r == 0 && strlen(text) > LW_CAPTURE_FILTER_MAX)
		abort();
	if (r == 0 && (filter_matches(filter, packet, 0) || filter_matches(filter, packet, 1)))
		(void)filter_matches(filter, packet, sizeof(packet));
	filter_free(filter);
	if (resolver_spy_lookups > 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	compile(LW_LAYER_ETHERNET, text);
	compile(LW_LAYER_IP, text);
	free(text);
	return 0;
}

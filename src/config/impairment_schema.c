/* SPDX-License-Identifier: MIT */
/* The schema of an item of impairments:, and of what `longwire link` sets. */
#include <string.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/quantity.h"
#include "config/config.h"
#include "config/schemas.h"

#define OFFSET(member) offsetof(struct impairment_config, member)

static const struct schema_word way_words[] = {
	{ "in", LW_PORT_IN },
	{ "out", LW_PORT_OUT },
	{ "both", LW_PORT_IN | LW_PORT_OUT },
	{ NULL, 0 },
};

static const struct schema_word distribution_words[] = {
	{ "uniform", LW_DISTRIBUTION_UNIFORM },
	{ "normal", LW_DISTRIBUTION_NORMAL },
	{ "pareto", LW_DISTRIBUTION_PARETO },
	{ NULL, 0 },
};

static const char *check_duration(const char *text)
{
	uint64_t us;

	return quantity_parse(text, quantity_duration, LW_IMPAIRMENT_DELAY_US_MAX, &us) < 0
		       ? "a time like 50ms, 1.5s or 800us, up to 60s"
		       : NULL;
}

static const char *check_share(const char *text)
{
	uint64_t ppm;

	return quantity_parse(text, quantity_share, LW_PPM_ALL, &ppm) < 0
		       ? "a share like 1%, 0.05% or 100%, with up to four decimals"
		       : NULL;
}

static const char *check_rate(const char *text)
{
	uint64_t rate;

	return quantity_parse(text, quantity_rate, LW_IMPAIRMENT_RATE_MAX, &rate) < 0 ||
			       rate < LW_IMPAIRMENT_RATE_MIN
		       ? "bits a second like 10mbit, 1.5gbit or 64kbit, from 1kbit to 100gbit"
		       : NULL;
}

static const char *check_size(const char *text)
{
	uint64_t bytes;

	return quantity_parse(text, quantity_size, LW_IMPAIRMENT_QUEUE_BYTES_MAX, &bytes) < 0 ||
			       bytes == 0
		       ? "bytes like 64k, 1m or 15000, up to 32m"
		       : NULL;
}

static const char *check_seed(const char *text)
{
	uint64_t seed;

	return parse_uint(text, 1, UINT64_MAX, &seed) < 0 ? "a number from 1" : NULL;
}

static const char *check_port(const char *text)
{
	return parse_is_name(text) ? NULL : "the name of a port, as the status shows it";
}

#define SHARE_ROW(key, member, text)                                                              \
	{                                                                                         \
		.path = key, .kind = SCHEMA_TEXT, .offset = OFFSET(member), .check = check_share, \
		.help = text                                                                      \
	}

/* clang-format off */
#define SETTINGS_ROWS \
	{ .path = "rate", .kind = SCHEMA_TEXT, .offset = OFFSET(rate), .check = check_rate, \
	  .help = "bits a second of whole frames" }, \
	{ .path = "queue", .kind = SCHEMA_TEXT, .offset = OFFSET(queue), .check = check_size, \
	  .help = "bytes that may wait for the rate" }, \
	{ .path = "queue-packets", .kind = SCHEMA_UINT, \
	  .offset = OFFSET(settings.queue_packets), .min = 1, \
	  .max = LW_IMPAIRMENT_QUEUE_PACKETS_MAX, \
	  .help = "packets that may wait for the rate; default: 1000, unless queue is set" }, \
	{ .path = "delay", .kind = SCHEMA_TEXT, .offset = OFFSET(delay), \
	  .check = check_duration, .help = "how long a packet is on its way" }, \
	{ .path = "jitter", .kind = SCHEMA_TEXT, .offset = OFFSET(jitter), \
	  .check = check_duration, .help = "by how much that differs from packet to packet" }, \
	{ .path = "distribution", .kind = SCHEMA_WORD, .offset = OFFSET(distribution), \
	  .words = distribution_words, \
	  .help = "of the jitter, which is the largest deviation (uniform, the default) or the " \
		  "standard deviation (normal, pareto)" }, \
	SHARE_ROW("correlation", correlation, "how much of a deviation stays for the next packet"), \
	SHARE_ROW("loss", loss, "packets that are lost, each for itself"), \
	SHARE_ROW("burst", burst, "packets at which a burst of losses begins"), \
	SHARE_ROW("burst-end", burst_end, "packets in a burst after which it ends"), \
	SHARE_ROW("burst-loss", burst_loss, "packets of a burst that are lost; default: all"), \
	SHARE_ROW("duplicate", duplicate, "packets that arrive twice"), \
	SHARE_ROW("corrupt", corrupt, "packets with one bit flipped, anywhere"), \
	SHARE_ROW("reorder", reorder, "packets that do not wait for the delay and so overtake"), \
	{ .path = "reorder-gap", .kind = SCHEMA_UINT, .offset = OFFSET(settings.reorder_gap), \
	  .min = 1, .max = 1000000, .help = "only each such packet may overtake; default: 1" }, \
	{ .path = "seed", .kind = SCHEMA_TEXT, .offset = OFFSET(seed), .check = check_seed, \
	  .help = "the same faults for the same packets; default: any, and the status tells it" }
/* clang-format on */

static const struct schema_row rows[] = {
	{ .path = "port",
	  .kind = SCHEMA_TEXT,
	  .offset = OFFSET(port),
	  .required = true,
	  .check = check_port,
	  .help = "whose link: device, or on a hub a client's name, on a client hub" },
	{ .path = "direction",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(ways),
	  .standard = "both",
	  .words = way_words,
	  .help = "from the port (in), to it (out) or both" },
	SETTINGS_ROWS,
	{ .path = NULL },
};

static const struct schema_row settings_rows[] = {
	SETTINGS_ROWS,
	{ .path = NULL },
};

/* Text that is there has been checked. */
static uint64_t value_of(const char *text, const struct quantity_unit *units)
{
	uint64_t value = 0;

	if (text)
		(void)quantity_parse(text, units, UINT64_MAX, &value);
	return value;
}

static uint32_t share_of(const char *text)
{
	return (uint32_t)value_of(text, quantity_share);
}

static void convert(void *output, const struct tree *tree, struct schema_errors *errors)
{
	struct impairment_config *config = output;
	struct lw_impairment *settings = &config->settings;

	(void)tree;
	(void)errors;
	settings->size = sizeof(*settings);
	settings->rate = value_of(config->rate, quantity_rate);
	settings->queue_bytes = (uint32_t)value_of(config->queue, quantity_size);
	settings->delay_us = (uint32_t)value_of(config->delay, quantity_duration);
	settings->jitter_us = (uint32_t)value_of(config->jitter, quantity_duration);
	settings->distribution = (enum lw_distribution)config->distribution;
	settings->correlation = share_of(config->correlation);
	settings->loss = share_of(config->loss);
	settings->burst = share_of(config->burst);
	settings->burst_end = share_of(config->burst_end);
	settings->burst_loss = share_of(config->burst_loss);
	settings->duplicate = share_of(config->duplicate);
	settings->corrupt = share_of(config->corrupt);
	settings->reorder = share_of(config->reorder);
	if (config->seed)
		(void)parse_uint(config->seed, 1, UINT64_MAX, &settings->seed);
}

const struct schema impairment_schema = {
	.rows = rows,
	.size = sizeof(struct impairment_config),
	.validate = convert,
};

const struct schema impairment_settings_schema = {
	.rows = settings_rows,
	.size = sizeof(struct impairment_config),
	.validate = convert,
};

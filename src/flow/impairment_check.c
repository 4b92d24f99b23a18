/* SPDX-License-Identifier: MIT */
/* What can be asked of an impaired link. */
#include <errno.h>

#include "base/error.h"
#include "base/memory.h"
#include "flow/impairment.h"

static int refuse(struct lw_error *error, const char *what)
{
	return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL, "%s", what);
}

static int check_shares(const struct lw_impairment *settings, struct lw_error *error)
{
	const struct {
		const char *key;
		uint32_t ppm;
	} shares[] = {
		{ "loss", settings->loss },           { "burst", settings->burst },
		{ "burst-end", settings->burst_end }, { "burst-loss", settings->burst_loss },
		{ "duplicate", settings->duplicate }, { "corrupt", settings->corrupt },
		{ "reorder", settings->reorder },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shares); i++)
		if (shares[i].ppm > LW_PPM_ALL)
			return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "%s: at most 100%%", shares[i].key);
	return 0;
}

static int check_delay(const struct lw_impairment *settings, struct lw_error *error)
{
	if (settings->delay_us > LW_IMPAIRMENT_DELAY_US_MAX)
		return refuse(error, "delay: at most 60s");
	if (settings->jitter_us > settings->delay_us)
		return refuse(error, "jitter: at most the delay, which it goes around");
	if (settings->distribution && (settings->distribution < LW_DISTRIBUTION_UNIFORM ||
				       settings->distribution > LW_DISTRIBUTION_PARETO))
		return refuse(error, "distribution: uniform, normal or pareto");
	if (settings->correlation >= LW_PPM_ALL)
		return refuse(error, "correlation: less than 100%");
	if (!settings->jitter_us && (settings->distribution || settings->correlation))
		return refuse(error, "distribution and correlation are of a jitter: say jitter");
	if (settings->reorder && !settings->delay_us)
		return refuse(error,
			      "reorder: needs a delay, which those that overtake do not take");
	if (settings->reorder_gap && !settings->reorder)
		return refuse(error, "reorder-gap: needs reorder");
	return 0;
}

static int check_rate(const struct lw_impairment *settings, struct lw_error *error)
{
	if (settings->rate &&
	    (settings->rate < LW_IMPAIRMENT_RATE_MIN || settings->rate > LW_IMPAIRMENT_RATE_MAX))
		return refuse(error, "rate: 1kbit to 100gbit");
	if (settings->queue_bytes > LW_IMPAIRMENT_QUEUE_BYTES_MAX)
		return refuse(error, "queue: at most 32m");
	if (settings->queue_packets > LW_IMPAIRMENT_QUEUE_PACKETS_MAX)
		return refuse(error, "queue-packets: at most 65536");
	if (!settings->rate && (settings->queue_bytes || settings->queue_packets))
		return refuse(error, "queue: needs a rate to wait for");
	return 0;
}

static int check_burst(const struct lw_impairment *settings, struct lw_error *error)
{
	if (settings->burst && !settings->burst_end)
		return refuse(error, "burst: needs burst-end, or the first would never end");
	if (!settings->burst && (settings->burst_end || settings->burst_loss))
		return refuse(error, "burst-end and burst-loss need burst");
	return 0;
}

int impairment_check(const struct lw_impairment *settings, struct lw_error *ret_error)
{
	int result = check_shares(settings, ret_error);

	if (result == 0)
		result = check_delay(settings, ret_error);
	if (result == 0)
		result = check_rate(settings, ret_error);
	if (result == 0)
		result = check_burst(settings, ret_error);
	if (result == 0 && !settings->delay_us && !settings->rate && !settings->loss &&
	    !settings->burst && !settings->duplicate && !settings->corrupt)
		result = refuse(ret_error, "nothing that would impair the link is set");
	return result;
}

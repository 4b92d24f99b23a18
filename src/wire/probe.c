/* SPDX-License-Identifier: MIT */
/* The probe: time stamps for liveness and the round-trip time. */
#include "base/bytes.h"
#include "wire/message.h"

enum { RTT_MAX_US = 60 * 1000 * 1000 };

void probe_encode(const struct probe *probe, uint8_t data[PROBE_SIZE])
{
	store_be64(data, probe->sent_us);
	store_be64(data + 8, probe->echo_us);
	store_be64(data + 16, probe->held_us);
}

void probe_decode(const uint8_t data[PROBE_SIZE], struct probe *ret_probe)
{
	*ret_probe = (struct probe){
		.sent_us = load_be64(data),
		.echo_us = load_be64(data + 8),
		.held_us = load_be64(data + 16),
	};
}

uint64_t probe_rtt_us(const struct probe *probe, uint64_t now_us)
{
	uint64_t since;

	if (probe->echo_us == 0 || probe->echo_us > now_us)
		return 0;
	since = now_us - probe->echo_us;
	if (probe->held_us > since || since - probe->held_us > RTT_MAX_US)
		return 0;
	return since - probe->held_us;
}

/* SPDX-License-Identifier: MIT */
/*
 * Frames and packets of any bytes: the flow hash is symmetric, ICMP is well-formed and never about
 * ICMP errors, and no router advertisement or DHCP server passes the guard, whatever stands before
 * it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "switch/guard.h"
#include "switch/icmp.h"
#include "wire/flow_hash.h"

enum { FRAME_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "frames: %s\n", what);
	abort();
}

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = a[i];

		a[i] = b[i];
		b[i] = c;
	}
}

/* The answer to an IP packet of the plainest form: addresses and ports the other way round. */
static void try_hash(const uint8_t *data, size_t size)
{
	uint8_t back[FRAME_MAX];
	size_t ports;

	flow_hash(LW_LAYER_ETHERNET, data, size);
	flow_hash(LW_LAYER_IP, data, size);
	if (size < 44 || size > sizeof(back))
		return;
	memcpy(back, data, size);
	if (data[0] == 0x45) {
		swap(back + 12, back + 16, 4);
		ports = 20;
	} else if (data[0] >> 4 == 6) {
		swap(back + 8, back + 24, 16);
		ports = 40;
	} else {
		return;
	}
	/* Only where they are ports does their order not matter; elsewhere it is not looked at. */
	swap(back + ports, back + ports + 2, 2);
	expect(flow_hash(LW_LAYER_IP, data, size) == flow_hash(LW_LAYER_IP, back, size),
	       "the two directions differ");
}

static uint32_t ones_sum(uint32_t sum, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void try_icmp(const uint8_t *data, size_t size)
{
	uint8_t reply[ICMP_IPV6_MAX], again[ICMP_IPV6_MAX];
	size_t n = icmp_build(ICMP_ERROR_TOO_BIG, data, size, 1400, NULL, 1500, reply);

	if (n == 0)
		return;
	expect(n <= (reply[0] == 0x45 ? ICMP_IPV4_MAX : ICMP_IPV6_MAX), "too long");
	if (reply[0] == 0x45) {
		expect(load_be16(reply + 2) == n, "its total length");
		expect(ones_sum(0, reply, 20) == 0xffff, "its header's checksum");
		expect(ones_sum(0, reply + 20, n - 20) == 0xffff, "its checksum");
	} else {
		uint32_t sum = ones_sum(58 + (uint32_t)(n - 40), reply + 8, 32);

		expect(load_be16(reply + 4) == n - 40, "its payload length");
		expect(ones_sum(sum, reply + 40, n - 40) == 0xffff, "its checksum");
	}
	expect(icmp_build(ICMP_ERROR_UNREACHABLE, reply, n, 0, NULL, 1500, again) == 0,
	       "an error about an error");
}

/* Tags and SNAP from the first bytes, extension headers from the next, then what must not pass. */
static size_t wrap(const uint8_t *data, size_t size, uint8_t *frame, bool *ret_is_ra)
{
	static const uint16_t tags[] = { 0x8100, 0x88a8, 0x9100, 0x9200 };
	static const uint8_t extensions[] = { 0, 43, 60, 135, 139, 140, 44, 51 };
	size_t n = 12, next;
	unsigned n_tags = data[0] % 8, n_extensions = data[1] % 8;

	memset(frame, 0, FRAME_MAX);
	frame[0] = frame[6] = 2;
	for (unsigned i = 0; i < n_tags; i++) {
		uint8_t choice = data[2 + i % (size - 2)];

		if (choice & 0x80) {
			store_be16(frame + n, choice);
			memcpy(frame + n + 2, "\xaa\xaa\x03\0\0\0", 6);
			n += 8;
		} else {
			store_be16(frame + n, tags[choice % ARRAY_SIZE(tags)]);
			frame[n + 3] = choice;
			n += 4;
		}
	}
	store_be16(frame + n, 0x86dd);
	frame[n + 2] = 0x60;
	next = n + 2 + 6;
	n += 2 + 40;
	for (unsigned i = 0; i < n_extensions; i++) {
		uint8_t choice = data[2 + (n_tags + i) % (size - 2)];
		uint8_t kind = extensions[choice % ARRAY_SIZE(extensions)];

		frame[next] = kind;
		next = n;
		if (kind == 44) {
			frame[n + 3] = 1; /* more fragments, offset 0 */
			n += 8;
		} else {
			frame[n + 1] = choice >> 3 & 7;
			n += kind == 51 ? (frame[n + 1] + 2u) * 4 : (frame[n + 1] + 1u) * 8;
		}
	}
	*ret_is_ra = data[1] & 0x80;
	frame[next] = *ret_is_ra ? 58 : 17;
	if (*ret_is_ra)
		frame[n] = 134;
	else
		store_be16(frame + n + (data[1] & 0x40 ? 2 : 0), data[1] & 0x40 ? 546 : 547);
	return n + 8;
}

static void try_guard(const uint8_t *data, size_t size)
{
	uint8_t frame[FRAME_MAX];
	enum lw_drop reason;
	size_t length;
	bool is_ra;

	if (size >= 14)
		guard_classify(data, size);
	if (size < 3)
		return;
	length = wrap(data, size, frame, &is_ra);
	reason = guard_classify(frame, length);
	if (data[0] % 8 > GUARD_LAYERS_MAX)
		expect(reason == LW_DROP_MALFORMED, "too many tags pass");
	else
		expect(reason == (is_ra ? LW_DROP_GUARD_RA : LW_DROP_GUARD_DHCP),
		       "the guard is passed");
	/* Cut anywhere behind the tags it must not pass either. */
	if (length > 120)
		expect(guard_classify(frame, length - 9) != LW_DROP_NONE, "a cut chain passes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_hash(data, size);
	try_icmp(data, size);
	try_guard(data, size);
	return 0;
}

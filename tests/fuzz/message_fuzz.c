/* SPDX-License-Identifier: MIT */
/* Control messages: what is decoded, encoded and decoded again is equal. The first byte chooses the
 * message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/dns_settings.h"
#include "base/proxy_settings.h"
#include "wire/message.h"
#include "wire/unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t encoded[UNIT_SETTINGS_MAX];

static void expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "messages: %s\n", what);
	abort();
}

static void expect_reason(int r, const struct lw_error *error)
{
	expect(r < 0 && error->text[0] != '\0', "a refusal without a reason");
}

static void try_hello(const uint8_t *data, size_t size)
{
	struct hello hello, again;
	struct lw_error error = { 0 };
	int r = hello_decode(data, size, &hello, &error);

	if (r < 0) {
		expect_reason(r, &error);
		return;
	}
	if (hello.version != WIRE_VERSION)
		return;
	r = hello_encode(&hello, encoded, UNIT_HELLO_MAX);
	expect(r > 0, "a hello that cannot be written");
	expect(hello_decode(encoded, (size_t)r, &again, NULL) == 0, "a hello that cannot be read");
	expect(hello.layer == again.layer && hello.mtu == again.mtu &&
		       hello.max_unit == again.max_unit && hello.offloads == again.offloads &&
		       hello.rekey == again.rekey && hello.streams == again.streams &&
		       hello.stream == again.stream && hello.has_session == again.has_session &&
		       hello.succeeds == again.succeeds &&
		       memcmp(hello.session, again.session, SESSION_ID_SIZE) == 0,
	       "a hello that changes");
}

static bool is_equal_text(char (*a)[OFFER_TEXT], size_t n, char (*b)[OFFER_TEXT], size_t m)
{
	for (size_t i = 0; i < n && n == m; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return n == m;
}

static void try_offer(const uint8_t *data, size_t size)
{
	struct offer offer, again = { 0 };
	struct lw_error error = { 0 };
	int r = offer_decode(data, size, &offer, &error);

	if (r < 0) {
		expect_reason(r, &error);
		return;
	}
	expect(offer.n_addresses <= OFFER_ADDRESSES_MAX &&
		       offer.n_included_routes <= OFFER_ROUTES_MAX,
	       "an offer beyond its bounds");
	/* Control characters may be written longer than they were read: then it may not fit. */
	r = offer_encode(&offer, encoded, sizeof(encoded));
	if (r > 0) {
		expect(offer_decode(encoded, (size_t)r, &again, NULL) == 0,
		       "an offer that cannot be read");
		expect(offer.mtu == again.mtu && dns_settings_equal(offer.dns, again.dns) &&
			       proxy_settings_equal(offer.proxy, again.proxy) &&
			       is_equal_text(offer.addresses, offer.n_addresses, again.addresses,
					     again.n_addresses) &&
			       is_equal_text(offer.included_routes, offer.n_included_routes,
					     again.included_routes, again.n_included_routes),
		       "an offer that changes");
	}
	offer_done(&offer);
	offer_done(&again);
}

static void try_goodbye(const uint8_t *data, size_t size)
{
	struct goodbye goodbye, again;
	struct lw_error error = { 0 };
	int r = goodbye_decode(data, size, &goodbye, &error);

	if (r < 0) {
		expect_reason(r, &error);
		return;
	}
	for (const char *c = goodbye.text; *c; c++)
		expect(*c >= ' ' && *c <= '~', "a goodbye that cannot be printed");
	expect(goodbye_name(goodbye.code)[0] != '\0', "a goodbye without a name");
	r = goodbye_encode(&goodbye, encoded, UNIT_GOODBYE_MAX);
	expect(r > 0, "a goodbye that cannot be written");
	expect(goodbye_decode(encoded, (size_t)r, &again, NULL) == 0,
	       "a goodbye that cannot be read");
	expect(goodbye.code == again.code && strcmp(goodbye.text, again.text) == 0,
	       "a goodbye that changes");
}

static void try_probe(const uint8_t *data, size_t size)
{
	uint8_t again[PROBE_SIZE];
	struct probe probe;

	if (size < PROBE_SIZE)
		return;
	probe_decode(data, &probe);
	probe_encode(&probe, again);
	expect(memcmp(data, again, PROBE_SIZE) == 0, "a probe that changes");
	expect(probe_rtt_us(&probe, probe.sent_us) <= 60000000, "an absurd round-trip time");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'h':
		try_hello(data + 1, size - 1);
		break;
	case 's':
		try_offer(data + 1, size - 1);
		break;
	case 'g':
		try_goodbye(data + 1, size - 1);
		break;
	default:
		try_probe(data + 1, size - 1);
	}
	return 0;
}

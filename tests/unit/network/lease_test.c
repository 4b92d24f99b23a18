/* SPDX-License-Identifier: MIT */
/* What a DHCP server says is believed as far as it is sane. */
#include "network/lease.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static void lease__full__read(void **state)
{
	char text[IP_PREFIX_TEXT_SIZE];
	struct lease lease;

	(void)state;
	assert_int_equal(
		lease_parse("lease\tbound\tip=10.1.0.5\tmask=24\trouter=10.1.0.1 10.1.0.2\t"
			    "dns=10.1.0.1 127.0.0.1 x 10.1.0.3\tdomain=Corp.example\t"
			    "mtu=1400\tlease=3600",
			    &lease),
		1);
	assert_string_equal(ip_prefix_format(&lease.address, text), "10.1.0.5/24");
	assert_string_equal(ip_address_format(&lease.router, text), "10.1.0.1");
	assert_int_equal(lease.n_servers, 2);
	assert_string_equal(ip_address_format(&lease.servers[1], text), "10.1.0.3");
	assert_string_equal(lease.domain, "corp.example");
	assert_int_equal(lease.mtu, 1400);
	assert_int_equal(lease.seconds, 3600);
}

static void lease__no_lease__table(void **state)
{
	static const struct {
		const char *line;
		int result;
	} rows[] = {
		{ "lease\tdeconfig", 0 },
		{ "lease\tdeconfig\tip=10.1.0.5\tmask=24", 0 },
		{ "lease\tnak", -EAGAIN },
		{ "lease\tleasefail", -EAGAIN },
		{ "lease\tbou\tip=10.1.0.5\tmask=24", -EAGAIN },
		{ "lease\t", -EAGAIN },
		{ "lease", -EAGAIN },
		{ "udhcpc: started, v1.35.0", -EAGAIN },
		{ "", -EAGAIN },
		{ "lease\tbound", -EBADMSG },
		{ "lease\tbound\tip=10.1.0.5", -EBADMSG },
		{ "lease\tbound\tmask=24", -EBADMSG },
		{ "lease\tbound\tip=10.1.0.5\tmask=0", -EBADMSG },
		{ "lease\tbound\tip=10.1.0.5\tmask=7", -EBADMSG },
		{ "lease\tbound\tip=10.1.0.5\tmask=33", -EBADMSG },
		{ "lease\trenew\tip=127.0.0.1\tmask=24", -EBADMSG },
		{ "lease\trenew\tip=0.0.0.0\tmask=24", -EBADMSG },
		{ "lease\trenew\tip=224.0.0.1\tmask=24", -EBADMSG },
		{ "lease\trenew\tip=255.255.255.255\tmask=24", -EBADMSG },
		{ "lease\trenew\tip=fd00::1\tmask=24", -EBADMSG },
		{ "lease\trenew\tip=10.1.0.5;reboot\tmask=24", -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lease lease = { .mtu = 77 };
		int r = lease_parse(rows[i].line, &lease);

		if (r != rows[i].result || lease.mtu != 77)
			fail_msg("\"%s\": %d", rows[i].line, r);
	}
}

/* What is absurd beside a good address is left out, and the address stays. */
static void lease__absurd_options__left_out(void **state)
{
	static const char *const options[] = {
		"router=192.0.2.1",
		"router=10.1.0.5",
		"router=127.0.0.1",
		"router=x",
		"mtu=68",
		"mtu=65536",
		"mtu=-1",
		"dns=0.0.0.0",
		"dns=ff02::1",
		"domain=a b",
		"domain=..",
		"lease=0",
		"staticroutes=0.0.0.0/1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		char line[128] = "lease\tbound\tip=10.1.0.5\tmask=24\t";
		struct lease lease;

		memcpy(line + strlen(line), options[i], strlen(options[i]) + 1);
		assert_int_equal(lease_parse(line, &lease), 1);
		if (lease.router.family || lease.n_servers || lease.mtu || lease.domain[0] ||
		    lease.seconds)
			fail_msg("%s was believed", options[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease__full__read),
		cmocka_unit_test(lease__no_lease__table),
		cmocka_unit_test(lease__absurd_options__left_out),
	};

	return cmocka_run_group_tests_name("network/lease", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What a packet is by its bytes alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/packet.h"

static void check__bytes__are_a_packet_or_why_not(void **state)
{
	static const struct {
		enum lw_layer layer;
		uint8_t first;
		size_t length;
		enum lw_drop drop;
		uint16_t ether_type;
	} cases[] = {
		{ LW_LAYER_ETHERNET, 0x00, 13, LW_DROP_SHORT, 0 },
		{ LW_LAYER_ETHERNET, 0x00, 14, LW_DROP_NONE, 0x88b5 },
		{ LW_LAYER_IP, 0x45, 0, LW_DROP_SHORT, 0 },
		{ LW_LAYER_IP, 0x60, 19, LW_DROP_SHORT, 0 },
		{ LW_LAYER_IP, 0x45, 20, LW_DROP_NONE, 0x0800 },
		{ LW_LAYER_IP, 0x60, 20, LW_DROP_NONE, 0x86dd },
		{ LW_LAYER_IP, 0x55, 20, LW_DROP_MALFORMED, 0x0800 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t data[20] = { [0] = cases[i].first, [12] = 0x88, [13] = 0xb5 };
		struct lw_packet packet =
			packet_view(cases[i].layer, data, cases[i].length, LW_DIRECTION_OUTBOUND);

		assert_int_equal(packet_check(cases[i].layer, data, cases[i].length),
				 cases[i].drop);
		assert_int_equal(packet.ether_type, cases[i].ether_type);
		assert_ptr_equal(packet.data, data);
		assert_int_equal(packet.length, cases[i].length);
		assert_int_equal(packet.direction, LW_DIRECTION_OUTBOUND);
		assert_null(packet.offload);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check__bytes__are_a_packet_or_why_not),
	};

	return cmocka_run_group_tests_name("unit/base/packet", tests, NULL, NULL);
}

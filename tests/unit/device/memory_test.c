/* SPDX-License-Identifier: MIT */
/* The memory pair: what goes in comes out, both bounds, both ends' disappearance. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/device.h"

struct pair {
	struct device *a, *b;
};

static uint8_t buffer[LW_PACKET_MAX];

static struct lw_packet frame(const uint8_t *data, size_t length)
{
	return (struct lw_packet){ .data = data, .length = length, .layer = LW_LAYER_ETHERNET };
}

static int put(struct device *device, uint8_t fill, size_t length)
{
	static uint8_t data[LW_PACKET_MAX + 1];
	struct lw_packet packet = frame(data, length);

	memset(data, fill, length);
	return device->ops->write(device, 0, &packet);
}

static ssize_t get(struct device *device, size_t size)
{
	struct lw_offload offload;

	return device->ops->read(device, 0, buffer, size, &offload);
}

static bool is_readable(const struct device *device)
{
	struct pollfd poller = { .fd = device->descriptors[0], .events = POLLIN };

	return poll(&poller, 1, 0) == 1;
}

static int make_pair(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_int_equal(device_memory_pair(LW_LAYER_ETHERNET, 0, 1, &pair->a, &pair->b), 0);
	*state = pair;
	return 0;
}

static int free_pair(void **state)
{
	struct pair *pair = *state;

	device_free(pair->a);
	device_free(pair->b);
	free(pair);
	return 0;
}

static void pair__made__is_described(void **state)
{
	struct pair *pair = *state;

	assert_string_equal(pair->a->ops->kind, "memory");
	assert_int_equal(pair->a->layer, LW_LAYER_ETHERNET);
	assert_int_equal(pair->a->queues, 1);
	assert_string_equal(pair->a->name, "");
	assert_int_equal(pair->a->index, 0);
	assert_int_equal(pair->a->header_length, 0);
	assert_int_equal(device_set_carrier(pair->a, true), -ENOTSUP);
	assert_int_equal(device_refresh_name(pair->a), 0);
}

static void pair__written__is_read_by_the_other_in_order(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(get(pair->b, sizeof(buffer)), -EAGAIN);
	assert_int_equal(put(pair->a, 1, 60), 0);
	assert_int_equal(put(pair->a, 2, 14), 0);
	assert_int_equal(get(pair->a, sizeof(buffer)), -EAGAIN);
	assert_int_equal(get(pair->b, sizeof(buffer)), 60);
	assert_int_equal(buffer[59], 1);
	assert_int_equal(get(pair->b, sizeof(buffer)), 14);
	assert_int_equal(buffer[13], 2);
	assert_int_equal(get(pair->b, sizeof(buffer)), -EAGAIN);
}

static void pair__descriptor__is_readable_while_packets_wait(void **state)
{
	struct pair *pair = *state;

	assert_false(is_readable(pair->b));
	assert_int_equal(put(pair->a, 1, 60), 0);
	assert_int_equal(put(pair->a, 1, 60), 0);
	assert_true(is_readable(pair->b));
	assert_false(is_readable(pair->a));
	assert_int_equal(get(pair->b, sizeof(buffer)), 60);
	assert_true(is_readable(pair->b));
	assert_int_equal(get(pair->b, sizeof(buffer)), 60);
	assert_false(is_readable(pair->b));
}

static void pair__offload__crosses(void **state)
{
	struct pair *pair = *state;
	struct lw_offload sent = { .needs_checksum = true,
				   .checksum_start = 34,
				   .checksum_offset = 16,
				   .gso = LW_GSO_TCPV4,
				   .gso_size = 1448 };
	uint8_t data[100] = { 0 };
	struct lw_packet packet = frame(data, sizeof(data));
	struct lw_offload seen;

	packet.offload = &sent;
	assert_int_equal(pair->a->offloads, 0);
	assert_int_equal(pair->a->ops->write(pair->a, 0, &packet), -EINVAL);
	pair->a->offloads = DEVICE_OFFLOAD_CHECKSUM | DEVICE_OFFLOAD_TSO6 | DEVICE_OFFLOAD_USO;
	assert_int_equal(pair->a->ops->write(pair->a, 0, &packet), -EINVAL);
	pair->a->offloads = DEVICE_OFFLOAD_CHECKSUM | DEVICE_OFFLOAD_TSO4;
	assert_int_equal(pair->a->ops->write(pair->a, 0, &packet), 0);
	assert_int_equal(put(pair->a, 0, 60), 0);
	assert_int_equal(pair->b->ops->read(pair->b, 0, buffer, sizeof(buffer), &seen), 100);
	assert_true(seen.needs_checksum);
	assert_int_equal(seen.checksum_start, 34);
	assert_int_equal(seen.gso, LW_GSO_TCPV4);
	assert_int_equal(seen.gso_size, 1448);
	assert_int_equal(pair->b->ops->read(pair->b, 0, buffer, sizeof(buffer), &seen), 60);
	assert_false(seen.needs_checksum);
	assert_int_equal(seen.gso, LW_GSO_NONE);
}

static void pair__short_or_long_or_of_another_layer__is_refused(void **state)
{
	struct pair *pair = *state;
	uint8_t data[60] = { 0x45 };
	struct lw_packet packet = frame(data, sizeof(data));

	assert_int_equal(put(pair->a, 0, 13), -EINVAL);
	assert_int_equal(put(pair->a, 0, 14), 0);
	assert_int_equal(put(pair->a, 0, LW_PACKET_MAX + 1), -EINVAL);
	assert_int_equal(put(pair->a, 0, LW_PACKET_MAX), 0);
	packet.layer = LW_LAYER_IP;
	assert_int_equal(pair->a->ops->write(pair->a, 0, &packet), -EINVAL);
}

static void pair_of_ip__not_ip__is_refused(void **state)
{
	struct device *a, *b;
	uint8_t data[20] = { 0x45 };
	struct lw_packet packet = { .data = data, .length = 20, .layer = LW_LAYER_IP };

	(void)state;
	assert_int_equal(device_memory_pair(LW_LAYER_IP, 4, 1, &a, &b), 0);
	assert_int_equal(a->ops->write(a, 0, &packet), 0);
	packet.length = 19;
	assert_int_equal(a->ops->write(a, 0, &packet), -EINVAL);
	packet.length = 20;
	data[0] = 0x60;
	assert_int_equal(a->ops->write(a, 0, &packet), 0);
	data[0] = 0x55;
	assert_int_equal(a->ops->write(a, 0, &packet), -EINVAL);
	device_free(a);
	device_free(b);
}

static void pair__longer_than_the_buffer__is_skipped_whole(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(put(pair->a, 1, 61), 0);
	assert_int_equal(put(pair->a, 2, 60), 0);
	assert_int_equal(get(pair->b, 60), -EMSGSIZE);
	assert_int_equal(get(pair->b, 60), 60);
	assert_int_equal(buffer[0], 2);
	assert_false(is_readable(pair->b));
}

static void pair__depth__bounds_each_direction(void **state)
{
	struct device *a, *b;

	(void)state;
	assert_int_equal(device_memory_pair(LW_LAYER_ETHERNET, 3, 1, &a, &b), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(put(a, (uint8_t)i, 60), 0);
		assert_int_equal(put(a, 9, 60), -ENOBUFS);
		assert_int_equal(put(b, 9, 60), 0); /* the other way is its own */
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(get(b, sizeof(buffer)), 60);
			assert_int_equal(buffer[0], i);
		}
	}
	device_free(a);
	device_free(b);
}

static void pair__bytes__bound_each_direction(void **state)
{
	enum { LENGTH = 65536, FIT = (4 << 20) / LENGTH };
	struct pair *pair = *state;

	for (unsigned i = 0; i < FIT; i++)
		assert_int_equal(put(pair->a, (uint8_t)i, LENGTH), 0);
	assert_int_equal(put(pair->a, 0, 14), -ENOBUFS);
	assert_int_equal(get(pair->b, sizeof(buffer)), LENGTH);
	assert_int_equal(put(pair->a, 0, LENGTH), 0);
	assert_int_equal(put(pair->a, 0, 14), -ENOBUFS);
}

static void pair__bytes_wrap_around__stay_whole(void **state)
{
	struct pair *pair = *state;

	for (unsigned i = 0; i < 300; i++) {
		size_t length = 65000 - i;

		assert_int_equal(put(pair->a, (uint8_t)i, length), 0);
		assert_int_equal(get(pair->b, sizeof(buffer)), length);
		for (size_t k = 0; k < length; k++)
			if (buffer[k] != (uint8_t)i)
				fail_msg("packet %u, byte %zu", i, k);
	}
}

static void pair__other_end_freed__drains_and_then_is_gone(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(put(pair->a, 7, 60), 0);
	device_free(pair->a);
	pair->a = NULL;
	assert_int_equal(put(pair->b, 7, 60), -ENODEV);
	assert_true(is_readable(pair->b));
	assert_int_equal(get(pair->b, sizeof(buffer)), 60);
	assert_true(is_readable(pair->b));
	assert_int_equal(get(pair->b, sizeof(buffer)), -ENODEV);
}

static void pair__wrong_arguments__are_refused(void **state)
{
	struct device *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(device_memory_pair((enum lw_layer)0, 0, 1, &a, &b), -EINVAL);
	assert_int_equal(device_memory_pair(LW_LAYER_IP, 65537, 1, &a, &b), -EINVAL);
	assert_null(a);
	assert_null(b);
	assert_int_equal(device_memory_pair(LW_LAYER_IP, 65536, 1, &a, &b), 0);
	device_free(a);
	device_free(b);
	device_free(NULL);
}

static void pair__queues__are_apart(void **state)
{
	const uint8_t data[2][20] = { { 0x45, 1 }, { 0x45, 2 } };
	struct lw_offload offload;
	struct device *a, *b;
	uint8_t got[64];

	(void)state;
	assert_int_equal(device_memory_pair(LW_LAYER_IP, 0, 0, &a, &b), -EINVAL);
	assert_int_equal(device_memory_pair(LW_LAYER_IP, 0, DEVICE_QUEUES_MAX + 1, &a, &b),
			 -EINVAL);
	assert_int_equal(device_memory_pair(LW_LAYER_IP, 0, 2, &a, &b), 0);
	assert_int_equal(a->queues, 2);
	for (uint16_t i = 0; i < 2; i++) {
		const struct lw_packet packet = { .data = data[i],
						  .length = sizeof(data[i]),
						  .layer = LW_LAYER_IP };

		assert_int_equal(a->ops->write(a, i, &packet), 0);
	}
	for (uint16_t i = 2; i-- > 0;) {
		assert_int_equal(b->ops->read(b, i, got, sizeof(got), &offload), sizeof(data[i]));
		assert_memory_equal(got, data[i], sizeof(data[i]));
		assert_int_equal(b->ops->read(b, i, got, sizeof(got), &offload), -EAGAIN);
	}
	device_free(a);
	for (uint16_t i = 0; i < 2; i++)
		assert_int_equal(b->ops->read(b, i, got, sizeof(got), &offload), -ENODEV);
	device_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pair__made__is_described, make_pair, free_pair),
		cmocka_unit_test_setup_teardown(pair__written__is_read_by_the_other_in_order,
						make_pair, free_pair),
		cmocka_unit_test_setup_teardown(pair__descriptor__is_readable_while_packets_wait,
						make_pair, free_pair),
		cmocka_unit_test_setup_teardown(pair__offload__crosses, make_pair, free_pair),
		cmocka_unit_test_setup_teardown(pair__short_or_long_or_of_another_layer__is_refused,
						make_pair, free_pair),
		cmocka_unit_test(pair__queues__are_apart),
		cmocka_unit_test(pair_of_ip__not_ip__is_refused),
		cmocka_unit_test_setup_teardown(pair__longer_than_the_buffer__is_skipped_whole,
						make_pair, free_pair),
		cmocka_unit_test(pair__depth__bounds_each_direction),
		cmocka_unit_test_setup_teardown(pair__bytes__bound_each_direction, make_pair,
						free_pair),
		cmocka_unit_test_setup_teardown(pair__bytes_wrap_around__stay_whole, make_pair,
						free_pair),
		cmocka_unit_test_setup_teardown(pair__other_end_freed__drains_and_then_is_gone,
						make_pair, free_pair),
		cmocka_unit_test(pair__wrong_arguments__are_refused),
	};

	return cmocka_run_group_tests_name("device/memory", tests, NULL, NULL);
}

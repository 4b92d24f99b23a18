/* SPDX-License-Identifier: MIT */
/* The gate, and that nobody who waits for a capture waits for everybody else on a busy processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/capture.h>

#include "base/memory.h"
#include "capture/capture.h"
#include "capture/gate.h"
#include "capture/point.h"
#include "support/captures.h"

static void wait_to_pass(struct gate *gate)
{
	while (!gate_pass(gate))
		gate_wait(gate);
}

static void gate__asked__opens_once(void **state)
{
	struct gate *gate;

	(void)state;
	assert_int_equal(gate_new(&gate), 0);
	assert_false(gate_pass(gate));
	for (unsigned i = 0; i < 3; i++) {
		gate_ask(gate);
		gate_ask(gate);
		wait_to_pass(gate);
		assert_false(gate_pass(gate));
	}
	gate_free(gate);
}

static void gate__not_asked__ends_a_wait_when_it_is_woken(void **state)
{
	struct gate *gate;

	(void)state;
	assert_int_equal(gate_new(&gate), 0);
	gate_wake(gate);
	gate_wait(gate);
	assert_false(gate_pass(gate));
	gate_free(gate);
}

static void gate__not_asked__ends_a_wait_in_time_or_when_it_is_woken(void **state)
{
	struct gate *gate;

	(void)state;
	assert_int_equal(gate_new(&gate), 0);
	gate_wait_for(gate, 1000000);
	assert_false(gate_pass(gate));
	gate_wake(gate);
	gate_wait_for(gate, UINT64_MAX / 4); /* centuries */
	assert_false(gate_pass(gate));
	gate_free(gate);
}

static void gate__freed__whatever_it_was_asked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct gate *gate;

		assert_int_equal(gate_new(&gate), 0);
		if (i & 1)
			gate_ask(gate);
		gate_free(gate);
	}
	gate_free(NULL);
}

/* ---- A processor that others keep busy */

enum { SPINNERS = 4, PACKETS = 3000 };

struct busy {
	cpu_set_t before;
	atomic_bool is_over;
	pthread_t spinner[SPINNERS];
};

static void *spin(void *user)
{
	struct busy *busy = user;

	while (!atomic_load(&busy->is_over))
		;
	return NULL;
}

/* This thread and those that it makes from now on share one processor. */
static int make_busy(void **state)
{
	struct busy *busy = calloc(1, sizeof(*busy));
	cpu_set_t one;
	int first = 0;

	sched_getaffinity(0, sizeof(busy->before), &busy->before);
	while (!CPU_ISSET(first, &busy->before))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		return -1;
	for (unsigned i = 0; i < SPINNERS; i++)
		pthread_create(&busy->spinner[i], NULL, spin, busy);
	*state = busy;
	return 0;
}

static int end_busy(void **state)
{
	struct busy *busy = *state;

	atomic_store(&busy->is_over, true);
	for (unsigned i = 0; i < SPINNERS; i++)
		pthread_join(busy->spinner[i], NULL);
	sched_setaffinity(0, sizeof(busy->before), &busy->before);
	free(busy);
	return 0;
}

static void see_packets(struct lw_capture_set *set, unsigned n)
{
	uint8_t frame[60] = { 0 };
	struct lw_packet packet = {
		.data = frame,
		.length = sizeof(frame),
		.layer = LW_LAYER_ETHERNET,
	};

	for (unsigned i = 0; i < n; i++)
		capture_see(set, LW_CAPTURE_DEVICE_IN, &packet, NULL);
}

static void flush__processor_is_busy__in_time(void **state)
{
	_cleanup_close_ int fd = memfd_create("capture", MFD_CLOEXEC);
	struct lw_capture *capture =
		captures_open(NULL, (struct lw_capture_options){ .descriptor = fd });
	struct lw_capture_set set = { 0 };

	(void)state;
	assert_int_equal(capture_attach(&set, capture), 0);
	see_packets(&set, PACKETS);
	assert_int_equal(lw_capture_flush(capture), 0);
	assert_int_equal(captures_count(capture).written, PACKETS);
	lw_capture_close(capture);
}

static void end__processor_is_busy__counters_are_final(void **state)
{
	_cleanup_close_ int fd = memfd_create("capture", MFD_CLOEXEC);
	struct lw_capture *capture =
		captures_open(NULL, (struct lw_capture_options){ .descriptor = fd });
	struct lw_capture_set set = { 0 };
	struct lw_capture_counters counters = { .size = sizeof(counters) };
	struct stat status;

	(void)state;
	assert_int_equal(capture_attach(&set, capture), 0);
	see_packets(&set, PACKETS);
	capture_end(capture);
	lw_capture_counters(capture, &counters);
	assert_int_equal(counters.written, PACKETS);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, counters.bytes);
	lw_capture_close(capture);
}

static void dump__processor_is_busy__has_all_that_came_before(void **state)
{
	_cleanup_close_ int fd = memfd_create("dump", MFD_CLOEXEC);
	struct lw_capture_options options = {
		.recorder_bytes = LW_CAPTURE_RECORDER_MIN,
		.descriptor = -1,
	};
	struct lw_capture *capture = captures_open(NULL, options);
	struct lw_capture_set set = { 0 };
	struct stat status;

	(void)state;
	assert_int_equal(capture_attach(&set, capture), 0);
	for (unsigned i = 1; i <= 20; i++) {
		see_packets(&set, 1);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(lw_capture_dump(capture, fd), 0);
		assert_int_equal(lw_capture_flush(capture), 0);
		assert_int_equal(fstat(fd, &status), 0);
		assert_true(status.st_size >= 60 * i);
	}
	lw_capture_close(capture);
}

#define BUSY(function) cmocka_unit_test_setup_teardown(function, make_busy, end_busy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gate__asked__opens_once),
		cmocka_unit_test(gate__not_asked__ends_a_wait_when_it_is_woken),
		cmocka_unit_test(gate__not_asked__ends_a_wait_in_time_or_when_it_is_woken),
		cmocka_unit_test(gate__freed__whatever_it_was_asked),
		BUSY(flush__processor_is_busy__in_time),
		BUSY(end__processor_is_busy__counters_are_final),
		BUSY(dump__processor_is_busy__has_all_that_came_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

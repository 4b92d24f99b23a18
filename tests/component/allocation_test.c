/* SPDX-License-Identifier: MIT */
/*
 * The n-th allocation of ours fails, for every n until all succeed: while hub and client are made
 * and connect. Nothing crashes, nothing leaks, no session comes up with wrong keys, and when memory
 * is back everything works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

static long fail_at; /* 0: never; counts down to the failure */
static bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *pointer, size_t size);
char *__real_strdup(const char *text);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static bool fails(void)
{
	if (!fail_at || --fail_at)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
	return fails() ? NULL : __real_realloc(pointer, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static void assert_carries(struct rig_client *a)
{
	uint8_t frame[80];
	size_t length = rig_frame(frame, 0xff, 1, 0x88b6, 60);

	rig_write(&a->host, frame, length);
	rig_pass(a->rig, 50);
	assert_int_equal(rig_count(&a->rig->host, frame, length), 1);
}

static void connecting__each_failing_allocation__recovers(void **state)
{
	long n = 0;

	(void)state;
	do {
		struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
		struct rig_client *a = rig_add(rig, "a", NULL, NULL);

		fail_at = ++n;
		has_failed = false;
		/* The rig's own memory is not spared: only what runs from the loop is tried
		 * here. */
		if (lw_connection_start(a->connection, NULL, NULL) >= 0)
			rig_pass(rig, 500);
		fail_at = 0;
		if (lw_connection_status(a->connection) == LW_STATUS_DISCONNECTED)
			rig_connect(a);
		else
			assert_true(rig_until(rig, rig_is_up, a, 50000));
		assert_carries(a);
		rig_free(rig);
	} while (has_failed);
	assert_true(n > 10);
}

static void making__each_failing_allocation__leaves_nothing(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, false);
	char hub_path[128], pin[PIN_TEXT_SIZE];
	const char *pins[] = { pin_format(&rig->hub_pin, pin) };
	const char *const hubs[] = { "127.0.0.1:1" };
	const struct lw_hub_options hub_options = { .size = sizeof(hub_options),
						    .layer = LW_LAYER_ETHERNET,
						    .identity_file =
							    rig_identity(rig, "hub", hub_path),
						    .inline_handshakes = true };
	const struct lw_tunnel_options tunnel_options = { .size = sizeof(tunnel_options),
							  .layer = LW_LAYER_ETHERNET,
							  .hubs = hubs,
							  .n_hubs = 1,
							  .pins = pins,
							  .n_pins = 1,
							  .identity_file = hub_path };
	long n = 0;
	int made;

	(void)state;
	do {
		struct lw_hub *hub = NULL;
		struct lw_tunnel *tunnel = NULL;

		fail_at = ++n;
		has_failed = false;
		made = lw_hub_new(rig->loop, &hub_options, &hub, NULL);
		if (made >= 0)
			made = lw_tunnel_new(&tunnel_options, &tunnel, NULL);
		fail_at = 0;
		assert_int_equal(made < 0, has_failed);
		lw_tunnel_free(tunnel);
		lw_hub_free(hub);
	} while (has_failed);
	assert_true(n > 10);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connecting__each_failing_allocation__recovers),
		cmocka_unit_test(making__each_failing_allocation__leaves_nothing),
	};

	return cmocka_run_group_tests_name("component/allocation", tests, NULL, NULL);
}

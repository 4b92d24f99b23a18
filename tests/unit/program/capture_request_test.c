/* SPDX-License-Identifier: MIT */
/* What to capture: from a command line to the library, and what is refused on the way. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "program/capture_request.h"
#include "program/command.h"

static struct tree *build(const struct arguments *arguments)
{
	struct tree *tree;

	assert_int_equal(capture_request_build(arguments, "/tmp/x", &tree), 0);
	return tree;
}

static void options_of(const struct arguments *arguments, struct capture_request *request,
		       struct lw_capture_options *options)
{
	struct lw_error error = { 0 };
	struct tree *tree = build(arguments);

	if (capture_request_read(tree, request, &error) < 0)
		fail_msg("%s", error.text);
	tree_free(tree);
	capture_request_options(request, LW_LAYER_ETHERNET, 7, options);
}

static void request__nothing_said__the_defaults(void **state)
{
	const struct arguments arguments = { .write = "x.pcapng" };
	struct lw_capture_options options;
	struct capture_request request;

	(void)state;
	options_of(&arguments, &request, &options);
	assert_string_equal(request.name, "/tmp/x");
	assert_int_equal(options.points, LW_CAPTURE_DEVICE_IN | LW_CAPTURE_DEVICE_OUT);
	assert_int_equal(options.snap_length, LW_CAPTURE_SNAP_MAX);
	assert_int_equal(options.format, LW_CAPTURE_FORMAT_AUTO);
	assert_int_equal(options.descriptor, 7);
	assert_int_equal(options.n_ports + options.n_peers + options.reasons + options.packets, 0);
	assert_null(options.filter);
	assert_null(options.file);
	assert_false(options.whole_super_frames);
	capture_request_done(&request);
}

static void request__everything_said__as_it_was_said(void **state)
{
	const struct arguments arguments = {
		.write = "x.pcap",
		.filter = "arp",
		.points = { { "drop,session-in", "device-out" }, 2 },
		.ports = { { "lw0" }, 1 },
		.peers = { { "a,b" }, 1 },
		.reasons = { { "queue-full,too-big" }, 1 },
		.snaplen = { true, 96 },
		.count = { true, 5 },
		.super_frames = true,
	};
	struct lw_capture_options options;
	struct capture_request request;

	(void)state;
	options_of(&arguments, &request, &options);
	assert_int_equal(options.points,
			 LW_CAPTURE_DROP | LW_CAPTURE_SESSION_IN | LW_CAPTURE_DEVICE_OUT);
	assert_int_equal(options.n_ports, 1);
	assert_string_equal(options.ports[0], "lw0");
	assert_int_equal(options.n_peers, 2);
	assert_string_equal(options.peers[1], "b");
	assert_int_equal(options.reasons,
			 UINT64_C(1) << LW_DROP_QUEUE_FULL | UINT64_C(1) << LW_DROP_TOO_BIG);
	assert_string_equal(options.filter, "arp");
	assert_int_equal(options.snap_length, 96);
	assert_int_equal(options.packets, 5);
	assert_int_equal(options.format, LW_CAPTURE_PCAP);
	assert_true(options.whole_super_frames);
	capture_request_done(&request);
}

static void request__only_reasons__drops(void **state)
{
	const struct arguments arguments = { .write = "-", .reasons = { { "too-big" }, 1 } };
	struct lw_capture_options options;
	struct capture_request request;

	(void)state;
	options_of(&arguments, &request, &options);
	assert_int_equal(options.points, LW_CAPTURE_DROP);
	capture_request_done(&request);
}

static void request__bad_values__refused_with_what_is_allowed(void **state)
{
	static const struct {
		const char *json, *text;
	} refused[] = {
		{ "{}", "capture: name" },
		{ "{\"name\":\"x\",\"point\":\"device\"}", "device-in, device-out" },
		{ "{\"name\":\"x\",\"point\":[]}", "capture: point" },
		{ "{\"name\":\"x\",\"reason\":\"luck\"}", "as the status names it" },
		{ "{\"name\":\"x\",\"snaplen\":262145}", "262144" },
		{ "{\"name\":\"x\",\"count\":0}", "capture: count" },
		{ "{\"name\":\"x\",\"format\":\"text\"}", "pcapng" },
		{ "{\"name\":\"x\",\"filter\":\"\"}", "capture: filter" },
		{ "{\"name\":\"x\",\"file\":\"/etc/passwd\"}", "file" },
		{ "{\"name\":\"x\",\"super-frames\":\"perhaps\"}", "true or false" },
		{ "{\"name\":\"x\",\"snaplen\":0,\"count\":0}", ";capture: count" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct capture_request request;
		struct lw_error error = { 0 };
		struct tree *tree;

		assert_int_equal(json_parse(refused[i].json, strlen(refused[i].json), &tree, NULL),
				 0);
		assert_int_equal(capture_request_read(tree, &request, &error), -EINVAL);
		if (!strstr(error.text, refused[i].text) || strchr(error.text, '\n'))
			fail_msg("%s: %s", refused[i].json, error.text);
		assert_int_equal(error.domain, LW_DOMAIN_CONFIGURATION);
		tree_free(tree);
	}
}

static void request__missing__refused(void **state)
{
	struct capture_request request;
	struct lw_error error = { 0 };

	(void)state;
	assert_int_equal(capture_request_read(NULL, &request, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__nothing_said__the_defaults),
		cmocka_unit_test(request__everything_said__as_it_was_said),
		cmocka_unit_test(request__only_reasons__drops),
		cmocka_unit_test(request__bad_values__refused_with_what_is_allowed),
		cmocka_unit_test(request__missing__refused),
	};

	return cmocka_run_group_tests_name("program/capture_request", tests, NULL, NULL);
}

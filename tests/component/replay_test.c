/* SPDX-License-Identifier: MIT */
/* Savefiles through ports: their timing, their packets, and what is refused. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/rig.h"
#include "support/savefile.h"

struct ended {
	unsigned times; /* told */
	int code;       /* 0: the end of the file */
	char text[LW_ERROR_TEXT_SIZE];
};

/* n frames from host 1 to host 9, numbered, 100 ms apart, in the year 2001. */
static int frames(uint32_t n)
{
	int fd = savefile_make(SAVEFILE_ETHERNET);
	uint8_t frame[64];

	for (uint32_t i = 0; i < n; i++) {
		size_t length = rig_frame(frame, 9, 1, 0x88b5, 46);

		store_be32(frame + 20, i);
		savefile_put(fd, UINT64_C(1000000000000000000) + i * UINT64_C(100000000), frame,
			     length, length);
	}
	return fd;
}

static void was_ended(const struct lw_error *error, void *user)
{
	struct ended *ended = user;

	ended->times++;
	ended->code = error ? error->code : 0;
	snprintf(ended->text, sizeof(ended->text), "%s", error ? error->text : "");
}

static struct rig_client *connect(void)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	const struct lw_peer_options peer = { .size = sizeof(peer), .behind = LW_BEHIND_LAN };
	struct rig_client *a = rig_add(rig, "a", &peer, NULL);

	rig_connect(a);
	return a;
}

static struct lw_replay_options options_of(int fd, struct ended *ended)
{
	return (struct lw_replay_options){ .size = sizeof(struct lw_replay_options),
					   .descriptor = fd,
					   .way = LW_PORT_IN,
					   .done = was_ended,
					   .user = ended };
}

static struct lw_replay *start(struct rig_client *a, const struct lw_replay_options *options)
{
	struct lw_replay *replay;
	struct lw_error error;

	if (lw_port_replay(a->port, options, &replay, &error) < 0)
		fail_msg("%s", error.text);
	return replay;
}

static struct lw_replay_counters count(const struct lw_replay *replay)
{
	struct lw_replay_counters counters = { .size = sizeof(counters) };

	lw_replay_counters(replay, &counters);
	return counters;
}

static void replay__as_it_was__has_its_timing(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 };
	struct lw_replay_options options = options_of(frames(10), &ended);
	struct lw_replay *replay = start(a, &options);

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		rig_pass(a->rig, 50);
		assert_int_equal(a->rig->host.n, i + 1);
		assert_int_equal(load_be32(a->rig->host.frames[i] + 20), i);
		assert_int_equal(ended.times, i == 9);
		rig_pass(a->rig, 50);
	}
	assert_int_equal(ended.times, 1);
	assert_int_equal(ended.code, 0);
	assert_int_equal(count(replay).packets, 10);
	assert_int_equal(count(replay).bytes, 600);
	assert_int_equal(count(replay).loops, 1);
	lw_replay_free(replay);
	rig_free(a->rig);
}

static void replay__speed_and_loops__are_kept(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 };
	struct lw_replay_options options = options_of(frames(5), &ended);
	struct lw_replay *replay;

	(void)state;
	options.speed = 4000;
	options.loops = 3;
	replay = start(a, &options);
	/* Each loop takes 100 ms; the next begins with its end. */
	rig_pass(a->rig, 60);
	assert_int_equal(a->rig->host.n, 3);
	rig_pass(a->rig, 300);
	assert_int_equal(a->rig->host.n, 15);
	assert_int_equal(ended.times, 1);
	assert_int_equal(count(replay).loops, 3);
	lw_replay_free(replay);
	rig_free(a->rig);
}

static void replay__fast__does_not_wait(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 };
	struct lw_replay_options options = options_of(frames(500), &ended);
	struct lw_replay *replay;

	(void)state;
	options.fast = true;
	replay = start(a, &options);
	rig_pass(a->rig, 60);
	assert_int_equal(a->rig->host.n, 500);
	assert_int_equal(ended.times, 1);
	lw_replay_free(replay);
	rig_free(a->rig);
}

static void replay__out__leaves_by_the_port(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 };
	struct lw_replay_options options = options_of(frames(3), &ended);
	struct lw_replay *replay;

	(void)state;
	options.fast = true;
	options.way = LW_PORT_OUT;
	replay = start(a, &options);
	rig_pass(a->rig, 60);
	assert_int_equal(a->host.n, 3);
	assert_int_equal(a->rig->host.n, 0);
	lw_replay_free(replay);
	rig_free(a->rig);
}

static void replay__at_a_client__goes_to_its_hub(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 };
	struct lw_replay_options options = options_of(frames(3), &ended);
	struct lw_replay *replay;

	(void)state;
	options.fast = true;
	assert_int_equal(lw_tunnel_replay(a->tunnel, LW_TUNNEL_DEVICE, &options, &replay, NULL), 0);
	rig_pass(a->rig, 60);
	assert_int_equal(a->rig->host.n, 3);
	lw_replay_free(replay);
	rig_free(a->rig);
}

/* No more rights than the peer itself: a lone host serves no DHCP, and what is no frame is none. */
static void replay__frames_that_may_not__are_counted_drops(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct ended ended = { 0 };
	int fd = savefile_make(SAVEFILE_ETHERNET);
	static uint8_t frame[70000];
	struct lw_replay_options options = options_of(fd, &ended);
	struct lw_replay *replay;
	size_t length;

	(void)state;
	rig_connect(a);
	savefile_put(fd, 1, frame, 13, 13);
	length = rig_frame(frame, 0xff, 1, 0x0800, 300);
	frame[14] = 0x45;
	frame[14 + 9] = 17;
	store_be16(frame + 16, 300);
	memset(frame + 20, 0, 2);
	store_be16(frame + 34, 67);
	store_be16(frame + 36, 68);
	savefile_put(fd, 2, frame, length, length);
	savefile_put(fd, 3, frame, 100, 300);
	savefile_put(fd, 4, frame, 66000, 66000);
	length = rig_frame(frame, 0xff, 1, 0x88b5, 2000);
	savefile_put(fd, 5, frame, length, length);
	options.fast = true;
	replay = start(a, &options);
	rig_pass(rig, 60);
	assert_int_equal(rig->host.n, 0);
	assert_int_equal(rig_drops(a, LW_DROP_SHORT), 1);
	assert_int_equal(rig_drops(a, LW_DROP_GUARD_DHCP), 1);
	assert_int_equal(count(replay).packets, 3);
	assert_int_equal(count(replay).skipped, 2);
	lw_replay_free(replay);
	rig_free(rig);
}

static void replay__impaired_port__is_impaired(void **state)
{
	struct rig_client *a = connect();
	const struct lw_impairment half = { .size = sizeof(half), .loss = 500000, .seed = 4 };
	struct ended ended = { 0 };
	struct lw_replay_options options = options_of(frames(200), &ended);
	struct lw_replay *replay;

	(void)state;
	assert_int_equal(lw_port_impair(a->port, LW_PORT_IN, &half, NULL), 0);
	options.fast = true;
	replay = start(a, &options);
	rig_pass(a->rig, 60);
	assert_in_range(a->rig->host.n, 70, 130);
	assert_int_equal(rig_drops(a, LW_DROP_LINK_LOST) + a->rig->host.n, 200);
	lw_replay_free(replay);
	rig_free(a->rig);
}

static void refuse(struct rig_client *a, struct lw_replay_options options, int code,
		   const char *said)
{
	struct lw_replay *replay = NULL;
	struct lw_error error;

	assert_int_equal(lw_port_replay(a->port, &options, &replay, &error), code);
	if (!strstr(error.text, said))
		fail_msg("%s", error.text);
	assert_null(replay);
	/* It is still the caller's. */
	if (options.descriptor >= 0)
		assert_int_equal(fcntl(options.descriptor, F_GETFD), FD_CLOEXEC);
}

static void start__what_cannot_be__is_refused(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 };
	struct lw_replay_options options = options_of(frames(2), &ended), bad = options;
	int raw = savefile_make(SAVEFILE_RAW), junk = memfd_create("junk", MFD_CLOEXEC), ends[2];
	struct lw_replay *replay;

	(void)state;
	bad.way = LW_PORT_IN | LW_PORT_OUT;
	refuse(a, bad, -EINVAL, "in or out");
	bad = options;
	bad.speed = LW_REPLAY_SPEED_MAX + 1;
	refuse(a, bad, -EINVAL, "speed");
	bad = options;
	bad.loops = LW_REPLAY_LOOPS_MAX + 1;
	refuse(a, bad, -EINVAL, "loop");
	bad = options;
	bad.size = 0;
	refuse(a, bad, -EINVAL, "size");
	bad = options_of(raw, &ended);
	refuse(a, bad, -EMEDIUMTYPE, "RAW");
	savefile_word(junk, 0x12345678);
	bad = options_of(junk, &ended);
	refuse(a, bad, -EINVAL, "cannot be read");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	bad = options_of(ends[0], &ended);
	refuse(a, bad, -EINVAL, "regular file");
	bad = options_of(-1, &ended);
	refuse(a, bad, -EINVAL, "savefile");
	replay = start(a, &options);
	bad = options_of(raw, &ended);
	refuse(a, bad, -EBUSY, "already");
	assert_int_equal(lw_tunnel_replay(a->tunnel, 3, &bad, &replay, NULL), -EINVAL);
	close(raw);
	close(junk);
	close(ends[0]);
	close(ends[1]);
	lw_replay_free(replay);
	assert_int_equal(ended.times, 0);
	rig_free(a->rig);
}

static void file__damaged__ends_with_its_reason(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 };
	int fd = frames(3);
	struct lw_replay_options options = options_of(fd, &ended);
	struct lw_replay *replay;

	(void)state;
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 10), 0);
	options.fast = true;
	replay = start(a, &options);
	rig_pass(a->rig, 60);
	assert_int_equal(a->rig->host.n, 2);
	assert_int_equal(ended.times, 1);
	assert_int_equal(ended.code, EIO);
	lw_replay_free(replay);
	rig_free(a->rig);
}

static void port__gone__ends_it(void **state)
{
	struct rig_client *a = connect();
	struct ended ended = { 0 }, other = { 0 };
	struct lw_replay_options options = options_of(frames(50), &ended),
				 others = options_of(frames(50), &other);
	struct lw_replay *replay = start(a, &options), *second;

	(void)state;
	assert_int_equal(lw_tunnel_replay(a->tunnel, LW_TUNNEL_HUB, &others, &second, NULL), 0);
	rig_pass(a->rig, 500);
	lw_hub_remove_peer(a->rig->hub, a->port);
	a->port = NULL;
	assert_int_equal(ended.times, 1);
	assert_int_equal(ended.code, ENODEV);
	lw_replay_free(replay);
	lw_connection_stop(a->connection, LW_STOP_USER_INITIATED);
	assert_true(rig_until(a->rig, rig_is_down, a, 2000));
	assert_int_equal(other.code, ENODEV);
	others = options_of(frames(1), &other);
	lw_replay_free(second);
	assert_int_equal(lw_tunnel_replay(a->tunnel, LW_TUNNEL_HUB, &others, &second, NULL),
			 -ENOTCONN);
	close(others.descriptor);
	rig_free(a->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay__as_it_was__has_its_timing),
		cmocka_unit_test(replay__speed_and_loops__are_kept),
		cmocka_unit_test(replay__fast__does_not_wait),
		cmocka_unit_test(replay__out__leaves_by_the_port),
		cmocka_unit_test(replay__at_a_client__goes_to_its_hub),
		cmocka_unit_test(replay__frames_that_may_not__are_counted_drops),
		cmocka_unit_test(replay__impaired_port__is_impaired),
		cmocka_unit_test(start__what_cannot_be__is_refused),
		cmocka_unit_test(file__damaged__ends_with_its_reason),
		cmocka_unit_test(port__gone__ends_it),
	};

	return cmocka_run_group_tests_name("component/replay", tests, NULL, NULL);
}

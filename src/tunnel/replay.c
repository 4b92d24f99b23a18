/* SPDX-License-Identifier: MIT */
/* Savefiles sent through ports. */
#include "tunnel/replay.h"

#include <errno.h>
#include <stdlib.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/packet.h"
#include "base/value.h"
#include "capture/point.h"
#include "capture/reader.h"
#include "tunnel/port_link.h"

struct lw_replay {
	struct port_link *link; /* NULL: it has ended */
	struct lw_replay_options options;
	struct lw_replay_counters counters;
	struct reader *reader;
	struct reader_packet next; /* when has_next */
	bool has_next, is_first_known;
	uint64_t first_ns, begin_ns; /* of the file's clock; of ours */
	struct lw_loop *loop;
	struct loop_timer timer;
};

static void end(struct lw_replay *replay, const struct lw_error *error)
{
	loop_timer_done(replay->loop, &replay->timer);
	replay->link->replay = NULL;
	replay->link = NULL;
	reader_free(take_pointer(replay->reader));
	close_fd(&replay->options.descriptor);
	if (replay->options.done)
		replay->options.done(error, replay->options.user);
}

/* ---- packets */

static void give(struct lw_replay *replay)
{
	struct port_link *link = replay->link;
	struct vport *port = link->port;
	bool is_out = replay->options.way == LW_PORT_OUT;
	struct capture_origin before;
	struct lw_packet packet;
	enum lw_drop drop;

	if (replay->next.length < replay->next.whole || replay->next.length > LW_PACKET_MAX) {
		replay->counters.skipped++;
		return;
	}
	replay->counters.packets++;
	replay->counters.bytes += replay->next.length;
	drop = packet_check(link->layer, replay->next.data, replay->next.length);
	packet = packet_view(link->layer, replay->next.data, replay->next.length,
			     is_out == port->is_device ? LW_DIRECTION_INBOUND
						       : LW_DIRECTION_OUTBOUND);
	before = capture_set_origin((struct capture_origin){ .is_replayed = true });
	if (drop != LW_DROP_NONE) {
		vswitch_drop(port->vswitch, port, &packet, drop);
	} else if (is_out) {
		vswitch_output(port->vswitch, port, &packet);
	} else {
		vswitch_show_in(port, &packet);
		vswitch_input(port->vswitch, port, &packet, 1, lw_loop_now_ns(link->loop));
	}
	(void)capture_set_origin(before);
}

/* ---- time */

/* In two parts, so that slow replays of long files do not overflow. */
static uint64_t due_ns(const struct lw_replay *replay)
{
	uint64_t distance =
		replay->next.at_ns > replay->first_ns ? replay->next.at_ns - replay->first_ns : 0;

	if (replay->options.fast)
		return 0;
	return replay->begin_ns + distance / replay->options.speed * LW_REPLAY_SPEED_AS_IT_WAS +
	       distance % replay->options.speed * LW_REPLAY_SPEED_AS_IT_WAS / replay->options.speed;
}

static int rewind_file(struct lw_replay *replay, struct lw_error *error)
{
	struct reader *reader;
	int r = reader_new(replay->options.descriptor, replay->link->layer, &reader, error);

	if (r < 0)
		return r;
	reader_free(replay->reader);
	replay->reader = reader;
	replay->begin_ns = lw_loop_now_ns(replay->loop);
	return 0;
}

/* Return: 1: there is a next packet; 0: the end; or a negative errno. */
static int fetch(struct lw_replay *replay, struct lw_error *error)
{
	int r = reader_next(replay->reader, &replay->next, error);

	if (r == 0 && ++replay->counters.loops < replay->options.loops && replay->is_first_known) {
		r = rewind_file(replay, error);
		if (r == 0)
			r = reader_next(replay->reader, &replay->next, error);
	}
	if (r == 1 && !replay->is_first_known) {
		replay->first_ns = replay->next.at_ns;
		replay->is_first_known = true;
	}
	replay->has_next = r == 1;
	return r;
}

static void timer_due(struct loop_timer *timer)
{
	struct lw_replay *replay = container_of(timer, struct lw_replay, timer);
	uint64_t now_ns = lw_loop_now_ns(replay->loop);
	struct lw_error error;

	for (int i = 0; i < REPLAY_BATCH; i++) {
		int r = replay->has_next ? 1 : fetch(replay, &error);

		if (r != 1) {
			end(replay, r < 0 ? &error : NULL);
			return;
		}
		if (due_ns(replay) > now_ns) {
			loop_timer_set(replay->loop, timer, due_ns(replay));
			return;
		}
		replay->has_next = false;
		give(replay);
	}
	loop_timer_set(replay->loop, timer, now_ns);
}

/* ---- making */

static int check_options(const struct lw_replay_options *options, struct lw_error *error)
{
	if (options->way != LW_PORT_IN && options->way != LW_PORT_OUT)
		return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "a replay goes in or out");
	if (options->speed > LW_REPLAY_SPEED_MAX)
		return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "speed: at most 1000");
	if (options->loops > LW_REPLAY_LOOPS_MAX)
		return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "loop: at most %d", LW_REPLAY_LOOPS_MAX);
	return 0;
}

int replay_start(struct port_link *link, const struct lw_replay_options *given,
		 struct lw_replay **ret_replay, struct lw_error *ret_error)
{
	struct lw_replay_options options;
	struct lw_replay *replay;
	struct reader *reader;
	int r;

	if (!value_take(&options, sizeof(options), given))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "the size of the options is not set");
	r = check_options(&options, ret_error);
	if (r < 0)
		return r;
	if (link->replay)
		return error_set(ret_error, -EBUSY, LW_DOMAIN_SYSTEM, EBUSY,
				 "this port has a replay already");
	r = reader_new(options.descriptor, link->layer, &reader, ret_error);
	if (r < 0)
		return r;
	replay = calloc(1, sizeof(*replay));
	if (!replay || loop_timer_init(link->loop, &replay->timer, timer_due) < 0) {
		reader_free(reader);
		free(replay);
		return error_errno(ret_error, ENOMEM, "replay");
	}
	replay->reader = reader;
	replay->options = options;
	if (!options.speed)
		replay->options.speed = LW_REPLAY_SPEED_AS_IT_WAS;
	replay->loop = link->loop;
	replay->link = link;
	replay->begin_ns = lw_loop_now_ns(link->loop);
	link->replay = replay;
	loop_timer_set(replay->loop, &replay->timer, replay->begin_ns);
	*ret_replay = replay;
	return 0;
}

void replay_end(struct lw_replay *replay)
{
	struct lw_error error;

	if (!replay || !replay->link)
		return;
	error_set(&error, 0, LW_DOMAIN_SYSTEM, ENODEV, "the port is gone");
	end(replay, &error);
}

void lw_replay_counters(const struct lw_replay *replay, struct lw_replay_counters *ret_counters)
{
	struct lw_replay_counters counters = replay->counters;

	counters.size = sizeof(counters);
	value_give(ret_counters, &counters, sizeof(counters));
}

void lw_replay_free(struct lw_replay *replay)
{
	if (!replay)
		return;
	replay->options.done = NULL;
	if (replay->link)
		end(replay, NULL);
	free(replay);
}

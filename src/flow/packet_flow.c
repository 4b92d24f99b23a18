/* SPDX-License-Identifier: MIT */
/* The packet flow: armed reads, batches, counters, captures over a device. */
#include "flow/flow.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <longwire/error.h>
#include <longwire/loop.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/packet.h"
#include "capture/point.h"
#include "device/device.h"
#include "device/offload.h"
#include "device/segment.h"
#include "loop/loop.h"

enum { DOWN_POLL_MS = 250, BUFFER_SIZE = FLOW_BUDGET_DEFAULT + LW_PACKET_MAX };

struct flow_queue {
	struct lw_packet_flow *flow;
	struct lw_loop *loop; /* of the worker that uses it */
	struct lw_flow_counters counters;
	unsigned callbacks;        /* on the stack */
	struct loop_source source; /* added while a read is armed and the device is up */
	struct loop_timer timer;   /* set while a read is armed and the device is down */
	uint16_t index;
	bool is_armed, is_taken;
	size_t budget;
	lw_packets_fn *callback;
	void *user;
	uint8_t *buffer;  /* BUFFER_SIZE, mapped at the first read */
	uint8_t *scratch; /* LW_PACKET_MAX, for what the device cannot take as it is */
	struct lw_packet packets[FLOW_BATCH_MAX];
	struct lw_offload offloads[FLOW_BATCH_MAX];
	uint8_t *joined; /* BUFFER_SIZE, if the device coalesces: what was made of packets */
	struct lw_offload joins[FLOW_BATCH_MAX];
};

struct lw_packet_flow {
	struct lw_loop *loop;
	struct device *device;
	struct lw_capture_set *captures;
	struct loop_deferred freeing;
	bool is_freed; /* in a callback: the rest follows when it has returned */
	atomic_bool is_gone;
	uint16_t n_queues;
	struct flow_queue queues[];
};

/* One writer, readers anywhere. */
static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* What one reading of the device came to. */
struct batch {
	size_t n;
	int error; /* 0 (as much as allowed was read), -EAGAIN, -EIO, -ENODEV */
};

/* ---- Reading */

static void see(struct lw_packet_flow *flow, enum lw_capture_point point,
		const struct lw_packet *packet, enum lw_drop reason)
{
	const struct capture_context context = {
		.port = flow->device->name[0] ? flow->device->name : "device",
		.reason = reason,
		.is_device = true,
	};

	capture_see(flow->captures, point, packet, &context);
}

/* What was read and goes no further. length 0: the device did not hand it out. */
static void drop_read(struct flow_queue *queue, const uint8_t *data, size_t length,
		      enum lw_drop reason)
{
	const struct lw_packet packet = { .data = data,
					  .length = length,
					  .layer = queue->flow->device->layer,
					  .direction = LW_DIRECTION_OUTBOUND };

	count(&queue->counters.drops[reason], 1);
	see(queue->flow, LW_CAPTURE_DROP, &packet, reason);
}

static void take_packet(struct flow_queue *queue, struct batch *batch, const uint8_t *data,
			size_t length)
{
	struct lw_offload *offload = &queue->offloads[batch->n];
	struct lw_packet *packet = &queue->packets[batch->n];

	*packet = packet_view(queue->flow->device->layer, data, length, LW_DIRECTION_OUTBOUND);
	packet->offload = offload_is_work(offload) ? offload : NULL;
	count(&queue->counters.read_packets, 1);
	count(&queue->counters.read_bytes, length);
	see(queue->flow, LW_CAPTURE_DEVICE_IN, packet, LW_DROP_NONE);
	batch->n++;
}

/* Reads are counted whether they bring a packet or not: a device full of nonsense cannot keep the
 * loop. */
static struct batch read_batch(struct flow_queue *queue)
{
	struct device *device = queue->flow->device;
	struct batch batch = { 0, 0 };
	size_t used = 0;

	for (unsigned reads = 0; reads < FLOW_BATCH_MAX && used < queue->budget; reads++) {
		uint8_t *data = queue->buffer + used;
		ssize_t length = device->ops->read(device, queue->index, data, BUFFER_SIZE - used,
						   &queue->offloads[batch.n]);
		enum lw_drop drop;

		if (length == -EMSGSIZE) {
			drop_read(queue, data, 0, LW_DROP_TOO_BIG);
			continue;
		}
		if (length == -EBADMSG) {
			drop_read(queue, data, 0, LW_DROP_OFFLOAD);
			continue;
		}
		if (length < 0) {
			batch.error = (int)length;
			break;
		}
		drop = packet_check(device->layer, data, (size_t)length);
		if (drop != LW_DROP_NONE) {
			drop_read(queue, data, (size_t)length, drop);
			continue;
		}
		take_packet(queue, &batch, data, (size_t)length);
		used += (size_t)length;
	}
	return batch;
}

/* Runs of TCP segments become super-frames. Return: how many packets that leaves. */
static size_t join_segments(struct flow_queue *queue, size_t n)
{
	size_t joined = 0, used = 0;

	if (!queue->joined)
		return n;
	for (size_t i = 0; i < n; joined++) {
		struct lw_packet packet;
		size_t taken = coalesce(&queue->packets[i], n - i, queue->joined + used, &packet,
					&queue->joins[joined]);

		if (taken > 1)
			used += packet.length;
		queue->packets[joined] = packet;
		i += taken;
	}
	return joined;
}

static void finish_free(struct loop_deferred *deferred);

static bool is_in_callback(const struct lw_packet_flow *flow)
{
	for (uint16_t i = 0; i < flow->n_queues; i++)
		if (flow->queues[i].callbacks)
			return true;
	return false;
}

/* The read is over before its callback runs, so that the callback can arm the next. */
static void deliver(struct flow_queue *queue, size_t n, int error)
{
	struct lw_packet_flow *flow = queue->flow;

	queue->is_armed = false;
	queue->callbacks++;
	queue->callback(flow, queue->index, n ? queue->packets : NULL, n, error, queue->user);
	queue->callbacks--;
	if (flow->is_freed) {
		if (!is_in_callback(flow))
			loop_defer(flow->loop, &flow->freeing);
		return;
	}
	/* A source that nobody reads is taken out: epoll would go on to tell of errors. */
	if (!queue->is_armed)
		loop_remove(&queue->source);
}

static void wait_while_down(struct flow_queue *queue)
{
	loop_remove(&queue->source);
	loop_timer_set_in_ms(queue->loop, &queue->timer, DOWN_POLL_MS);
}

static void on_ready(struct flow_queue *queue, uint32_t events)
{
	struct batch batch = read_batch(queue);

	if (batch.n > 0) {
		batch.n = join_segments(queue, batch.n);
		deliver(queue, batch.n, 0);
		return;
	}
	switch (batch.error) {
	case 0:
		break;
	case -EAGAIN:
	case -EINTR:
		/* An error that reading does not clear would be reported for ever. */
		if (events & (EPOLLERR | EPOLLHUP))
			wait_while_down(queue);
		break;
	case -EIO:
		wait_while_down(queue);
		break;
	default:
		queue->flow->is_gone = true;
		loop_remove(&queue->source);
		deliver(queue, 0, -ENODEV);
		break;
	}
}

static void on_source(struct loop_source *source, uint32_t events)
{
	struct flow_queue *queue = container_of(source, struct flow_queue, source);

	if (queue->is_armed)
		on_ready(queue, events);
}

static void on_timer(struct loop_timer *timer)
{
	struct flow_queue *queue = container_of(timer, struct flow_queue, timer);

	if (!queue->is_armed)
		return;
	if (loop_add(queue->loop, &queue->source, EPOLLIN) < 0)
		loop_timer_set_in_ms(queue->loop, &queue->timer, DOWN_POLL_MS);
	else
		on_ready(queue, 0);
}

int lw_packet_flow_read(struct lw_packet_flow *flow, uint16_t index, size_t byte_budget,
			lw_packets_fn *callback, void *user)
{
	struct flow_queue *queue;
	int r;

	if (index >= flow->n_queues || !callback)
		return -EINVAL;
	queue = &flow->queues[index];
	if (queue->is_taken || flow->is_gone || flow->is_freed)
		return -ENODEV;
	if (queue->is_armed)
		return -EBUSY;
	if (!queue->buffer)
		__atomic_store_n(&queue->buffer, memory_map(BUFFER_SIZE), __ATOMIC_RELAXED);
	if (flow->device->coalesces && !queue->joined)
		__atomic_store_n(&queue->joined, memory_map(BUFFER_SIZE), __ATOMIC_RELAXED);
	if (!queue->buffer || (flow->device->coalesces && !queue->joined))
		return -ENOMEM;
	if (!queue->source.loop) {
		r = loop_add(queue->loop, &queue->source, EPOLLIN);
		if (r < 0)
			return r;
	}
	queue->budget = byte_budget ? MIN(byte_budget, (size_t)FLOW_BUDGET_DEFAULT)
				    : (size_t)FLOW_BUDGET_DEFAULT;
	queue->callback = callback;
	queue->user = user;
	queue->is_armed = true;
	return 0;
}

static void disarm(struct flow_queue *queue)
{
	queue->is_armed = false;
	loop_remove(&queue->source);
	loop_timer_cancel(&queue->timer);
}

void lw_packet_flow_cancel_read(struct lw_packet_flow *flow, uint16_t index)
{
	if (index < flow->n_queues)
		disarm(&flow->queues[index]);
}

/* ---- Writing */

static enum lw_drop drop_of_error(int error)
{
	switch (error) {
	case -EAGAIN:
	case -ENOBUFS:
	case -ENOMEM:
		return LW_DROP_DEVICE_BUSY;
	case -EIO:
	case -ENODEV:
		return LW_DROP_DEVICE_DOWN;
	case -EBADMSG:
		return LW_DROP_OFFLOAD;
	default:
		return LW_DROP_DEVICE_REFUSED;
	}
}

static enum lw_drop write_to_device(struct flow_queue *queue, const struct lw_packet *packet)
{
	int r;

	r = queue->flow->device->ops->write(queue->flow->device, queue->index, packet);
	if (r < 0)
		return drop_of_error(r);
	count(&queue->counters.written_packets, 1);
	count(&queue->counters.written_bytes, packet->length);
	see(queue->flow, LW_CAPTURE_DEVICE_OUT, packet, LW_DROP_NONE);
	return LW_DROP_NONE;
}

/* What the device will not finish is finished here. After a first error the rest of a super-frame
 * would fare no better. */
static enum lw_drop write_finished(struct flow_queue *queue, const struct lw_packet *packet)
{
	struct lw_packet segment = *packet;
	struct segmenter segmenter;
	enum lw_drop drop = LW_DROP_NONE;

	if (segmenter_init(&segmenter, packet) < 0)
		return LW_DROP_OFFLOAD;
	segment.data = queue->scratch;
	segment.offload = NULL;
	while (drop == LW_DROP_NONE) {
		segment.length = segmenter_next(&segmenter, queue->scratch);
		if (segment.length == 0)
			break;
		drop = write_to_device(queue, &segment);
	}
	return drop;
}

/* Metadata is judged here for every device alike: only some of them would do it. */
static enum lw_drop write_packet(struct flow_queue *queue, const struct lw_packet *packet)
{
	enum lw_drop drop = packet_check(packet->layer, packet->data, packet->length);
	struct lw_packet checked = *packet;
	struct lw_offload rebuilt;
	uint16_t header_length;

	if (drop != LW_DROP_NONE)
		return drop;
	if (!packet->offload)
		return write_to_device(queue, packet);
	if (offload_check(packet->layer, packet->data, packet->length, OFFLOAD_MTU_MAX,
			  packet->offload, &rebuilt, &header_length) < 0)
		return LW_DROP_OFFLOAD;
	checked.offload = offload_is_work(&rebuilt) ? &rebuilt : NULL;
	if (device_missing_offloads(queue->flow->device, checked.offload))
		return write_finished(queue, &checked);
	return write_to_device(queue, &checked);
}

static void drop_written(struct flow_queue *queue, const struct lw_packet *packets, size_t n,
			 enum lw_drop reason)
{
	count(&queue->counters.drops[reason], n);
	for (size_t i = 0; i < n; i++)
		see(queue->flow, LW_CAPTURE_DROP, &packets[i], reason);
}

/* The other queues' buffers may be mapped by their own threads just now: then nothing of them has been
 * read yet. */
static bool is_within(const uint8_t *data, uint8_t *const *place)
{
	const uint8_t *buffer = __atomic_load_n(place, __ATOMIC_RELAXED);

	return buffer && (uintptr_t)data - (uintptr_t)buffer < BUFFER_SIZE;
}

/* Whether it is a view into what was read here. */
static bool was_read(const struct lw_packet_flow *flow, const struct lw_packet *packet)
{
	for (uint16_t i = 0; i < flow->n_queues; i++)
		if (unlikely(is_within(packet->data, &flow->queues[i].buffer) ||
			     is_within(packet->data, &flow->queues[i].joined)))
			return true;
	return false;
}

ssize_t lw_packet_flow_write(struct lw_packet_flow *flow, uint16_t index,
			     const struct lw_packet *packets, size_t n)
{
	struct flow_queue *queue;
	ssize_t accepted = 0;

	if (index >= flow->n_queues)
		return -EINVAL;
	queue = &flow->queues[index];
	if (queue->is_taken)
		return -ENODEV;
	for (size_t i = 0; i < n; i++) {
		if (packets[i].layer != flow->device->layer || packets[i].length > LW_PACKET_MAX)
			return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		if (was_read(flow, &packets[i])) {
			drop_written(queue, packets, n, LW_DROP_REINJECTED);
			return -EPERM;
		}
	}
	for (size_t i = 0; i < n; i++) {
		enum lw_drop drop = write_packet(queue, &packets[i]);

		if (drop == LW_DROP_NONE) {
			accepted++;
		} else if (drop == LW_DROP_DEVICE_BUSY || drop == LW_DROP_DEVICE_DOWN) {
			/* What comes later must not overtake, and would fare no better. */
			drop_written(queue, &packets[i], n - i, drop);
			break;
		} else {
			drop_written(queue, &packets[i], 1, drop);
		}
	}
	return accepted;
}

/* ---- Making and ending */

static int init_queue(struct lw_packet_flow *flow, uint16_t index)
{
	struct flow_queue *queue = &flow->queues[index];
	int r;

	queue->flow = flow;
	queue->loop = flow->loop;
	queue->index = index;
	queue->source.fd = flow->device->descriptors[index];
	queue->source.function = on_source;
	queue->scratch = memory_map(LW_PACKET_MAX);
	if (!queue->scratch)
		return -ENOMEM;
	r = loop_timer_init(flow->loop, &queue->timer, on_timer);
	if (r < 0)
		memory_unmap(queue->scratch, LW_PACKET_MAX);
	return r;
}

int packet_flow_new(struct lw_loop *loop, struct device *device, struct lw_packet_flow **ret_flow)
{
	struct lw_packet_flow *flow;
	int r = 0;

	flow = calloc(1, sizeof(*flow) + device->queues * sizeof(flow->queues[0]));
	if (!flow)
		return -ENOMEM;
	flow->loop = loop;
	flow->device = device;
	flow->freeing.function = finish_free;
	while (r == 0 && flow->n_queues < device->queues) {
		r = init_queue(flow, flow->n_queues);
		if (r == 0)
			flow->n_queues++;
	}
	if (r < 0) {
		flow->device = NULL;
		lw_packet_flow_free(flow);
		return r;
	}
	*ret_flow = flow;
	return 0;
}

int packet_flow_move_queue(struct lw_packet_flow *flow, uint16_t index, struct lw_loop *loop)
{
	struct flow_queue *queue = &flow->queues[index];
	struct loop_timer timer;
	int r;

	if (queue->loop == loop)
		return 0;
	r = loop_timer_init(loop, &timer, on_timer);
	if (r < 0)
		return r;
	disarm(queue);
	loop_timer_done(queue->loop, &queue->timer);
	queue->timer = timer;
	queue->loop = loop;
	return 0;
}

int lw_packet_flow_open(struct lw_loop *loop, const struct lw_device_options *options,
			struct lw_packet_flow **ret_flow, struct lw_error *ret_error)
{
	struct device *device;
	int r;

	r = device_open(options, &device, ret_error);
	if (r < 0)
		return r;
	r = packet_flow_new(loop, device, ret_flow);
	if (r < 0) {
		/* An adopted descriptor is still the caller's. */
		if (options->kind == LW_DEVICE_ADOPTED)
			device->descriptors[0] = -1;
		device_free(device);
		return error_errno(ret_error, -r, "packet flow");
	}
	return 0;
}

int lw_packet_flow_pair(struct lw_loop *loop, enum lw_layer layer, uint32_t depth,
			struct lw_packet_flow **ret_a, struct lw_packet_flow **ret_b)
{
	return packet_flow_pair(loop, layer, depth, 1, ret_a, ret_b);
}

int packet_flow_pair(struct lw_loop *loop, enum lw_layer layer, uint32_t depth, uint16_t queues,
		     struct lw_packet_flow **ret_a, struct lw_packet_flow **ret_b)
{
	struct device *device_a, *device_b;
	struct lw_packet_flow *a, *b;
	int r;

	r = device_memory_pair(layer, depth, queues, &device_a, &device_b);
	if (r < 0)
		return r;
	r = packet_flow_new(loop, device_a, &a);
	if (r < 0) {
		device_free(device_a);
		device_free(device_b);
		return r;
	}
	r = packet_flow_new(loop, device_b, &b);
	if (r < 0) {
		lw_packet_flow_free(a);
		device_free(device_b);
		return r;
	}
	*ret_a = a;
	*ret_b = b;
	return 0;
}

static void finish_free(struct loop_deferred *deferred)
{
	struct lw_packet_flow *flow = container_of(deferred, struct lw_packet_flow, freeing);

	for (uint16_t i = 0; i < flow->n_queues; i++) {
		loop_timer_done(flow->queues[i].loop, &flow->queues[i].timer);
		memory_unmap(flow->queues[i].buffer, BUFFER_SIZE);
		memory_unmap(flow->queues[i].joined, BUFFER_SIZE);
		memory_unmap(flow->queues[i].scratch, LW_PACKET_MAX);
	}
	device_free(flow->device);
	free(flow);
}

void lw_packet_flow_free(struct lw_packet_flow *flow)
{
	if (!flow || flow->is_freed)
		return;
	for (uint16_t i = 0; i < flow->n_queues; i++)
		disarm(&flow->queues[i]);
	flow->is_freed = true;
	if (!is_in_callback(flow))
		finish_free(&flow->freeing);
}

/* ---- Properties */

enum lw_layer lw_packet_flow_layer(const struct lw_packet_flow *flow)
{
	return flow->device->layer;
}

uint16_t lw_packet_flow_queues(const struct lw_packet_flow *flow)
{
	return flow->n_queues;
}

const char *lw_packet_flow_name(const struct lw_packet_flow *flow)
{
	if (flow->device->name[0])
		(void)device_refresh_name(flow->device);
	return flow->device->name;
}

int lw_packet_flow_take(struct lw_packet_flow *flow, uint16_t index,
			struct lw_descriptor *ret_descriptor)
{
	const struct device *device = flow->device;
	struct lw_descriptor descriptor = {
		.size = ret_descriptor->size,
		.layer = device->layer,
		.header_length = device->header_length,
	};

	if (index >= flow->n_queues)
		return -EINVAL;
	if (flow->queues[index].is_taken || flow->is_gone)
		return -ENODEV;
	if (flow->queues[index].is_armed)
		return -EBUSY;
	if (!device->name[0])
		return -ENOTSUP;
	lw_packet_flow_name(flow);
	descriptor.descriptor = device->descriptors[index];
	memcpy(descriptor.name, device->name, sizeof(descriptor.name));
	memcpy(ret_descriptor, &descriptor, MIN(descriptor.size, sizeof(descriptor)));
	flow->queues[index].is_taken = true;
	return 0;
}

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_counters(struct lw_flow_counters *sum, const struct lw_flow_counters *counters)
{
	sum->read_packets += load(&counters->read_packets);
	sum->read_bytes += load(&counters->read_bytes);
	sum->written_packets += load(&counters->written_packets);
	sum->written_bytes += load(&counters->written_bytes);
	for (int i = 0; i < LW_DROP_COUNT; i++)
		sum->drops[i] += load(&counters->drops[i]);
}

void lw_packet_flow_counters(const struct lw_packet_flow *flow,
			     struct lw_flow_counters *ret_counters)
{
	struct lw_flow_counters sum = { .size = ret_counters->size };

	for (uint16_t i = 0; i < flow->n_queues; i++)
		add_counters(&sum, &flow->queues[i].counters);
	memcpy(ret_counters, &sum, MIN(sum.size, sizeof(sum)));
}

struct device *packet_flow_device(struct lw_packet_flow *flow)
{
	return flow->device;
}

uint32_t packet_flow_offloads(const struct lw_packet_flow *flow)
{
	return flow->device->offloads;
}

void packet_flow_set_captures(struct lw_packet_flow *flow, struct lw_capture_set *captures)
{
	flow->captures = captures;
}

struct lw_capture_set *lw_packet_flow_captures(struct lw_packet_flow *flow)
{
	return flow->captures;
}

struct lw_loop *packet_flow_loop(struct lw_packet_flow *flow)
{
	return flow->loop;
}

/* SPDX-License-Identifier: MIT */
/*
 * What a session costs while it is idle, and that packets on their way cost no allocation at all.
 *
 * Counted is every allocation of the process where a sanitizer tells of them, else those of our own
 * code; and our own mappings. Never a time, never a guess by the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>

#include "device/device.h"
#include "flow/flow.h"
#include "support/packet_builder.h"
#include "support/rig.h"

/* ---- counting */

/* Of all threads: a capture has one of its own. */
static bool is_told;
static atomic_bool is_armed;
static atomic_uint calls;     /* while armed */
static atomic_long allocated; /* bytes, now */
static atomic_long mapped;

/* Of every sanitizer that has an allocator. */
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
					      void (*free_hook)(const volatile void *))
	__attribute__((weak));

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__real_reallocarray(void *pointer, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *pointer);
void *__real_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void *__wrap_reallocarray(void *pointer, size_t n, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *pointer);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t length);

static void hook_malloc(const volatile void *pointer, size_t size)
{
	(void)pointer;
	calls += is_armed;
	allocated += (long)size;
}

static void hook_free(const volatile void *pointer)
{
	allocated -= (long)malloc_usable_size((void *)(uintptr_t)pointer);
}

static void *took(void *pointer)
{
	if (!is_told && pointer)
		hook_malloc(pointer, malloc_usable_size(pointer));
	return pointer;
}

static void gives(void *pointer)
{
	if (!is_told && pointer)
		hook_free(pointer);
}

void *__wrap_malloc(size_t size)
{
	return took(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return took(__real_calloc(n, size));
}

void *__wrap_realloc(void *pointer, size_t size)
{
	gives(pointer);
	return took(__real_realloc(pointer, size));
}

void *__wrap_reallocarray(void *pointer, size_t n, size_t size)
{
	gives(pointer);
	return took(__real_reallocarray(pointer, n, size));
}

char *__wrap_strdup(const char *text)
{
	return took(__real_strdup(text));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return took(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *pointer)
{
	gives(pointer);
	__real_free(pointer);
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	calls += is_armed;
	mapped += (long)length;
	return __real_mmap(address, length, protection, flags, fd, offset);
}

int __wrap_munmap(void *address, size_t length)
{
	mapped -= (long)length;
	return __real_munmap(address, length);
}

/* ---- idle sessions */

enum { IDLERS = 20, IDLE_MS = 15000, IDLE_MAX = 5 * 1024 };

static struct rig_client *add_numbered(struct rig *rig, unsigned number)
{
	char name[8];

	snprintf(name, sizeof(name), "c%u", number);
	return rig_add(rig, name, NULL, NULL);
}

/* Wake up so often, while the clock goes faster than what is under way. */
static void hurry(struct rig *rig, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		assert_true(lw_loop_dispatch(rig->loop) >= 0);
		rig->now_ns += 20000000;
	}
}

static void idle__each_session__costs_little_and_maps_nothing(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *clients[IDLERS];
	long with, mapped_with;

	(void)state;
	for (unsigned i = 0; i < IDLERS; i++) {
		clients[i] = add_numbered(rig, i);
		rig_connect(clients[i]);
	}
	rig_pass(rig, IDLE_MS);
	with = allocated;
	mapped_with = mapped;
	/* All but one go, and leave only what waits for their return. */
	for (unsigned i = 1; i < IDLERS; i++) {
		clients[i]->is_unreachable = true;
		rig_cut(clients[i]);
	}
	rig_pass(rig, IDLE_MS);
	assert_int_equal(mapped, mapped_with);
	/* Both ends were here. The keys are in it: each of AES-GCM takes a kilobyte. */
	assert_true(with > allocated);
	assert_in_range((with - allocated) / (2 * (IDLERS - 1)), 1, IDLE_MAX);
	rig_free(rig);
}

static void idle__after_a_broadcast_and_a_backlog__gives_everything_back(void **state)
{
	static uint8_t frame[1514];
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *clients[IDLERS];
	size_t length = rig_frame(frame, 0xff, 1, 0x88b6, 1400);
	long mapped_before;

	(void)state;
	for (unsigned i = 0; i < IDLERS; i++) {
		clients[i] = add_numbered(rig, i);
		rig_connect(clients[i]);
	}
	rig_pass(rig, IDLE_MS);
	mapped_before = mapped;
	for (unsigned i = 0; i < 1000; i++)
		rig_write(&rig->host, frame, length);
	hurry(rig, 5);
	assert_true(mapped > mapped_before + IDLERS * 512 * 1024L);
	rig_pass(rig, IDLE_MS);
	for (unsigned i = 0; i < IDLERS; i++)
		assert_int_equal(rig_is_up(clients[i]), true);
	assert_int_equal(mapped, mapped_before);
	rig_free(rig);
}

/* ---- the packet path */

enum { CLIENTS = 3, ROUNDS = 40, BURST = 25 };

struct path {
	struct rig *rig;
	struct rig_client *clients[CLIENTS];
	struct lw_capture *capture;
	struct built super;
};

static const struct lw_offload tcp4 = {
	.needs_checksum = true,
	.checksum_start = 34,
	.checksum_offset = 16,
	.gso = LW_GSO_TCPV4,
	.gso_size = 1448,
};

static struct rig_host *host_of(struct path *path, unsigned number)
{
	return number == CLIENTS ? &path->rig->host : &path->clients[number]->host;
}

/* One that takes super-frames whole, one for whom they are cut, and again. */
static void make_path(struct path *path)
{
	const struct lw_peer_options lan = { .size = sizeof(lan), .behind = LW_BEHIND_LAN };
	const struct shape shape = { .payload = 30 * 1448, .flags = 0x10, .is_partial = true };
	struct lw_capture_options options = { .size = sizeof(options),
					      .points = LW_CAPTURE_DEVICE_IN |
							LW_CAPTURE_DEVICE_OUT |
							LW_CAPTURE_SESSION_IN |
							LW_CAPTURE_SESSION_OUT | LW_CAPTURE_DROP,
					      .layer = LW_LAYER_ETHERNET,
					      .snap_length = 64 };
	char file[128];

	path->rig = rig_new(LW_LAYER_ETHERNET, true);
	snprintf(file, sizeof(file), "%s/path.pcap", path->rig->folder);
	options.file = file;
	assert_int_equal(lw_capture_open(&options, &path->capture, NULL), 0);
	assert_int_equal(lw_hub_attach_capture(path->rig->hub, path->capture), 0);
	build(&shape, &path->super);
	for (unsigned i = 0; i < CLIENTS; i++) {
		char name[2] = { (char)('a' + i) };

		path->clients[i] = rig_add(path->rig, name, &lan, NULL);
		rig_connect(path->clients[i]);
	}
	for (unsigned i = 0; i <= CLIENTS; i++) {
		struct rig_host *host = host_of(path, i);

		host->only_counts = true;
		packet_flow_device(host->far)->offloads = DEVICE_OFFLOAD_ALL;
		packet_flow_device(host->near)->offloads = i % 2 ? DEVICE_OFFLOAD_ALL : 0;
		packet_flow_device(host->near)->coalesces = true;
	}
}

static void free_path(struct path *path)
{
	lw_capture_close(path->capture);
	rig_free(path->rig);
}

static void write_super(struct path *path, unsigned from, uint8_t to)
{
	const struct lw_packet packet = { .data = path->super.data,
					  .length = path->super.length,
					  .layer = LW_LAYER_ETHERNET,
					  .ether_type = 0x0800,
					  .offload = &tcp4 };

	path->super.data[5] = to;
	path->super.data[11] = (uint8_t)(from + 1);
	assert_int_equal(lw_packet_flow_write(host_of(path, from)->far, 0, &packet, 1), 1);
}

/* Everybody to everybody: known, unknown, all, refused; small, large and super. */
static void send_round(struct path *path)
{
	uint8_t frame[1514];

	for (unsigned from = 0; from <= CLIENTS; from++) {
		uint8_t source = (uint8_t)(from + 1),
			next = (uint8_t)((from + 1) % (CLIENTS + 1) + 1);
		struct rig_host *host = host_of(path, from);

		for (unsigned i = 0; i < BURST; i++) {
			size_t payload = i % 3 ? 46 : 1500;

			rig_write(host, frame, rig_frame(frame, next, source, 0x88b6, payload));
		}
		rig_write(host, frame, rig_frame(frame, 0xff, source, 0x88b6, 300));
		rig_write(host, frame, rig_frame(frame, 0x77, source, 0x88b6, 300));
		rig_write(host, frame, rig_frame(frame, source, source, 0x88b6, 300));
		write_super(path, from, next);
	}
}

static void run_path(struct path *path)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		send_round(path);
		rig_pass(path->rig, 10);
	}
	/* More than the wires take: it waits its turn, is late and is dropped. */
	for (unsigned i = 0; i < ROUNDS; i++)
		send_round(path);
	hurry(path->rig, 40);
	rig_pass(path->rig, 1000);
}

static void path__thousands_of_packets__allocate_nothing(void **state)
{
	struct path path;
	uint64_t backlog;

	(void)state;
	make_path(&path);
	run_path(&path); /* tables learn, buffers are mapped */
	for (unsigned i = 0; i <= CLIENTS; i++)
		host_of(&path, i)->n = 0;
	is_armed = true;
	run_path(&path);
	is_armed = false;
	assert_int_equal(calls, 0);
	/* It was a path. */
	for (unsigned i = 0; i <= CLIENTS; i++)
		assert_true(host_of(&path, i)->n > (size_t)ROUNDS * BURST);
	backlog = rig_drops(path.clients[0], LW_DROP_QUEUE_FULL) +
		  rig_drops(path.clients[0], LW_DROP_QUEUE_LATE);
	assert_true(backlog > 0);
	assert_true(rig_drops(path.clients[1], LW_DROP_SAME_PORT) > 0);
	free_path(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle__each_session__costs_little_and_maps_nothing),
		cmocka_unit_test(idle__after_a_broadcast_and_a_backlog__gives_everything_back),
		cmocka_unit_test(path__thousands_of_packets__allocate_nothing),
	};

	if (__sanitizer_install_malloc_and_free_hooks)
		is_told = __sanitizer_install_malloc_and_free_hooks(hook_malloc, hook_free) != 0;
	return cmocka_run_group_tests_name("component/memory", tests, NULL, NULL);
}

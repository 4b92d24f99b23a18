/* SPDX-License-Identifier: MIT */
/*
 * What a capture costs the path, in nanoseconds a packet: switched off, selecting nothing, filtering,
 * copying. Files go to the folder that is given (a tmpfs); best of several rounds.
 *
 *	build/release/tests/bench/capture_bench /dev/shm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "../support/packet_builder.h"
#include "base/memory.h"
#include "capture/point.h"

enum { PACKETS = 10000, ROUNDS = 9 };

static struct built small, super;
static struct lw_offload offload;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double show(struct lw_capture_set *set, const struct lw_packet *packet, unsigned n)
{
	const struct capture_context context = { .port = "branch" };
	double begin = now_ns();

	for (unsigned i = 0; i < n; i++) {
		capture_see(set, LW_CAPTURE_SESSION_IN, packet, &context);
		__asm__ volatile("" ::: "memory");
	}
	return (now_ns() - begin) / n;
}

static void measure(const char *what, const char *folder, struct lw_capture_options options,
		    bool is_super)
{
	const struct lw_packet packet = { .data = is_super ? super.data : small.data,
					  .length = is_super ? super.length : small.length,
					  .layer = LW_LAYER_ETHERNET,
					  .offload = is_super ? &offload : NULL };
	unsigned n = is_super ? PACKETS / 100 : PACKETS;
	static struct lw_capture_set set;
	struct lw_capture *capture;
	struct lw_error error;
	double best = 1e9;
	char path[256];

	snprintf(path, sizeof(path), "%s/lw-capture-bench.pcapng", folder);
	options.size = sizeof(options);
	options.layer = LW_LAYER_ETHERNET;
	options.file = path;
	options.buffer_size = 64 << 20;
	if (lw_capture_open(&options, &capture, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	if (capture_attach(&set, capture) < 0)
		exit(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		double each = show(&set, &packet, n);

		best = MIN(best, each);
		if (lw_capture_flush(capture) < 0)
			exit(1);
	}
	lw_capture_close(capture);
	unlink(path);
	printf("%-58s %9.1f\n", what, best);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/dev/shm";
	static struct lw_capture_set off;
	struct shape shape = { .payload = 22 };
	const struct lw_packet packet = { .data = small.data,
					  .length = 64,
					  .layer = LW_LAYER_ETHERNET };
	double best = 1e9;

	build(&shape, &small);
	shape.payload = 64000;
	shape.is_partial = true;
	build(&shape, &super);
	offload = (struct lw_offload){ .needs_checksum = true,
				       .checksum_start = (uint16_t)super.transport,
				       .checksum_offset = 16,
				       .gso = LW_GSO_TCPV4,
				       .gso_size = 1448 };
	for (unsigned i = 0; i < ROUNDS; i++) {
		double each = show(&off, &packet, 100 * PACKETS);

		best = MIN(best, each);
	}
	printf("%-58s %9.1f\n", "no capture", best);
	measure("76 bytes: at another point", folder,
		(struct lw_capture_options){ .points = LW_CAPTURE_DROP }, false);
	measure("76 bytes: another port", folder,
		(struct lw_capture_options){
			.points = 31, .ports = (const char *const[]){ "lw0" }, .n_ports = 1 },
		false);
	measure("76 bytes: filtered out (port 53)", folder,
		(struct lw_capture_options){ .points = 31, .filter = "port 53" }, false);
	measure("76 bytes: copied", folder, (struct lw_capture_options){ .points = 31 }, false);
	measure("76 bytes: filtered in (port 443) and copied", folder,
		(struct lw_capture_options){ .points = 31, .filter = "port 443" }, false);
	measure("64 kB super-frame: filtered out (port 53)", folder,
		(struct lw_capture_options){ .points = 31, .filter = "port 53" }, true);
	measure("64 kB super-frame: 128 bytes of each segment", folder,
		(struct lw_capture_options){ .points = 31, .snap_length = 128 }, true);
	measure("64 kB super-frame: copied whole", folder,
		(struct lw_capture_options){ .points = 31 }, true);
	return 0;
}

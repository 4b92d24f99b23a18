/* SPDX-License-Identifier: MIT */
/*
 * How long it takes to find a MAC, among few and among many:
 *
 *   fdb_bench   a line for each: "fdb ENTRIES NANOSECONDS", of one look at an entry that is there,
 *               in an order that no cache foresees
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "switch/fdb.h"
#include "switch/vswitch.h"

enum { LOOKS = 20 * 1000 * 1000 };

static struct mac_address mac_number(uint32_t number)
{
	return (struct mac_address){ { 2, 0, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
				       (uint8_t)(number >> 8), (uint8_t)number } };
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void measure(uint32_t entries)
{
	static struct vport port;
	struct fdb_view view;
	struct fdb *fdb;
	uint32_t random = 1, found = 0;
	double begin;

	if (fdb_new(VSWITCH_MACS_MAX, &fdb) < 0)
		exit(1);
	fdb_lock(fdb);
	for (uint32_t i = 0; i < entries; i++) {
		struct mac_address mac = mac_number(i);

		fdb_set(fdb_insert(fdb, &mac, 0), &port, 1);
	}
	fdb_unlock(fdb);
	begin = now();
	for (uint32_t i = 0; i < LOOKS; i++) {
		struct mac_address mac;

		random = random * 1664525 + 1013904223;
		mac = mac_number((uint32_t)((uint64_t)random * entries >> 32));
		found += fdb_look(fdb, &mac, 0, &view);
	}
	if (found != LOOKS)
		exit(1);
	printf("fdb %u %.1f\n", entries, (now() - begin) * 1e9 / LOOKS);
	fdb_free(fdb);
}

int main(void)
{
	measure(10);
	measure(60000);
	return 0;
}

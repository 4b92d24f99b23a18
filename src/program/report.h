/* SPDX-License-Identifier: MIT */
/*
 * What an instance says of itself: facts to a tree (JSON for programs), and a tree to text for
 * people.
 *
 * The keys are stable: programs rely on them, and so does `longwire status`, which knows an
 * instance by its tree alone, also one of another version. Counters that are zero are left out of
 * drops; everything else is always there, null where it is unknown.
 */
#ifndef PROGRAM_REPORT_H
#define PROGRAM_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include <longwire/capture.h>
#include <longwire/connection.h>
#include <longwire/hub.h>
#include <longwire/tunnel.h>

struct network_link;
struct tree;

/* Round-trip times of the last minute, one a second, the newest last; 0: unknown then. */
enum { REPORT_RTTS = 60 };
struct report_rtts {
	uint32_t us[REPORT_RTTS];
	unsigned n;
};
void report_add_rtt(struct report_rtts *rtts, uint64_t rtt_us);

/* A port with what is not its own business: bytes a second over the last second. */
struct report_port {
	struct lw_port_status status;
	uint64_t received_rate, sent_rate;
	const struct report_rtts *rtts; /* NULL: unknown */
};

struct report_capture {
	const char *file;
	struct lw_capture_counters counters;
};

struct report_key_log {
	const char *file; /* NULL: there is none */
	uint64_t lines, failed;
	int error; /* errno */
};

struct report_connection {
	enum lw_status status;
	int64_t connected_date;
	struct lw_error last_error;
	enum lw_start_origin origin;
	enum lw_stop_reason stop_reason;
	struct lw_connection_incident incidents[LW_CONNECTION_ERRORS_MAX]; /* newest first */
	size_t n_incidents;
};

/* The kill switch. */
struct report_lock {
	struct lw_lock_status status;
	bool is_opened; /* closed by the tunnel, and opened since by somebody else */
};

/* kind "hub": hub and ports; "tunnel": connection and link. Pointers are NULL where there is no
 * such thing. */
struct report {
	const char *name, *kind, *state;
	enum lw_layer layer;
	int64_t pid, started;
	const char *interface_name;           /* NULL: none */
	const struct network_link *interface; /* NULL: unknown now */
	const char *const *addresses;         /* of the interface */
	size_t n_addresses;
	const struct lw_hub_status *hub;
	const struct report_port *ports;
	size_t n_ports;
	const struct report_connection *connection;
	const struct lw_tunnel_status *link;
	const struct lw_network_status *network;
	const struct report_lock *lock;    /* of a tunnel */
	uint64_t received_rate, sent_rate; /* of the link */
	const struct report_rtts *rtts;    /* of the link */
	const struct report_capture *captures;
	size_t n_captures;
	struct report_key_log key_log;
};

/* 0 or -ENOMEM. */
int report_build(const struct report *report, struct tree **ret_tree);

/* The state in one line without its end, for people: what it is and, unless all is well, why. */
void report_line(const struct tree *tree, char *line, size_t size);

/* For people, at the time now (wall clock, seconds). Whatever the tree lacks is left out. */
void report_print(const struct tree *tree, int64_t now, FILE *output);

/* The list "impairments" of a tree, which may be NULL. */
void report_print_impairments(const struct tree *impairments, FILE *output);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Configuration files: YAML → tree → schema tables → these structs. Everything of a file is valid,
 * or nothing takes effect.
 *
 * A file is a hub's if it has listen, a client's if it has hub; both or neither is an error that
 * says so. Paths in a file are relative to the file's own folder. clients.d/NAME.yaml beside a
 * hub's file adds clients, one a file.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <longwire/hub.h>
#include <longwire/impairment.h>
#include <longwire/settings.h>

#include "base/schema.h"

struct tree;

enum { CONFIG_FILE_MAX = 1024 * 1024 };

struct interface_config {
	char *name; /* NULL: no interface (hub only) */
	char *bridge;
	struct string_list addresses;
	int carrier; /* enum lw_carrier */
	bool coalesce;
};

/* What captures are told by words, in files and on the command line. */
extern const struct schema_word capture_point_words[], capture_format_words[];

enum super_frames { SUPER_FRAMES_SEGMENTS = 0, SUPER_FRAMES_WHOLE };

struct capture_config {
	char *name; /* always NULL: list items have none */
	char *file; /* resolved against the file's folder */
	int format; /* enum lw_capture_format */
	unsigned points;
	char *filter;
	struct string_list ports, peers, reasons;
	uint32_t snap_length;
	int super_frames; /* enum super_frames */
	uint32_t buffer;  /* MiB */
	struct {
		uint32_t size; /* MiB */
		uint32_t packets, seconds, count;
	} rotate;
	struct {
		uint32_t size; /* MiB */
		char *trigger;
		unsigned events; /* enum lw_capture_event */
		uint32_t after;  /* ms */
	} recorder;
};

/* An item of impairments:. The texts are as they stand in the file; settings is what they say. */
struct impairment_config {
	char *name; /* always NULL */
	char *port;
	int ways; /* enum lw_port_way, or-ed */
	int distribution;
	char *rate, *queue, *delay, *jitter, *correlation, *loss, *burst, *burst_end, *burst_loss;
	char *duplicate, *corrupt, *reorder, *seed;
	struct lw_impairment settings;
};

struct dns_config {
	bool is_set;
	int protocol; /* enum lw_dns_protocol */
	struct string_list servers, search_domains, match_domains;
	bool match_domains_no_search;
	char *server_name;
};

struct proxy_config {
	bool is_set;
	char *http_server, *https_server, *auto_configuration_url;
	bool exclude_simple_hostnames;
	struct string_list exception_list, match_domains;
};

struct settings_config { /* settings: of both sides */
	char *ethernet_address;
	uint32_t mtu, tunnel_overhead;
	struct string_list addresses, included_routes, excluded_routes, router;
	int ipv4, ipv6; /* enum lw_addressing; 0: not said */
	struct dns_config dns;
	struct proxy_config proxy;
};

struct client_config { /* an entry of clients: */
	char *name;
	struct string_list pin;
	int behind;
	struct string_list addresses, networks;
	uint32_t macs_max, broadcast, multicast, unknown_unicast;
};

struct hub_config {
	int layer;
	int workers; /* CONFIG_WORKERS_AUTO: one for each processor */
	uint32_t streams;
	struct string_list listen;
	char *identity; /* resolved */
	uint32_t mtu;
	struct interface_config interface;
	struct {
		bool is_set;
		struct string_list to;
		bool masquerade;
	} gateway;
	int between_clients; /* enum lw_between; 0: the layer's default */
	struct settings_config settings;
	struct item_list clients;     /* of struct client_config, clients.d included */
	struct item_list captures;    /* of struct capture_config */
	struct item_list impairments; /* of struct impairment_config */
	bool inject;
	char *key_log; /* resolved; NULL: none */
};

struct tunnel_config {
	int layer;
	int workers;
	uint32_t streams;
	struct string_list hub_address;
	struct string_list hub_pin;
	char *identity;
	uint32_t mtu;
	struct interface_config interface;    /* addresses and so on become settings */
	unsigned accept;                      /* enum lw_accept; 0: not said */
	struct string_list networks;          /* IP: behind this machine */
	uint32_t start_timeout, stop_timeout; /* seconds; 0: the usual */
	bool disconnect_on_sleep;
	bool enforce_routes, include_all_networks, exclude_local_networks;
	struct settings_config settings;
	struct item_list captures, impairments;
	bool inject;
	char *key_log;
};

enum { CONFIG_WORKERS_AUTO = 1000 };

enum config_kind { CONFIG_HUB = 1, CONFIG_TUNNEL = 2 };

struct config {
	enum config_kind kind;
	union {
		struct hub_config hub;
		struct tunnel_config tunnel;
	};
};

/*
 * Load a file. 0; -EINVAL with every error as lines in errors (which the caller empties with
 * schema_errors_done); -ENOMEM. Checked beyond the schema: addresses, prefixes, pins, names,
 * duplicates among clients, keys of the other layer, filters are left to whoever opens the capture.
 * File rules: FILE_CONFIG, regular, ≤ CONFIG_FILE_MAX.
 */
int config_load(const char *file, struct config *ret_config, struct schema_errors *errors);
/* The same from memory, for tests and fuzzing; folder resolves paths (NULL: leave them). */
int config_parse(const char *name, const char *folder, const char *text, size_t length,
		 struct config *ret_config, struct schema_errors *errors);
void config_done(struct config *config);

/* Every key of both kinds of file, as Markdown, from the tables. malloc'd. */
char *config_reference(void);

#endif

/* SPDX-License-Identifier: MIT */
/* The schema tables of configuration files, and rows that several of them share. */
#ifndef CONFIG_SCHEMAS_H
#define CONFIG_SCHEMAS_H

#include <stddef.h>

#include <longwire/hub.h>
#include <longwire/settings.h>

#include "base/schema.h"
#include "config/rules.h"

struct config;
struct tree;

extern const struct schema capture_schema; /* an item of capture: */
extern const struct schema clients_schema; /* an entry of clients:, also a file of clients.d */
extern const struct schema hub_schema;
extern const struct schema impairment_schema;          /* an item of impairments: */
extern const struct schema impairment_settings_schema; /* what can be set of a link */
extern const struct schema tunnel_schema;

extern const struct schema_word layer_words[];
extern const struct schema_word carrier_words[];
extern const struct schema_word workers_words[];
extern const struct schema_word dns_protocol_words[];

enum {
	CONFIG_MTU_MIN = 576,
	CONFIG_MTU_MAX = 9216,
	CONFIG_CAPTURES_MAX = 8,
	CONFIG_IMPAIRMENTS_MAX = 64,
	CONFIG_HUBS_MAX = 8, /* addresses of one client's hub */
};

#define LATER "is not supported by this version"

#define LAYER_ROW(type)                                                                        \
	{                                                                                      \
		.path = "layer", .kind = SCHEMA_WORD, .offset = offsetof(type, layer),         \
		.required = true, .words = layer_words,                                        \
		.help = "what is carried: whole Ethernet frames (a TAP) or IP packets (a TUN)" \
	}
#define IDENTITY_ROW(type)                                                                     \
	{                                                                                      \
		.path = "identity", .kind = SCHEMA_TEXT, .offset = offsetof(type, identity),   \
		.required = true, .check = rules_file,                                         \
		.help = "private key and certificate in one PEM file that nobody else reads; " \
			"relative to this file"                                                \
	}
#define CAPTURE_ROW(type)                                                                      \
	{                                                                                      \
		.path = "capture", .kind = SCHEMA_LIST_OF, .offset = offsetof(type, captures), \
		.max = CONFIG_CAPTURES_MAX, .item = &capture_schema,                           \
		.help = "files that packets are captured into"                                 \
	}
#define IMPAIRMENTS_ROW(type)                                                            \
	{                                                                                \
		.path = "impairments", .kind = SCHEMA_LIST_OF,                           \
		.offset = offsetof(type, impairments), .max = CONFIG_IMPAIRMENTS_MAX,    \
		.item = &impairment_schema,                                              \
		.help = "links with faults, for tests: what each port's link does wrong" \
	}
#define INJECT_ROW(type)                                                                  \
	{                                                                                 \
		.path = "inject", .kind = SCHEMA_BOOL, .offset = offsetof(type, inject),  \
		.standard = "false",                                                      \
		.help = "whether longwire replay may send packets of files through ports" \
	}
#define WORKERS_ROW(type)                                                                         \
	{                                                                                         \
		.path = "workers", .kind = SCHEMA_WORD, .offset = offsetof(type, workers),        \
		.words = workers_words, .standard = "1",                                          \
		.help = "threads that forward packets; auto: one for each processor, at most 8. " \
			"The interface gets as many queues"                                       \
	}
#define STREAMS_ROW(type, text)                                                            \
	{                                                                                  \
		.path = "streams", .kind = SCHEMA_UINT, .offset = offsetof(type, streams), \
		.min = 1, .max = LW_STREAMS_MAX, .standard = "1", .help = text             \
	}
#define KEY_LOG_ROW(type)                                                                       \
	{                                                                                       \
		.path = "key-log", .kind = SCHEMA_TEXT, .offset = offsetof(type, key_log),      \
		.check = rules_file,                                                            \
		.help = "a file that gets the secrets of every connection, for Wireshark: who " \
			"reads it can decrypt them all; relative to this file"                  \
	}
#define INTERFACE_ROWS(type)                                                                       \
	{ .path = "interface.name",                                                                \
	  .kind = SCHEMA_TEXT,                                                                     \
	  .offset = offsetof(type, interface.name),                                                \
	  .required = true,                                                                        \
	  .check = rules_interface_name,                                                           \
	  .help = "the interface, made unless it exists" },                                        \
		{ .path = "interface.bridge",                                                      \
		  .kind = SCHEMA_TEXT,                                                             \
		  .offset = offsetof(type, interface.bridge),                                      \
		  .check = rules_interface_name,                                                   \
		  .help = "Ethernet: the existing bridge that the interface joins" },              \
		{ .path = "interface.addresses",                                                   \
		  .kind = SCHEMA_STRINGS,                                                          \
		  .offset = offsetof(type, interface.addresses),                                   \
		  .max = LW_SETTINGS_ADDRESSES_MAX,                                                \
		  .check = rules_own_address,                                                      \
		  .help = "this machine's addresses in the tunnel; none in a bridge" },            \
		{ .path = "interface.carrier",                                                     \
		  .kind = SCHEMA_WORD,                                                             \
		  .offset = offsetof(type, interface.carrier),                                     \
		  .words = carrier_words,                                                          \
		  .help = "carrier while the tunnel reconnects: hold is the default in a bridge, " \
			  "follow elsewhere" },                                                    \
	{                                                                                          \
		.path = "interface.coalesce", .kind = SCHEMA_BOOL,                                 \
		.offset = offsetof(type, interface.coalesce), .standard = "true",                  \
		.help = "send TCP segments that were read at once as one, to be cut at the "       \
			"other end as they were"                                                   \
	}

/* settings.dns and settings.proxy of both kinds of file. */
#define SERVICE_ROWS(type)                                                                            \
	{ .path = "settings.dns",                                                                     \
	  .kind = SCHEMA_MAP,                                                                         \
	  .help = "name servers that are reached through the tunnel" },                               \
		{ .path = "settings.dns.servers",                                                     \
		  .kind = SCHEMA_STRINGS,                                                             \
		  .offset = offsetof(type, settings.dns.servers),                                     \
		  .required = true,                                                                   \
		  .min = 1,                                                                           \
		  .max = LW_SETTINGS_DNS_SERVERS_MAX,                                                 \
		  .check = rules_client_address,                                                      \
		  .help = "their addresses" },                                                        \
		{ .path = "settings.dns.match-domains",                                               \
		  .kind = SCHEMA_STRINGS,                                                             \
		  .offset = offsetof(type, settings.dns.match_domains),                               \
		  .max = LW_SETTINGS_DOMAINS_MAX,                                                     \
		  .check = rules_domain,                                                              \
		  .may_be_empty = true,                                                               \
		  .help = "domains that they are asked for, and searched; \"\" is every name, which " \
			  "a tunnel with a default route means anyway and another may not" },         \
		{ .path = "settings.dns.match-domains-no-search",                                     \
		  .kind = SCHEMA_BOOL,                                                                \
		  .offset = offsetof(type, settings.dns.match_domains_no_search),                     \
		  .standard = "false",                                                                \
		  .help = "match domains are not searched for names of one label" },                  \
		{ .path = "settings.dns.search-domains",                                              \
		  .kind = SCHEMA_STRINGS,                                                             \
		  .offset = offsetof(type, settings.dns.search_domains),                              \
		  .max = LW_SETTINGS_DOMAINS_MAX,                                                     \
		  .check = rules_domain,                                                              \
		  .help = "domains that are searched for names of one label, and asked of these "     \
			  "servers" },                                                                \
		{ .path = "settings.dns.protocol",                                                    \
		  .kind = SCHEMA_WORD,                                                                \
		  .offset = offsetof(type, settings.dns.protocol),                                    \
		  .words = dns_protocol_words,                                                        \
		  .standard = "cleartext",                                                            \
		  .help = "tls: DNS over TLS, by systemd-resolved" },                                 \
		{ .path = "settings.dns.server-name",                                                 \
		  .kind = SCHEMA_TEXT,                                                                \
		  .offset = offsetof(type, settings.dns.server_name),                                 \
		  .check = rules_domain,                                                              \
		  .help = "of the servers' certificate with protocol: tls; default: their "           \
			  "addresses" },                                                              \
		{ .path = "settings.proxy",                                                           \
		  .kind = SCHEMA_MAP,                                                                 \
		  .help = "proxies that programs should use: told and exported, never enforced" },    \
		{ .path = "settings.proxy.http-server",                                               \
		  .kind = SCHEMA_TEXT,                                                                \
		  .offset = offsetof(type, settings.proxy.http_server),                               \
		  .check = rules_hub_address,                                                         \
		  .help = "for http" },                                                               \
		{ .path = "settings.proxy.https-server",                                              \
		  .kind = SCHEMA_TEXT,                                                                \
		  .offset = offsetof(type, settings.proxy.https_server),                              \
		  .check = rules_hub_address,                                                         \
		  .help = "for https" },                                                              \
		{ .path = "settings.proxy.auto-configuration-url",                                    \
		  .kind = SCHEMA_TEXT,                                                                \
		  .offset = offsetof(type, settings.proxy.auto_configuration_url),                    \
		  .max = 1023,                                                                        \
		  .help = "of a PAC file, which wins over the servers" },                             \
		{ .path = "settings.proxy.exclude-simple-hostnames",                                  \
		  .kind = SCHEMA_BOOL,                                                                \
		  .offset = offsetof(type, settings.proxy.exclude_simple_hostnames),                  \
		  .standard = "false",                                                                \
		  .help = "no proxy for names without a dot" },                                       \
		{ .path = "settings.proxy.exception-list",                                            \
		  .kind = SCHEMA_STRINGS,                                                             \
		  .offset = offsetof(type, settings.proxy.exception_list),                            \
		  .max = LW_SETTINGS_DOMAINS_MAX,                                                     \
		  .help = "no proxy for these: domains, *.domain, addresses, networks" },             \
	{                                                                                             \
		.path = "settings.proxy.match-domains", .kind = SCHEMA_STRINGS,                       \
		.offset = offsetof(type, settings.proxy.match_domains),                               \
		.max = LW_SETTINGS_DOMAINS_MAX, .check = rules_domain,                                \
		.help = "proxies for these domains alone; default: all"                               \
	}

#endif

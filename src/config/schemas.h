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
#define KEY_LOG_ROW(type)                                                                       \
	{                                                                                       \
		.path = "key-log", .kind = SCHEMA_TEXT, .offset = offsetof(type, key_log),      \
		.check = rules_file,                                                            \
		.help = "a file that gets the secrets of every connection, for Wireshark: who " \
			"reads it can decrypt them all; relative to this file"                  \
	}
#define INTERFACE_ROWS(type)                                                                     \
	{ .path = "interface.name",                                                              \
	  .kind = SCHEMA_TEXT,                                                                   \
	  .offset = offsetof(type, interface.name),                                              \
	  .required = true,                                                                      \
	  .check = rules_interface_name,                                                         \
	  .help = "the interface, made unless it exists" },                                      \
		{ .path = "interface.bridge",                                                    \
		  .kind = SCHEMA_TEXT,                                                           \
		  .offset = offsetof(type, interface.bridge),                                    \
		  .check = rules_interface_name,                                                 \
		  .help = "Ethernet: the existing bridge that the interface joins" },            \
		{ .path = "interface.addresses",                                                 \
		  .kind = SCHEMA_STRINGS,                                                        \
		  .offset = offsetof(type, interface.addresses),                                 \
		  .max = LW_SETTINGS_ADDRESSES_MAX,                                              \
		  .check = rules_own_address,                                                    \
		  .help = "this machine's addresses in the tunnel; none in a bridge" },          \
	{                                                                                        \
		.path = "interface.carrier", .kind = SCHEMA_WORD,                                \
		.offset = offsetof(type, interface.carrier), .words = carrier_words,             \
		.help = "carrier while the tunnel reconnects: hold is the default in a bridge, " \
			"follow elsewhere"                                                       \
	}

#endif

/* SPDX-License-Identifier: MIT */
/* Impairments of ports by name, from configuration and control socket, and their report. */
#include "program/links.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/quantity.h"
#include "base/tree.h"
#include "config/config.h"
#include "config/schemas.h"

enum { NAMES_SIZE = 300 };

/* A port of either kind. */
struct place {
	struct lw_port *port;
	struct lw_tunnel *tunnel;
	enum lw_tunnel_port which;
	char name[LW_PORT_NAME_SIZE];
	bool is_device;
};

/* The first place, or the one after *place (zeroed: before the first). */
static bool next_place(const struct links *links, struct place *place)
{
	struct lw_port_status status = { .size = sizeof(status) };

	if (links->hub) {
		place->port = lw_hub_next_port(links->hub, place->port);
		if (!place->port)
			return false;
		lw_port_status(place->port, &status);
		memcpy(place->name, status.name, sizeof(place->name));
		place->is_device = status.is_device;
		return true;
	}
	if (!links->tunnel || place->which == LW_TUNNEL_HUB)
		return false;
	place->tunnel = links->tunnel;
	place->which = place->which ? LW_TUNNEL_HUB : LW_TUNNEL_DEVICE;
	place->is_device = place->which == LW_TUNNEL_DEVICE;
	snprintf(place->name, sizeof(place->name), "%s", place->is_device ? "device" : "hub");
	return true;
}

static bool is_named(const struct place *place, const char *name)
{
	return !strcmp(place->name, name) || (place->is_device && !strcmp(name, "device"));
}

static bool get(const struct place *place, enum lw_port_way way, struct lw_impairment *settings,
		struct lw_impairment_counters *counters)
{
	settings->size = sizeof(*settings);
	counters->size = sizeof(*counters);
	if (place->port)
		return lw_port_impairment(place->port, way, settings, counters);
	return lw_tunnel_impairment(place->tunnel, place->which, way, settings, counters);
}

static int refuse_name(const struct links *links, const char *name, struct lw_error *error)
{
	struct place place = { 0 };
	char names[NAMES_SIZE] = "";
	size_t used = 0;

	while (next_place(links, &place) && used < sizeof(names))
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 used ? ", " : "", place.name);
	return error_set(error, -ENOENT, LW_DOMAIN_CONFIGURATION, ENOENT,
			 "no port is called \"%s\"; these are: %s", name, names);
}

static int find_place(const struct links *links, const char *name, struct place *ret_place,
		      struct lw_error *error)
{
	struct place place = { 0 };

	while (next_place(links, &place)) {
		if (!is_named(&place, name))
			continue;
		*ret_place = place;
		return 0;
	}
	return refuse_name(links, name, error);
}

int links_set(const struct links *links, const char *port, unsigned ways,
	      const struct lw_impairment *settings, struct lw_error *ret_error)
{
	struct place place = { 0 };
	int r = find_place(links, port, &place, ret_error);

	if (r < 0)
		return r;
	if (place.port)
		return lw_port_impair(place.port, ways, settings, ret_error);
	return lw_tunnel_impair(place.tunnel, place.which, ways, settings, ret_error);
}

int links_apply(const struct links *links, const struct item_list *impairments,
		struct lw_error *ret_error)
{
	struct lw_error error;

	for (size_t i = 0; i < impairments->n; i++) {
		const struct impairment_config *config = impairments->items[i];
		int r = links_set(links, config->port, (unsigned)config->ways, &config->settings,
				  &error);

		if (r < 0)
			return error_set(ret_error, r, error.domain, error.code,
					 "impairments: %s: %s", config->port, error.text);
	}
	return 0;
}

int links_replay(const struct links *links, const char *port,
		 const struct lw_replay_options *options, struct lw_replay **ret_replay,
		 struct lw_error *ret_error)
{
	struct place place = { 0 };
	int r = find_place(links, port, &place, ret_error);

	if (r < 0)
		return r;
	if (place.port)
		return lw_port_replay(place.port, options, ret_replay, ret_error);
	return lw_tunnel_replay(place.tunnel, (int)place.which, options, ret_replay, ret_error);
}

/* ---- the report */

static const char *distribution_name(enum lw_distribution distribution)
{
	return distribution == LW_DISTRIBUTION_NORMAL   ? "normal"
	       : distribution == LW_DISTRIBUTION_PARETO ? "pareto"
							: "uniform";
}

/* What is set, in the words that set it. */
static int add_settings(struct tree *map, const struct lw_impairment *settings)
{
	const struct {
		const char *key;
		uint64_t value;
		const struct quantity_unit *units; /* NULL: a plain number */
	} rows[] = {
		{ "rate", settings->rate, quantity_rate },
		{ "queue", settings->queue_bytes, quantity_size },
		{ "queue-packets", settings->queue_packets, NULL },
		{ "delay", settings->delay_us, quantity_duration },
		{ "jitter", settings->jitter_us, quantity_duration },
		{ "correlation", settings->correlation, quantity_share },
		{ "loss", settings->loss, quantity_share },
		{ "burst", settings->burst, quantity_share },
		{ "burst-end", settings->burst_end, quantity_share },
		{ "burst-loss", settings->burst ? settings->burst_loss : 0, quantity_share },
		{ "duplicate", settings->duplicate, quantity_share },
		{ "corrupt", settings->corrupt, quantity_share },
		{ "reorder", settings->reorder, quantity_share },
		{ "reorder-gap", settings->reorder_gap, NULL },
	};
	struct tree *child;
	char text[QUANTITY_TEXT_SIZE];
	int r = tree_add_map(map, "settings", &child);

	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++) {
		if (!rows[i].value)
			continue;
		r = rows[i].units
			    ? tree_add_text(child, rows[i].key,
					    quantity_format(rows[i].value, rows[i].units, text))
			    : tree_add_uint(child, rows[i].key, rows[i].value);
	}
	if (r == 0 && settings->jitter_us)
		r = tree_add_text(child, "distribution", distribution_name(settings->distribution));
	return r == 0 ? tree_add_uint(child, "seed", settings->seed) : r;
}

static int add_pair(struct tree *map, const char *key, uint64_t packets, uint64_t bytes)
{
	struct tree *child;
	int r = tree_add_map(map, key, &child);

	if (r == 0)
		r = tree_add_uint(child, "packets", packets);
	return r == 0 ? tree_add_uint(child, "bytes", bytes) : r;
}

static int add_counters(struct tree *map, const struct lw_impairment_counters *counters)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{ "lost", counters->lost },
		{ "full", counters->full },
		{ "duplicated", counters->duplicated },
		{ "corrupted", counters->corrupted },
		{ "reordered", counters->reordered },
	};
	int r = add_pair(map, "passed", counters->passed_packets, counters->passed_bytes);

	if (r == 0)
		r = add_pair(map, "waiting", counters->waiting_packets, counters->waiting_bytes);
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
		r = tree_add_uint(map, rows[i].key, rows[i].value);
	return r;
}

static int add_way(struct tree *list, const struct place *place, enum lw_port_way way)
{
	struct lw_impairment_counters counters;
	struct lw_impairment settings;
	struct tree *map;
	int r;

	if (!get(place, way, &settings, &counters))
		return 0;
	r = tree_add_map(list, NULL, &map);
	if (r == 0)
		r = tree_add_text(map, "port", place->name);
	if (r == 0)
		r = tree_add_text(map, "direction", way == LW_PORT_IN ? "in" : "out");
	if (r == 0)
		r = add_settings(map, &settings);
	return r == 0 ? add_counters(map, &counters) : r;
}

int links_report(const struct links *links, const char *port, struct tree *map)
{
	struct place place = { 0 };
	struct tree *list;
	int r = tree_add_list(map, "impairments", &list);

	while (r == 0 && next_place(links, &place)) {
		if (port && !is_named(&place, port))
			continue;
		r = add_way(list, &place, LW_PORT_IN);
		if (r == 0)
			r = add_way(list, &place, LW_PORT_OUT);
	}
	return r;
}

/* ---- the verb */

static int parse_ways(const char *text, unsigned *ret_ways)
{
	if (!text || !strcmp(text, "both"))
		*ret_ways = LW_PORT_IN | LW_PORT_OUT;
	else if (!strcmp(text, "in"))
		*ret_ways = LW_PORT_IN;
	else if (!strcmp(text, "out"))
		*ret_ways = LW_PORT_OUT;
	else
		return -EINVAL;
	return 0;
}

static int add_names(const struct links *links, const char *port, struct tree *map)
{
	struct place place = { 0 };
	struct tree *list;
	int r = tree_add_list(map, "ports", &list);

	while (r == 0 && next_place(links, &place))
		if (!port || is_named(&place, port))
			r = tree_add_text(list, NULL, place.name);
	return r;
}

/* port NULL: of all. */
static void reply_report(struct control_call *call, const struct links *links, const char *port)
{
	struct tree *map = tree_new(TREE_MAP);

	if (!map || links_report(links, port, map) < 0 || add_names(links, port, map) < 0) {
		tree_free(map);
		control_refuse(call, "no memory");
		return;
	}
	control_reply(call, "link", map);
}

static void set_link(struct control_call *call, const struct links *links, const char *port,
		     unsigned ways, const struct tree *settings)
{
	struct schema_errors errors = { .file = port };
	struct impairment_config config = { 0 };
	struct lw_error error;
	int r = 0;

	if (settings)
		r = schema_read(&impairment_settings_schema, settings, &config, &errors);
	if (r < 0) {
		control_refuse(call, "%s", errors.text ? errors.text : "no memory");
		schema_errors_done(&errors);
		return;
	}
	if (links_set(links, port, ways, settings ? &config.settings : NULL, &error) < 0)
		control_refuse(call, "%s", error.text);
	else
		reply_report(call, links, port);
	schema_done(&impairment_settings_schema, &config);
}

static void show_link(struct control_call *call, const struct links *links, const char *port)
{
	struct lw_error error;
	struct place place = { 0 };

	if (port && find_place(links, port, &place, &error) < 0)
		control_refuse(call, "%s", error.text);
	else
		reply_report(call, links, port);
}

static void do_link(struct control_call *call, const struct tree *request, void *user)
{
	const struct tree *settings = tree_get(request, "settings");
	const char *port = tree_get_text(request, "port");
	bool is_shown = !settings && tree_get(request, "show");
	const struct links *links = user;
	unsigned ways;

	if ((!port && !is_shown) || parse_ways(tree_get_text(request, "direction"), &ways) < 0 ||
	    (settings && settings->kind != TREE_MAP))
		control_refuse(call, "link wants a port, a direction (in, out or both), and a map "
				     "of settings");
	else if (is_shown)
		show_link(call, links, port);
	else
		set_link(call, links, port, ways, settings);
}

const struct control_verb link_verbs[] = { { .name = "link", .run = do_link } };
const size_t n_link_verbs = ARRAY_SIZE(link_verbs);

/* SPDX-License-Identifier: MIT */
/* What to capture: from a command line, over the control socket, to the library. */
#include "program/capture_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tree.h"
#include "config/config.h"
#include "config/rules.h"
#include "program/command.h"

#define OFFSET(member) offsetof(struct capture_request, member)

static const struct schema_row rows[] = {
	{ .path = "name", .kind = SCHEMA_TEXT, .offset = OFFSET(name), .required = true },
	{ .path = "point",
	  .kind = SCHEMA_WORDS,
	  .offset = OFFSET(points),
	  .min = 1,
	  .standard = "device-in, device-out",
	  .words = capture_point_words },
	{ .path = "port",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(ports),
	  .max = LW_CAPTURE_NAMES_MAX },
	{ .path = "peer",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(peers),
	  .max = LW_CAPTURE_NAMES_MAX },
	{ .path = "reason",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(reasons),
	  .max = LW_DROP_COUNT,
	  .check = rules_drop },
	{ .path = "filter",
	  .kind = SCHEMA_TEXT,
	  .offset = OFFSET(filter),
	  .min = 1,
	  .max = LW_CAPTURE_FILTER_MAX },
	{ .path = "snaplen",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(snap_length),
	  .min = 1,
	  .max = LW_CAPTURE_SNAP_MAX,
	  .standard = "262144" },
	{ .path = "count",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(packets),
	  .min = 1,
	  .max = UINT32_MAX },
	{ .path = "format",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(format),
	  .words = capture_format_words },
	{ .path = "super-frames", .kind = SCHEMA_BOOL, .offset = OFFSET(super_frames) },
	{ .path = NULL },
};

static const struct schema schema = { .rows = rows, .size = sizeof(struct capture_request) };

/* ---- from a command line */

/* Lists may be given with commas and by repeating the option. */
static void add_list(struct tree *tree, const char *key, const struct option_list *list, int *r)
{
	struct tree *items = NULL;

	if (!list->n || *r < 0)
		return;
	*r = tree_add_list(tree, key, &items);
	for (size_t i = 0; i < list->n; i++)
		for (const char *at = list->items[i], *next; at && *r == 0; at = next) {
			const char *comma = strchrnul(at, ',');
			char *item = strndup(at, (size_t)(comma - at));

			*r = item ? tree_add_text(items, NULL, item) : -ENOMEM;
			free(item);
			next = *comma ? comma + 1 : NULL;
		}
}

static void add_text(struct tree *tree, const char *key, const char *text, int *r)
{
	if (text && *r == 0)
		*r = tree_add_text(tree, key, text);
}

static void add_number(struct tree *tree, const char *key, const struct option_number *number,
		       int *r)
{
	if (number->is_set && *r == 0)
		*r = tree_add_uint(tree, key, number->value);
}

/* As it is said, else as the name of the file says; NULL: the library's choice, pcapng. */
static const char *choose_format(const struct arguments *arguments)
{
	const char *dot = arguments->write ? strrchr(arguments->write, '.') : NULL;

	if (arguments->ring)
		return "pcapng";
	if (arguments->format)
		return arguments->format;
	return dot && strcmp(dot, ".pcap") == 0 ? "pcap" : NULL;
}

int capture_request_build(const struct arguments *arguments, const char *name,
			  struct tree **ret_tree)
{
	struct tree *tree = tree_new(TREE_MAP);
	int r = tree ? 0 : -ENOMEM;

	add_text(tree, "name", name, &r);
	add_list(tree, "point", &arguments->points, &r);
	/* Who asks for reasons wants drops. */
	if (arguments->reasons.n && !arguments->points.n)
		add_text(tree, "point", "drop", &r);
	add_list(tree, "port", &arguments->ports, &r);
	add_list(tree, "peer", &arguments->peers, &r);
	add_list(tree, "reason", &arguments->reasons, &r);
	add_text(tree, "filter", arguments->filter, &r);
	add_number(tree, "snaplen", &arguments->snaplen, &r);
	add_number(tree, "count", &arguments->count, &r);
	add_text(tree, "format", choose_format(arguments), &r);
	if (r == 0)
		r = tree_add_bool(tree, "super-frames", arguments->super_frames);
	if (r < 0)
		tree_free(tree);
	else
		*ret_tree = tree;
	return r;
}

/* ---- to the library */

/* The lines of a document as one sentence. */
static int tell(struct schema_errors *errors, struct lw_error *error)
{
	for (char *end = errors->text ? strchr(errors->text, '\n') : NULL; end;
	     end = strchr(end, '\n'))
		*end = end[1] ? ';' : '\0';
	error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL, "%s",
		  errors->text ? errors->text : "capture: not understood");
	schema_errors_done(errors);
	return -EINVAL;
}

int capture_request_read(const struct tree *tree, struct capture_request *ret_request,
			 struct lw_error *ret_error)
{
	struct schema_errors errors = { .file = "capture" };
	int r;

	if (!tree || tree->kind != TREE_MAP)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: what to capture is not said");
	r = schema_read(&schema, tree, ret_request, &errors);
	if (r == -EINVAL)
		return tell(&errors, ret_error);
	schema_errors_done(&errors);
	return r < 0 ? error_errno(ret_error, -r, "capture") : 0;
}

void capture_request_done(struct capture_request *request)
{
	schema_done(&schema, request);
}

/* An array of char * may be read as one of const char *. */
static const char *const *strings(const struct string_list *list)
{
	return (const char *const *)list->items;
}

void capture_request_options(const struct capture_request *request, enum lw_layer layer,
			     int descriptor, struct lw_capture_options *ret_options)
{
	*ret_options = (struct lw_capture_options){
		.size = sizeof(*ret_options),
		.points = request->points,
		.layer = layer,
		.filter = request->filter,
		.snap_length = request->snap_length,
		.descriptor = descriptor,
		.format = (enum lw_capture_format)request->format,
		.whole_super_frames = request->super_frames,
		.ports = strings(&request->ports),
		.n_ports = request->ports.n,
		.peers = strings(&request->peers),
		.n_peers = request->peers.n,
		.packets = request->packets,
	};
	for (size_t i = 0; i < request->reasons.n; i++)
		ret_options->reasons |= UINT64_C(1) << lw_drop_find(request->reasons.items[i]);
}

/* SPDX-License-Identifier: MIT */
/*
 * Bytes → configuration, whole. Refused with well-formed lines, or valid. And what the reader
 * takes, written out with every character escaped, must be read as the same tree and judged in the
 * same way.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/schema.h"
#include "config/config.h"
#include "config/yaml.h"

#include "../support/trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_lines(const struct schema_errors *errors)
{
	check(errors->n > 0 && errors->text);
	for (const char *line = errors->text; *line;) {
		const char *end = strchr(line, '\n');

		check(end && strncmp(line, "f:", 2) == 0 && end - line > 4);
		for (const char *p = line; p < end; p++)
			check((unsigned char)*p >= 0x20 && *p != 0x7f);
		line = end + 1;
	}
}

static void check_config(const struct config *config)
{
	const struct hub_config *hub = &config->hub;
	const struct tunnel_config *tunnel = &config->tunnel;

	if (config->kind == CONFIG_TUNNEL) {
		check(tunnel->layer == LW_LAYER_ETHERNET || tunnel->layer == LW_LAYER_IP);
		check(tunnel->hub_address.n && tunnel->hub_pin.n && tunnel->identity);
		check(tunnel->interface.name && parse_is_interface_name(tunnel->interface.name));
		return;
	}
	check(config->kind == CONFIG_HUB);
	check(hub->layer == LW_LAYER_ETHERNET || hub->layer == LW_LAYER_IP);
	check(hub->listen.n && hub->identity && hub->mtu >= 576 && hub->mtu <= 9216);
	check(hub->clients.n <= LW_HUB_CLIENTS_MAX);
	for (size_t i = 0; i < hub->clients.n; i++) {
		const struct client_config *client = hub->clients.items[i];

		check(parse_is_name(client->name) && client->pin.n > 0);
	}
}

/* Return: the number of errors. */
static size_t load(const char *data, size_t size)
{
	struct schema_errors errors = { 0 };
	struct config config;
	int r = config_parse("f", NULL, data, size, &config, &errors);
	size_t n = errors.n;

	check(r == 0 || r == -EINVAL);
	if (r == 0) {
		check(n == 0 && !errors.text);
		check_config(&config);
		config_done(&config);
	} else {
		check_lines(&errors);
	}
	schema_errors_done(&errors);
	return n;
}

/* libyaml has only let well-formed UTF-8 through. */
static void write_scalar(FILE *stream, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', stream);
	while (*p) {
		unsigned bytes = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
		uint32_t character = bytes == 1 ? *p : *p & (0x7fu >> bytes);

		for (unsigned i = 1; i < bytes; i++)
			character = character << 6 | (p[i] & 0x3f);
		fprintf(stream, "\\U%08X", character);
		p += bytes;
	}
	fputc('"', stream);
}

static void write_tree(FILE *stream, const struct tree *tree)
{
	if (tree->kind == TREE_SCALAR) {
		write_scalar(stream, tree->text);
		return;
	}
	fputs(tree->kind == TREE_MAP ? "{" : "[", stream);
	for_each_child(child, tree) {
		if (child->key) {
			/* Written out, a key may be longer than libyaml allows to simple ones. */
			fputs("\n? ", stream);
			write_scalar(stream, child->key);
			fputs("\n: ", stream);
		}
		write_tree(stream, child);
		fputs(",", stream);
	}
	fputs(tree->kind == TREE_MAP ? "}" : "]", stream);
}

static void check_rewritten(const struct tree *tree, size_t expected)
{
	struct schema_errors errors = { .file = "f" };
	struct tree *again;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	check(stream);
	write_tree(stream, tree);
	check(fclose(stream) == 0);
	if (size <= CONFIG_FILE_MAX) {
		check(yaml_parse(text, size, &again, &errors) == 0);
		check(trees_equal(tree, again));
		tree_free(again);
		check(load(text, size) == expected);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct schema_errors errors = { .file = "f" };
	size_t n = load((const char *)data, size);
	struct tree *tree;

	if (yaml_parse((const char *)data, size, &tree, &errors) == 0) {
		check_rewritten(tree, n);
		tree_free(tree);
	} else {
		check(n > 0);
	}
	schema_errors_done(&errors);
	return 0;
}

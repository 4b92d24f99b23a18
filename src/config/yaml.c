/* SPDX-License-Identifier: MIT */
/* YAML to tree by libyaml's events, refusing what a configuration has no use for. */
#include "config/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/memory.h"
#include "base/schema.h"
#include "base/tree.h"

/* A map or list that is open, and in a map the key that waits for its value. */
struct level {
	struct tree *branch;
	char *key;
	uint32_t key_line, key_column;
};

struct building {
	struct schema_errors *errors;
	struct tree *root; /* owns everything that is placed */
	struct level levels[TREE_DEPTH_MAX];
	unsigned depth;
	size_t nodes;
	unsigned documents;
};

/* A place in the document for errors that have no node. */
static struct tree place_of(const yaml_mark_t *mark)
{
	return (struct tree){ .line = (uint32_t)mark->line + 1,
			      .column = (uint32_t)mark->column + 1 };
}

static int refuse(struct building *building, const yaml_mark_t *mark, const char *reason)
{
	struct tree at = place_of(mark);

	schema_error(building->errors, &at, NULL, "%s", reason);
	return -EINVAL;
}

/* Put a node where the document has it; it is owned from then on, also on failure. */
static int place(struct building *building, struct tree *node, const yaml_mark_t *mark)
{
	struct level *level;
	struct tree at = place_of(mark);
	int r;

	node->line = at.line;
	node->column = at.column;
	if (++building->nodes > TREE_NODES_MAX) {
		tree_free(node);
		return refuse(building, mark, "too many values for one file");
	}
	if (building->depth == 0) {
		building->root = node;
		return node->kind == TREE_MAP
			       ? 0
			       : refuse(building, mark,
					"the top level must be a map: lines of \"key: value\"");
	}
	level = &building->levels[building->depth - 1];
	node->key_line = level->key_line;
	node->key_column = level->key_column;
	r = tree_append(level->branch, level->key, node);
	free(level->key);
	level->key = NULL;
	return r;
}

static bool wants_key(const struct building *building)
{
	const struct level *level = building->levels + building->depth;

	if (building->depth == 0)
		return false;
	level--;
	return level->branch->kind == TREE_MAP && !level->key;
}

static int check_properties(struct building *building, const yaml_mark_t *mark,
			    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return refuse(building, mark, "anchors (&) are not supported, write it out");
	if (tag)
		return refuse(building, mark, "tags (!) are not supported, leave it out");
	return 0;
}

static int take_scalar(struct building *building, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const yaml_mark_t *mark = &event->start_mark;
	struct tree *node, at = place_of(mark);
	int r;

	r = check_properties(building, mark, event->data.scalar.anchor, event->data.scalar.tag);
	if (r < 0)
		return r;
	if (strlen(text) != event->data.scalar.length)
		return refuse(building, mark, "NUL is not allowed");
	if (wants_key(building)) {
		struct level *level = &building->levels[building->depth - 1];

		level->key_line = at.line;
		level->key_column = at.column;
		level->key = strdup(text);
		return level->key ? 0 : -ENOMEM;
	}
	node = tree_new(TREE_SCALAR);
	if (!node)
		return -ENOMEM;
	node->text = strdup(text);
	if (!node->text) {
		tree_free(node);
		return -ENOMEM;
	}
	return place(building, node, mark);
}

static int open_branch(struct building *building, enum tree_kind kind, const yaml_event_t *event,
		       const yaml_char_t *anchor, const yaml_char_t *tag)
{
	const yaml_mark_t *mark = &event->start_mark;
	struct tree *node;
	int r;

	r = check_properties(building, mark, anchor, tag);
	if (r < 0)
		return r;
	if (wants_key(building))
		return refuse(building, mark, "a key must be a word, not a map or a list");
	if (building->depth == TREE_DEPTH_MAX)
		return refuse(building, mark, "nested too deeply");
	node = tree_new(kind);
	if (!node)
		return -ENOMEM;
	r = place(building, node, mark);
	if (r < 0)
		return r;
	building->levels[building->depth++] = (struct level){ .branch = node };
	return 0;
}

static int take_document(struct building *building, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;

	if (event->data.document_start.version_directive ||
	    event->data.document_start.tag_directives.start !=
		    event->data.document_start.tag_directives.end)
		return refuse(building, mark, "directives (%) are not supported");
	if (building->documents++ > 0)
		return refuse(building, mark, "a second document begins here, only one is allowed");
	return 0;
}

static int take_event(struct building *building, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return take_document(building, event);
	case YAML_ALIAS_EVENT:
		return refuse(building, &event->start_mark,
			      "aliases (*) are not supported, write it out");
	case YAML_SCALAR_EVENT:
		return take_scalar(building, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_branch(building, TREE_LIST, event, event->data.sequence_start.anchor,
				   event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return open_branch(building, TREE_MAP, event, event->data.mapping_start.anchor,
				   event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		building->depth--;
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

/* Line and column of a byte, for errors that libyaml gives only an offset. */
static yaml_mark_t mark_of_byte(const char *data, size_t length, size_t offset)
{
	yaml_mark_t mark = { .index = offset };

	for (size_t i = 0; i < length && i < offset; i++) {
		if (data[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)data[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

/* libyaml names the character that a tab made impossible, not the tab. */
static bool is_indented_by_tab(const char *data, size_t length, size_t line)
{
	const char *end = data + length;

	while (data && line-- > 0) {
		data = memchr(data, '\n', (size_t)(end - data));
		data = data ? data + 1 : NULL;
	}
	while (data && data < end && *data == ' ')
		data++;
	return data && data < end && *data == '\t';
}

static int refuse_syntax(struct building *building, const yaml_parser_t *parser, const char *data,
			 size_t length)
{
	yaml_mark_t mark = parser->problem_mark;
	const char *problem = parser->problem ? parser->problem : "unreadable";
	struct tree at;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		mark = mark_of_byte(data, length, parser->problem_offset);
	at = place_of(&mark);
	if (is_indented_by_tab(data, length, mark.line))
		schema_error(building->errors, &at, NULL,
			     "not valid YAML: %s; a tab cannot indent, use blanks", problem);
	else
		schema_error(building->errors, &at, NULL, "not valid YAML: %s%s%s", problem,
			     parser->context ? ", " : "", parser->context ? parser->context : "");
	return -EINVAL;
}

static int read_events(struct building *building, yaml_parser_t *parser, const char *data,
		       size_t length)
{
	bool is_end = false;

	while (!is_end) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(parser, &event))
			return refuse_syntax(building, parser, data, length);
		r = take_event(building, &event);
		is_end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	return 0;
}

struct entry {
	const struct tree *child;
};

static int compare_keys(const void *a, const void *b)
{
	const struct tree *x = ((const struct entry *)a)->child;
	const struct tree *y = ((const struct entry *)b)->child;
	int order = strcmp(x->key, y->key);

	if (order != 0)
		return order;
	if (x->key_line != y->key_line)
		return x->key_line < y->key_line ? -1 : 1;
	return x->key_column < y->key_column ? -1 : x->key_column > y->key_column;
}

/* Two of one key, found by sorting: a file may have as many keys as it has room for. */
static int check_twice(struct building *building, const struct tree *map)
{
	_cleanup_free_ struct entry *entries = calloc(map->n + 1, sizeof(*entries));
	size_t n = 0;

	if (!entries)
		return -ENOMEM;
	for_each_child(child, map)
		entries[n++].child = child;
	qsort(entries, n, sizeof(*entries), compare_keys);
	for (size_t i = 1; i < n; i++) {
		const struct tree *first = entries[i - 1].child, *second = entries[i].child;
		struct tree at = { .line = second->key_line, .column = second->key_column };

		if (strcmp(first->key, second->key) == 0)
			schema_error(building->errors, &at, second->key,
				     "this key is already on line %u, only one is allowed",
				     first->key_line);
	}
	return 0;
}

static int check_keys(struct building *building, const struct tree *tree)
{
	int r = tree->kind == TREE_MAP ? check_twice(building, tree) : 0;

	for_each_child(child, tree)
		if (r == 0)
			r = check_keys(building, child);
	return r;
}

/* libyaml would read UTF-16 and stop at NUL in its own words; this is what an administrator can act
 * on. */
static int check_bytes(struct building *building, const char *data, size_t length)
{
	const char *nul = memchr(data, '\0', length);
	yaml_mark_t mark;

	if (!nul)
		return 0;
	mark = mark_of_byte(data, length, (size_t)(nul - data));
	return refuse(building, &mark, "a NUL byte: the file must be UTF-8 text");
}

static int build(struct building *building, const char *data, size_t length)
{
	yaml_parser_t parser;
	int r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)data, length);
	r = read_events(building, &parser, data, length);
	yaml_parser_delete(&parser);
	return r;
}

int yaml_parse(const char *data, size_t length, struct tree **ret_tree,
	       struct schema_errors *errors)
{
	struct building building = { .errors = errors };
	size_t before = errors->n;
	int r;

	/* libyaml counts the mark of some editors as a column, and the second line would be
	 * indented less. */
	if (length >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		length -= 3;
	}
	r = check_bytes(&building, data, length);
	if (r == 0)
		r = build(&building, data, length);
	if (r == 0 && !building.root) {
		schema_error(errors, NULL, NULL, "the file is empty");
		r = -EINVAL;
	}
	if (r == 0)
		r = check_keys(&building, building.root);
	if (r == 0 && errors->n != before)
		r = -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(building.levels); i++)
		free(building.levels[i].key);
	if (r < 0) {
		tree_free(building.root);
		return r;
	}
	*ret_tree = building.root;
	return 0;
}

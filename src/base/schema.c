/* SPDX-License-Identifier: MIT */
/* Schema tables: reading trees into structs, and the reference text. */
#include "base/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/tree.h"

enum {
	TEXT_BYTES_MAX = 1024, /* of a TEXT row that names no maximum */
	ITEMS_MAX = 64,        /* of a list row that names no maximum */
	SHOWN_SIZE = 68,       /* of a value or key from the document within an error */
	PATH_SIZE = 256,
	KEYS_MAX = 64, /* of one section, for suggestions */
};

/* One schema being read into one output. */
struct reading {
	const struct schema *schema;
	char *output;
	struct schema_errors *errors;
};

/* A value of the document, short enough for an error; a cut leaves no half of a UTF-8 character. */
static const char *shown(const char *text, char buffer[SHOWN_SIZE])
{
	size_t length = strlen(text);

	if (length < SHOWN_SIZE)
		return text;
	length = SHOWN_SIZE - 4;
	while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	snprintf(buffer, SHOWN_SIZE, "%.*s...", (int)length, text);
	return buffer;
}

static uint64_t text_max(const struct schema_row *row)
{
	return row->max ? row->max : TEXT_BYTES_MAX;
}

static uint64_t items_max(const struct schema_row *row)
{
	return row->max ? row->max : ITEMS_MAX;
}

static uint64_t uint_max(const struct schema_row *row)
{
	return row->max ? row->max : UINT32_MAX;
}

static void describe_words(const struct schema_row *row, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (const struct schema_word *w = row->words; w->word && n < size; w++) {
		const char *separator = w == row->words ? "" : w[1].word ? ", " : " or ";
		int added = snprintf(text + n, size - n, "%s%s", separator, w->word);

		n += added > 0 ? (size_t)added : 0;
	}
}

/* What a scalar of this row may be. */
static const char *describe(const struct schema_row *row, char *text, size_t size)
{
	const char *allowed = row->check && row->kind != SCHEMA_MAP_OF ? row->check("") : NULL;

	if (row->kind == SCHEMA_UINT)
		snprintf(text, size, "a number from %" PRIu64 " to %" PRIu64, row->min,
			 uint_max(row));
	else if (row->kind == SCHEMA_BOOL)
		snprintf(text, size, "true or false");
	else if (row->kind == SCHEMA_WORD || row->kind == SCHEMA_WORDS)
		describe_words(row, text, size);
	else if (row->kind == SCHEMA_MAP)
		snprintf(text, size, "a section");
	else if (row->kind == SCHEMA_MAP_OF)
		snprintf(text, size, "names, each with keys of its own");
	else if (row->kind == SCHEMA_LIST_OF)
		snprintf(text, size, "a list, each item with keys of its own");
	else if (allowed)
		snprintf(text, size, "%s", allowed);
	else
		snprintf(text, size, "text of %" PRIu64 " to %" PRIu64 " bytes",
			 row->kind == SCHEMA_TEXT ? row->min : 1, text_max(row));
	return text;
}

/* ---- Values ---- */

static const struct schema_word *find_word(const struct schema_row *row, const char *text)
{
	for (const struct schema_word *w = row->words; w->word; w++)
		if (strcmp(w->word, text) == 0)
			return w;
	return NULL;
}

static int set_text(void *target, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*(char **)target);
	*(char **)target = copy;
	return 0;
}

static int add_string(struct string_list *list, const char *text)
{
	char **items = reallocarray(list->items, list->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n] = strdup(text);
	if (!items[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

static int set_word(const struct schema_row *row, const char *text, void *target)
{
	const struct schema_word *word = find_word(row, text);

	if (!word)
		return -EINVAL;
	if (row->kind == SCHEMA_WORDS)
		*(unsigned *)target |= (unsigned)word->value;
	else
		*(int *)target = word->value;
	return 0;
}

/* One scalar into its place: 0, -EINVAL for what the row does not allow, -ENOMEM. */
static int set_scalar(const struct schema_row *row, const char *text, void *target)
{
	size_t length = strlen(text);
	uint64_t number;
	int r;

	switch (row->kind) {
	case SCHEMA_UINT:
		r = parse_uint(text, row->min, uint_max(row), &number);
		if (r < 0)
			return -EINVAL;
		*(uint32_t *)target = (uint32_t)number;
		return 0;
	case SCHEMA_BOOL:
		return parse_bool(text, target);
	case SCHEMA_WORD:
	case SCHEMA_WORDS:
		return set_word(row, text, target);
	case SCHEMA_TEXT:
		if (length < row->min || length > text_max(row))
			return -EINVAL;
		return set_text(target, text);
	case SCHEMA_STRINGS:
		if ((length == 0 && !row->may_be_empty) || length > TEXT_BYTES_MAX)
			return -EINVAL;
		return add_string(target, text);
	case SCHEMA_MAP:
	case SCHEMA_MAP_OF:
	case SCHEMA_LIST_OF:
	case SCHEMA_REFUSED:
		break;
	}
	return -EINVAL;
}

static void suggest_word(const struct schema_row *row, const char *text, char *hint, size_t size)
{
	const char *words[KEYS_MAX], *nearest;
	size_t n = 0;

	if (!row->words)
		return;
	for (const struct schema_word *w = row->words; w->word && n < KEYS_MAX; w++)
		words[n++] = w->word;
	nearest = parse_nearest(text, words, n);
	if (nearest)
		snprintf(hint, size, " (did you mean \"%s\"?)", nearest);
}

static void read_scalar(struct reading *reading, const struct schema_row *row,
			const struct tree *tree)
{
	char buffer[SHOWN_SIZE], allowed[320], hint[80] = "";
	const char *refusal;
	int r;

	if (tree->kind != TREE_SCALAR || tree->scalar == TREE_NULL) {
		schema_error(reading->errors, tree, row->path, "must be a single value: %s",
			     describe(row, allowed, sizeof(allowed)));
		return;
	}
	refusal =
		row->check && !(row->may_be_empty && !*tree->text) ? row->check(tree->text) : NULL;
	if (refusal) {
		schema_error(reading->errors, tree, row->path, "\"%s\" is not allowed, must be %s",
			     shown(tree->text, buffer), refusal);
		return;
	}
	r = set_scalar(row, tree->text, reading->output + row->offset);
	if (r == -ENOMEM) {
		reading->errors->no_memory = true;
	} else if (r < 0) {
		suggest_word(row, tree->text, hint, sizeof(hint));
		schema_error(reading->errors, tree, row->path,
			     "\"%s\" is not allowed%s, must be %s", shown(tree->text, buffer), hint,
			     describe(row, allowed, sizeof(allowed)));
	}
}

static void empty_strings(struct string_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct string_list){ 0 };
}

/* Whether a list is one, and as long as the row allows. */
static bool check_list(struct reading *reading, const struct schema_row *row,
		       const struct tree *tree)
{
	if (tree->n >= row->min && tree->n <= items_max(row))
		return true;
	schema_error(reading->errors, tree, row->path,
		     "has %zu items, must have %" PRIu64 " to %" PRIu64, tree->n, row->min,
		     items_max(row));
	return false;
}

static void check_twice(struct reading *reading, const struct schema_row *row,
			const struct tree *tree)
{
	char buffer[SHOWN_SIZE];

	for_each_child(later, tree)
		for (const struct tree *t = tree->first; t != later; t = t->next)
			if (t->kind == TREE_SCALAR && later->kind == TREE_SCALAR &&
			    strcmp(t->text, later->text) == 0) {
				schema_error(reading->errors, later, row->path,
					     "\"%s\" is in the list twice",
					     shown(later->text, buffer));
				break;
			}
}

/* WORDS and STRINGS: a list of scalars, or one scalar. */
static void read_scalars(struct reading *reading, const struct schema_row *row,
			 const struct tree *tree)
{
	char *target = reading->output + row->offset;

	if (tree->kind == TREE_MAP) {
		schema_error(reading->errors, tree, row->path, "must be a value or a list of them");
		return;
	}
	if (row->kind == SCHEMA_STRINGS)
		empty_strings((struct string_list *)target);
	else
		*(unsigned *)target = 0;
	if (tree->kind == TREE_SCALAR) {
		read_scalar(reading, row, tree);
		return;
	}
	if (!check_list(reading, row, tree))
		return;
	for_each_child(child, tree)
		read_scalar(reading, row, child);
	check_twice(reading, row, tree);
}

/* ---- Items ---- */

static void read_into(const struct schema *schema, const struct tree *tree, char *output,
		      struct schema_errors *errors);

static void free_item(const struct schema *schema, void *item)
{
	char *name = *(char **)item;

	schema_done(schema, item);
	free(name);
	free(item);
}

static void read_item(struct reading *reading, const struct schema_row *row,
		      const struct tree *tree, const char *path)
{
	struct item_list *list = (struct item_list *)(reading->output + row->offset);
	const char *within = reading->errors->within;
	void **items = reallocarray(list->items, list->n + 1, sizeof(*items));
	void *item = items ? calloc(1, row->item->size) : NULL;

	if (items)
		list->items = items;
	if (!item) {
		reading->errors->no_memory = true;
		return;
	}
	items[list->n++] = item;
	reading->errors->within = path;
	read_into(row->item, tree, item, reading->errors);
	reading->errors->within = within;
	if (tree->key && set_text(item, tree->key) < 0)
		reading->errors->no_memory = true;
}

static void read_items(struct reading *reading, const struct schema_row *row,
		       const struct tree *tree)
{
	bool is_map = row->kind == SCHEMA_MAP_OF;
	const char *within = reading->errors->within;
	char path[PATH_SIZE], buffer[SHOWN_SIZE];
	size_t index = 0;

	if (tree->kind != (is_map ? TREE_MAP : TREE_LIST)) {
		schema_error(reading->errors, tree, row->path, "must be %s",
			     is_map ? "a map: a name, then its keys" : "a list of maps");
		return;
	}
	if (!check_list(reading, row, tree))
		return;
	for_each_child(child, tree) {
		const char *refusal = is_map && row->check ? row->check(child->key) : NULL;

		snprintf(path, sizeof(path), "%s%s%s", within ? within : "", within ? "." : "",
			 row->path);
		if (is_map)
			snprintf(path + strlen(path), sizeof(path) - strlen(path), ".%s",
				 shown(child->key, buffer));
		else
			snprintf(path + strlen(path), sizeof(path) - strlen(path), "[%zu]",
				 index++);
		if (refusal) {
			struct tree key = { .line = child->key_line, .column = child->key_column };

			schema_error(reading->errors, &key, row->path,
				     "\"%s\" is not allowed as a name, must be %s",
				     shown(child->key, buffer), refusal);
		}
		read_item(reading, row, child, path);
	}
}

/* ---- Maps ---- */

/* The key within a row's path if the row stands directly beneath the prefix, else NULL. */
static const char *key_beneath(const struct schema_row *row, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(row->path, prefix, length) != 0 || strchr(row->path + length, '.'))
		return NULL;
	return row->path + length;
}

static const struct schema_row *find_row(const struct schema *schema, const char *prefix,
					 const char *key)
{
	for (const struct schema_row *row = schema->rows; row->path; row++) {
		const char *known = key_beneath(row, prefix);

		if (known && strcmp(known, key) == 0)
			return row;
	}
	return NULL;
}

static void refuse_unknown(struct reading *reading, const char *prefix, const struct tree *child)
{
	struct tree key = { .line = child->key_line, .column = child->key_column };
	char path[PATH_SIZE], buffer[SHOWN_SIZE], allowed[480] = "", hint[80] = "";
	const char *keys[KEYS_MAX], *nearest;
	size_t n = 0, length = 0;

	for (const struct schema_row *row = reading->schema->rows; row->path; row++) {
		const char *known = key_beneath(row, prefix);

		if (!known || row->kind == SCHEMA_REFUSED || n == KEYS_MAX)
			continue;
		keys[n++] = known;
		if (length < sizeof(allowed))
			length += (size_t)snprintf(allowed + length, sizeof(allowed) - length,
						   "%s%s", length ? ", " : "", known);
	}
	nearest = parse_nearest(child->key, keys, n);
	if (nearest)
		snprintf(hint, sizeof(hint), ", did you mean \"%s\"?", nearest);
	snprintf(path, sizeof(path), "%s%s", prefix, shown(child->key, buffer));
	schema_error(reading->errors, &key, path, "unknown key%s%s allowed here: %s", hint,
		     nearest ? "" : ",", allowed);
}

static void read_map(struct reading *reading, const char *prefix, const struct tree *tree);

static void read_section(struct reading *reading, const struct schema_row *row,
			 const struct tree *tree)
{
	char prefix[PATH_SIZE];

	if (tree->kind != TREE_MAP) {
		schema_error(reading->errors, tree, row->path, "must be a map of keys");
		return;
	}
	snprintf(prefix, sizeof(prefix), "%s.", row->path);
	read_map(reading, prefix, tree);
}

static void read_row(struct reading *reading, const struct schema_row *row, const struct tree *tree)
{
	struct tree key = { .line = tree->key_line, .column = tree->key_column };

	switch (row->kind) {
	case SCHEMA_MAP:
		read_section(reading, row, tree);
		break;
	case SCHEMA_MAP_OF:
	case SCHEMA_LIST_OF:
		read_items(reading, row, tree);
		break;
	case SCHEMA_WORDS:
	case SCHEMA_STRINGS:
		read_scalars(reading, row, tree);
		break;
	case SCHEMA_REFUSED:
		schema_error(reading->errors, &key, row->path, "%s", row->help);
		break;
	case SCHEMA_TEXT:
	case SCHEMA_UINT:
	case SCHEMA_BOOL:
	case SCHEMA_WORD:
		read_scalar(reading, row, tree);
		break;
	}
}

static void read_map(struct reading *reading, const char *prefix, const struct tree *tree)
{
	char allowed[320];

	for_each_child(child, tree) {
		const struct schema_row *row = find_row(reading->schema, prefix, child->key);

		if (row)
			read_row(reading, row, child);
		else
			refuse_unknown(reading, prefix, child);
	}
	for (const struct schema_row *row = reading->schema->rows; row->path; row++) {
		const char *key = key_beneath(row, prefix);

		if (key && row->required && !tree_get(tree, key))
			schema_error(reading->errors, tree, row->path, "is missing, must be %s",
				     describe(row, allowed, sizeof(allowed)));
	}
}

/* One word or string after another. */
static int set_standard_list(const struct schema_row *row, char *words, void *target)
{
	char *rest = NULL;
	int r = 0;

	for (char *t = strtok_r(words, ", ", &rest); t && r == 0; t = strtok_r(NULL, ", ", &rest))
		r = set_scalar(row, t, target);
	return r;
}

/* The default is text of the table, read as the document's would be. */
static int set_standard(const struct schema_row *row, char *output)
{
	char *copy;
	int r;

	if (row->kind != SCHEMA_WORDS && row->kind != SCHEMA_STRINGS)
		return set_scalar(row, row->standard, output + row->offset);
	copy = strdup(row->standard);
	if (!copy)
		return -ENOMEM;
	r = set_standard_list(row, copy, output + row->offset);
	free(copy);
	return r;
}

static void read_into(const struct schema *schema, const struct tree *tree, char *output,
		      struct schema_errors *errors)
{
	struct reading reading = { schema, output, errors };

	for (const struct schema_row *row = schema->rows; row->path; row++)
		if (row->standard && set_standard(row, output) == -ENOMEM)
			errors->no_memory = true;
	if (tree->kind != TREE_MAP) {
		schema_error(errors, tree, NULL, "must be a map of keys");
		return;
	}
	read_map(&reading, "", tree);
	if (schema->validate)
		schema->validate(output, tree, errors);
}

int schema_read(const struct schema *schema, const struct tree *tree, void *output,
		struct schema_errors *errors)
{
	size_t before = errors->n;

	memset(output, 0, schema->size);
	read_into(schema, tree, output, errors);
	if (errors->n == before && !errors->no_memory)
		return 0;
	schema_done(schema, output);
	return errors->no_memory ? -ENOMEM : -EINVAL;
}

void schema_done(const struct schema *schema, void *output)
{
	for (const struct schema_row *row = schema->rows; row->path; row++) {
		char *target = (char *)output + row->offset;
		struct item_list *list = (struct item_list *)target;

		if (row->kind == SCHEMA_TEXT)
			free(*(char **)target);
		if (row->kind == SCHEMA_STRINGS)
			empty_strings((struct string_list *)target);
		if (row->kind != SCHEMA_MAP_OF && row->kind != SCHEMA_LIST_OF)
			continue;
		for (size_t i = 0; i < list->n; i++)
			free_item(row->item, list->items[i]);
		free(list->items);
	}
	memset(output, 0, schema->size);
}

/* ---- The reference ---- */

static void print_cell(FILE *stream, const char *text)
{
	for (; *text; text++)
		fprintf(stream, *text == '|' ? "\\|" : "%c", *text);
}

static void print_rows(FILE *stream, const struct schema *schema, const char *prefix)
{
	char allowed[320], inner[PATH_SIZE];

	for (const struct schema_row *row = schema->rows; row->path; row++) {
		if (row->kind == SCHEMA_REFUSED)
			continue;
		fprintf(stream, "| `%s%s` | ", prefix, row->path);
		print_cell(stream, describe(row, allowed, sizeof(allowed)));
		fprintf(stream, " | %s | ",
			row->standard ? row->standard : (row->required ? "required" : ""));
		print_cell(stream, row->help ? row->help : "");
		fprintf(stream, " |\n");
		if (!row->item)
			continue;
		snprintf(inner, sizeof(inner), "%s%s%s", prefix, row->path,
			 row->kind == SCHEMA_MAP_OF ? ".NAME." : "[].");
		print_rows(stream, row->item, inner);
	}
}

char *schema_reference(const struct schema *schema)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	fprintf(stream, "| key | what is allowed | default | help |\n|---|---|---|---|\n");
	print_rows(stream, schema, "");
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

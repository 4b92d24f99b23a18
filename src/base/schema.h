/* SPDX-License-Identifier: MIT */
/*
 * Schema: a table of rows that is parser, defaults, reference text and test at once.
 *
 * Theory of operation. A row says where a value stands in the tree ("interface.name"), how its text
 * is read, what is allowed, its default, where it goes (an offset in the caller's struct), and one
 * line of help. schema_read walks the tree once against the rows: unknown keys are errors with the
 * nearest known one, wrong kinds and values are errors, and all errors of a document are collected,
 * each with line and column, before anything is believed. Reading has no effects but on the output
 * struct. Free-form maps ("clients": name → map) and lists of maps ("capture") are rows of kind
 * SCHEMA_MAP_OF and SCHEMA_LIST_OF with a table of their own for each item.
 */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree;

/* Collected errors: lines "file:line:column: path: what is wrong, what is allowed". */
struct schema_errors {
	const char *file; /* names the document in every line */
	const char *
		within; /* path of the item that is being read, put before every path; NULL: none */
	char *text;     /* lines joined by '\n', each terminated by it; NULL while none */
	size_t n;       /* lines; at most SCHEMA_ERRORS_MAX are kept, the rest only counted */
	bool no_memory;
};

enum { SCHEMA_ERRORS_MAX = 100 };

void schema_error(struct schema_errors *errors, const struct tree *at, const char *path,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
void schema_errors_done(struct schema_errors *errors);

enum schema_kind {
	SCHEMA_TEXT = 1, /* char *, malloc'd */
	SCHEMA_UINT,     /* uint32_t, min … max */
	SCHEMA_BOOL,     /* bool */
	SCHEMA_WORD,     /* int: one of words, stored as its value */
	SCHEMA_WORDS, /* unsigned: list of words, or-ed values (a single scalar is a list of one) */
	SCHEMA_STRINGS, /* struct string_list: list of scalars (a single scalar is a list of one) */
	SCHEMA_MAP,     /* section: only prefixes of other rows' paths; help for the reference */
	SCHEMA_MAP_OF,  /* struct item_list: a map of free names to sub-structs read by item */
	SCHEMA_LIST_OF, /* struct item_list: a list of sub-structs read by item */
	SCHEMA_REFUSED, /* a key that people may expect and that is an error: help says why */
};

struct schema_word {
	const char *word;
	int value;
};

struct string_list {
	char **items;
	size_t n;
};

/* items[i] points to item_size bytes that schema_done frees; its first member is char *name (map
 * key or NULL). */
struct item_list {
	void **items;
	size_t n;
};

struct schema_row {
	const char *path; /* "hub.address" */
	enum schema_kind kind;
	size_t offset;
	bool required;
	uint64_t min, max;    /* UINT; bytes for TEXT (max 0: 1024); items for lists (max 0: 64) */
	const char *standard; /* default as text; NULL: none (zero) */
	const struct schema_word *words; /* ended by {NULL, 0} */
	/*
	 * Further check of each scalar, or of each name of a MAP_OF; NULL: none. Return NULL if
	 * allowed, else what is allowed ("host:port or [IPv6]:port"). For "" it says what is
	 * allowed in general; the reference prints that.
	 */
	const char *(*check)(const char *text);
	const struct schema *item; /* MAP_OF, LIST_OF */
	const char *help;          /* one line, for the reference */
	bool may_be_empty;         /* STRINGS: "" means something; check is not asked of it */
};

struct schema {
	const struct schema_row *rows; /* ended by path NULL */
	size_t size;                   /* of the struct that it fills */
	/* Rules across keys; may be NULL. Appends errors. */
	void (*validate)(void *output, const struct tree *tree, struct schema_errors *errors);
};

/*
 * Fill output (schema->size bytes, zeroed by the call) from tree. Return: 0, -EINVAL with errors
 * appended, -ENOMEM. On failure output is emptied.
 */
int schema_read(const struct schema *schema, const struct tree *tree, void *output,
		struct schema_errors *errors);
/* Free what schema_read allocated in output and zero it. Accepts zeroed output. */
void schema_done(const struct schema *schema, void *output);

/* The reference of a schema as Markdown table rows: | key | what is allowed | default | help |.
 * malloc'd; NULL: no memory. */
char *schema_reference(const struct schema *schema);

#endif

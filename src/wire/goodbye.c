/* SPDX-License-Identifier: MIT */
/* The goodbye message: why a session ends, as a code and a sentence. */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "wire/field.h"
#include "wire/message.h"
#include "wire/unit.h"

static const char *const names[] = {
	[GOODBYE_NONE] = "none",         [GOODBYE_REFUSED] = "refused",
	[GOODBYE_REPLACED] = "replaced", [GOODBYE_PROTOCOL] = "protocol",
	[GOODBYE_VERSION] = "version",   [GOODBYE_LAYER] = "layer",
	[GOODBYE_DEAD] = "dead",         [GOODBYE_SHUTDOWN] = "shutdown",
	[GOODBYE_REMOVED] = "removed",   [GOODBYE_RESOURCES] = "resources",
	[GOODBYE_STALLED] = "stalled",
};

const char *goodbye_name(uint32_t code)
{
	return code < ARRAY_SIZE(names) ? names[code] : "?";
}

/* The sentence is shown on terminals and in logs of the other end: plain ASCII cannot lie there. */
void goodbye_copy_text(char text[GOODBYE_TEXT_SIZE], const char *from)
{
	size_t n = strnlen(from, GOODBYE_TEXT_SIZE - 1);

	for (size_t i = 0; i < n; i++)
		text[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	text[n] = '\0';
}

int goodbye_encode(const struct goodbye *goodbye, uint8_t *data, size_t size)
{
	struct tree *map = tree_new(TREE_MAP);
	char text[GOODBYE_TEXT_SIZE];

	goodbye_copy_text(text, goodbye->text);
	if (map && (tree_add_uint(map, "code", goodbye->code) < 0 ||
		    tree_add_text(map, "text", text) < 0)) {
		tree_free(map);
		return -ENOMEM;
	}
	return field_finish(map, data, size);
}

int goodbye_decode(const uint8_t *data, size_t length, struct goodbye *ret_goodbye,
		   struct lw_error *ret_error)
{
	struct goodbye goodbye = { 0 };
	const char *text = NULL;
	struct tree *map;
	int r;

	if (length > UNIT_GOODBYE_MAX)
		return field_error(ret_error, "a goodbye longer than %d bytes", UNIT_GOODBYE_MAX);
	r = json_parse(data, length, &map, ret_error);
	if (r < 0)
		return r;
	r = field_uint(map, "code", FIELD_REQUIRED, 0, GOODBYE_CODE_MAX, &goodbye.code, ret_error);
	if (r == 0)
		r = field_text(map, "text", FIELD_OPTIONAL, &text, ret_error);
	if (r == 0) {
		goodbye_copy_text(goodbye.text, text ? text : "");
		*ret_goodbye = goodbye;
	}
	tree_free(map);
	return r;
}

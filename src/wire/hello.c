/* SPDX-License-Identifier: MIT */
/* The hello message: what each end is, can and wants. */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "wire/field.h"
#include "wire/message.h"
#include "wire/unit.h"

enum {
	VERSION_MAX = 1000,
	MTU_MIN = 576,
	MTU_MAX = 65535,
	MAX_UNIT_MIN = 2048,
	OFFLOAD_WORDS_MAX = 32
};

static const struct {
	const char *word;
	uint32_t bit;
} offload_words[] = {
	{ "checksum", WIRE_OFFLOAD_CHECKSUM },
	{ "tso4", WIRE_OFFLOAD_TSO4 },
	{ "tso6", WIRE_OFFLOAD_TSO6 },
	{ "uso", WIRE_OFFLOAD_USO },
};

static const char *layer_word(enum lw_layer layer)
{
	return layer == LW_LAYER_IP ? "ip" : "ethernet";
}

static const char *rekey_word(enum wire_rekey rekey)
{
	return rekey == WIRE_REKEY_UPDATE ? "update" : "stream";
}

static void session_to_hex(const uint8_t session[SESSION_ID_SIZE], char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SESSION_ID_SIZE; i++) {
		*text++ = digits[session[i] >> 4];
		*text++ = digits[session[i] & 15];
	}
	*text = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool session_from_hex(const char *text, uint8_t session[SESSION_ID_SIZE])
{
	if (strlen(text) != 2 * (size_t)SESSION_ID_SIZE)
		return false;
	for (size_t i = 0; i < SESSION_ID_SIZE; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		session[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int add_offloads(struct tree *map, uint32_t offloads)
{
	struct tree *list;
	int r;

	r = tree_add_list(map, "offloads", &list);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(offload_words); i++)
		if (offloads & offload_words[i].bit)
			r = tree_add_text(list, NULL, offload_words[i].word);
	return r;
}

static int fill(struct tree *map, const struct hello *hello)
{
	char session[2 * SESSION_ID_SIZE + 1];

	session_to_hex(hello->session, session);
	if (tree_add_uint(map, "version", hello->version) < 0 ||
	    tree_add_text(map, "layer", layer_word(hello->layer)) < 0 ||
	    tree_add_uint(map, "mtu", hello->mtu) < 0 ||
	    tree_add_uint(map, "max-unit", hello->max_unit) < 0 ||
	    add_offloads(map, hello->offloads) < 0 ||
	    tree_add_text(map, "rekey", rekey_word(hello->rekey)) < 0 ||
	    tree_add_uint(map, "streams", hello->streams) < 0)
		return -ENOMEM;
	if (hello->has_session && tree_add_text(map, "session", session) < 0)
		return -ENOMEM;
	if (hello->stream && tree_add_uint(map, "stream", hello->stream) < 0)
		return -ENOMEM;
	if (hello->succeeds && tree_add_uint(map, "succeeds", hello->succeeds) < 0)
		return -ENOMEM;
	return 0;
}

int hello_encode(const struct hello *hello, uint8_t *data, size_t size)
{
	struct tree *map = tree_new(TREE_MAP);

	if (map && fill(map, hello) < 0) {
		tree_free(map);
		return -ENOMEM;
	}
	return field_finish(map, data, size);
}

/* Words that this version does not know are a later one's offers: not taken, no error. */
static int read_offloads(const struct tree *map, uint32_t *ret_offloads, struct lw_error *error)
{
	const struct tree *list;
	uint32_t offloads = 0;
	int r;

	r = field_texts(map, "offloads", OFFLOAD_WORDS_MAX, &list, error);
	if (r < 0)
		return r;
	if (list)
		for_each_child(child, list)
			for (size_t i = 0; i < ARRAY_SIZE(offload_words); i++)
				if (strcmp(child->text, offload_words[i].word) == 0)
					offloads |= offload_words[i].bit;
	*ret_offloads = offloads;
	return 0;
}

static int read_words(const struct tree *map, struct hello *hello, struct lw_error *error)
{
	const char *layer, *rekey, *session;

	if (field_text(map, "layer", FIELD_REQUIRED, &layer, error) < 0 ||
	    field_text(map, "rekey", FIELD_REQUIRED, &rekey, error) < 0 ||
	    field_text(map, "session", FIELD_OPTIONAL, &session, error) < 0)
		return -EBADMSG;
	if (strcmp(layer, "ethernet") == 0)
		hello->layer = LW_LAYER_ETHERNET;
	else if (strcmp(layer, "ip") == 0)
		hello->layer = LW_LAYER_IP;
	else
		return field_error(error, "layer is neither ethernet nor ip");
	if (strcmp(rekey, "stream") == 0)
		hello->rekey = WIRE_REKEY_STREAM;
	else if (strcmp(rekey, "update") == 0)
		hello->rekey = WIRE_REKEY_UPDATE;
	else
		return field_error(error, "rekey is neither stream nor update");
	if (session && !session_from_hex(session, hello->session))
		return field_error(error, "session is not 32 hexadecimal digits");
	hello->has_session = session != NULL;
	return 0;
}

static int read_hello(const struct tree *map, struct hello *hello, struct lw_error *error)
{
	int r;

	r = field_uint(map, "version", FIELD_REQUIRED, 1, VERSION_MAX, &hello->version, error);
	/* What another version says in the other keys is its own affair; the number alone is enough
	 * to refuse it. */
	if (r < 0 || hello->version != WIRE_VERSION)
		return r;
	if (field_uint(map, "mtu", FIELD_REQUIRED, MTU_MIN, MTU_MAX, &hello->mtu, error) < 0 ||
	    field_uint(map, "max-unit", FIELD_REQUIRED, MAX_UNIT_MIN, UNIT_SIZE_MAX,
		       &hello->max_unit, error) < 0 ||
	    field_uint(map, "streams", FIELD_REQUIRED, 1, STREAMS_MAX, &hello->streams, error) <
		    0 ||
	    field_uint(map, "stream", FIELD_OPTIONAL, 0, STREAMS_MAX, &hello->stream, error) < 0 ||
	    field_uint(map, "succeeds", FIELD_OPTIONAL, 0, STREAMS_MAX, &hello->succeeds, error) <
		    0 ||
	    read_offloads(map, &hello->offloads, error) < 0)
		return -EBADMSG;
	return read_words(map, hello, error);
}

int hello_decode(const uint8_t *data, size_t length, struct hello *ret_hello,
		 struct lw_error *ret_error)
{
	struct hello hello = { 0 };
	struct tree *map;
	int r;

	if (length > UNIT_HELLO_MAX)
		return field_error(ret_error, "a hello longer than %d bytes", UNIT_HELLO_MAX);
	r = json_parse(data, length, &map, ret_error);
	if (r < 0)
		return r;
	r = read_hello(map, &hello, ret_error);
	tree_free(map);
	if (r == 0)
		*ret_hello = hello;
	return r;
}

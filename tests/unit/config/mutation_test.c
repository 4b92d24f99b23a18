/* SPDX-License-Identifier: MIT */
/*
 * Thousands of broken configurations, made from the samples.
 *
 * The oracle for all: either every error is a well-formed line and nothing was handed out, or the
 * configuration keeps the rules that the program relies on. Sanitizers see to the rest.
 */
#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/memory.h"
#include "base/parse.h"

enum { SAMPLES = 6, SAMPLE_MAX = 65536, LINES_MAX = 256 };

static const char *const names[SAMPLES] = { "hub-ethernet.yaml",     "hub-ip.yaml",
					    "client-ethernet.yaml",  "client-ip.yaml",
					    "isolated-network.yaml", "insecure-network.yaml" };

/* A sample without its comments: mutating those proves nothing. */
struct sample {
	char text[SAMPLE_MAX];
	size_t length;
	char *lines[LINES_MAX]; /* into text; each with its newline */
	size_t lengths[LINES_MAX];
	size_t n;
};

struct counts {
	size_t cases, accepted, refused;
};

static struct sample samples[SAMPLES];

static void load_sample(const char *name, struct sample *sample)
{
	char path[512], line[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/configs/%s", LW_SOURCE_DIR, name);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		size_t length = strlen(line), blank = strspn(line, " ");
		char *start = sample->text + sample->length;

		if (line[blank] == '#' || line[blank] == '\n')
			continue;
		assert_true(sample->n < LINES_MAX && sample->length + length < SAMPLE_MAX);
		memcpy(start, line, length + 1);
		sample->lines[sample->n] = start;
		sample->lengths[sample->n++] = length;
		sample->length += length;
	}
	fclose(file);
	assert_true(sample->n > 5);
}

static int load_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		load_sample(names[i], &samples[i]);
	return 0;
}

/* ---- The oracle ---- */

static void assert_lines(const struct schema_errors *errors)
{
	size_t lines = 0;

	assert_non_null(errors->text);
	for (const char *line = errors->text; *line; lines++) {
		const char *end = strchr(line, '\n'), *colon;

		assert_non_null(end);
		assert_memory_equal(line, "f:", 2);
		colon = strstr(line, ": ");
		assert_true(colon && colon < end && end - colon > 4);
		for (const char *p = line; p < end; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
		line = end + 1;
	}
	assert_int_equal(lines, MIN(errors->n, SCHEMA_ERRORS_MAX));
}

static void assert_interface(const struct interface_config *interface, int layer)
{
	if (interface->name)
		assert_true(parse_is_interface_name(interface->name));
	if (interface->bridge) {
		assert_non_null(interface->name);
		assert_int_equal(layer, LW_LAYER_ETHERNET);
		assert_int_equal(interface->addresses.n, 0);
	}
	for (size_t i = 0; i < interface->addresses.n; i++) {
		struct ip_prefix prefix;

		assert_int_equal(ip_prefix_parse(interface->addresses.items[i], &prefix), 0);
		assert_false(ip_address_is_special(&prefix.address));
	}
}

static void assert_hub(const struct hub_config *hub)
{
	assert_true(hub->layer == LW_LAYER_ETHERNET || hub->layer == LW_LAYER_IP);
	assert_true(hub->listen.n >= 1 && hub->listen.n <= LW_HUB_LISTEN_MAX);
	assert_true(hub->identity && hub->identity[0] == '/');
	assert_true(hub->mtu >= 576 && hub->mtu <= 9216);
	assert_interface(&hub->interface, hub->layer);
	assert_int_equal(hub->gateway.is_set, hub->gateway.to.n > 0);
	if (hub->gateway.is_set)
		assert_true(hub->layer == LW_LAYER_IP && hub->interface.name);
	for (size_t i = 0; i < hub->clients.n; i++) {
		const struct client_config *client = hub->clients.items[i];

		assert_true(parse_is_name(client->name));
		assert_true(client->pin.n >= 1 && client->pin.n <= LW_PORT_PINS_MAX);
		assert_true(client->behind == LW_BEHIND_HOST || client->behind == LW_BEHIND_LAN);
		assert_true(client->macs_max <= 65536);
		for (size_t j = 0; j < i; j++) {
			const struct client_config *other = hub->clients.items[j];

			assert_string_not_equal(client->name, other->name);
			assert_string_not_equal(client->pin.items[0], other->pin.items[0]);
		}
	}
}

static void assert_tunnel(const struct tunnel_config *tunnel)
{
	assert_true(tunnel->layer == LW_LAYER_ETHERNET || tunnel->layer == LW_LAYER_IP);
	assert_true(tunnel->hub_address.n >= 1 && tunnel->hub_pin.n >= 1);
	assert_true(tunnel->identity && tunnel->identity[0] == '/');
	assert_true(tunnel->mtu == 0 || (tunnel->mtu >= 576 && tunnel->mtu <= 9216));
	assert_non_null(tunnel->interface.name);
	assert_interface(&tunnel->interface, tunnel->layer);
}

/* Return: whether it was accepted; *ret_errors (may be NULL) is then the caller's to empty. */
static bool judge(const char *text, size_t length, struct counts *counts,
		  struct schema_errors *ret_errors)
{
	struct schema_errors errors = { 0 };
	struct config config = { .kind = 77 };
	char *copy = malloc(length ? length : 1);
	int r;

	memcpy(copy, text, length);
	r = config_parse("f", "/etc/lw", copy, length, &config, &errors);
	free(copy);
	counts->cases++;
	if (r == 0) {
		counts->accepted++;
		assert_null(errors.text);
		if (config.kind == CONFIG_HUB)
			assert_hub(&config.hub);
		else
			assert_tunnel(&config.tunnel);
		config_done(&config);
	} else {
		counts->refused++;
		assert_int_equal(r, -EINVAL);
		assert_int_equal(config.kind, 77);
		assert_lines(&errors);
	}
	if (ret_errors)
		*ret_errors = errors;
	else
		schema_errors_done(&errors);
	return r == 0;
}

/* A sample with one line put in the place of another (NULL: nothing), and perhaps one more after
 * it. */
static size_t replace_line(const struct sample *sample, size_t at, const char *line, size_t length,
			   char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < sample->n; i++) {
		const char *from = i == at ? line : sample->lines[i];
		size_t bytes = i == at ? length : sample->lengths[i];

		if (bytes)
			memcpy(text + n, from, bytes);
		n += bytes;
	}
	return n;
}

/* Where the key of a line begins and how long it is; false if the line has none ("- x"). */
static bool find_key(const char *line, size_t *ret_start, size_t *ret_length)
{
	size_t start = strspn(line, " -"), length = strcspn(line + start, ":\n");

	if (line[start + length] != ':' || line[start] == '"' ||
	    !strchr(" \n", line[start + length + 1]))
		return false;
	*ret_start = start;
	*ret_length = length;
	return true;
}

/* ---- Generators ---- */

static void samples__whole__accepted(void **state)
{
	struct counts counts = { 0 };

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		assert_true(judge(samples[i].text, samples[i].length, &counts, NULL));
}

static void truncated__every_byte__refused_or_whole(void **state)
{
	struct counts counts = { 0 };

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		for (size_t length = 0; length < samples[i].length; length++)
			judge(samples[i].text, length, &counts, NULL);
	assert_true(counts.cases > 1000);
	assert_true(counts.refused > counts.accepted);
}

static void lines__deleted_doubled_swapped__judged(void **state)
{
	struct counts counts = { 0 };
	_cleanup_free_ char *text = malloc(2 * SAMPLE_MAX);

	(void)state;
	for (size_t s = 0; s < SAMPLES; s++)
		for (size_t i = 0; i < samples[s].n; i++) {
			const struct sample *sample = &samples[s];
			size_t length = sample->lengths[i];
			char both[2048];

			judge(text, replace_line(sample, i, NULL, 0, text), &counts, NULL);
			memcpy(both, sample->lines[i], length);
			memcpy(both + length, sample->lines[i], length);
			/* Only an item of a list can be there twice, and then it is named. */
			assert_false(judge(text, replace_line(sample, i, both, 2 * length, text),
					   &counts, NULL));
			if (i + 1 == sample->n)
				continue;
			memcpy(text, sample->text, sample->length);
			memcpy(text + (sample->lines[i] - sample->text), sample->lines[i + 1],
			       sample->lengths[i + 1]);
			memcpy(text + (sample->lines[i] - sample->text) + sample->lengths[i + 1],
			       sample->lines[i], length);
			judge(text, sample->length, &counts, NULL);
		}
	assert_true(counts.cases > 200);
}

static const char *const hostile[] = {
	"",
	"\"\"",
	"\" \"",
	"~",
	"null",
	"[]",
	"[[]]",
	"{}",
	"{a: b}",
	"[1, 1]",
	"true",
	"false",
	"yes",
	"-1",
	"0",
	"1",
	"65535",
	"65536",
	"2147483648",
	"4294967295",
	"4294967296",
	"9223372036854775808",
	"18446744073709551615",
	"18446744073709551616",
	"1e9",
	"0x10",
	"010",
	"1_000",
	".inf",
	".nan",
	"1.5",
	"\"1 \"",
	"\" 1\"",
	"../../etc/shadow",
	"/",
	"~root",
	"$(reboot)",
	"`id`",
	"%s%n",
	"\"a\\nb\"",
	"\"a\\0b\"",
	"\"\\e[31m\"",
	"\"\\x9b\"",
	"\xf0\x9f\x98\x80",
	"\xef\xbb\xbf",
	"\xff",
	"\xc3",
	"\xed\xa0\x80",
	"\x01",
	"\t",
	"*a",
	"&a b",
	"!!int 3",
	"!x",
	"| ",
	">\n  x",
	"'",
	"\"",
	"{",
	"[",
	"]",
	"}",
	",",
	": ",
	"- ",
	"? ",
	"@a",
	"%a",
	"# x",
	"0.0.0.0/0",
	"::/0",
	"10.0.0.1/33",
	"ff:ff:ff:ff:ff:ff",
	"[::]:0",
	"host:99999",
	"SHA256:",
	"ethernet",
	"ip",
	"kernel",
	"lan",
};

static void values__hostile__judged(void **state)
{
	struct counts counts = { 0 };
	_cleanup_free_ char *text = malloc(2 * SAMPLE_MAX);

	(void)state;
	for (size_t s = 0; s < SAMPLES; s++)
		for (size_t i = 0; i < samples[s].n; i++)
			for (size_t h = 0; h < ARRAY_SIZE(hostile); h++) {
				const char *old = samples[s].lines[i];
				size_t start, key;
				char line[1024];
				int n;

				if (!find_key(old, &start, &key))
					continue;
				n = snprintf(line, sizeof(line), "%.*s: %s\n", (int)(start + key),
					     old, hostile[h]);
				judge(text, replace_line(&samples[s], i, line, (size_t)n, text),
				      &counts, NULL);
			}
	assert_true(counts.cases > 3000);
	assert_true(counts.refused > counts.accepted);
}

static void values__huge__judged_and_told_briefly(void **state)
{
	_cleanup_free_ char *text = malloc(3 * SAMPLE_MAX), *line = malloc(SAMPLE_MAX + 200);
	struct counts counts = { 0 };

	(void)state;
	for (size_t s = 0; s < SAMPLES; s++)
		for (size_t i = 0; i < samples[s].n; i++) {
			struct schema_errors errors;
			size_t start, key, n;

			if (!find_key(samples[s].lines[i], &start, &key))
				continue;
			n = (size_t)sprintf(line, "%.*s: ", (int)(start + key),
					    samples[s].lines[i]);
			memset(line + n, 'x', SAMPLE_MAX - 1);
			line[n + SAMPLE_MAX - 1] = '\n';
			n = replace_line(&samples[s], i, line, n + SAMPLE_MAX, text);
			/* A path may be long, but not that long. */
			assert_false(judge(text, n, &counts, &errors));
			assert_true(strlen(errors.text) < errors.n * 1100);
			schema_errors_done(&errors);
		}
	assert_true(counts.cases > 30);
}

/* The names of clients are free: nobody can say that one is misspelt. */
static bool is_free_name(const char *key, size_t length)
{
	return (length == 6 && memcmp(key, "laptop", 6) == 0) ||
	       (length == 6 && memcmp(key, "branch", 6) == 0);
}

static void misspell(const struct sample *sample, size_t at, int how, struct counts *counts)
{
	const char *old = sample->lines[at];
	char text[SAMPLE_MAX], line[1024], key[64], wrong[64], expected[160];
	struct schema_errors errors;
	size_t start, length, n;

	if (!find_key(old, &start, &length) || is_free_name(old + start, length))
		return;
	snprintf(key, sizeof(key), "%.*s", (int)length, old + start);
	strcpy(wrong, key);
	if (how == 0) /* a letter more */
		strcat(wrong, "x");
	else if (how == 1) /* one less */
		wrong[length - 1] = '\0';
	else if (how == 2) { /* two swapped */
		wrong[0] = key[1];
		wrong[1] = key[0];
	} else /* the wrong case */
		wrong[0] = (char)toupper((unsigned char)key[0]);
	if (strcmp(wrong, key) == 0)
		return;
	n = (size_t)snprintf(line, sizeof(line), "%.*s%s%.*s", (int)start, old, wrong,
			     (int)(sample->lengths[at] - start - length), old + start + length);
	n = replace_line(sample, at, line, n, text);
	assert_false(judge(text, n, counts, &errors));
	snprintf(expected, sizeof(expected), "%s: unknown key, did you mean \"%s\"?", wrong, key);
	if (!strstr(errors.text, expected))
		fail_msg("%s is not told by %s", expected, errors.text);
	schema_errors_done(&errors);
}

static void keys__misspelt__named_and_suggested(void **state)
{
	struct counts counts = { 0 };

	(void)state;
	for (size_t s = 0; s < SAMPLES; s++)
		for (size_t i = 0; i < samples[s].n; i++)
			for (int how = 0; how < 4; how++)
				misspell(&samples[s], i, how, &counts);
	assert_true(counts.cases > 150);
}

static void bytes__flipped__judged(void **state)
{
	static const char replacements[] = "\0\t\r\n :-[]{}#&*!|>'\"%@`,?\x7f\xff\xc3";
	struct counts counts = { 0 };
	uint32_t random = 1;

	(void)state;
	for (size_t s = 0; s < SAMPLES; s++) {
		char text[SAMPLE_MAX];

		memcpy(text, samples[s].text, samples[s].length);
		for (size_t i = 0; i < samples[s].length; i++) {
			random = random * 1664525 + 1013904223;
			text[i] = replacements[(random >> 16) % (sizeof(replacements) - 1)];
			judge(text, samples[s].length, &counts, NULL);
			text[i] = samples[s].text[i];
		}
	}
	assert_true(counts.cases > 1000);
}

static void whole__put_within_or_after__judged(void **state)
{
	static const char *const before[] = {
		"%YAML 1.1\n---\n", "---\n", "--- \n---\n", "&a\n", "!!map\n",
		"\xef\xbb\xbf",     "\t\n",  "- ",          "[",    "{",
		"\xff\xfe"
	};
	static const bool is_read[] = { false, true, false, false, false, true };
	static const char *const after[] = { "---\n",        "---\na: 1\n", "...\n", "...\n---\n",
					     "<<: {a: 1}\n", "<<: *a\n",    "}\n",   "\x1a" };
	struct counts counts = { 0 };
	char text[SAMPLE_MAX + 64];

	(void)state;
	for (size_t s = 0; s < SAMPLES; s++) {
		for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
			int n = snprintf(text, sizeof(text), "%s%s", before[i], samples[s].text);
			bool read = judge(text, (size_t)n, &counts, NULL);

			if (i < ARRAY_SIZE(is_read))
				assert_int_equal(read, is_read[i]);
		}
		for (size_t i = 0; i < ARRAY_SIZE(after); i++) {
			int n = snprintf(text, sizeof(text), "%s%s", samples[s].text, after[i]);

			/* The end of a document may be said; nothing may follow it. */
			assert_int_equal(judge(text, (size_t)n, &counts, NULL), i == 2);
		}
	}
}

static void whole__line_ends_and_encodings__judged(void **state)
{
	struct counts counts = { 0 };
	char text[2 * SAMPLE_MAX];

	(void)state;
	for (size_t s = 0; s < SAMPLES; s++) {
		size_t n = 0, wide = 0;

		for (size_t i = 0; i < samples[s].length; i++) {
			if (samples[s].text[i] == '\n')
				text[n++] = '\r';
			text[n++] = samples[s].text[i];
		}
		assert_true(judge(text, n, &counts, NULL));
		for (size_t i = 0; i < samples[s].length; i++) {
			text[wide++] = samples[s].text[i];
			text[wide++] = '\0';
		}
		assert_false(judge(text, wide, &counts, NULL));
		for (size_t i = 0; i < samples[s].length; i++)
			text[i] = samples[s].text[i] == ' ' ? '\t' : samples[s].text[i];
		assert_false(judge(text, samples[s].length, &counts, NULL));
	}
}

static void whole__many_keys__bounded(void **state)
{
	_cleanup_free_ char *text = malloc(CONFIG_FILE_MAX + 64);
	struct counts counts = { 0 };
	struct schema_errors errors;
	size_t n;

	(void)state;
	n = (size_t)sprintf(text, "listen: '[::]:1'\nlayer: ip\nidentity: a\n");
	for (int i = 0; i < 90000; i++)
		n += (size_t)sprintf(text + n, "k%d: 1\n", i);
	assert_true(n <= CONFIG_FILE_MAX);
	assert_false(judge(text, n, &counts, &errors));
	assert_int_equal(errors.n, 90000);
	schema_errors_done(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples__whole__accepted),
		cmocka_unit_test(truncated__every_byte__refused_or_whole),
		cmocka_unit_test(lines__deleted_doubled_swapped__judged),
		cmocka_unit_test(values__hostile__judged),
		cmocka_unit_test(values__huge__judged_and_told_briefly),
		cmocka_unit_test(keys__misspelt__named_and_suggested),
		cmocka_unit_test(bytes__flipped__judged),
		cmocka_unit_test(whole__put_within_or_after__judged),
		cmocka_unit_test(whole__line_ends_and_encodings__judged),
		cmocka_unit_test(whole__many_keys__bounded),
	};

	return cmocka_run_group_tests_name("config/mutation", tests, load_samples, NULL);
}

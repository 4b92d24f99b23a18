/* SPDX-License-Identifier: MIT */
/* longwire new: what it writes can be run, is private where it must be, and is all there or not at
 * all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ftw.h>

#include <longwire/error.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "config/config.h"
#include "program/command.h"
#include "program/creation.h"
#include "program/new_texts.h"
#include "program/plan.h"
#include "tls/credentials.h"

static char folder[64], made[96];
static int saved_output, saved_error;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

/* What the commands say is not what these tests look at. */
static int make_folder(void **state)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/longwire-new-XXXXXX");
	if (!mkdtemp(folder) || nowhere < 0)
		return -1;
	snprintf(made, sizeof(made), "%s/office", folder);
	fflush(NULL);
	saved_output = dup(STDOUT_FILENO);
	saved_error = dup(STDERR_FILENO);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	return close(nowhere);
}

static int remove_folder(void **state)
{
	(void)state;
	fflush(NULL);
	dup2(saved_output, STDOUT_FILENO);
	dup2(saved_error, STDERR_FILENO);
	close(saved_output);
	close(saved_error);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_made(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", made, name);
	return path;
}

static int run(const char *const *words)
{
	char *argv[80] = { (char *)(uintptr_t) "longwire", (char *)(uintptr_t) "new", made };
	int argc = 3;

	for (; *words; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	return command_main(argc, argv);
}

#define NEW(...) run((const char *const[]){ __VA_ARGS__, NULL })

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(in_made(name), &st), 0);
	return st.st_mode & 07777;
}

static bool is_there(const char *name)
{
	return access(in_made(name), F_OK) == 0;
}

static void load(const char *name, struct config *config)
{
	struct schema_errors errors = { .file = name };

	if (config_load(in_made(name), config, &errors) < 0)
		fail_msg("%s", errors.text);
	schema_errors_done(&errors);
}

static void assert_pin(const char *identity, const char *text)
{
	struct credentials *credentials;
	struct pin pin;

	assert_int_equal(credentials_load(in_made(identity), &credentials, NULL), 0);
	assert_int_equal(pin_parse(text, &pin), 0);
	assert_true(pin_equal(&pin, credentials_pin(credentials)));
	credentials_free(credentials);
}

static const struct client_config *find_client(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->hub.clients.n; i++) {
		const struct client_config *client = config->hub.clients.items[i];

		if (!strcmp(client->name, name))
			return client;
	}
	fail_msg("no client %s", name);
	return NULL;
}

/* Ready to run: the plan that `longwire hub` and `up` make of the files succeeds. */
static void assert_planned(struct config *config)
{
	struct schema_errors errors = { .file = "made" };

	if (config->kind == CONFIG_HUB) {
		struct hub_plan plan;

		assert_int_equal(plan_hub(&config->hub, &plan, &errors), 0);
		plan_hub_done(&plan);
	} else {
		struct tunnel_plan plan;

		assert_int_equal(plan_tunnel(&config->tunnel, &plan, &errors), 0);
		plan_tunnel_done(&plan);
	}
}

static void new__ethernet__pinned_pair(void **state)
{
	struct config config;

	(void)state;
	assert_int_equal(NEW("--hub", "hub.example.net:8443"), PROGRAM_DONE);
	load("hub.yaml", &config);
	assert_int_equal(config.kind, CONFIG_HUB);
	assert_int_equal(config.hub.layer, LW_LAYER_ETHERNET);
	assert_string_equal(config.hub.listen.items[0], "[::]:8443");
	assert_string_equal(config.hub.interface.name, "lw0");
	assert_int_equal(config.hub.interface.addresses.n, 0);
	assert_int_equal(config.hub.clients.n, 1);
	assert_pin("client.pem", find_client(&config, "client")->pin.items[0]);
	assert_planned(&config);
	config_done(&config);

	load("client.yaml", &config);
	assert_int_equal(config.kind, CONFIG_TUNNEL);
	assert_string_equal(config.tunnel.hub_address.items[0], "hub.example.net:8443");
	assert_string_equal(config.tunnel.interface.name, "lw0");
	assert_pin("hub.pem", config.tunnel.hub_pin.items[0]);
	assert_planned(&config);
	config_done(&config);
}

static void new__any__private_where_it_must_be(void **state)
{
	mode_t mask = umask(0);

	(void)state;
	assert_int_equal(NEW("--hub", "[2001:db8::1]:1"), PROGRAM_DONE);
	umask(mask);
	assert_int_equal(mode_of("."), 0700);
	assert_int_equal(mode_of("hub.pem"), 0600);
	assert_int_equal(mode_of("client.pem"), 0600);
	assert_int_equal(mode_of("hub.yaml"), 0644);
	assert_int_equal(mode_of("client.yaml"), 0644);
	assert_int_equal(mode_of("clients.d"), 0755);
	assert_int_equal(mode_of("clients.d/client.yaml"), 0644);
}

static void new__ip__addresses_in_the_hubs_entries(void **state)
{
	const struct client_config *client;
	struct config config;

	(void)state;
	assert_int_equal(NEW("--hub", "192.0.2.1:443", "--layer", "ip", "--client", "a", "--client",
			     "b"),
			 PROGRAM_DONE);
	load("hub.yaml", &config);
	assert_int_equal(config.hub.layer, LW_LAYER_IP);
	assert_string_equal(config.hub.listen.items[0], "[::]:443");
	assert_int_equal(config.hub.interface.addresses.n, 2);
	assert_string_equal(config.hub.interface.addresses.items[0], "10.86.0.1/24");
	assert_string_equal(config.hub.interface.addresses.items[1], "fd86::1/64");
	client = find_client(&config, "a");
	assert_int_equal(client->addresses.n, 2);
	assert_string_equal(client->addresses.items[0], "10.86.0.2");
	assert_string_equal(client->addresses.items[1], "fd86::2");
	client = find_client(&config, "b");
	assert_string_equal(client->addresses.items[0], "10.86.0.3");
	assert_planned(&config);
	config_done(&config);
	load("b.yaml", &config);
	assert_int_equal(config.tunnel.layer, LW_LAYER_IP);
	assert_int_equal(config.tunnel.interface.addresses.n, 0);
	assert_int_equal(config.tunnel.accept, LW_ACCEPT_ADDRESSES | LW_ACCEPT_MTU);
	assert_planned(&config);
	config_done(&config);
}

/* The whole content, to see that a file was not touched. */
static char *content(const char *name)
{
	char *data;
	size_t length;

	assert_int_equal(file_read(in_made(name), 65536, FILE_ANY, &data, &length, NULL), 0);
	return data;
}

static void new__existing_hub__client_added_rest_untouched(void **state)
{
	char *hub, *key, *again;
	struct config config;

	(void)state;
	assert_int_equal(NEW("--hub", "h:1", "--layer=ip"), PROGRAM_DONE);
	hub = content("hub.yaml");
	key = content("hub.pem");
	assert_int_equal(NEW("--hub", "h:1", "--client", "second"), PROGRAM_DONE);
	again = content("hub.yaml");
	assert_string_equal(hub, again);
	free(again);
	again = content("hub.pem");
	assert_string_equal(key, again);
	free(again);
	free(key);
	free(hub);
	load("hub.yaml", &config);
	assert_int_equal(config.hub.clients.n, 2);
	assert_string_equal(find_client(&config, "second")->addresses.items[0], "10.86.0.3");
	assert_string_equal(find_client(&config, "second")->addresses.items[1], "fd86::3");
	config_done(&config);
	load("second.yaml", &config);
	assert_pin("hub.pem", config.tunnel.hub_pin.items[0]);
	config_done(&config);
}

static void new__existing_client__refused_untouched(void **state)
{
	char *before, *after;

	(void)state;
	assert_int_equal(NEW("--hub", "h:1"), PROGRAM_DONE);
	before = content("client.pem");
	assert_int_equal(NEW("--hub", "h:1", "--client", "other", "--client", "client"),
			 PROGRAM_FAILED);
	after = content("client.pem");
	assert_string_equal(before, after);
	free(before);
	free(after);
	assert_false(is_there("other.pem"));
	assert_false(is_there("clients.d/other.yaml"));
}

static void new__file_in_the_way__nothing_left(void **state)
{
	static const char *const obstacles[] = { "hub.pem", "b.pem", "b.yaml", "clients.d" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(obstacles); i++) {
		char *kept;

		assert_int_equal(mkdir(made, 0755), 0);
		assert_int_equal(file_create(in_made(obstacles[i]), 0644, "mine", 4, NULL), 0);
		assert_int_equal(NEW("--hub", "h:1", "--client", "a", "--client", "b"),
				 PROGRAM_FAILED);
		kept = content(obstacles[i]);
		assert_string_equal(kept, "mine");
		free(kept);
		unlink(in_made(obstacles[i]));
		/* Empty again: rmdir succeeds. */
		assert_int_equal(rmdir(made), 0);
	}
}

static void new__no_parent_folder__failed(void **state)
{
	(void)state;
	snprintf(made, sizeof(made), "%s/not/there", folder);
	assert_int_equal(NEW("--hub", "h:1"), PROGRAM_FAILED);
}

static void new__wrong_use__nothing_made(void **state)
{
	static const char *const cases[][5] = {
		{ "--client", "a" },
		{ "--hub", "h" },
		{ "--hub", "h:0" },
		{ "--hub", "h:65536" },
		{ "--hub", "h\":1" },
		{ "--hub", "h:1", "--layer", "token-ring" },
		{ "--hub", "h:1", "--client", "hub" },
		{ "--hub", "h:1", "--client", "../x" },
		{ "--hub", "h:1", "--client", ".x" },
		{ "--hub", "h:1", "--client=a", "--client=a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(run(cases[i]), PROGRAM_USAGE);
		assert_int_equal(access(made, F_OK), -1);
	}
}

static void new__other_layer_than_the_hub__refused(void **state)
{
	(void)state;
	assert_int_equal(NEW("--hub", "h:1", "--layer", "ethernet"), PROGRAM_DONE);
	assert_int_equal(NEW("--hub", "h:1", "--client", "b", "--layer", "ip"), PROGRAM_USAGE);
	assert_false(is_there("b.yaml"));
}

static void new_pick_addresses__networks__lowest_free_in_all(void **state)
{
	static const struct {
		const char *prefixes[3], *used[4];
		const char *chosen[3]; /* all NULL: none left */
	} cases[] = {
		{ { "10.0.0.1/24" }, { "10.0.0.1" }, { "10.0.0.2" } },
		{ { "10.0.0.2/24" }, { "10.0.0.2" }, { "10.0.0.3" } },
		{ { "10.0.0.1/24", "fd00::1/64" },
		  { "10.0.0.2", "fd00::3" },
		  { "10.0.0.4", "fd00::4" } },
		{ { "10.0.0.1/30" }, { "10.0.0.1" }, { "10.0.0.2" } },
		{ { "10.0.0.1/30" }, { "10.0.0.1", "10.0.0.2" }, { NULL } },
		{ { "10.0.0.1/31" }, { NULL }, { NULL } },
		{ { "10.0.0.1/32" }, { NULL }, { NULL } },
		{ { "10.0.1.254/23" }, { "10.0.0.2" }, { "10.0.0.3" } },
		{ { "fd00::1/126" }, { "fd00::2" }, { NULL } },
		{ { "fd00::1/48" }, { "fd00::1" }, { "fd00::2" } },
		{ { NULL }, { NULL }, { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ip_address used[4], chosen[NEW_ADDRESSES_MAX];
		struct ip_prefix prefixes[3];
		size_t n_prefixes = 0, n_used = 0, n;

		while (cases[i].prefixes[n_prefixes]) {
			assert_int_equal(ip_prefix_parse(cases[i].prefixes[n_prefixes],
							 &prefixes[n_prefixes]),
					 0);
			n_prefixes++;
		}
		while (cases[i].used[n_used]) {
			assert_int_equal(ip_address_parse(cases[i].used[n_used], &used[n_used]), 0);
			n_used++;
		}
		n = new_pick_addresses(prefixes, n_prefixes, used, n_used, chosen);
		assert_int_equal(n, cases[i].chosen[0] ? n_prefixes : 0);
		for (size_t j = 0; j < n; j++) {
			char text[IP_TEXT_SIZE];

			assert_string_equal(ip_address_format(&chosen[j], text),
					    cases[i].chosen[j]);
		}
	}
}

static void new_pick_addresses__full_network__none(void **state)
{
	struct ip_address used[254], chosen[NEW_ADDRESSES_MAX];
	struct ip_prefix prefix;

	(void)state;
	assert_int_equal(ip_prefix_parse("10.0.0.1/24", &prefix), 0);
	for (size_t i = 0; i < ARRAY_SIZE(used); i++)
		used[i] = (struct ip_address){ AF_INET, { 10, 0, 0, (uint8_t)(i + 1) } };
	assert_int_equal(new_pick_addresses(&prefix, 1, used, 253, chosen), 1);
	assert_int_equal(chosen[0].bytes[3], 254);
	assert_int_equal(new_pick_addresses(&prefix, 1, used, 254, chosen), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new__ethernet__pinned_pair),
		TEST(new__any__private_where_it_must_be),
		TEST(new__ip__addresses_in_the_hubs_entries),
		TEST(new__existing_hub__client_added_rest_untouched),
		TEST(new__existing_client__refused_untouched),
		TEST(new__file_in_the_way__nothing_left),
		TEST(new__no_parent_folder__failed),
		TEST(new__wrong_use__nothing_made),
		TEST(new__other_layer_than_the_hub__refused),
		cmocka_unit_test(new_pick_addresses__networks__lowest_free_in_all),
		cmocka_unit_test(new_pick_addresses__full_network__none),
	};

	return cmocka_run_group_tests_name("program/new", tests, NULL, NULL);
}

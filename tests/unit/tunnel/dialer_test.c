/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "tunnel/dialer.h"

enum { HUBS_MAX = 8 };

/* In place of the C library's, which it calls: names that were asked for are counted. */
static unsigned lookups;

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
						       const struct addrinfo *hints,
						       struct addrinfo **ret_list)
{
	int (*original)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(__typeof__(original))dlsym(RTLD_NEXT, "getaddrinfo");

	if (!(hints && hints->ai_flags & AI_NUMERICHOST))
		__atomic_add_fetch(&lookups, 1, __ATOMIC_RELAXED);
	return original(node, service, hints, ret_list);
}

struct scene {
	struct lw_loop *loop;
	uint64_t now_ns;
	struct dialer *dialer;
	char texts[HUBS_MAX][64];
	const char *hubs[HUBS_MAX];
	size_t n;
	int listeners[HUBS_MAX], fillers[4];
	size_t n_listeners, n_fillers;
	/* What was told. */
	unsigned dones;
	int fd;
	uint16_t port;
	struct lw_error error;
};

static uint64_t now(void *user)
{
	return ((struct scene *)user)->now_ns;
}

static void done(int fd, const struct sockaddr_storage *peer, const struct lw_error *error,
		 void *user)
{
	struct scene *scene = user;

	scene->dones++;
	scene->fd = fd;
	if (fd >= 0)
		scene->port = ntohs(((const struct sockaddr_in *)peer)->sin_port);
	else
		scene->error = *error;
}

static struct scene *scene_new(void)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const struct lw_loop_options options = { .size = sizeof(options),
						 .now_ns = now,
						 .user = scene };

	assert_non_null(scene);
	scene->now_ns = 1000000000;
	scene->fd = -1;
	assert_int_equal(lw_loop_new(&options, &scene->loop), 0);
	return scene;
}

static void scene_free(struct scene *scene)
{
	dialer_free(scene->dialer);
	lw_loop_free(scene->loop);
	for (size_t i = 0; i < scene->n_listeners; i++)
		close(scene->listeners[i]);
	for (size_t i = 0; i < scene->n_fillers; i++)
		close(scene->fillers[i]);
	if (scene->fd >= 0)
		close(scene->fd);
	free(scene);
}

static uint16_t bind_port(int fd)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return ntohs(address.sin_port);
}

static uint16_t add(struct scene *scene, const char *host, uint16_t port)
{
	snprintf(scene->texts[scene->n], sizeof(scene->texts[0]), "%s:%u", host, port);
	scene->hubs[scene->n] = scene->texts[scene->n];
	scene->n++;
	return port;
}

/* One that answers. */
static uint16_t add_open(struct scene *scene, const char *host)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint16_t port = bind_port(fd);

	assert_int_equal(listen(fd, 16), 0);
	scene->listeners[scene->n_listeners++] = fd;
	return add(scene, host, port);
}

/* One that refuses: bound, so that nobody else has it, and not listening. */
static uint16_t add_closed(struct scene *scene)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	scene->listeners[scene->n_listeners++] = fd;
	return add(scene, "127.0.0.1", bind_port(fd));
}

/* One that never answers: its queue is full, and the kernel drops what more comes. */
static uint16_t add_silent(struct scene *scene)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint16_t port = bind_port(fd);

	assert_int_equal(listen(fd, 0), 0);
	scene->listeners[scene->n_listeners++] = fd;
	address.sin_port = htons(port);
	for (int i = 0; i < 2; i++) {
		int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		(void)!connect(filler, (struct sockaddr *)&address, sizeof(address));
		scene->fillers[scene->n_fillers++] = filler;
	}
	return add(scene, "127.0.0.1", port);
}

static void settle(struct scene *scene)
{
	while (lw_loop_dispatch(scene->loop) > 0)
		;
}

static void pass(struct scene *scene, uint64_t ms)
{
	for (uint64_t end = scene->now_ns + ms * 1000000; scene->now_ns < end;) {
		scene->now_ns += 10000000;
		settle(scene);
	}
}

/* The kernel's TCP needs real time, if little. */
static void settle_until_done(struct scene *scene)
{
	settle(scene);
	for (int i = 0; i < 1000 && !scene->dones; i++) {
		struct pollfd fd = { .fd = lw_loop_fd(scene->loop), .events = POLLIN };

		poll(&fd, 1, 10);
		settle(scene);
	}
	assert_int_equal(scene->dones, 1);
}

static void make(struct scene *scene)
{
	assert_int_equal(dialer_new(scene->loop, scene->hubs, scene->n, done, scene, &scene->dialer,
				    NULL),
			 0);
}

static void start(struct scene *scene)
{
	if (!scene->dialer)
		make(scene);
	dialer_start(scene->dialer);
	assert_int_equal(scene->dones, 0); /* never within the call */
	settle(scene);
}

static void hub__open__is_connected_once(void **state)
{
	struct scene *scene = scene_new();
	uint16_t port = add_open(scene, "127.0.0.1");

	(void)state;
	start(scene);
	settle_until_done(scene);
	assert_int_equal(scene->port, port);
	assert_true(fcntl(scene->fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(scene->fd, F_GETFD) & FD_CLOEXEC);
	pass(scene, 20000);
	assert_int_equal(scene->dones, 1);
	scene_free(scene);
}

static void hub__closed__is_told_with_the_address(void **state)
{
	struct scene *scene = scene_new();
	char text[32];

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u", add_closed(scene));
	start(scene);
	settle_until_done(scene);
	assert_int_equal(scene->fd, -1);
	assert_int_equal(scene->error.domain, LW_DOMAIN_CONNECTION);
	assert_non_null(strstr(scene->error.text, text));
	assert_non_null(strstr(scene->error.text, "refused"));
	pass(scene, 20000);
	assert_int_equal(scene->dones, 1);
	scene_free(scene);
}

static void hubs__all_closed__end_once(void **state)
{
	struct scene *scene = scene_new();

	(void)state;
	for (int i = 0; i < 8; i++)
		add_closed(scene);
	start(scene);
	settle_until_done(scene);
	pass(scene, 20000);
	assert_int_equal(scene->dones, 1);
	scene_free(scene);
}

static void hubs__first_closed__second_is_tried_at_once(void **state)
{
	struct scene *scene = scene_new();
	uint16_t port;

	(void)state;
	add_closed(scene);
	add_closed(scene);
	port = add_open(scene, "127.0.0.1");
	start(scene);
	settle_until_done(scene);
	assert_int_equal(scene->port, port);
	scene_free(scene);
}

static void hubs__first_silent__second_after_the_stagger(void **state)
{
	struct scene *scene = scene_new();
	uint16_t port;

	(void)state;
	add_open(scene, "127.0.0.1"); /* the first attempt begins with the second */
	add_silent(scene);
	port = add_open(scene, "127.0.0.1");
	start(scene);
	assert_int_equal(scene->dones, 0);
	pass(scene, DIAL_STAGGER_MS - 20);
	assert_int_equal(scene->dones, 0);
	pass(scene, 40);
	settle_until_done(scene);
	assert_int_equal(scene->port, port);
	scene_free(scene);
}

static void hub__silent__ends_at_the_deadline(void **state)
{
	struct scene *scene = scene_new();

	(void)state;
	add_silent(scene);
	make(scene);
	assert_false(dialer_is_connecting(scene->dialer));
	start(scene);
	pass(scene, DIAL_DEADLINE_MS - 20);
	assert_int_equal(scene->dones, 0);
	assert_true(dialer_is_connecting(scene->dialer));
	pass(scene, 40);
	assert_int_equal(scene->dones, 1);
	assert_false(dialer_is_connecting(scene->dialer));
	assert_non_null(strstr(scene->error.text, "no answer within 10 s"));
	scene_free(scene);
}

static void attempts__one_after_the_other__begin_with_the_next(void **state)
{
	struct scene *scene = scene_new();
	uint16_t ports[3], seen[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		ports[i] = add_open(scene, "127.0.0.1");
	for (int i = 0; i < 3; i++) {
		start(scene);
		settle_until_done(scene);
		seen[i] = scene->port;
		close(scene->fd);
		scene->fd = -1;
		scene->dones = 0;
	}
	for (int i = 0; i < 3; i++) {
		assert_true(seen[i] == ports[0] || seen[i] == ports[1] || seen[i] == ports[2]);
		assert_int_not_equal(seen[i], seen[(i + 1) % 3]);
	}
	scene_free(scene);
}

/* Names that nobody waits for any more are still asked for: those threads end by themselves. */
static size_t count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

void __tsan_init(void) __attribute__((weak));

static void wait_for_threads(size_t before)
{
	before += __tsan_init != NULL; /* the sanitizer's own, since the first of ours */
	for (int i = 0; i < 6000 && count_threads() > before; i++)
		poll(NULL, 0, 10);
	assert_true(count_threads() <= before);
}

static void stop__at_any_time__tells_nothing(void **state)
{
	size_t threads = count_threads();

	(void)state;
	for (int stage = 0; stage < 4; stage++) {
		struct scene *scene = scene_new();

		if (stage == 0)
			add_open(scene, "127.0.0.1");
		else if (stage == 1)
			add_closed(scene);
		else if (stage == 2)
			add_silent(scene);
		else
			add_open(scene, "localhost"); /* a thread asks */
		make(scene);
		dialer_stop(scene->dialer);
		dialer_start(scene->dialer);
		if (stage == 2)
			pass(scene, 300);
		dialer_stop(scene->dialer);
		dialer_stop(scene->dialer);
		pass(scene, 11000);
		assert_int_equal(scene->dones, 0);
		/* Begun anew in the middle: still once. */
		dialer_start(scene->dialer);
		dialer_start(scene->dialer);
		dialer_free(scene->dialer);
		scene->dialer = NULL;
		pass(scene, 11000);
		assert_int_equal(scene->dones, 0);
		wait_for_threads(threads);
		scene_free(scene);
	}
}

/* A bare tree has no hosts file. */
static void skip_without_localhost(void)
{
	const struct addrinfo hints = { .ai_family = AF_INET };
	struct addrinfo *list;

	if (getaddrinfo("localhost", NULL, &hints, &list) != 0)
		skip();
	freeaddrinfo(list);
}

static void name__in_the_hosts_file__is_looked_up_elsewhere(void **state)
{
	struct scene *scene;
	uint16_t port;

	(void)state;
	skip_without_localhost();
	scene = scene_new();
	port = add_open(scene, "localhost");
	start(scene);
	for (int i = 0; i < 1000 && !scene->dones; i++) {
		struct pollfd fd = { .fd = lw_loop_fd(scene->loop), .events = POLLIN };

		poll(&fd, 1, 10);
		settle(scene);
		scene->now_ns += 1000000; /* ::1 may come first, and be closed or silent */
	}
	assert_int_equal(scene->dones, 1);
	assert_true(scene->fd >= 0);
	assert_int_equal(scene->port, port);
	scene_free(scene);
}

static void run_until_done(struct scene *scene)
{
	unsigned before = scene->dones;

	dialer_start(scene->dialer);
	for (int i = 0; i < 5000 && scene->dones == before; i++) {
		struct pollfd wait = { .fd = lw_loop_fd(scene->loop), .events = POLLIN };

		(void)poll(&wait, 1, 1);
		assert_true(lw_loop_dispatch(scene->loop) >= 0);
	}
	assert_int_equal(scene->dones, before + 1);
	if (scene->fd >= 0)
		close(scene->fd);
	scene->fd = -1;
}

/* As while name servers inside the tunnel are asked for the hub's name. */
static void names__kept__are_not_looked_up_again(void **state)
{
	struct scene *scene;
	uint16_t port;

	(void)state;
	skip_without_localhost();
	scene = scene_new();
	port = add_open(scene, "localhost");
	assert_int_equal(dialer_new(scene->loop, scene->hubs, scene->n, done, scene, &scene->dialer,
				    NULL),
			 0);
	/* Never looked up: there is nothing to keep. */
	dialer_keep_addresses(scene->dialer, true);
	lookups = 0;
	run_until_done(scene);
	assert_int_equal(lookups, 1);
	for (int i = 0; i < 3; i++) {
		run_until_done(scene);
		assert_int_equal(scene->port, port);
	}
	assert_int_equal(lookups, 1);
	dialer_keep_addresses(scene->dialer, false);
	run_until_done(scene);
	assert_int_equal(lookups, 2);
	scene_free(scene);
}

static void hubs__that_cannot_be_read__are_refused(void **state)
{
	static const char *const bad[] = { "",          "hub",   "hub:",     ":1",    "hub:0",
					   "hub:65536", "[::1]", "::1:8443", "hub:x", "[::1:8443" };
	const char *const good[] = {
		"a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1", "i:1"
	};
	struct scene *scene = scene_new();
	struct lw_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *const hubs[] = { "hub.example:8443", bad[i] };

		assert_int_equal(dialer_new(scene->loop, hubs, 2, done, scene, &scene->dialer,
					    &error),
				 -EINVAL);
		assert_null(scene->dialer);
		assert_non_null(strstr(error.text, bad[i]));
	}
	assert_int_equal(dialer_new(scene->loop, good, 0, done, scene, &scene->dialer, &error),
			 -EINVAL);
	assert_int_equal(dialer_new(scene->loop, good, 9, done, scene, &scene->dialer, &error),
			 -EINVAL);
	assert_int_equal(dialer_new(scene->loop, good, 8, done, scene, &scene->dialer, &error), 0);
	scene_free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hub__open__is_connected_once),
		cmocka_unit_test(hub__closed__is_told_with_the_address),
		cmocka_unit_test(hubs__all_closed__end_once),
		cmocka_unit_test(hubs__first_closed__second_is_tried_at_once),
		cmocka_unit_test(hubs__first_silent__second_after_the_stagger),
		cmocka_unit_test(hub__silent__ends_at_the_deadline),
		cmocka_unit_test(attempts__one_after_the_other__begin_with_the_next),
		cmocka_unit_test(stop__at_any_time__tells_nothing),
		cmocka_unit_test(name__in_the_hosts_file__is_looked_up_elsewhere),
		cmocka_unit_test(names__kept__are_not_looked_up_again),
		cmocka_unit_test(hubs__that_cannot_be_read__are_refused),
	};

	return cmocka_run_group_tests_name("tunnel/dialer", tests, NULL, NULL);
}

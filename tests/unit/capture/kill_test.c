/* SPDX-License-Identifier: MIT */
/* A process that captures is killed at any moment: what it leaves is read to its last whole packet,
 * and is whole when that is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <longwire/capture.h>

#include "base/memory.h"
#include "capture/format.h"
#include "capture/point.h"

enum { KILLS = 20, THREADS = 2, FRAME_MAX = 9000, BLOCK_MAX = FRAME_MAX + 512 };

static char path[64];
static struct lw_capture_set set;

/* ---- the process that is killed */

static void *show_for_ever(void *user)
{
	const uint32_t thread = *(const uint32_t *)user;
	uint8_t frame[FRAME_MAX] = { 0 };
	const struct capture_context context = { .port = thread ? "lw0" : "branch" };

	memcpy(frame + 14, &thread, sizeof(thread));
	for (uint32_t number = 1;; number++) {
		const struct lw_packet packet = { .data = frame,
						  .length = 60 + number * 137 % (FRAME_MAX - 60),
						  .layer = LW_LAYER_ETHERNET };

		memcpy(frame + 18, &number, sizeof(number));
		capture_see(&set, LW_CAPTURE_DEVICE_IN, &packet, &context);
	}
	return NULL;
}

static void capture_until_killed(enum lw_capture_format format, int ready)
{
	const struct lw_capture_options options = {
		.size = sizeof(options),
		.layer = LW_LAYER_ETHERNET,
		.file = path,
		.format = format,
	};
	static const uint32_t numbers[THREADS] = { 0, 1 };
	struct lw_capture *capture;
	pthread_t thread;

	if (lw_capture_open(&options, &capture, NULL) < 0 || capture_attach(&set, capture) < 0 ||
	    pthread_create(&thread, NULL, show_for_ever, (void *)&numbers[1]) != 0 ||
	    write(ready, "", 1) != 1)
		_exit(1);
	show_for_ever((void *)&numbers[0]);
}

static void kill_one(enum lw_capture_format format, unsigned after_us)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		capture_until_killed(format, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	usleep(after_us);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- what it left */

/* Return: packets that libpcap reads, each thread's in order; how that ended. */
static unsigned read_packets(int *ret_end)
{
	char error[PCAP_ERRBUF_SIZE];
	uint32_t last[THREADS] = { 0 }, thread, number;
	struct pcap_pkthdr *header;
	unsigned packets = 0;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(path, error);

	*ret_end = PCAP_ERROR_BREAK;
	if (!pcap && strstr(error, "no Interface Description"))
		return 0; /* killed before any port was met */
	if (!pcap)
		fail_msg("%s", error);
	while ((*ret_end = pcap_next_ex(pcap, &header, &data)) == 1) {
		memcpy(&thread, data + 14, sizeof(thread));
		memcpy(&number, data + 18, sizeof(number));
		assert_true(thread < THREADS);
		assert_true(number > last[thread]);
		last[thread] = number;
		packets++;
	}
	pcap_close(pcap);
	return packets;
}

static void killed__at_any_moment__whole_but_for_the_last_block(void **state)
{
	static const enum lw_capture_format formats[] = { LW_CAPTURE_PCAPNG, LW_CAPTURE_PCAP };
	unsigned seed = (unsigned)getpid(), n_cut = 0, n_packets = 0;

	(void)state;
	print_message("seed %u\n", seed);
	snprintf(path, sizeof(path), "/tmp/lw-kill-%d", (int)getpid());
	for (unsigned i = 0; i < KILLS; i++) {
		unsigned packets;
		int64_t cut;
		int fd, end;

		kill_one(formats[i % ARRAY_SIZE(formats)], (unsigned)rand_r(&seed) % 40000);
		packets = read_packets(&end);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		cut = format_mend(fd);
		assert_in_range(cut, 0, BLOCK_MAX - 1);
		assert_int_equal(end, cut > 0 ? PCAP_ERROR : PCAP_ERROR_BREAK);
		assert_int_equal(format_mend(fd), 0);
		close(fd);
		assert_int_equal(read_packets(&end), packets);
		assert_int_equal(end, PCAP_ERROR_BREAK);
		n_cut += cut > 0;
		n_packets += packets;
	}
	unlink(path);
	print_message("%u packets, %u of %d files ended within one\n", n_packets, n_cut, KILLS);
	assert_true(n_packets > KILLS);
}

static void format_mend__what_is_no_capture__refused_and_left(void **state)
{
	char name[] = "/tmp/lw-mend-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC), ends[2];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(format_mend(-1), -EBADF);
	assert_int_equal(format_mend(fd), -EINVAL);
	assert_int_equal(write(fd, "something else", 14), 14);
	assert_int_equal(format_mend(fd), -EINVAL);
	assert_int_equal(lseek(fd, 0, SEEK_END), 14);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(format_mend(ends[0]), -EINVAL);
	close(ends[0]);
	close(ends[1]);
	close(fd);
	unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed__at_any_moment__whole_but_for_the_last_block),
		cmocka_unit_test(format_mend__what_is_no_capture__refused_and_left),
	};

	return cmocka_run_group_tests_name("capture/kill", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Near paths get a small receive buffer. */
#include "tunnel/receive_window.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72 /* Linux 5.14 */
#endif

/* In microseconds; 0: unknown. */
static uint32_t least_rtt(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_min_rtt : 0;
}

static bool set_bound(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ RECEIVE_WINDOW_NEAR_BYTES },
			  sizeof(int)) == 0;
}

/* The kernel sizes it by itself again. Return: whether it can be told to. */
static bool give_back(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &(int){ 0 }, sizeof(int)) == 0;
}

void receive_window_judge(struct receive_window *window, int fd, uint32_t rtt_us)
{
	bool is_near = rtt_us && rtt_us <= RECEIVE_WINDOW_NEAR_US;

	if (is_near == window->is_bounded)
		return;
	if (window->is_bounded)
		window->is_bounded = !give_back(fd);
	else /* never bound what could not be given back */
		window->is_bounded = give_back(fd) && set_bound(fd);
}

void receive_window_look(struct receive_window *window, int fd, uint64_t now_ns)
{
	if (now_ns < window->next_look_ns)
		return;
	window->next_look_ns = now_ns + RECEIVE_WINDOW_LOOK_MS * 1000000ULL;
	receive_window_judge(window, fd, least_rtt(fd));
}

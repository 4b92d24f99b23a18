/* SPDX-License-Identifier: MIT */
/* Kernel settings under /proc/sys. Paths are relative to it: "net/ipv4/ip_forward". */
#ifndef NETWORK_SYSCTL_H
#define NETWORK_SYSCTL_H

#include <stdbool.h>

enum { SYSCTL_PATH_SIZE = 96, SYSCTL_TEXT_SIZE = 16 };

struct lw_error;

bool sysctl_exists(const char *path);
/* The value without its newline. 0 or a negative errno (-ENOENT: no such setting). */
int sysctl_read(const char *path, char ret_text[SYSCTL_TEXT_SIZE]);
int sysctl_write(const char *path, const char *text);
/* Whether a write could succeed; if not, ret_error says what to do where /proc/sys is read-only. */
int sysctl_check_writable(const char *path, const char *text, struct lw_error *ret_error);

#endif

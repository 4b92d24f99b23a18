/* SPDX-License-Identifier: MIT */
/* Which process has an interface or a port, by /proc: as far as this user may look. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/memory.h"
#include "base/parse.h"
#include "program/doctor.h"

enum { PATH = 300, LINE = 256, COMMAND_LINE = 4096 };

/* What is looked for: a TAP or TUN by name, or a socket by the number that the kernel gave it. */
struct wanted {
	const char *interface; /* NULL: a socket */
	char socket[40];       /* as the link of its descriptor says it */
};

static bool is_same_file(int folder, const char *path, const struct stat *other)
{
	struct stat found;

	return fstatat(folder, path, &found, 0) == 0 && found.st_dev == other->st_dev &&
	       found.st_ino == other->st_ino;
}

/* /proc/PID/fdinfo/FD of a TAP or TUN has "iff:	NAME". */
static bool names_interface(int process, const char *descriptor, const char *interface)
{
	char path[PATH], line[LINE];
	bool is_named = false;
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "fdinfo/%s", descriptor);
	fd = openat(process, path, O_RDONLY | O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "r");
	while (file && !is_named && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		is_named = !strncmp(line, "iff:\t", 5) && !strcmp(line + 5, interface);
	}
	if (file)
		fclose(file);
	return is_named;
}

static bool holds(int process, const struct wanted *wanted)
{
	int folder = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *opened = folder < 0 ? NULL : fdopendir(folder);
	const struct dirent *entry;
	bool is_found = false;
	char target[PATH];

	while (opened && !is_found && (entry = readdir(opened))) {
		ssize_t length = readlinkat(folder, entry->d_name, target, sizeof(target) - 1);

		target[MAX(length, 0)] = '\0';
		if (wanted->interface)
			is_found = !strcmp(target, "/dev/net/tun") &&
				   names_interface(process, entry->d_name, wanted->interface);
		else
			is_found = !strcmp(target, wanted->socket);
	}
	if (opened)
		closedir(opened);
	return is_found;
}

static size_t read_text(int process, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, text, size - 1);

	text[MAX(length, 0)] = '\0';
	return (size_t)MAX(length, 0);
}

/* Whether one of its words is this very file. */
static bool runs_file(int process, const char *file)
{
	_cleanup_close_ int folder = openat(process, "cwd", O_PATH | O_CLOEXEC);
	char words[COMMAND_LINE];
	size_t length = read_text(process, "cmdline", words, sizeof(words));
	struct stat wanted;

	if (folder < 0 || stat(file, &wanted) < 0)
		return false;
	for (size_t at = 0; at < length; at += strlen(words + at) + 1)
		if (words[at] && is_same_file(folder, words + at, &wanted))
			return true;
	return false;
}

/* The first process of this network namespace that holds it. */
static void find(const struct wanted *wanted, const char *file, struct doctor_holder *ret_holder)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	struct stat namespace = { 0 };
	uint64_t pid;

	*ret_holder = (struct doctor_holder){ 0 };
	(void)stat("/proc/self/ns/net", &namespace);
	while (processes && !ret_holder->pid && (entry = readdir(processes))) {
		_cleanup_close_ int process = -1;

		if (parse_uint(entry->d_name, 1, INT32_MAX, &pid) < 0)
			continue;
		process =
			openat(dirfd(processes), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0 || !is_same_file(process, "ns/net", &namespace) ||
		    !holds(process, wanted))
			continue;
		ret_holder->pid = (int)pid;
		ret_holder->runs_file = runs_file(process, file);
		(void)read_text(process, "comm", ret_holder->name, sizeof(ret_holder->name));
		ret_holder->name[strcspn(ret_holder->name, "\n")] = '\0';
	}
	if (processes)
		closedir(processes);
}

void doctor_find_interface_holder(const char *interface, const char *file,
				  struct doctor_holder *ret_holder)
{
	const struct wanted wanted = { .interface = interface };

	find(&wanted, file, ret_holder);
}

/* What a line of /proc/net/tcp has in this column, from 0; "": nothing. */
static const char *column(const char *line, unsigned number)
{
	line += strspn(line, " ");
	while (number-- > 0) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return line;
}

/*
 * The kernel's number of the socket that listens to a port, from a table as /proc/net/tcp; 0: none.
 * A line is: number, address:port, peer's, state, …; all hexadecimal but the last that matters.
 */
static unsigned long find_listener(const char *table, uint16_t port)
{
	enum { LOCAL = 1, STATE = 3, INODE = 9, LISTENS = 0x0a };
	unsigned long found = 0;
	FILE *file = fopen(table, "re");
	char line[LINE];

	while (file && !found && fgets(line, sizeof(line), file)) {
		const char *local = strchr(column(line, LOCAL), ':');

		if (local && strtoul(local + 1, NULL, 16) == port &&
		    strtoul(column(line, STATE), NULL, 16) == LISTENS)
			found = strtoul(column(line, INODE), NULL, 10);
	}
	if (file)
		fclose(file);
	return found;
}

static void find_port_holder(uint16_t port, const char *file, struct doctor_holder *ret_holder)
{
	unsigned long inode = find_listener("/proc/net/tcp", port);
	struct wanted wanted = { 0 };

	*ret_holder = (struct doctor_holder){ 0 };
	if (!inode)
		inode = find_listener("/proc/net/tcp6", port);
	snprintf(wanted.socket, sizeof(wanted.socket), "socket:[%lu]", inode);
	if (inode)
		find(&wanted, file, ret_holder);
}

/* As the hub would. Return: 0 or the errno. */
static int try_to_bind(const char *host, uint16_t port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_PASSIVE };
	_cleanup_close_ int fd = -1;
	struct addrinfo *found;
	char service[8];
	int code = 0;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return 0; /* that is told as an error of the configuration */
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
		if (found->ai_family == AF_INET6)
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
		code = bind(fd, found->ai_addr, found->ai_addrlen) < 0 ? errno : 0;
	}
	freeaddrinfo(found);
	return code;
}

void doctor_look_listen(const char *address, const char *file, struct doctor_listen *ret_facts)
{
	char host[ENDPOINT_HOST_SIZE];

	*ret_facts = (struct doctor_listen){ .address = address };
	if (endpoint_parse(address, true, host, &ret_facts->port) < 0 || !ret_facts->port)
		return;
	ret_facts->error = try_to_bind(host, ret_facts->port);
	if (ret_facts->error == EADDRINUSE)
		find_port_holder(ret_facts->port, file, &ret_facts->holder);
}

/* SPDX-License-Identifier: MIT */
/* Proxies of a running tunnel as a file of environment variables. */
#include "program/proxies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/connection.h>

#include "base/log.h"
#include "base/memory.h"
#include "program/instance.h"

void proxies_open(struct proxies *proxies, const struct instance *instance)
{
	const char *socket = instance_socket(instance), *end = strrchr(socket, '/');

	snprintf(proxies->path, sizeof(proxies->path), "%.*s/proxy.env",
		 end ? (int)(end - socket) : 0, socket);
	(void)unlink(proxies->path);
	proxies->is_open = true;
}

static void add_exceptions(FILE *file, const char *names)
{
	fputs("no_proxy=", file);
	for (; *names; names++)
		fputc(*names == ' ' ? ',' : *names, file);
	fputc('\n', file);
}

/* What settings let through has no byte that a shell or systemd would take for anything else, but
 * for & and the like in an address: it stands in quotes. NULL: no memory, or no proxies. */
static char *write_text(const struct lw_network_status *status)
{
	char *text = NULL;
	size_t length;
	FILE *file;

	if (!status->http_proxy[0] && !status->https_proxy[0] &&
	    !status->proxy_configuration_url[0])
		return NULL;
	file = open_memstream(&text, &length);
	if (!file)
		return NULL;
	if (status->http_proxy[0])
		fprintf(file, "http_proxy=http://%s\n", status->http_proxy);
	if (status->https_proxy[0])
		fprintf(file, "https_proxy=http://%s\n", status->https_proxy);
	if (status->proxy_configuration_url[0])
		fprintf(file, "auto_proxy='%s'\n", status->proxy_configuration_url);
	if (status->proxy_exceptions[0])
		add_exceptions(file, status->proxy_exceptions);
	if (fclose(file) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Whole or not at all, for who reads it meanwhile. 0 or a negative errno. */
static int replace_file(const char *path, const char *text)
{
	size_t length = strlen(text);
	_cleanup_close_ int fd = -1;
	char fresh[160];

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0644) == 0 && write(fd, text, length) == (ssize_t)length &&
	    rename(fresh, path) == 0)
		return 0;
	(void)unlink(fresh);
	return -EIO;
}

void proxies_update(struct proxies *proxies, const struct lw_network_status *status)
{
	_cleanup_free_ char *text = write_text(status);
	int r = 0;

	if (!proxies->is_open ||
	    (text ? proxies->written && strcmp(text, proxies->written) == 0 : !proxies->written))
		return;
	if (text)
		r = replace_file(proxies->path, text);
	else
		(void)unlink(proxies->path);
	if (r < 0)
		log_warning("%s cannot be written: %s", proxies->path, strerror(-r));
	free(proxies->written);
	proxies->written = take_pointer(text);
}

void proxies_close(struct proxies *proxies)
{
	if (proxies->is_open && proxies->written)
		(void)unlink(proxies->path);
	free(proxies->written);
	*proxies = (struct proxies){ 0 };
}

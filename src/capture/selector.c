/* SPDX-License-Identifier: MIT */
/* Selectors of a capture. */
#include "capture/selector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/error.h"

_Static_assert(LW_DROP_COUNT <= 64, "a bit for each reason");

static const uint64_t all_reasons = (UINT64_MAX >> (64 - LW_DROP_COUNT)) & ~UINT64_C(1);

static int copy_names(const char *key, const char *const *names, size_t n, char ***ret_names,
		      size_t *ret_n, struct lw_error *ret_error)
{
	if (n > LW_CAPTURE_NAMES_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: %zu %s; at most %d are allowed", n, key,
				 LW_CAPTURE_NAMES_MAX);
	if (n == 0)
		return 0;
	*ret_names = calloc(n, sizeof(**ret_names));
	if (!*ret_names)
		return error_errno(ret_error, ENOMEM, "capture");
	for (size_t i = 0; i < n; i++) {
		if (!names[i] || !*names[i])
			return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "capture: %s: a name is not empty", key);
		(*ret_names)[i] = strdup(names[i]);
		if (!(*ret_names)[i])
			return error_errno(ret_error, ENOMEM, "capture");
		*ret_n = i + 1;
	}
	return 0;
}

int selector_init(struct selector *selector, const struct lw_capture_options *options,
		  struct lw_error *ret_error)
{
	int r;

	*selector = (struct selector){ .reasons = options->reasons };
	if (options->reasons & ~all_reasons)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: unknown reasons of drops 0x%llx",
				 (unsigned long long)(options->reasons & ~all_reasons));
	if (!selector->reasons)
		selector->reasons = UINT64_MAX;
	r = copy_names("ports", options->ports, options->n_ports, &selector->ports,
		       &selector->n_ports, ret_error);
	if (r == 0)
		r = copy_names("peers", options->peers, options->n_peers, &selector->peers,
			       &selector->n_peers, ret_error);
	if (r < 0)
		selector_done(selector);
	return r;
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

void selector_done(struct selector *selector)
{
	free_names(selector->ports, selector->n_ports);
	free_names(selector->peers, selector->n_peers);
	*selector = (struct selector){ .ports = NULL };
}

static bool is_among(const char *name, char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

bool selector_wants_port(const struct selector *selector, const char *name, bool is_device)
{
	if (selector->n_ports == 0 && selector->n_peers == 0)
		return true;
	return is_among(name, selector->ports, selector->n_ports) ||
	       (!is_device && is_among(name, selector->peers, selector->n_peers));
}

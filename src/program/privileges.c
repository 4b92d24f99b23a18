/* SPDX-License-Identifier: MIT */
/* Dropping privileges, by libcap-ng. */
#include "program/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"

static const struct {
	enum privilege privilege;
	unsigned capability;
} kept[] = {
	{ PRIVILEGE_NET_ADMIN, CAP_NET_ADMIN },      { PRIVILEGE_LOW_PORTS, CAP_NET_BIND_SERVICE },
	{ PRIVILEGE_READ_ANY, CAP_DAC_READ_SEARCH }, { PRIVILEGE_DHCP, CAP_NET_RAW },
	{ PRIVILEGE_DHCP, CAP_NET_BIND_SERVICE },
};

/* LeakSanitizer traces its own process at the end; clang and gcc say in different ways that it is
 * there. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#endif

#ifdef HAS_ADDRESS_SANITIZER
enum { MAY_BE_TRACED = 1 };
#else
enum { MAY_BE_TRACED = 0 };
#endif

void privileges_harden(void)
{
	const struct rlimit none = { 0, 0 };

	umask(077);
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		log_warning("core dumps could not be forbidden: %s", strerror(errno));
	if (prctl(PR_SET_DUMPABLE, MAY_BE_TRACED, 0, 0, 0) < 0)
		log_warning("tracing could not be forbidden: %s", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warning("new privileges could not be forbidden: %s", strerror(errno));
}

bool privileges_has_net_admin(void)
{
	return capng_get_caps_process() == 0 &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

/* Those of keep that we have. Return: their number in capabilities. */
static size_t select_kept(unsigned keep, unsigned capabilities[ARRAY_SIZE(kept)])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if ((keep & kept[i].privilege) &&
		    capng_have_capability(CAPNG_PERMITTED, kept[i].capability))
			capabilities[n++] = kept[i].capability;
	return n;
}

static void log_kept(void)
{
	_cleanup_free_ char *text = capng_print_caps_text(CAPNG_PRINT_BUFFER, CAPNG_PERMITTED);

	log_debug("capabilities kept: %s", text ? text : "unknown");
}

int privileges_drop(unsigned keep, struct lw_error *ret_error)
{
	/* Where a child needs what is kept, root's gets it by being root, and nothing more. */
	bool may_bound, is_inherited = keep & PRIVILEGE_DHCP;
	unsigned capabilities[ARRAY_SIZE(kept)];
	capng_type_t types = CAPNG_EFFECTIVE | CAPNG_PERMITTED;
	size_t n;

	if (capng_get_caps_process() < 0)
		return error_errno(ret_error, EPERM, "capabilities cannot be read");
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE) {
		log_debug("no capabilities to drop");
		return 0;
	}
	/* Without CAP_SETPCAP the bounding set stays, which no_new_privs makes worthless anyway. */
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	n = select_kept(keep, capabilities);
	if (is_inherited)
		types |= CAPNG_BOUNDING_SET;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		capng_update(CAPNG_ADD, types, capabilities[i]);
	if (may_bound && !is_inherited && capng_lock() < 0)
		log_debug("securebits could not be set");
	if (capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) < 0)
		return error_errno(ret_error, EPERM, "capabilities cannot be dropped");
	log_kept();
	return 0;
}

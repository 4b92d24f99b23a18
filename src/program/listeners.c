/* SPDX-License-Identifier: MIT */
/* No listeners: a filter of system calls, by libseccomp. */
#include <errno.h>

#include "base/error.h"
#include "base/memory.h"
#include "program/privileges.h"

#ifndef LW_HAVE_SECCOMP

int privileges_forbid_listening(int control, struct lw_error *ret_error)
{
	(void)control;
	return error_set(ret_error, -ENOTSUP, LW_DOMAIN_SYSTEM, ENOTSUP,
			 "built without libseccomp");
}

#else

#include <seccomp.h>

static int add_rules(scmp_filter_ctx filter, int control)
{
	static const int never[] = { SCMP_SYS(listen), SCMP_SYS(io_uring_setup) };
	static const int elsewhere[] = { SCMP_SYS(accept), SCMP_SYS(accept4) };
	const struct scmp_arg_cmp other = { .arg = 0,
					    .op = SCMP_CMP_NE,
					    .datum_a = (scmp_datum_t)control };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(never) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), never[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere) && r == 0; i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), elsewhere[i], 1, &other);
	return r;
}

int privileges_forbid_listening(int control, struct lw_error *ret_error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!filter)
		return error_errno(ret_error, ENOMEM, "filter of system calls");
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	if (r == 0) /* all threads or none */
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = add_rules(filter, control);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r == -ECANCELED || r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP)
		r = -ENOTSUP;
	return r < 0 ? error_errno(ret_error, -r, "listening cannot be forbidden") : 0;
}

#endif

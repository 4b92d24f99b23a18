/* SPDX-License-Identifier: MIT */
/* What failures are called: every goodbye, every error of a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/memory.h"
#include "tunnel/failure.h"

static void failure_of_end__every_goodbye__has_its_own(void **state)
{
	static const struct {
		enum goodbye_code code;
		int failure;
		enum backoff_class class;
	} rows[] = {
		{ GOODBYE_NONE, 16, BACKOFF_LOST },
		{ GOODBYE_REFUSED, 8, BACKOFF_REFUSED },
		{ GOODBYE_REPLACED, 16, BACKOFF_REPLACED },
		{ GOODBYE_PROTOCOL, 15, BACKOFF_LOST },
		{ GOODBYE_VERSION, 15, BACKOFF_REFUSED },
		{ GOODBYE_LAYER, 15, BACKOFF_REFUSED },
		{ GOODBYE_DEAD, 7, BACKOFF_LOST },
		{ GOODBYE_SHUTDOWN, 16, BACKOFF_LOST },
		{ GOODBYE_REMOVED, 8, BACKOFF_REFUSED },
		{ GOODBYE_RESOURCES, 16, BACKOFF_LOST },
		{ GOODBYE_STALLED, 7, BACKOFF_LOST },
		{ (enum goodbye_code)11, 16, BACKOFF_LOST },
		{ GOODBYE_CODE_MAX, 16, BACKOFF_LOST },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct session_end end = { .code = rows[i].code, .by_peer = true };

		assert_int_equal(failure_of_end(&end, 3600000), rows[i].failure);
		assert_int_equal(failure_class(&end), rows[i].class);
	}
	/* Every code up to the last known has a row. */
	for (int code = 0; code <= GOODBYE_STALLED; code++)
		assert_int_equal(rows[code].code, code);
}

static void failure_of_end__silence_longer_than_waking__overslept(void **state)
{
	struct session_end end = { .code = GOODBYE_DEAD };

	(void)state;
	assert_int_equal(failure_of_end(&end, 10000), LW_CONNECTION_ERROR_SERVER_DEAD);
	assert_int_equal(failure_of_end(&end, 19999), LW_CONNECTION_ERROR_SERVER_DEAD);
	assert_int_equal(failure_of_end(&end, 20000), LW_CONNECTION_ERROR_OVERSLEPT);
	end.code = GOODBYE_SHUTDOWN;
	assert_int_equal(failure_of_end(&end, 20000), LW_CONNECTION_ERROR_SERVER_DISCONNECTED);
}

static void failure_of_errno__every_error_of_connecting__has_its_own(void **state)
{
	static const struct {
		int error, failure;
	} rows[] = {
		{ ENETUNREACH, 2 },   { ENETDOWN, 2 },     { ENONET, 2 },      { EAFNOSUPPORT, 2 },
		{ EADDRNOTAVAIL, 3 }, { ENODEV, 3 },       { ENETRESET, 3 },   { EPERM, 4 },
		{ EACCES, 4 },        { ECONNREFUSED, 6 }, { ETIMEDOUT, 6 },   { EHOSTUNREACH, 6 },
		{ EHOSTDOWN, 6 },     { EPROTO, 6 },       { ECONNRESET, 16 }, { ECONNABORTED, 16 },
		{ EPIPE, 16 },        { ENOMEM, 12 },      { ENOBUFS, 12 },    { EMFILE, 12 },
		{ ENFILE, 12 },       { EBADF, 12 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(failure_of_errno(rows[i].error), rows[i].failure);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_of_end__every_goodbye__has_its_own),
		cmocka_unit_test(failure_of_end__silence_longer_than_waking__overslept),
		cmocka_unit_test(failure_of_errno__every_error_of_connecting__has_its_own),
	};

	return cmocka_run_group_tests_name("tunnel/failure", tests, NULL, NULL);
}

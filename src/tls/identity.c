/* SPDX-License-Identifier: MIT */
/* The public face of identities. */
#include <longwire/identity.h>

#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "tls/credentials.h"

_Static_assert((int)LW_PIN_SIZE == (int)PIN_TEXT_SIZE, "one size of pins");

int lw_identity_create(const char *file, char ret_pin[LW_PIN_SIZE], struct lw_error *ret_error)
{
	struct pin pin;
	size_t length;
	char *pem;
	int result = credentials_generate(&pem, &length, &pin, ret_error);

	if (result < 0)
		return result;
	result = file_create(file, 0600, pem, length, ret_error);
	memory_erase(pem, length);
	free(pem);
	if (result >= 0 && ret_pin)
		pin_format(&pin, ret_pin);
	return result;
}

int lw_identity_pin(const char *file, char ret_pin[LW_PIN_SIZE], struct lw_error *ret_error)
{
	struct credentials *credentials;
	int result = credentials_load(file, &credentials, ret_error);

	if (result < 0)
		return result;
	pin_format(credentials_pin(credentials), ret_pin);
	credentials_free(credentials);
	return 0;
}

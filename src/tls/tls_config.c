/* SPDX-License-Identifier: MIT */
/* One side's configuration: the policy applied to its identity. */
#include "tls/tls_config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "tls/credentials_private.h"

int tls_config_new(enum admission_side side, const struct credentials *credentials,
		   struct tls_config **ret_config, struct lw_error *ret_error)
{
	struct tls_config *config = calloc(1, sizeof(*config));
	int r = -ENOMEM;

	if (!config)
		return error_errno(ret_error, ENOMEM, "TLS could not be set up");
	config->side = side;
	config->credentials = credentials;
	config->exporting = calloc(1, sizeof(struct export *));
	if (!config->exporting)
		goto fail;
	r = policy_configure(&config->policy, &config->ssl, side, credentials, aead_backend());
	if (r)
		goto fail;
	export_configure(&config->ssl, config->exporting);
	*ret_config = config;
	return 0;
fail:
	tls_config_free(config);
	return error_errno(ret_error, -r, "TLS could not be set up");
}

void tls_config_set_refusal(struct tls_config *config, tls_refusal_fn *refusal)
{
	config->refusal = refusal;
}

void tls_config_log_keys(struct tls_config *config, struct key_log *key_log)
{
	config->key_log = key_log;
}

void tls_config_free(struct tls_config *config)
{
	if (!config)
		return;
	mbedtls_ssl_config_free(&config->ssl);
	policy_done(&config->policy);
	free(config->exporting);
	free(config);
}

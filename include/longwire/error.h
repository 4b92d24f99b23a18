/* SPDX-License-Identifier: MIT */
/* Errors for people and programs: a domain, a code within it, and one sentence. */
#ifndef LONGWIRE_ERROR_H
#define LONGWIRE_ERROR_H

#include <longwire/api.h>

LW_BEGIN

enum lw_error_domain {
	LW_DOMAIN_NONE = 0,          /* no error */
	LW_DOMAIN_SYSTEM = 1,        /* code: errno */
	LW_DOMAIN_CONFIGURATION = 2, /* code: errno; the text names file, line and key */
	LW_DOMAIN_CONNECTION =
		3,              /* code: enum lw_connection_error (Apple's NEVPNConnectionError) */
	LW_DOMAIN_TUNNEL = 4,   /* code: enum lw_tunnel_error (NETunnelProviderError) */
	LW_DOMAIN_PROVIDER = 5, /* code: the provider's own */
};

/*
 * Apple's numbers: NEVPNConnectionError. Those that are "never" are named so that programs written
 * for Apple's model have a word for each: no provider of this version has a reason to say them. Peers
 * are known by their keys, so the dates of certificates are not looked at; and what cannot be started
 * for want of a configuration or a provider is an error of the call or of the program that asked.
 */
enum lw_connection_error {
	LW_CONNECTION_ERROR_OVERSLEPT = 1,
	LW_CONNECTION_ERROR_NO_NETWORK_AVAILABLE = 2,
	LW_CONNECTION_ERROR_UNRECOVERABLE_NETWORK_CHANGE = 3,
	LW_CONNECTION_ERROR_CONFIGURATION_FAILED = 4,
	LW_CONNECTION_ERROR_SERVER_ADDRESS_RESOLUTION_FAILED = 5,
	LW_CONNECTION_ERROR_SERVER_NOT_RESPONDING = 6,
	LW_CONNECTION_ERROR_SERVER_DEAD = 7,
	LW_CONNECTION_ERROR_AUTHENTICATION_FAILED = 8,
	LW_CONNECTION_ERROR_CLIENT_CERTIFICATE_INVALID = 9,
	LW_CONNECTION_ERROR_CLIENT_CERTIFICATE_NOT_YET_VALID = 10, /* never */
	LW_CONNECTION_ERROR_CLIENT_CERTIFICATE_EXPIRED = 11,       /* never */
	LW_CONNECTION_ERROR_PLUGIN_FAILED = 12,
	LW_CONNECTION_ERROR_CONFIGURATION_NOT_FOUND = 13, /* never */
	LW_CONNECTION_ERROR_PLUGIN_DISABLED = 14,         /* never */
	LW_CONNECTION_ERROR_NEGOTIATION_FAILED = 15,
	LW_CONNECTION_ERROR_SERVER_DISCONNECTED = 16,
	LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID = 17,
	LW_CONNECTION_ERROR_SERVER_CERTIFICATE_NOT_YET_VALID = 18, /* never */
	LW_CONNECTION_ERROR_SERVER_CERTIFICATE_EXPIRED = 19,       /* never */
};

/* Apple's numbers: NETunnelProviderError. */
enum lw_tunnel_error {
	LW_TUNNEL_ERROR_SETTINGS_INVALID = 1,
	LW_TUNNEL_ERROR_SETTINGS_CANCELED = 2,
	LW_TUNNEL_ERROR_SETTINGS_FAILED = 3,
};

enum { LW_ERROR_TEXT_SIZE = 480 };

/* A value: nothing in it is owned. text is one sentence without a newline, always terminated. */
struct lw_error {
	enum lw_error_domain domain;
	int code;
	char text[LW_ERROR_TEXT_SIZE];
};

LW_END

#endif

/* SPDX-License-Identifier: MIT */
/* Everything of liblongwire. */
#ifndef LONGWIRE_LONGWIRE_H
#define LONGWIRE_LONGWIRE_H

#include <longwire/api.h>
#include <longwire/capture.h>
#include <longwire/connection.h>
#include <longwire/error.h>
#include <longwire/flow.h>
#include <longwire/hub.h>
#include <longwire/identity.h>
#include <longwire/impairment.h>
#include <longwire/loop.h>
#include <longwire/networking.h>
#include <longwire/packet.h>
#include <longwire/provider.h>
#include <longwire/replay.h>
#include <longwire/settings.h>
#include <longwire/tunnel.h>

#endif

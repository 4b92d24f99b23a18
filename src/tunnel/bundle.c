/* SPDX-License-Identifier: MIT */
/* The streams of one peer. */
#include "tunnel/bundle.h"

#include <string.h>

#include "base/memory.h"
#include "loop/crew.h"
#include "tunnel/session.h"
#include "wire/flow_hash.h"

void bundle_init(struct bundle *bundle, struct crew *crew, unsigned home, uint32_t wanted)
{
	*bundle = (struct bundle){ .crew = crew, .home = home, .wanted = wanted };
}

static bool is_further(const struct hello *hello)
{
	return hello->has_session || hello->succeeds || hello->stream > 1;
}

bool bundle_admits(const struct bundle *bundle, const struct hello *hello)
{
	const struct session *present;

	if (!is_further(hello))
		return true;
	if (!bundle || !bundle->n || !hello->has_session ||
	    memcmp(bundle->id, hello->session, sizeof(bundle->id)) != 0)
		return false;
	if (!hello->succeeds)
		return hello->stream > 1 && hello->stream <= bundle->n;
	if (hello->succeeds > bundle->n || (hello->stream && hello->stream != hello->succeeds))
		return false;
	present = bundle->members[hello->succeeds - 1];
	return present && session_may_be_succeeded(present);
}

uint32_t bundle_agree(const struct bundle *bundle, const struct hello *hello)
{
	return bundle ? MIN(bundle->wanted, hello->streams) : 1;
}

static void begin(struct bundle *bundle, struct session *session)
{
	struct session *old[STREAMS_MAX];

	memcpy(old, bundle->members, sizeof(old));
	memset(bundle->members, 0, sizeof(bundle->members));
	bundle->n = bundle_agree(bundle, &session->peer_hello);
	bundle->is_complete = false;
	memcpy(bundle->id, session->id, sizeof(bundle->id));
	/* They are no members any more: nothing that they still do is this one's. */
	for (size_t i = 0; i < ARRAY_SIZE(old); i++)
		if (old[i])
			session_finish(old[i], GOODBYE_REPLACED,
				       "the same identity connected again: its newest session is "
				       "served");
}

uint32_t bundle_count(const struct bundle *bundle)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < bundle->n; i++)
		n += bundle->members[i] != NULL;
	return n;
}

static bool is_first(const struct session *session)
{
	return session->index == 0 && !session->predecessor;
}

bool bundle_awaits(const struct bundle *bundle, const struct session *session)
{
	return is_first(session) ||
	       (session->index < bundle->n && !memcmp(bundle->id, session->id, sizeof(bundle->id)));
}

void bundle_join(struct bundle *bundle, struct session *session)
{
	struct session *old;

	if (is_first(session))
		begin(bundle, session);
	old = bundle->members[session->index];
	bundle->members[session->index] = session;
	if (old && old != session->predecessor)
		session_finish(old, GOODBYE_REPLACED, "its stream was opened again");
	bundle->is_complete |= bundle_count(bundle) == bundle->n;
}

void bundle_leave(struct bundle *bundle, struct session *session)
{
	if (bundle->members[session->index] != session)
		return;
	bundle->members[session->index] = NULL;
	if (session->index > 0)
		return;
	bundle->is_complete = false;
	for (uint32_t i = 1; i < bundle->n; i++)
		if (bundle->members[i])
			session_finish(bundle->members[i], session->end.code,
				       "the first stream has ended");
	bundle->n = 0;
}

bool bundle_has(const struct bundle *bundle, const struct session *session)
{
	const struct session *member = bundle->members[session->index];

	return member && (member == session || member->predecessor == session);
}

unsigned bundle_worker(const struct bundle *bundle, uint32_t index)
{
	return bundle ? (bundle->home + index) % crew_size(bundle->crew) : 0;
}

struct session *bundle_choose(const struct bundle *bundle, const struct lw_packet *packet)
{
	if (unlikely(!bundle->is_complete))
		return NULL;
	if (likely(bundle->n == 1))
		return bundle->members[0];
	return bundle->members[flow_hash(packet->layer, packet->data, packet->length) % bundle->n];
}

unsigned bundle_choose_worker(const struct bundle *bundle, const struct lw_packet *packet)
{
	const struct session *session = bundle_choose(bundle, packet);

	return session ? session->worker : crew_self();
}

void bundle_flush(struct bundle *bundle)
{
	for (uint32_t i = 0; i < bundle->n; i++) {
		struct session *session = bundle->members[i];

		if (session && session->worker == crew_self())
			session_flush(session);
	}
}

/* SPDX-License-Identifier: MIT */
/* The version and the names of drop reasons. */
#include <longwire/api.h>
#include <string.h>

#include <longwire/packet.h>

#define NAME(id, name, text) [LW_DROP_##id] = name,
static const char *const names[] = { LW_DROP_REASONS(NAME) };
#undef NAME

#define TEXT(id, name, text) [LW_DROP_##id] = text,
static const char *const texts[] = { LW_DROP_REASONS(TEXT) };
#undef TEXT

const char *lw_version(void)
{
	return LW_VERSION;
}

const char *lw_drop_name(enum lw_drop reason)
{
	return (unsigned)reason < LW_DROP_COUNT ? names[reason] : "?";
}

enum lw_drop lw_drop_find(const char *name)
{
	for (unsigned i = LW_DROP_NONE + 1; i < LW_DROP_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum lw_drop)i;
	return LW_DROP_NONE;
}

const char *lw_drop_text(enum lw_drop reason)
{
	return (unsigned)reason < LW_DROP_COUNT ? texts[reason] : "?";
}

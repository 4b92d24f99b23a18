/* SPDX-License-Identifier: MIT */
/* longwire check: everything that is wrong with files, without touching anything else. */
#include <errno.h>

#include "base/schema.h"
#include "program/command.h"
#include "program/plan.h"

/* Return: 0, or a negative errno with everything told. */
static int check_file(const char *file)
{
	struct schema_errors errors = { .file = file };
	struct config config;
	int r = plan_load(file, 0, &config);

	if (r < 0)
		return r;
	if (config.kind == CONFIG_HUB) {
		struct hub_plan plan;

		r = plan_hub(&config.hub, &plan, &errors);
		if (r == 0)
			plan_hub_done(&plan);
	} else {
		struct tunnel_plan plan;

		r = plan_tunnel(&config.tunnel, &plan, &errors);
		if (r == 0)
			plan_tunnel_done(&plan);
	}
	plan_tell(&errors);
	config_done(&config);
	return r;
}

int command_check(const struct arguments *arguments)
{
	int status = PROGRAM_DONE;

	for (size_t i = 0; i < arguments->n_words; i++) {
		int r = check_file(arguments->words[i]);

		if (r == -ENOMEM)
			return PROGRAM_FAILED;
		if (r < 0)
			status = PROGRAM_USAGE;
	}
	return status;
}

/* SPDX-License-Identifier: MIT */
/* The longwire program. */
#include "program/command.h"

int main(int argc, char **argv)
{
	return command_main(argc, argv);
}

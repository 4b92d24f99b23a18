/* SPDX-License-Identifier: MIT */
/* Which format a capture file has. */
#include "capture/format.h"

#include <string.h>

enum lw_capture_format format_choose(enum lw_capture_format format, const char *file)
{
	static const char ending[] = ".pcapng";
	size_t length = file ? strlen(file) : 0;

	if (format != LW_CAPTURE_FORMAT_AUTO)
		return format;
	if (!file)
		return LW_CAPTURE_PCAPNG;
	if (length < sizeof(ending) || strcmp(file + length - strlen(ending), ending) != 0)
		return LW_CAPTURE_PCAP;
	return LW_CAPTURE_PCAPNG;
}

const struct format *format_get(enum lw_capture_format format)
{
	return format == LW_CAPTURE_PCAPNG ? &pcapng_format : &pcap_format;
}

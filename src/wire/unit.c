/* SPDX-License-Identifier: MIT */
/* Units: the header, the limit of each type, and what is wrong with them. */
#include "wire/unit.h"

#include "base/bytes.h"
#include "wire/message.h"

struct limits {
	uint32_t min, max;
};

static enum unit_result limits_of(uint8_t type, uint32_t frame_max, struct limits *ret_limits)
{
	switch (type) {
	case UNIT_FRAME:
		/* Too short a frame is no breach of framing: the switch drops and counts it. */
		*ret_limits = (struct limits){ 0, frame_max };
		return UNIT_OK;
	case UNIT_OFFLOAD_FRAME:
		*ret_limits = (struct limits){ UNIT_OFFLOAD_SIZE, frame_max + UNIT_OFFLOAD_SIZE };
		return UNIT_OK;
	case UNIT_HELLO:
		*ret_limits = (struct limits){ 0, UNIT_HELLO_MAX };
		return UNIT_OK;
	case UNIT_SETTINGS:
		*ret_limits = (struct limits){ 0, UNIT_SETTINGS_MAX };
		return UNIT_OK;
	case UNIT_MESSAGE:
		*ret_limits = (struct limits){ 0, UNIT_MESSAGE_MAX };
		return UNIT_OK;
	case UNIT_JOIN:
		*ret_limits = (struct limits){ 0, UNIT_JOIN_MAX };
		return UNIT_OK;
	case UNIT_GOODBYE:
		*ret_limits = (struct limits){ 0, UNIT_GOODBYE_MAX };
		return UNIT_OK;
	case UNIT_PROBE:
		*ret_limits = (struct limits){ PROBE_SIZE, PROBE_SIZE };
		return UNIT_OK;
	case UNIT_LAST:
		*ret_limits = (struct limits){ 0, 0 };
		return UNIT_OK;
	default:
		if (type < UNIT_OPTIONAL)
			return UNIT_UNKNOWN_TYPE;
		*ret_limits = (struct limits){ 0, UNIT_OPTIONAL_MAX };
		return UNIT_OK;
	}
}

enum unit_result unit_decode(const uint8_t *data, size_t length, uint32_t frame_max,
			     struct unit *ret_unit, size_t *ret_needed)
{
	struct limits limits;
	enum unit_result result;
	uint32_t body;

	if (length < UNIT_HEADER_SIZE) {
		*ret_needed = UNIT_HEADER_SIZE;
		return UNIT_NEED_MORE;
	}
	result = limits_of(data[0], frame_max, &limits);
	if (result != UNIT_OK)
		return result;
	body = load_be24(data + 1);
	/* Units of one fixed length have no "too long": any other length is the same breach. */
	if (body < limits.min || (limits.min == limits.max && body != limits.max))
		return UNIT_TOO_SHORT;
	if (body > limits.max)
		return UNIT_TOO_LONG;
	if (length - UNIT_HEADER_SIZE < body) {
		*ret_needed = UNIT_HEADER_SIZE + (size_t)body;
		return UNIT_NEED_MORE;
	}
	*ret_unit = (struct unit){
		.type = data[0],
		.body = data + UNIT_HEADER_SIZE,
		.length = body,
	};
	return UNIT_OK;
}

const char *unit_result_text(enum unit_result result)
{
	switch (result) {
	case UNIT_OK:
		return "a whole unit";
	case UNIT_NEED_MORE:
		return "an incomplete unit";
	case UNIT_UNKNOWN_TYPE:
		return "unknown unit type";
	case UNIT_TOO_LONG:
		return "unit longer than its type allows";
	case UNIT_TOO_SHORT:
		return "unit of a wrong length";
	}
	return "?";
}

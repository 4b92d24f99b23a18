/* SPDX-License-Identifier: MIT */
/* The settings message: what the hub offers to a client. */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "wire/field.h"
#include "wire/message.h"
#include "wire/unit.h"

/* Keys that mean something to other versions: their presence is told, so that status can show them
 * as not accepted. */
static const char *const known_by_name[] = { "dns", "excluded-routes", "proxy" };

static int add_texts(struct tree *map, const char *key, char (*items)[OFFER_TEXT], size_t n)
{
	struct tree *list;
	int r = 0;

	if (n == 0)
		return 0;
	r = tree_add_list(map, key, &list);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = tree_add_text(list, NULL, items[i]);
	return r;
}

static int fill(struct tree *map, const struct offer *offer)
{
	struct tree *dns;

	if (offer->mtu && tree_add_uint(map, "mtu", offer->mtu) < 0)
		return -ENOMEM;
	if (add_texts(map, "addresses", offer->addresses, offer->n_addresses) < 0 ||
	    add_texts(map, "included-routes", offer->included_routes, offer->n_included_routes) < 0)
		return -ENOMEM;
	if (offer->has_dns && tree_add_map(map, "dns", &dns) < 0)
		return -ENOMEM;
	return 0;
}

int offer_encode(const struct offer *offer, uint8_t *data, size_t size)
{
	struct tree *map = tree_new(TREE_MAP);

	if (map && fill(map, offer) < 0) {
		tree_free(map);
		return -ENOMEM;
	}
	return field_finish(map, data, size);
}

static int read_texts(const struct tree *map, const char *key, size_t max,
		      char (**ret_items)[OFFER_TEXT], size_t *ret_n, struct lw_error *error)
{
	char(*items)[OFFER_TEXT];
	const struct tree *list;
	size_t n = 0;
	int r;

	r = field_texts(map, key, max, &list, error);
	if (r < 0 || !list || list->n == 0)
		return r;
	for_each_child(child, list)
		if (strlen(child->text) >= OFFER_TEXT)
			return field_error(error, "%s has an item of more than %d bytes", key,
					   OFFER_TEXT - 1);
	items = calloc(list->n, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for_each_child(child, list)
		memcpy(items[n++], child->text, strlen(child->text) + 1);
	*ret_items = items;
	*ret_n = n;
	return 0;
}

static int read_offer(const struct tree *map, struct offer *offer, struct lw_error *error)
{
	int r;

	r = field_uint(map, "mtu", FIELD_OPTIONAL, 0, UINT32_MAX, &offer->mtu, error);
	if (r < 0)
		return r;
	r = read_texts(map, "addresses", OFFER_ADDRESSES_MAX, &offer->addresses,
		       &offer->n_addresses, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(known_by_name); i++)
		if (tree_get(map, known_by_name[i]))
			offer->has_dns = true;
	return read_texts(map, "included-routes", OFFER_ROUTES_MAX, &offer->included_routes,
			  &offer->n_included_routes, error);
}

int offer_decode(const uint8_t *data, size_t length, struct offer *ret_offer,
		 struct lw_error *ret_error)
{
	struct offer offer = { 0 };
	struct tree *map;
	int r;

	if (length > UNIT_SETTINGS_MAX)
		return field_error(ret_error, "settings longer than %d bytes", UNIT_SETTINGS_MAX);
	r = json_parse(data, length, &map, ret_error);
	if (r < 0)
		return r;
	r = read_offer(map, &offer, ret_error);
	tree_free(map);
	if (r < 0)
		offer_done(&offer);
	else
		*ret_offer = offer;
	return r;
}

void offer_done(struct offer *offer)
{
	free(offer->addresses);
	free(offer->included_routes);
	*offer = (struct offer){ 0 };
}

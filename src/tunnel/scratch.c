/* SPDX-License-Identifier: MIT */
/* Blocks that are taken, given back, and after a while unmapped. */
#include "tunnel/scratch.h"

#include "base/memory.h"

struct scratch_block {
	struct scratch_block *next; /* while it is free */
	_Alignas(64) uint8_t data[];
};

static size_t block_size(const struct scratch_pool *pool)
{
	return sizeof(struct scratch_block) + pool->size;
}

static void *take(struct scratch_pool *pool)
{
	struct scratch_block *block = pool->free;

	if (likely(block)) {
		pool->free = block->next;
		pool->n_free--;
		pool->least_free = MIN(pool->least_free, pool->n_free);
	} else {
		block = memory_map(block_size(pool));
		if (!block)
			return NULL;
	}
	pool->n_taken++;
	return block->data;
}

static void give(struct scratch *scratch, struct scratch_pool *pool, void *data)
{
	struct scratch_block *block;

	if (!data)
		return;
	block = container_of(data, struct scratch_block, data);
	block->next = pool->free;
	pool->free = block;
	pool->n_free++;
	pool->n_taken--;
	if (unlikely(pool->n_free > 1 && !scratch->trim.loop))
		loop_timer_set_in_ms(scratch->loop, &scratch->trim, SCRATCH_TRIM_MS);
}

/* Unmap n free blocks. */
static void shrink(struct scratch_pool *pool, uint32_t n)
{
	for (; n; n--) {
		struct scratch_block *block = pool->free;

		pool->free = block->next;
		pool->n_free--;
		memory_unmap(block, block_size(pool));
	}
}

/* Return: whether there may be more to be trimmed later. */
static bool trim(struct scratch_pool *pool)
{
	if (pool->least_free > 1)
		shrink(pool, pool->least_free - 1);
	pool->least_free = pool->n_free;
	return pool->n_free > 1;
}

static void trim_due(struct loop_timer *timer)
{
	struct scratch *scratch = container_of(timer, struct scratch, trim);
	bool is_left = trim(&scratch->inward);

	if (trim(&scratch->outward) || is_left)
		loop_timer_set_in_ms(scratch->loop, timer, SCRATCH_TRIM_MS);
}

struct scratch *scratch_use(struct lw_loop *loop)
{
	struct scratch *scratch = loop_local(loop);

	if (!scratch) {
		scratch = memory_map(sizeof(*scratch));
		if (!scratch)
			return NULL;
		scratch->loop = loop;
		scratch->inward.size = sizeof(struct scratch_inward);
		scratch->outward.size = sizeof(struct scratch_outward);
		if (loop_timer_init(loop, &scratch->trim, trim_due) < 0) {
			memory_unmap(scratch, sizeof(*scratch));
			return NULL;
		}
		loop_set_local(loop, scratch);
	}
	scratch->users++;
	return scratch;
}

void scratch_leave(struct scratch *scratch)
{
	if (!scratch || --scratch->users)
		return;
	loop_set_local(scratch->loop, NULL);
	loop_timer_done(scratch->loop, &scratch->trim);
	shrink(&scratch->inward, scratch->inward.n_free);
	shrink(&scratch->outward, scratch->outward.n_free);
	memory_unmap(scratch, sizeof(*scratch));
}

struct scratch_inward *scratch_take_inward(struct scratch *scratch)
{
	return take(&scratch->inward);
}

struct scratch_outward *scratch_take_outward(struct scratch *scratch)
{
	return take(&scratch->outward);
}

void scratch_give_inward(struct scratch *scratch, struct scratch_inward *block)
{
	give(scratch, &scratch->inward, block);
}

void scratch_give_outward(struct scratch *scratch, struct scratch_outward *block)
{
	give(scratch, &scratch->outward, block);
}

void scratch_move(struct scratch *from, struct scratch *to, const struct scratch_inward *inward,
		  const struct scratch_outward *outward)
{
	from->inward.n_taken -= inward != NULL;
	to->inward.n_taken += inward != NULL;
	from->outward.n_taken -= outward != NULL;
	to->outward.n_taken += outward != NULL;
}

bool scratch_is_crowded(const struct scratch *scratch)
{
	return scratch->outward.n_taken > SCRATCH_CROWD;
}

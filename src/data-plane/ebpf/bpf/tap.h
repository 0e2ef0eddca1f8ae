// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Shows user space, through a ring, what ends in the kernel. */
#pragma once
#include "rewrite.h"

/*
 * A place in the ring is reserved in a size that is known beforehand: the first holds audio, the second what an Ethernet frame
 * of the usual 1,500 bytes does, the third what links with somewhat more carry. What is larger goes up.
 */
enum { SMALL = 256, FRAME = 1536, LARGE = 2048 };
#define MOST_TAPPED (LARGE - sizeof(struct tapped))

INLINE int write_to_ring(struct walk *walk, u32 at, u32 length, const u32 size)
{
	struct tapped *place = ringbuf_reserve(&tap, size, 0);
	if (!place)
		return 0;
	place->arrived = walk->now;
	place->fanout = walk->headers.eth.proto == BE16(0x86dd) ? walk->index | TAPPED_V6 : walk->index;
	place->length = length;
	place->linked = walk->linked;
	AS_IT_IS(length);
	if (length > 0 && skb_load_bytes(walk->skb, at, place + 1, length)) {
		ringbuf_discard(place, NO_WAKEUP);
		return 0;
	}
	ringbuf_submit(place, NO_WAKEUP);
	return 1;
}

/* One packet, or one segment of a super-packet. */
static long to_ring(u32 i, struct walk *walk) SECTION("tc/ring");
static long to_ring(u32 i, struct walk *walk)
{
	u32 from = i * walk->segment;
	u32 length = walk->bytes - from;
	int is_written = 0;
	if (length > walk->segment)
		length = walk->segment;
	AS_IT_IS(length);
	if (length <= SMALL - sizeof(struct tapped))
		is_written = write_to_ring(walk, walk->payload + from, length, SMALL);
	else if (length <= FRAME - sizeof(struct tapped))
		is_written = write_to_ring(walk, walk->payload + from, length, FRAME);
	else if (length <= MOST_TAPPED)
		is_written = write_to_ring(walk, walk->payload + from, length, LARGE);
	if (!is_written)
		ADD(walk->fanout->untapped, 1);
	return 0;
}

/* Whether the packet can do without going up: nobody wants it, or the ring can show it. */
INLINE u32 quiet_for(const struct walk *walk)
{
	return walk->flags & TAPPED && walk->segment > MOST_TAPPED ? 0 : walk->flags & (QUIET | TAPPED);
}

/* True if the packet ends here. */
INLINE int ends_here(struct walk *walk)
{
	if (!walk->quiet || walk->some_left)
		return 0;
	ADD(walk->fanout->unseen_packets, walk->packets);
	ADD(walk->fanout->unseen_bytes, walk->bytes);
	if (walk->quiet & TAPPED)
		loop(walk->packets, to_ring, walk, 0);
	return 1;
}

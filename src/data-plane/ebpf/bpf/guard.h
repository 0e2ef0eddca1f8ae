// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What becomes of a packet that is not fanned out: told to user space, or dropped as part of a flood. */
#pragma once
#include "parse.h"

/* One value in time says it all: how far ahead of the clock this prefix has used up its rate. */
INLINE int over_rate(struct settings *settings, const struct flow_key *key, u32 kind)
{
	struct bucket_key prefix = { .kind = kind };
	u64 now = ktime_get_ns();
	__builtin_memcpy(prefix.prefix, key->src, 16);
	if (key->src[0] == 0 && key->src[1] == 0 && key->src[2] == BE32(0xffff)) {
		prefix.prefix[3] &= BE32(0xffffff00);
	} else {
		prefix.prefix[1] &= BE32(0xffffff00);
		prefix.prefix[2] = prefix.prefix[3] = 0;
	}
	u64 *used = map_lookup(&buckets, &prefix);
	u64 until = used && *used > now ? *used : now;
	if (until - now > settings->burst_ns)
		return 1;
	until += settings->interval_ns;
	if (used)
		*used = until;
	else
		map_update(&buckets, &prefix, &until, 0);
	return 0;
}

/* A datagram that is written down: the sockets get each segment of a super-packet on its own. */
struct writing {
	struct skb *skb;
	u32 payload, length, segment;
	struct record record;
	struct print print;
};

static long write_segment(u32 i, struct writing *writing) SECTION("tc/write");
static long write_segment(u32 i, struct writing *writing)
{
	struct print print = writing->print;
	u32 from = i * writing->segment;
	u32 length = writing->length - from;
	if (length > writing->segment)
		length = writing->segment;
	AS_IT_IS(length);
	print.length = length;
	if (length >= 16)
		skb_load_bytes(writing->skb, writing->payload + from, print.head, 16);
	else if (length > 0)
		skb_load_bytes(writing->skb, writing->payload + from, print.head, length & 15);
	map_update(&unfanned, &print, &writing->record, 0);
	return 0;
}

/* Tells user space what has become of a packet that goes up. */
INLINE int write_down(struct skb *skb, struct settings *settings, const struct packet *packet, u64 when, u32 linked, u32 how)
{
	u32 length = packet->length;
	struct writing writing = { .skb = skb, .payload = packet->payload, .length = length,
				   .record = { .when = when, .linked = linked, .how = how },
				   .print = { .sport = packet->key.sport, .dport = packet->key.dport } };
	__builtin_memcpy(writing.print.src, packet->key.src, 16);
	u32 size = skb->gso_size;
	writing.segment = size && size < length ? size : length;
	loop(writing.segment < length ? (length + size - 1) / size : 1, write_segment, &writing, 0);
	ADD(settings->unfanned, 1);
	return TO_NEXT;
}

/* A packet that this program does not fan out. */
INLINE int leave(struct skb *skb, const struct packet *packet, int is_known)
{
	const struct flow_key *key = &packet->key;
	u32 zero = 0;
	struct settings *settings = map_lookup(&config, &zero);
	if (!settings)
		return TO_NEXT;
	if (!is_known) {
		struct endpoint end = { .port = key->dport };
		__builtin_memcpy(end.address, key->dst, 16);
		u32 *listens = map_lookup(&listening, &end);
		if (!listens)
			return TO_NEXT;
		u32 kind = *listens;
		if (kind == PUNCH) {
			__builtin_memcpy(end.address, key->src, 16);
			end.port = key->sport;
			if (map_lookup(&viewers, &end))
				return TO_NEXT;
		}
		if (settings->interval_ns && over_rate(settings, key, kind)) {
			ADD(settings->limited[kind == PUNCH ? PUNCH : INGEST], 1);
			return TO_NOBODY;
		}
		if (kind == PUNCH && is_stun(skb, packet))
			return TO_NEXT;
	}
	return write_down(skb, settings, packet, ktime_get_ns(), 0, WHOLE);
}

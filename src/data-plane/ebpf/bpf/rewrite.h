// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Walks the list of holes: for each the route is looked up, the headers are written, and a clone is sent. */
#pragma once
#include "parse.h"

/* The lookup asks as the host itself would: from loopback, where the loader switched forwarding on for it. */
enum { LOOPBACK = 1 };

/*
 * A way that was looked up is believed for so many ticks of a millisecond (2^20 ns). Not more, since whoever changes a route or
 * takes over an address shall not wait; not less, since a stream of 50 packets a second shall find it, too.
 */
enum { TICK_SHIFT = 20, BELIEVED_TICKS = 100 };

/*
 * A packet on its way along the list. `sum` is the checksum's sum of the addresses that it carries just now, `base` that of
 * the rest of its IPv4 header.
 */
struct walk {
	struct skb *skb;
	struct fanout *fanout;
	u64 now;
	u32 next, linked, packets, bytes, segment, payload, index, base, sum, some_left, flags, quiet, redirected;
	struct headers headers;
};

/* A one's complement sum of 32 bits. */
INLINE u32 add(u32 a, u32 b)
{
	u32 sum = a + b;
	return sum + (sum < a);
}

INLINE u16 fold(u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

INLINE long not_sent(struct walk *walk, struct hole *hole, u32 reason)
{
	ADD(hole->drops, walk->packets);
	ADD(walk->fanout->reasons[reason], walk->packets);
	return 0;
}

/* What the kernel cannot send, user space can: it waits for the neighbour, fragments, knows every kind of interface. */
INLINE long leave_hole(struct walk *walk, struct hole *hole, long result)
{
	u32 reason = result == FIB_NO_NEIGHBOUR ? NO_NEIGHBOUR : result == FIB_TOO_BIG ? TOO_BIG : result > 0 ? NO_ROUTE : NO_ETHERNET;
	ADD(walk->fanout->reasons[reason], walk->packets);
	if (walk->now - hole->left_until > 1000000000)
		hole->left_from = walk->now;
	hole->left_until = walk->now;
	walk->some_left = 1;
	return 0;
}

/* An interface without Ethernet headers has no such address. */
INLINE int has_ethernet(const struct fib *fib)
{
	return fib->smac[0] | fib->smac[1] | fib->smac[2] | fib->smac[3] | fib->smac[4] | fib->smac[5];
}

/*
 * Sees to it that the hole has a way that this packet fits through; returns what fib_lookup does, or negative if the interface
 * has no Ethernet. Two CPUs may write the same hole's: what one of them reads then was right a moment ago.
 */
INLINE long find_way(struct walk *walk, struct hole *hole, const int v6)
{
	struct way *way = &hole->way;
	u32 tick = walk->now >> TICK_SHIFT;
	/* A super-packet is cut up before it meets the path's limit. */
	u32 length = walk->packets == 1 ? walk->bytes + UDP + (v6 ? IP6 : IP4) : 0;
	if (READ_ONCE(way->until) - tick < BELIEVED_TICKS && length <= way->mtu)
		return 0;
	struct fib fib = { .family = v6 ? INET6 : INET, .l4_protocol = UDP_PROTOCOL, .ifindex = LOOPBACK,
			   .sport = hole->local_port, .dport = hole->remote_port, .tot_len = length };
	if (v6) {
		__builtin_memcpy(fib.src, hole->local, 16);
		__builtin_memcpy(fib.dst, hole->remote, 16);
	} else {
		fib.src[0] = hole->local[3];
		fib.dst[0] = hole->remote[3];
	}
	long result = fib_lookup(walk->skb, &fib, sizeof(fib), 0);
	if (result || !has_ethernet(&fib))
		return result ? result : -1;
	__builtin_memcpy(way->dmac, fib.dmac, 6);
	__builtin_memcpy(way->smac, fib.smac, 6);
	way->ifindex = fib.ifindex;
	/* The kernel's answer stands where the length was asked. */
	way->mtu = fib.tot_len;
	way->until = tick + BELIEVED_TICKS - 1;
	return 0;
}

INLINE struct hole *next_hole(struct walk *walk)
{
	u32 index = walk->next;
	struct hole *hole = index ? map_lookup(&holes, &index) : 0;
	if (hole)
		walk->next = READ_ONCE(hole->next);
	return hole;
}

INLINE long send(struct walk *walk, struct hole *hole, u32 ifindex)
{
	/* Nobody wants the original: it goes to the last hole itself, which saves the costliest clone. */
	if (walk->quiet && !walk->next && !walk->some_left) {
		redirect(ifindex, 0);
		walk->redirected = 1;
	} else if (clone_redirect(walk->skb, ifindex, 0)) {
		return not_sent(walk, hole, QUEUE_FULL);
	}
	ADD(hole->packets, walk->packets);
	ADD(hole->bytes, walk->bytes);
	return 0;
}

/* Changes the UDP checksum by the difference; the kernel keeps one beside the packet, too, and both follow. */
INLINE void follow_addresses(struct walk *walk, u32 sum, const int v6)
{
	u32 check = ETH + (v6 ? IP6 : IP4) + 6;
	l4_csum_replace(walk->skb, check, 0, add(sum, ~walk->sum), PSEUDO_HEADER | KEEP_ZERO);
	walk->sum = sum;
}

INLINE long to_hole(struct walk *walk, const int v6)
{
	const u32 ip = v6 ? IP6 : IP4;
	struct headers *h = &walk->headers;
	struct udp *udp = v6 ? &h->udp6 : &h->udp4;
	struct hole *hole = next_hole(walk);
	if (!hole)
		return 1;
	if (READ_ONCE(hole->expires) <= walk->now)
		return not_sent(walk, hole, EXPIRED);
	long result = find_way(walk, hole, v6);
	if (result)
		return leave_hole(walk, hole, result);
	u32 ports = *(u32 *)&udp->sport;
	__builtin_memcpy(h->eth.dmac, hole->way.dmac, 12);
	if (v6) {
		__builtin_memcpy(h->ip6.src, hole->local, 32);
	} else {
		h->ip4.src = hole->local[3];
		h->ip4.dst = hole->remote[3];
		h->ip4.check = fold(add(walk->base, hole->sum));
	}
	udp->sport = hole->local_port;
	udp->dport = hole->remote_port;
	skb_store_bytes(walk->skb, 0, h->eth.dmac, ETH + ip + PORTS, 0);
	follow_addresses(walk, hole->sum, v6);
	l4_csum_replace(walk->skb, ETH + ip + 6, ports, *(u32 *)&udp->sport, WORD | KEEP_ZERO);
	return send(walk, hole, hole->way.ifindex);
}

static long to_hole4(u32 i, struct walk *walk) SECTION("tc/hole4");
static long to_hole4(u32 i, struct walk *walk)
{
	return to_hole(walk, 0);
}

static long to_hole6(u32 i, struct walk *walk) SECTION("tc/hole6");
static long to_hole6(u32 i, struct walk *walk)
{
	return to_hole(walk, 1);
}

/* Makes the headers those of every clone, as far as they do not depend on the hole. */
INLINE void prepare(struct walk *walk, const int v6)
{
	struct headers *h = &walk->headers;
	if (v6) {
		h->ip6.hops = 64;
		walk->sum = csum_diff(0, 0, h->ip6.src, 32, 0);
	} else {
		u16 *words = (u16 *)&h->ip4;
		h->ip4.ttl = 64;
		walk->base = words[0] + words[1] + words[2] + words[3] + words[4];
		walk->sum = add(h->ip4.src, h->ip4.dst);
	}
}

/* Puts the original back as it came: the checksum beside the packet by the same steps, then every byte. */
INLINE void restore(struct skb *skb, struct walk *walk, struct headers *original, u32 sum, const int v6)
{
	follow_addresses(walk, sum, v6);
	skb_store_bytes(skb, 0, original->eth.dmac, ETH + (v6 ? IP6 : IP4) + UDP, 0);
}

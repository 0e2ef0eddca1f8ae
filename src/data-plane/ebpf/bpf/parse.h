// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Finds the UDP datagram in a frame of either IP version. */
#pragma once
#include "tables.h"

/* The headers of a clone. The pad aligns what follows Ethernet. */
struct eth {
	u16 pad;
	u8 dmac[6], smac[6];
	u16 proto;
};
struct ip4 {
	u8 version_ihl, tos;
	u16 length, id, fragment;
	u8 ttl, protocol;
	u16 check;
	u32 src, dst;
};
struct ip6 {
	u32 flow;
	u16 length;
	u8 next, hops;
	u32 src[4], dst[4];
};
struct udp {
	u16 sport, dport, length, check;
};
enum { ETH = 14, IP4 = 20, IP6 = 40, UDP = 8, PORTS = 4 };

struct headers {
	struct eth eth;
	union {
		struct {
			struct ip4 ip4;
			struct udp udp4;
		};
		struct {
			struct ip6 ip6;
			struct udp udp6;
		};
	};
};

/* A datagram: whose it is, where its payload lies, and whether nothing but plain headers stands before it. */
struct packet {
	struct flow_key key;
	u32 payload, length, is_plain;
};

INLINE int parse4(struct skb *skb, struct headers *h, struct packet *packet)
{
	if (skb_load_bytes(skb, 0, h->eth.dmac, ETH + IP4))
		return 0;
	u32 header = (h->ip4.version_ihl & 15) * 4;
	u32 total = BE16(h->ip4.length);
	if (h->ip4.version_ihl >> 4 != 4 || h->ip4.protocol != UDP_PROTOCOL || header < IP4 || total < header + UDP ||
	    ETH + total > skb->len || h->ip4.fragment & BE16(0x1fff))
		return 0;
	if (skb_load_bytes(skb, ETH + header, &h->udp4, UDP))
		return 0;
	u32 length = BE16(h->udp4.length);
	int more = (h->ip4.fragment & BE16(0x2000)) != 0;
	if (length < UDP || (!more && length > total - header))
		return 0;
	packet->key.sport = h->udp4.sport;
	packet->key.dport = h->udp4.dport;
	packet->key.src[2] = packet->key.dst[2] = BE32(0xffff);
	packet->key.src[3] = h->ip4.src;
	packet->key.dst[3] = h->ip4.dst;
	packet->payload = ETH + header + UDP;
	packet->length = length - UDP;
	packet->is_plain = header == IP4 && !more && length == total - header;
	return 1;
}

INLINE int parse6(struct skb *skb, struct headers *h, struct packet *packet)
{
	if (skb_load_bytes(skb, 0, h->eth.dmac, ETH + IP6) || BE32(h->ip6.flow) >> 28 != 6)
		return 0;
	u32 at = ETH + IP6;
	u8 next = h->ip6.next;
	int more = 0;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		u8 extension[8];
		if (next == UDP_PROTOCOL)
			break;
		/* Hop-by-hop options, routing, fragment, destination options. */
		if ((next != 0 && next != 43 && next != 44 && next != 60) || skb_load_bytes(skb, at, extension, 8))
			return 0;
		if (next == 44) {
			if (extension[2] || extension[3] & 0xf8)
				return 0;
			more |= extension[3] & 1;
			at += 8;
		} else {
			at += (extension[1] + 1) * 8;
		}
		next = extension[0];
	}
	if (next != UDP_PROTOCOL || skb_load_bytes(skb, at, &h->udp6, UDP))
		return 0;
	u32 length = BE16(h->udp6.length);
	if (length < UDP || ETH + IP6 + BE16(h->ip6.length) > skb->len)
		return 0;
	packet->key.sport = h->udp6.sport;
	packet->key.dport = h->udp6.dport;
	__builtin_memcpy(packet->key.src, h->ip6.src, 32);
	packet->payload = at + UDP;
	packet->length = length - UDP;
	packet->is_plain = at == ETH + IP6 && !more && length == BE16(h->ip6.length) && h->udp6.check;
	return 1;
}

INLINE int is_stun(struct skb *skb, const struct packet *packet)
{
	u32 start[2];
	if (packet->length < 20 || skb_load_bytes(skb, packet->payload, start, 8))
		return 0;
	return (start[0] & BE32(0xfc000000)) == 0 && start[1] == BE32(0x2112a442);
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Fans a publisher's packets out to every hole, at tc ingress. Each match is cloned to the holes of its fan-out with addresses,
 * ports, checksums and Ethernet header rewritten. Where every hole is the kernel's the packet ends here and user space sees a
 * copy in a ring; else the original goes up as it came. What is not plain (IP options, fragments) or not known goes up alone,
 * and is written down in `unfanned`, so that user space knows what is left to it.
 */
#include "bpf/guard.h"
#include "bpf/tap.h"

SECTION("tc/main") int main4or6(struct skb *skb);

/* The fan-out of a packet that shall be sent on here; null if it goes up only. */
INLINE struct fanout *fanout_of(struct skb *skb, struct flow *flow, const struct packet *packet)
{
	if (flow->flags & FLOW_UP_ONLY)
		return 0;
	if (flow->flags & FLOW_HAS_STUN && is_stun(skb, packet))
		return 0;
	u32 index = flow->fanout;
	return map_lookup(&fanouts, &index);
}

INLINE void begin(struct walk *walk, struct skb *skb, const struct packet *packet, u64 head)
{
	walk->next = HEAD_SLOT(head);
	walk->flags = HEAD_FLAGS(head);
	walk->linked = HEAD_COUNT(head);
	walk->skb = skb;
	walk->now = ktime_get_ns();
	walk->bytes = packet->length;
	walk->payload = packet->payload;
	walk->segment = skb->gso_size && skb->gso_size < walk->bytes ? skb->gso_size : walk->bytes;
	walk->packets = walk->segment < walk->bytes ? (walk->bytes + walk->segment - 1) / walk->segment : 1;
	walk->quiet = quiet_for(walk);
	ADD(walk->fanout->packets, walk->packets);
	ADD(walk->fanout->bytes, walk->bytes);
}

INLINE int datagram(struct skb *skb, const int v6)
{
	struct walk walk = {};
	struct packet packet = {};
	if (!(v6 ? parse6(skb, &walk.headers, &packet) : parse4(skb, &walk.headers, &packet)))
		return TO_NEXT;
	struct flow *flow = map_lookup(&flows, &packet.key);
	if (!flow || !packet.is_plain)
		return leave(skb, &packet, flow != 0);
	walk.fanout = fanout_of(skb, flow, &packet);
	if (!walk.fanout)
		return TO_NEXT;
	walk.index = flow->fanout;
	begin(&walk, skb, &packet, v6 ? READ_ONCE(walk.fanout->head6) : READ_ONCE(walk.fanout->head4));
	/* With nobody to send to, what the ring can show still need not go up. */
	if (!walk.next && !(walk.quiet & TAPPED))
		return TO_NEXT;
	struct headers original = walk.headers;
	prepare(&walk, v6);
	u32 sum = walk.sum;
	loop(MOST_HOLES, v6 ? to_hole6 : to_hole4, &walk, 0);
	if (ends_here(&walk))
		return walk.redirected ? TO_REDIRECT : TO_NOBODY;
	restore(skb, &walk, &original, sum, v6);
	u32 zero = 0;
	int is_written = walk.some_left || walk.flags & (TAPPED | MARKED);
	struct settings *settings = is_written ? map_lookup(&config, &zero) : 0;
	if (!settings)
		return TO_NEXT;
	return write_down(skb, settings, &packet, walk.now, walk.linked, walk.some_left ? PARTLY : WALKED);
}

SECTION("tc/main") int main4or6(struct skb *skb)
{
	/* Frames for others and tagged ones are not ours: a VLAN's come again on its own interface. */
	if (skb->pkt_type != 0 || skb->vlan_present)
		return TO_NEXT;
	if (skb->protocol == BE16(0x0800))
		return datagram(skb, 0);
	if (skb->protocol == BE16(0x86dd))
		return datagram(skb, 1);
	return TO_NEXT;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Fans a publisher's packets out to every hole, at tc ingress. Each match is cloned to the holes of its fan-out with addresses,
 * ports, checksums and Ethernet header rewritten; the original then goes up as it came. What is not plain (IP options,
 * fragments) or not known goes up alone, and is written down in `unfanned`, so that user space knows what is left to it.
 *
 * The maps are made by the loader (layout.ts); here they are names. Nothing is included: the few declarations that the
 * kernel's interface needs are these.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define ADD(x, n) __sync_fetch_and_add(&(x), (n))
#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)

/* struct __sk_buff of <linux/bpf.h>, as far as it is read here. */
struct skb {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family;
	u32 remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
	u64 flow_keys, tstamp;
	u32 wire_len, gso_segs;
};

/* struct bpf_fib_lookup of <linux/bpf.h>. */
struct fib {
	u8 family, l4_protocol;
	u16 sport, dport, tot_len;
	u32 ifindex, tos, src[4], dst[4], vlan;
	u8 smac[6], dmac[6];
};

struct map;
extern struct map flows, holes, fanouts, viewers, listening, buckets, unfanned, config;

static void *(*map_lookup)(struct map *, const void *) = (void *)1;
static long (*map_update)(struct map *, const void *, const void *, u64) = (void *)2;
static u64 (*ktime_get_ns)(void) = (void *)5;
static long (*skb_store_bytes)(struct skb *, u32, const void *, u32, u64) = (void *)9;
static long (*l4_csum_replace)(struct skb *, u32, u64, u64, u64) = (void *)11;
static long (*clone_redirect)(struct skb *, u32, u64) = (void *)13;
static long (*redirect)(u32, u64) = (void *)23;
static long (*skb_load_bytes)(const void *, u32, void *, u32) = (void *)26;
static s64 (*csum_diff)(const void *, u32, const void *, u32, u32) = (void *)28;
static long (*fib_lookup)(void *, struct fib *, int, u32) = (void *)69;
static long (*loop)(u32, void *, void *, u64) = (void *)181;

enum { TO_NEXT = -1, TO_NOBODY = 2, TO_REDIRECT = 7 };
enum { PSEUDO_HEADER = 0x10, KEEP_ZERO = 0x20, WORD = 4 };
enum { FIB_NO_NEIGHBOUR = 7, FIB_TOO_BIG = 8 };
/* The number of slots in `holes`: no list is longer. */
enum { MOST_HOLES = 32768 };
/* The lookup asks as the host itself would: from loopback, where the loader switched forwarding on for it. */
enum { LOOPBACK = 1 };
#define PARTLY (1ULL << 63)

/* Addresses are 16 bytes everywhere, IPv4 as ::ffff:a.b.c.d; ports are in network order. */
struct flow_key {
	u32 src[4], dst[4];
	u16 sport, dport;
	u32 zero;
};
struct flow {
	u32 fanout, flags;
};
enum { FLOW_UP_ONLY = 1, FLOW_HAS_STUN = 2 };

struct endpoint {
	u32 address[4];
	u16 port, zero;
};
enum { PUNCH = 1, INGEST = 2 };

/* One slot; the second half is written by the kernel, on a cache line of its own. */
struct hole {
	u32 local[4], remote[4];
	u16 local_port, remote_port;
	u32 next;
	u64 expires, id;
	u32 fanout, zero;
	u64 packets, bytes, drops;
	/* The last span of time in which every packet was left to user space. */
	u64 left_from, left_until, spare[3];
};

/* Of the first four user space sends instead; the others are lost. */
enum { NO_ROUTE, NO_NEIGHBOUR, TOO_BIG, NO_ETHERNET, QUEUE_FULL, EXPIRED, REASONS };
struct fanout {
	u32 head4, head6;
	u64 id, packets, bytes, reasons[REASONS];
	/* Set while user space wants no originals; and what it then did not see. */
	u64 quiet, unseen_packets, unseen_bytes, spare[3];
};

struct settings {
	u64 version, interval_ns, burst_ns, unfanned, limited[3], spare;
};

struct bucket_key {
	u32 prefix[4], kind;
};

struct print {
	u32 src[4];
	u16 sport, dport, length, zero;
	u8 head[16];
};

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

struct walk {
	struct skb *skb;
	struct fanout *fanout;
	u64 now;
	u32 next, packets, bytes, base, some_left, quiet, redirected;
	struct headers headers;
};

INLINE u16 fold(u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

INLINE u32 halves(u32 word)
{
	return (word & 0xffff) + (word >> 16);
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
	u32 reason = result == FIB_NO_NEIGHBOUR ? NO_NEIGHBOUR : result == FIB_TOO_BIG ? TOO_BIG : result ? NO_ROUTE : NO_ETHERNET;
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

SECTION("tc/main") int main4or6(struct skb *skb);

static long to_hole4(u32 i, struct walk *walk) SECTION("tc/hole4");
static long to_hole4(u32 i, struct walk *walk)
{
	struct headers *h = &walk->headers;
	struct hole *hole = next_hole(walk);
	if (!hole)
		return 1;
	if (READ_ONCE(hole->expires) <= walk->now)
		return not_sent(walk, hole, EXPIRED);
	u32 before[2] = { h->ip4.src, h->ip4.dst };
	u32 after[2] = { hole->local[3], hole->remote[3] };
	struct fib fib = { .family = 2, .l4_protocol = 17, .ifindex = LOOPBACK, .sport = hole->local_port,
			   .dport = hole->remote_port };
	fib.tot_len = walk->packets > 1 ? 0 : BE16(h->ip4.length);
	fib.src[0] = after[0];
	fib.dst[0] = after[1];
	long result = fib_lookup(walk->skb, &fib, sizeof(fib), 0);
	if (result || !has_ethernet(&fib))
		return leave_hole(walk, hole, result);
	u32 ports = *(u32 *)&h->udp4.sport;
	__builtin_memcpy(h->eth.dmac, fib.dmac, 6);
	__builtin_memcpy(h->eth.smac, fib.smac, 6);
	h->ip4.src = after[0];
	h->ip4.dst = after[1];
	h->ip4.check = fold(walk->base + halves(after[0]) + halves(after[1]));
	h->udp4.sport = hole->local_port;
	h->udp4.dport = hole->remote_port;
	s64 diff = csum_diff(before, 8, after, 8, 0);
	skb_store_bytes(walk->skb, 0, h->eth.dmac, ETH + IP4 + PORTS, 0);
	l4_csum_replace(walk->skb, ETH + IP4 + 6, 0, diff, PSEUDO_HEADER | KEEP_ZERO);
	l4_csum_replace(walk->skb, ETH + IP4 + 6, ports, *(u32 *)&h->udp4.sport, WORD | KEEP_ZERO);
	return send(walk, hole, fib.ifindex);
}

static long to_hole6(u32 i, struct walk *walk) SECTION("tc/hole6");
static long to_hole6(u32 i, struct walk *walk)
{
	struct headers *h = &walk->headers;
	struct hole *hole = next_hole(walk);
	if (!hole)
		return 1;
	if (READ_ONCE(hole->expires) <= walk->now)
		return not_sent(walk, hole, EXPIRED);
	struct fib fib = { .family = 10, .l4_protocol = 17, .ifindex = LOOPBACK, .sport = hole->local_port,
			   .dport = hole->remote_port };
	fib.tot_len = walk->packets > 1 ? 0 : BE16(h->ip6.length) + IP6;
	__builtin_memcpy(fib.src, hole->local, 16);
	__builtin_memcpy(fib.dst, hole->remote, 16);
	long result = fib_lookup(walk->skb, &fib, sizeof(fib), 0);
	if (result || !has_ethernet(&fib))
		return leave_hole(walk, hole, result);
	u32 ports = *(u32 *)&h->udp6.sport;
	s64 diff = csum_diff(h->ip6.src, 32, hole->local, 32, 0);
	__builtin_memcpy(h->eth.dmac, fib.dmac, 6);
	__builtin_memcpy(h->eth.smac, fib.smac, 6);
	__builtin_memcpy(h->ip6.src, hole->local, 32);
	h->udp6.sport = hole->local_port;
	h->udp6.dport = hole->remote_port;
	skb_store_bytes(walk->skb, 0, h->eth.dmac, ETH + IP6 + PORTS, 0);
	l4_csum_replace(walk->skb, ETH + IP6 + 6, 0, diff, PSEUDO_HEADER | KEEP_ZERO);
	l4_csum_replace(walk->skb, ETH + IP6 + 6, ports, *(u32 *)&h->udp6.sport, WORD | KEEP_ZERO);
	return send(walk, hole, fib.ifindex);
}

/* Puts the original back as it came: the checksum that the kernel keeps beside the packet by the same steps, then every byte. */
INLINE void restore4(struct skb *skb, struct walk *walk, struct headers *original)
{
	struct headers *last = &walk->headers;
	s64 diff = csum_diff(&last->ip4.src, 8, &original->ip4.src, 8, 0);
	l4_csum_replace(skb, ETH + IP4 + 6, 0, diff, PSEUDO_HEADER | KEEP_ZERO);
	skb_store_bytes(skb, 0, original->eth.dmac, ETH + IP4 + UDP, 0);
}

INLINE void restore6(struct skb *skb, struct walk *walk, struct headers *original)
{
	struct headers *last = &walk->headers;
	s64 diff = csum_diff(last->ip6.src, 32, original->ip6.src, 32, 0);
	l4_csum_replace(skb, ETH + IP6 + 6, 0, diff, PSEUDO_HEADER | KEEP_ZERO);
	skb_store_bytes(skb, 0, original->eth.dmac, ETH + IP6 + UDP, 0);
}

INLINE int is_stun(struct skb *skb, u32 payload, u32 length)
{
	u32 start[2];
	if (length < 20 || skb_load_bytes(skb, payload, start, 8))
		return 0;
	return (start[0] & BE32(0xfc000000)) == 0 && start[1] == BE32(0x2112a442);
}

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

/* Tells user space of a packet that is left to it, as a whole or (with PARTLY in the time) for some holes. */
INLINE int write_down(struct skb *skb, struct settings *settings, const struct flow_key *key, u32 payload, u32 length, u64 when)
{
	struct print print = { .sport = key->sport, .dport = key->dport, .length = length };
	__builtin_memcpy(print.src, key->src, 16);
	if (length >= 16)
		skb_load_bytes(skb, payload, print.head, 16);
	else if (length > 0)
		skb_load_bytes(skb, payload, print.head, length & 15);
	map_update(&unfanned, &print, &when, 0);
	ADD(settings->unfanned, 1);
	return TO_NEXT;
}

/* A packet that this program does not fan out. */
INLINE int leave(struct skb *skb, const struct flow_key *key, int known, u32 payload, u32 length)
{
	u32 zero = 0;
	struct settings *settings = map_lookup(&config, &zero);
	if (!settings)
		return TO_NEXT;
	if (!known) {
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
		if (kind == PUNCH && is_stun(skb, payload, length))
			return TO_NEXT;
	}
	return write_down(skb, settings, key, payload, length, ktime_get_ns());
}

/* The fan-out of a packet that shall be sent on here; null if it goes up only. */
INLINE struct fanout *fanout_of(struct skb *skb, struct flow *flow, u32 payload, u32 length)
{
	if (flow->flags & FLOW_UP_ONLY)
		return 0;
	if (flow->flags & FLOW_HAS_STUN && is_stun(skb, payload, length))
		return 0;
	u32 index = flow->fanout;
	return map_lookup(&fanouts, &index);
}

INLINE void begin(struct walk *walk, struct skb *skb, struct fanout *fanout, u32 bytes)
{
	walk->skb = skb;
	walk->fanout = fanout;
	walk->now = ktime_get_ns();
	walk->packets = skb->gso_segs > 1 ? skb->gso_segs : 1;
	walk->bytes = bytes;
	walk->quiet = READ_ONCE(fanout->quiet) != 0;
	ADD(fanout->packets, walk->packets);
	ADD(fanout->bytes, walk->bytes);
}

/* True if the packet ends here, with nobody above who wants it. */
INLINE int ends_here(struct walk *walk)
{
	if (!walk->quiet || walk->some_left)
		return 0;
	ADD(walk->fanout->unseen_packets, walk->packets);
	ADD(walk->fanout->unseen_bytes, walk->bytes);
	return 1;
}

INLINE int finish(struct skb *skb, struct walk *walk, const struct flow_key *key, u32 payload, u32 length)
{
	u32 zero = 0;
	struct settings *settings = walk->some_left ? map_lookup(&config, &zero) : 0;
	if (settings)
		write_down(skb, settings, key, payload, length, walk->now | PARTLY);
	return TO_NEXT;
}

INLINE int ipv4(struct skb *skb)
{
	struct walk walk = {};
	struct headers original = {};
	struct headers *h = &walk.headers;
	if (skb_load_bytes(skb, 0, h->eth.dmac, ETH + IP4))
		return TO_NEXT;
	u32 header = (h->ip4.version_ihl & 15) * 4;
	u32 total = BE16(h->ip4.length);
	if (h->ip4.version_ihl >> 4 != 4 || h->ip4.protocol != 17 || header < IP4 || total < header + UDP ||
	    ETH + total > skb->len || h->ip4.fragment & BE16(0x1fff))
		return TO_NEXT;
	if (skb_load_bytes(skb, ETH + header, &h->udp4, UDP))
		return TO_NEXT;
	u32 length = BE16(h->udp4.length);
	int more = (h->ip4.fragment & BE16(0x2000)) != 0;
	if (length < UDP || (!more && length > total - header))
		return TO_NEXT;
	u32 payload = ETH + header + UDP;
	struct flow_key key = { .sport = h->udp4.sport, .dport = h->udp4.dport };
	key.src[2] = key.dst[2] = BE32(0xffff);
	key.src[3] = h->ip4.src;
	key.dst[3] = h->ip4.dst;
	struct flow *flow = map_lookup(&flows, &key);
	if (!flow || header != IP4 || more || length != total - header)
		return leave(skb, &key, flow != 0, payload, length - UDP);
	struct fanout *fanout = fanout_of(skb, flow, payload, length - UDP);
	if (!fanout)
		return TO_NEXT;
	begin(&walk, skb, fanout, length - UDP);
	walk.next = READ_ONCE(fanout->head4);
	if (!walk.next)
		return TO_NEXT;
	original = walk.headers;
	h->ip4.ttl = 64;
	u16 *words = (u16 *)&h->ip4;
	walk.base = words[0] + words[1] + words[2] + words[3] + words[4];
	loop(MOST_HOLES, to_hole4, &walk, 0);
	if (ends_here(&walk))
		return walk.redirected ? TO_REDIRECT : TO_NOBODY;
	restore4(skb, &walk, &original);
	return finish(skb, &walk, &key, payload, length - UDP);
}

INLINE int ipv6(struct skb *skb)
{
	struct walk walk = {};
	struct headers original = {};
	struct headers *h = &walk.headers;
	if (skb_load_bytes(skb, 0, h->eth.dmac, ETH + IP6))
		return TO_NEXT;
	u32 at = ETH + IP6;
	u8 next = h->ip6.next;
	int more = 0;
	if (BE32(h->ip6.flow) >> 28 != 6)
		return TO_NEXT;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		u8 extension[8];
		if (next == 17)
			break;
		if ((next != 0 && next != 43 && next != 44 && next != 60) || skb_load_bytes(skb, at, extension, 8))
			return TO_NEXT;
		if (next == 44) {
			if (extension[2] || extension[3] & 0xf8)
				return TO_NEXT;
			more |= extension[3] & 1;
			at += 8;
		} else {
			at += (extension[1] + 1) * 8;
		}
		next = extension[0];
	}
	if (next != 17 || skb_load_bytes(skb, at, &h->udp6, UDP))
		return TO_NEXT;
	u32 length = BE16(h->udp6.length);
	if (length < UDP || ETH + IP6 + BE16(h->ip6.length) > skb->len)
		return TO_NEXT;
	struct flow_key key = { .sport = h->udp6.sport, .dport = h->udp6.dport };
	__builtin_memcpy(key.src, h->ip6.src, 32);
	struct flow *flow = map_lookup(&flows, &key);
	if (!flow || at != ETH + IP6 || more || length != BE16(h->ip6.length) || !h->udp6.check)
		return leave(skb, &key, flow != 0, at + UDP, length - UDP);
	struct fanout *fanout = fanout_of(skb, flow, at + UDP, length - UDP);
	if (!fanout)
		return TO_NEXT;
	begin(&walk, skb, fanout, length - UDP);
	walk.next = READ_ONCE(fanout->head6);
	if (!walk.next)
		return TO_NEXT;
	original = walk.headers;
	h->ip6.hops = 64;
	loop(MOST_HOLES, to_hole6, &walk, 0);
	if (ends_here(&walk))
		return walk.redirected ? TO_REDIRECT : TO_NOBODY;
	restore6(skb, &walk, &original);
	return finish(skb, &walk, &key, ETH + IP6 + UDP, length - UDP);
}

SECTION("tc/main") int main4or6(struct skb *skb)
{
	/* Frames for others and tagged ones are not ours: a VLAN's come again on its own interface. */
	if (skb->pkt_type != 0 || skb->vlan_present)
		return TO_NEXT;
	if (skb->protocol == BE16(0x0800))
		return ipv4(skb);
	if (skb->protocol == BE16(0x86dd))
		return ipv6(skb);
	return TO_NEXT;
}

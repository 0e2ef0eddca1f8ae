// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The maps, which the loader makes (layout.ts), and what is in them. Here they are names. */
#pragma once
#include "kernel.h"

extern struct map flows, holes, fanouts, viewers, listening, buckets, unfanned, config, tap;

/* The number of slots in `holes`: no list is longer. */
enum { MOST_HOLES = 32768 };

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

/* The way to a hole as it was looked up last. */
struct way {
	u8 dmac[6], smac[6];
	u32 ifindex;
	u16 mtu, zero;
	/* The last tick at which it is still believed. */
	u32 until;
};

/* One slot; the second half is written by the kernel, on a cache line of its own. */
struct hole {
	u32 local[4], remote[4];
	u16 local_port, remote_port;
	u32 next;
	u64 expires, id;
	/* `sum` is the Internet checksum's sum of both addresses. */
	u32 fanout, sum;
	u64 packets, bytes, drops;
	/* The last span of time in which every packet was left to user space. */
	u64 left_from, left_until;
	struct way way;
};

/* Of the first four user space sends instead; the others are lost. */
enum { NO_ROUTE, NO_NEIGHBOUR, TOO_BIG, NO_ETHERNET, QUEUE_FULL, EXPIRED, REASONS };
struct fanout {
	/* By IP version: the first hole, what becomes of originals, and how many holes were ever linked, in one word (below). */
	u64 head4, head6;
	u64 id, packets, bytes, reasons[REASONS];
	/* What did not go up, and how much of that the ring had no room for. */
	u64 unseen_packets, unseen_bytes, untapped, spare[2];
};

/*
 * A packet reads the word once. So the count, which goes along with whatever user space gets to see of the packet, says which
 * holes it was sent to: those that were linked by then, and none that came later.
 */
#define HEAD_SLOT(head) ((u32)(head) & 0xffffff)
#define HEAD_FLAGS(head) ((u32)(head) >> 24)
#define HEAD_COUNT(head) ((u32)((head) >> 32))
/* User space wants no originals, but copies in the ring; it wants every original to be written down. */
enum { QUIET = 1, TAPPED = 2, MARKED = 4 };

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

/* What is written down of a packet that goes up: nobody was sent it; or the holes linked by then, but for some that were left. */
struct record {
	u64 when;
	u32 linked, how;
};
enum { WHOLE, WALKED, PARTLY };

/* Stands before each packet in the ring. */
struct tapped {
	u64 arrived;
	u16 fanout, length;
	u32 linked;
};
/* Set in `fanout` if the packet walked along the list of IPv6. */
enum { TAPPED_V6 = 0x8000 };

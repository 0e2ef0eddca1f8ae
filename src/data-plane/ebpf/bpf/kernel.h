// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What the kernel gives a classifier: its types, its helpers by number, and the words for them. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define ADD(x, n) __sync_fetch_and_add(&(x), (n))
/* Keeps the compiler from joining two comparisons into one that the verifier cannot follow. */
#define AS_IT_IS(x) asm volatile("" : "+r"(x))
#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)

/* struct __sk_buff of <linux/bpf.h>, as far as it is read here. */
struct skb {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family;
	u32 remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
	u64 flow_keys, tstamp;
	u32 wire_len, gso_segs;
	u64 sk;
	u32 gso_size;
};

/* struct bpf_fib_lookup of <linux/bpf.h>. */
struct fib {
	u8 family, l4_protocol;
	u16 sport, dport, tot_len;
	u32 ifindex, tos, src[4], dst[4], vlan;
	u8 smac[6], dmac[6];
};

struct map;

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
static void *(*ringbuf_reserve)(struct map *, u64, u64) = (void *)131;
static void (*ringbuf_submit)(void *, u64) = (void *)132;
static void (*ringbuf_discard)(void *, u64) = (void *)133;
static long (*loop)(u32, void *, void *, u64) = (void *)181;

enum { TO_NEXT = -1, TO_NOBODY = 2, TO_REDIRECT = 7 };
enum { PSEUDO_HEADER = 0x10, KEEP_ZERO = 0x20, WORD = 4 };
enum { FIB_NO_NEIGHBOUR = 7, FIB_TOO_BIG = 8 };
enum { NO_WAKEUP = 1 };
enum { INET = 2, INET6 = 10, UDP_PROTOCOL = 17 };

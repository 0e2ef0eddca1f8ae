/* The least of a TURN client (RFC 8656) that a viewer behind coturn needs: an allocation, and a channel to the publisher. */
#include "common.h"

enum { CHANNEL = 0x4000, CHANNEL_HEADER = 4, STUN_HEADER = 20 };

static inline uint8_t *put16(uint8_t *to, unsigned value) {
  to[0] = (uint8_t)(value >> 8);
  to[1] = (uint8_t)value;
  return to + 2;
}

/* Sends a request with so many bytes of attributes and waits a second for its success (class bits 01). */
static inline int turn_ask(int fd, const struct sockaddr_in *relay, unsigned method, const uint8_t *attributes, unsigned length) {
  static const uint8_t cookie[] = {0x21, 0x12, 0xa4, 0x42};
  uint8_t request[64] = {0}, answer[SIZE_MAX_BYTES];
  put16(put16(request, method), length);
  memcpy(request + 4, cookie, sizeof cookie);
  request[STUN_HEADER - 1] = (uint8_t)method;
  memcpy(request + STUN_HEADER, attributes, length);
  sendto(fd, request, STUN_HEADER + length, 0, (const struct sockaddr *)relay, sizeof *relay);
  struct pollfd ready = {fd, POLLIN, 0};
  if (poll(&ready, 1, 1000) != 1) return 0;
  return recv(fd, answer, sizeof answer, 0) >= STUN_HEADER && answer[0] == 0x01 && answer[1] == method;
}

/* After this the publisher's packets come with a channel's header of four bytes. */
static inline int turn_open(int fd, const struct sockaddr_in *relay, const struct sockaddr_in *peer) {
  static const uint8_t udp[] = {0x00, 0x19, 0x00, 0x04, 17, 0, 0, 0}; /* REQUESTED-TRANSPORT */
  uint8_t bind[20], *at_ = bind;
  at_ = put16(put16(put16(put16(at_, 0x000c), 4), CHANNEL), 0);         /* CHANNEL-NUMBER */
  at_ = put16(put16(put16(at_, 0x0012), 8), 0x0001);                    /* XOR-PEER-ADDRESS, IPv4 */
  at_ = put16(at_, ntohs(peer->sin_port) ^ 0x2112u);
  uint32_t address = peer->sin_addr.s_addr ^ htonl(0x2112a442u);
  memcpy(at_, &address, sizeof address);
  return turn_ask(fd, relay, 0x0003, udp, sizeof udp) && turn_ask(fd, relay, 0x0009, bind, sizeof bind);
}

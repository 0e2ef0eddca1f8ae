/* What the generator and the C relays share: time, and sockets with large buffers. Each program includes it once. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* A message of many packets may have 64 of them and 65,507 bytes: 43 of the longest. */
enum { MOST = 64, SIZE_MAX_BYTES = 1500, PER_MESSAGE = 43 };

/* The control part of a message that is to be cut up into packets of `size`. */
union segment_size {
  struct cmsghdr head;
  char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

static inline void set_segments(union segment_size *control, uint16_t size) {
  control->head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof size), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT};
  memcpy(CMSG_DATA(&control->head), &size, sizeof size);
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline struct sockaddr_in at(const char *address, int port) {
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, address, &place.sin_addr);
  return place;
}

static inline int open_at(const char *address, int port, int buffer_bytes) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), size = buffer_bytes;
  /* The force needs a right that the bench has in its namespaces; without it the system's limit holds. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  struct sockaddr_in here = at(address, port);
  if (bind(fd, (struct sockaddr *)&here, sizeof here)) {
    perror("bind");
    exit(1);
  }
  return fd;
}

static inline void say(const char *line) {
  puts(line);
  fflush(stdout);
}

/*
 * The bench's load generator and its sink: UDP packets at a steady rate, counted and timed at the other end.
 *
 *   load send ADDRESS PORT SOURCE-PORT PACKETS-PER-SECOND BURST SECONDS SIZE     prints {"sent":N}
 *   load punch FIRST-PORT COUNT RELAY-ADDRESS RELAY-PORT    COUNT viewers that punch every 2 s and read nothing: what comes to
 *       them is counted and dropped before it reaches a socket. Prints "ready"; ends with its standard input
 *   load relay PORT FROM-ADDRESS FROM-PORT TO-ADDRESS FIRST-PORT COUNT    the C peer: recvmmsg, then sendmmsg to each viewer
 *   load receive PORT [RELAY-ADDRESS RELAY-PORT]                                 prints "ready", then at the end of its
 *       standard input {"received":N,"p50":ns,"p99":ns,"p999":ns,"max":ns}; with a relay it punches '0' every 2 s
 *
 * A packet is an RTP header of payload type 96 (12 bytes), then the sending time as 8 bytes of CLOCK_MONOTONIC in ns, which
 * all network namespaces of a host share.
 */
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

enum { MOST = 64, SIZE_MAX_BYTES = 1500, BUFFER_BYTES = 16 << 20, HISTOGRAM = 64 * 64 };

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_at(const char *address, int port, int size) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  /* The force needs a right that the bench has in its namespaces; without it the system's limit holds. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, address, &at.sin_addr);
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) {
    perror("load: bind");
    exit(1);
  }
  return fd;
}

static int open_socket(int port) { return open_at("0.0.0.0", port, BUFFER_BYTES); }

static int send_load(char **arg) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arg[1]))};
  inet_pton(AF_INET, arg[0], &to.sin_addr);
  int fd = open_socket(atoi(arg[2]));
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) return 1;
  double rate = atof(arg[3]);
  int burst = atoi(arg[4]), size = atoi(arg[6]);
  if (burst < 1 || burst > MOST || size < 20 || size > SIZE_MAX_BYTES) return 1;
  uint64_t total = (uint64_t)(rate * atof(arg[5]));
  static uint8_t bytes[MOST][SIZE_MAX_BYTES];
  struct iovec part[MOST];
  struct mmsghdr message[MOST];
  memset(message, 0, sizeof message);
  for (int i = 0; i < MOST; i++) {
    part[i] = (struct iovec){bytes[i], (size_t)size};
    message[i].msg_hdr.msg_iov = &part[i];
    message[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t start = now_ns(), sent = 0, random = 1;
  while (sent < total) {
    /* Each burst somewhere within its interval: the kernel's accounting looks at every tick only, and a burst that always
       came right after one would never be seen. */
    random = random * 6364136223846793005u + 1442695040888963407u;
    double within = (double)(random >> 11) / 9007199254740992.0;
    uint64_t due = start + (uint64_t)(((double)sent + within * burst) * 1e9 / rate);
    struct timespec until = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    int count = total - sent < (uint64_t)burst ? (int)(total - sent) : burst;
    uint64_t at = now_ns();
    for (int i = 0; i < count; i++) {
      uint32_t sequence = (uint32_t)(sent + (uint64_t)i);
      uint8_t header[12] = {0x80, 96, (uint8_t)(sequence >> 8), (uint8_t)sequence, 0, 0, 0, 0, 0, 0, 0, 1};
      memcpy(bytes[i], header, sizeof header);
      memcpy(bytes[i] + 12, &at, sizeof at);
    }
    for (int done = 0; done < count;) {
      int n = sendmmsg(fd, message + done, (unsigned)(count - done), 0);
      if (n > 0) done += n;
      else if (errno == ECONNREFUSED) done += 1;
      else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) return 1;
    }
    sent += (uint64_t)count;
  }
  printf("{\"sent\":%llu}\n", (unsigned long long)sent);
  return 0;
}

/* Buckets of 1/64 of a power of two: 1.6 % wide. */
static int bucket(uint64_t ns) {
  if (ns < 64) return (int)ns;
  int power = 63 - __builtin_clzll(ns);
  int at = (power - 5) * 64 + (int)((ns >> (power - 6)) & 63);
  return at < HISTOGRAM ? at : HISTOGRAM - 1;
}

static uint64_t bucket_ns(int at) {
  if (at < 64) return (uint64_t)at;
  int power = at / 64 + 5;
  return (1ull << power) + ((uint64_t)(at % 64) << (power - 6));
}

static uint64_t percentile(const uint64_t *counts, uint64_t total, double share) {
  uint64_t wanted = (uint64_t)((double)total * share), seen = 0;
  for (int i = 0; i < HISTOGRAM; i++) {
    seen += counts[i];
    if (seen > wanted) return bucket_ns(i);
  }
  return 0;
}

static int receive_load(int argc, char **arg) {
  int fd = open_socket(atoi(arg[0]));
  struct sockaddr_in relay = {.sin_family = AF_INET};
  if (argc > 2) {
    inet_pton(AF_INET, arg[1], &relay.sin_addr);
    relay.sin_port = htons((uint16_t)atoi(arg[2]));
  }
  static uint8_t bytes[MOST][SIZE_MAX_BYTES];
  static uint64_t counts[HISTOGRAM];
  struct iovec part[MOST];
  struct mmsghdr message[MOST];
  memset(message, 0, sizeof message);
  for (int i = 0; i < MOST; i++) {
    part[i] = (struct iovec){bytes[i], SIZE_MAX_BYTES};
    message[i].msg_hdr.msg_iov = &part[i];
    message[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t received = 0, longest = 0, punched = 0;
  struct pollfd ready[2] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
  puts("ready");
  fflush(stdout);
  for (;;) {
    uint64_t now = now_ns();
    if (relay.sin_port != 0 && now - punched > 2000000000u) {
      punched = now;
      sendto(fd, "0", 1, 0, (struct sockaddr *)&relay, sizeof relay);
    }
    if (poll(ready, 2, 500) < 0) return 1;
    if (ready[1].revents != 0) {
      char end[16];
      if (read(0, end, sizeof end) <= 0) break;
    }
    if ((ready[0].revents & POLLIN) == 0) continue;
    int n = recvmmsg(fd, message, MOST, MSG_DONTWAIT, NULL);
    now = now_ns();
    for (int i = 0; i < n; i++) {
      if (message[i].msg_len < 20) continue;
      uint64_t at;
      memcpy(&at, bytes[i] + 12, sizeof at);
      uint64_t delay = now > at ? now - at : 0;
      counts[bucket(delay)]++;
      if (delay > longest) longest = delay;
      received++;
    }
  }
  printf("{\"received\":%llu,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu}\n", (unsigned long long)received,
         (unsigned long long)percentile(counts, received, 0.5), (unsigned long long)percentile(counts, received, 0.99),
         (unsigned long long)percentile(counts, received, 0.999), (unsigned long long)longest);
  return 0;
}

static int punch(char **arg) {
  int first = atoi(arg[0]), count = atoi(arg[1]);
  struct sockaddr_in relay = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arg[3]))};
  inet_pton(AF_INET, arg[2], &relay.sin_addr);
  int *fds = calloc((size_t)count, sizeof *fds);
  if (fds == NULL) return 1;
  for (int i = 0; i < count; i++) fds[i] = open_at("0.0.0.0", first + i, 4096);
  struct pollfd end = {0, POLLIN, 0};
  do {
    for (int i = 0; i < count; i++) sendto(fds[i], "0", 1, 0, (struct sockaddr *)&relay, sizeof relay);
    puts("ready");
    fflush(stdout);
  } while (poll(&end, 1, 2000) == 0);
  return 0;
}

static int relay_load(char **arg) {
  enum { PER_CALL = 1024 };
  int in = open_at("0.0.0.0", atoi(arg[0]), 4 << 20), out = open_at(arg[1], atoi(arg[2]), 4 << 20);
  int first = atoi(arg[4]), viewers = atoi(arg[5]);
  struct sockaddr_in *to = calloc((size_t)viewers, sizeof *to);
  if (to == NULL) return 1;
  for (int i = 0; i < viewers; i++) {
    to[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)(first + i))};
    inet_pton(AF_INET, arg[3], &to[i].sin_addr);
  }
  static uint8_t bytes[MOST][SIZE_MAX_BYTES];
  static struct iovec part[MOST], sending[PER_CALL];
  static struct mmsghdr taken[MOST], message[PER_CALL];
  for (int i = 0; i < MOST; i++) {
    part[i] = (struct iovec){bytes[i], SIZE_MAX_BYTES};
    taken[i].msg_hdr.msg_iov = &part[i];
    taken[i].msg_hdr.msg_iovlen = 1;
  }
  for (int i = 0; i < PER_CALL; i++) {
    message[i].msg_hdr.msg_iov = &sending[i];
    message[i].msg_hdr.msg_iovlen = 1;
    message[i].msg_hdr.msg_namelen = sizeof *to;
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    int n = recvmmsg(in, taken, MOST, MSG_WAITFORONE, NULL), filled = 0;
    if (n <= 0) return 1;
    for (int viewer = 0; viewer < viewers; viewer++) {
      for (int i = 0; i < n; i++) {
        message[filled].msg_hdr.msg_name = &to[viewer];
        sending[filled] = (struct iovec){bytes[i], taken[i].msg_len};
        filled++;
        if (filled < PER_CALL && (viewer + 1 < viewers || i + 1 < n)) continue;
        for (int done = 0; done < filled;) {
          int sent = sendmmsg(out, message + done, (unsigned)(filled - done), 0);
          done += sent > 0 ? sent : 1;
        }
        filled = 0;
      }
    }
  }
}

int main(int argc, char **argv) {
  if (argc == 9 && strcmp(argv[1], "send") == 0) return send_load(argv + 2);
  if ((argc == 3 || argc == 5) && strcmp(argv[1], "receive") == 0) return receive_load(argc - 2, argv + 2);
  if (argc == 6 && strcmp(argv[1], "punch") == 0) return punch(argv + 2);
  if (argc == 8 && strcmp(argv[1], "relay") == 0) return relay_load(argv + 2);
  fprintf(stderr, "load: see the comment at the top of load.c\n");
  return 2;
}

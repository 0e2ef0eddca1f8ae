/*
 * The bench's load generator and its sinks: UDP packets at a steady rate, counted and timed at the other end.
 *
 *   load source ADDRESS PORT SOURCE-PORT     for each line "PACKETS-PER-SECOND BURST SECONDS SIZE" of its standard input it
 *       sends that load and prints {"sent":N,"seconds":S}
 *   load receive PORT [RELAY-ADDRESS RELAY-PORT [PEER-ADDRESS PEER-PORT]]     prints "ready", then for each line of its standard input what came:
 *       {"received":N,"p50":ns,"p99":ns,"p999":ns,"jitter":ns}, and after "reset" counts anew; with a relay it punches every 2 s,
 *       with a peer it asks the relay by TURN for what that sends
 *   load punch FIRST-PORT COUNT RELAY-ADDRESS RELAY-PORT    COUNT viewers that punch and read nothing: what comes to them is
 *       counted and dropped before it reaches a socket. All punch twice, "ready" is printed each time, then every 10 s
 *   load join FIRST-PORT COUNT RELAY-ADDRESS RELAY-PORT     COUNT viewers, one after the other, each timed from its punch to
 *       its first packet: {"joined":N,"p50":ns,"most":ns}
 *
 * All end with their standard input. What is sent is the RTP of a VP8 video (RFC 7741) as far as a relay looks, 25 pictures a
 * second or one a burst, with a key frame every 2 s; each packet has its sending time at SENT_AT, 8 bytes of CLOCK_MONOTONIC
 * in ns, which all network namespaces of a host share.
 */
#include "turn.h"
#include "video.h"

enum { BUFFER_BYTES = 16 << 20, HISTOGRAM = 64 * 64, SENT_AT = 24, LEAST = SENT_AT + 8 };

static uint8_t bytes[MOST][SIZE_MAX_BYTES];
static struct mmsghdr message[MOST];

static void prepare_messages(void) {
  static struct iovec part[MOST];
  for (int i = 0; i < MOST; i++) {
    part[i] = (struct iovec){bytes[i], SIZE_MAX_BYTES};
    message[i].msg_hdr.msg_iov = &part[i];
    message[i].msg_hdr.msg_iovlen = 1;
  }
}

/*
 * Answers how many packets went out. A burst is one message that the source's kernel cuts up before it leaves the source's
 * device, which costs half of what sending the packets one by one does: the less the generator takes, the better it is seen
 * what the relay takes.
 */
static uint64_t send_load(int fd, double rate, int burst, double seconds, int size) {
  static struct video video;
  static struct iovec part[PER_MESSAGE];
  union segment_size control;
  set_segments(&control, (uint16_t)size);
  set_rate(&video, rate, burst);
  uint64_t total = (uint64_t)(rate * seconds), start = now_ns(), sent = 0, random = 1;
  while (sent < total) {
    /* Each burst somewhere within its interval: nothing that happens at every tick may meet them all, or none. */
    random = random * 6364136223846793005u + 1442695040888963407u;
    double within = (double)(random >> 11) / 9007199254740992.0;
    uint64_t due = start + (uint64_t)(((double)sent + within * burst) * 1e9 / rate);
    struct timespec until = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    int count = total - sent < (uint64_t)burst ? (int)(total - sent) : burst;
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++) {
      write_packet(bytes[i], &video);
      memcpy(bytes[i] + SENT_AT, &now, sizeof now);
    }
    for (int i = 0; i < count; i++) part[i] = (struct iovec){bytes[i], (size_t)size};
    struct msghdr whole = {.msg_iov = part, .msg_iovlen = (size_t)count};
    if (count > 1) whole.msg_control = &control, whole.msg_controllen = sizeof control;
    while (sendmsg(fd, &whole, 0) < 0)
      if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) exit(1);
    sent += (uint64_t)count;
  }
  return sent;
}

static int source(char **arg) {
  struct sockaddr_in to = at(arg[0], atoi(arg[1]));
  int fd = open_at("0.0.0.0", atoi(arg[2]), BUFFER_BYTES), burst, size;
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) return 1;
  double rate, seconds;
  say("ready");
  while (scanf("%lf %d %lf %d", &rate, &burst, &seconds, &size) == 4) {
    if (burst < 1 || burst > PER_MESSAGE || size < LEAST || size > SIZE_MAX_BYTES) return 1;
    uint64_t start = now_ns(), sent = send_load(fd, rate, burst, seconds, size);
    printf("{\"sent\":%llu,\"seconds\":%.6f}\n", (unsigned long long)sent, (double)(now_ns() - start) / 1e9);
    fflush(stdout);
  }
  return 0;
}

/* Buckets of 1/64 of a power of two: 1.6 % wide. */
static int bucket(uint64_t ns) {
  if (ns < 64) return (int)ns;
  int power = 63 - __builtin_clzll(ns);
  int index = (power - 5) * 64 + (int)((ns >> (power - 6)) & 63);
  return index < HISTOGRAM ? index : HISTOGRAM - 1;
}

static uint64_t bucket_ns(int index) {
  if (index < 64) return (uint64_t)index;
  int power = index / 64 + 5;
  return (1ull << power) + ((uint64_t)(index % 64) << (power - 6));
}

static struct {
  uint64_t counts[HISTOGRAM], received, previous, changes;
} arrivals;

static unsigned long long percentile(double share) {
  uint64_t wanted = (uint64_t)((double)arrivals.received * share), seen = 0;
  for (int i = 0; i < HISTOGRAM; i++) {
    seen += arrivals.counts[i];
    if (seen > wanted) return bucket_ns(i);
  }
  return 0;
}

static void count_arrival(const uint8_t *packet, uint64_t now) {
  uint64_t then;
  memcpy(&then, packet + SENT_AT, sizeof then);
  uint64_t delay = now > then ? now - then : 0, previous = arrivals.previous;
  arrivals.counts[bucket(delay)]++;
  if (arrivals.received++ > 0) arrivals.changes += delay > previous ? delay - previous : previous - delay;
  arrivals.previous = delay;
}

static int receive(int argc, char **arg) {
  int fd = open_at("0.0.0.0", atoi(arg[0]), BUFFER_BYTES);
  struct sockaddr_in relay = argc > 2 ? at(arg[1], atoi(arg[2])) : (struct sockaddr_in){0};
  prepare_messages();
  if (argc > 4) {
    struct sockaddr_in peer = at(arg[3], atoi(arg[4]));
    if (!turn_open(fd, &relay, &peer)) return 1;
    relay.sin_port = 0;
  }
  size_t skip = argc > 4 ? CHANNEL_HEADER : 0;
  uint64_t punched = 0;
  struct pollfd ready[2] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
  say("ready");
  for (;;) {
    uint64_t now = now_ns();
    if (relay.sin_port != 0 && now - punched > 2000000000u) {
      punched = now;
      sendto(fd, "0", 1, 0, (struct sockaddr *)&relay, sizeof relay);
    }
    if (poll(ready, 2, 500) < 0) return 1;
    if (ready[1].revents != 0) {
      char line[16];
      if (read(0, line, sizeof line) <= 0) return 0;
      printf("{\"received\":%llu,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu,\"jitter\":%llu}\n", (unsigned long long)arrivals.received,
             percentile(0.5), percentile(0.99), percentile(0.999),
             (unsigned long long)(arrivals.received > 1 ? arrivals.changes / (arrivals.received - 1) : 0));
      fflush(stdout);
      if (line[0] == 'r') memset(&arrivals, 0, sizeof arrivals);
    }
    if ((ready[0].revents & POLLIN) == 0) continue;
    int n = recvmmsg(fd, message, MOST, MSG_DONTWAIT, NULL);
    now = now_ns();
    for (int i = 0; i < n; i++)
      if (message[i].msg_len >= skip + LEAST) count_arrival(bytes[i] + skip, now);
  }
}

static int punch(char **arg) {
  int first = atoi(arg[0]), count = atoi(arg[1]);
  struct sockaddr_in relay = at(arg[2], atoi(arg[3]));
  int *fds = calloc((size_t)count, sizeof *fds);
  if (fds == NULL) return 1;
  for (int i = 0; i < count; i++) fds[i] = open_at("0.0.0.0", first + i, 4096);
  struct pollfd end = {0, POLLIN, 0};
  for (int turn = 0; turn < 2; turn++) {
    for (int i = 0; i < count; i++) sendto(fds[i], "0", 1, 0, (struct sockaddr *)&relay, sizeof relay);
    say("ready");
    if (poll(&end, 1, 200) != 0) return 0;
  }
  /* From now on evenly, so that a second without load costs as much as one with it. */
  for (int i = 0; poll(&end, 1, 10000 / count) == 0; i = (i + 1) % count)
    sendto(fds[i], "0", 1, 0, (struct sockaddr *)&relay, sizeof relay);
  return 0;
}

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static int join(char **arg) {
  int first = atoi(arg[0]), count = atoi(arg[1]), joined = 0;
  struct sockaddr_in relay = at(arg[2], atoi(arg[3]));
  uint64_t *took = calloc((size_t)count, sizeof *took);
  if (took == NULL) return 1;
  for (int i = 0; i < count; i++) {
    struct pollfd ready = {open_at("0.0.0.0", first + i, BUFFER_BYTES), POLLIN, 0};
    uint64_t start = now_ns();
    sendto(ready.fd, "0", 1, 0, (struct sockaddr *)&relay, sizeof relay);
    if (poll(&ready, 1, 200) == 1) took[joined++] = now_ns() - start;
  }
  qsort(took, (size_t)joined, sizeof *took, by_size);
  printf("{\"joined\":%d,\"p50\":%llu,\"most\":%llu}\n", joined, (unsigned long long)(joined ? took[joined / 2] : 0),
         (unsigned long long)(joined ? took[joined - 1] : 0));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "source") == 0) return source(argv + 2);
  if ((argc == 3 || argc == 5 || argc == 7) && strcmp(argv[1], "receive") == 0) return receive(argc - 2, argv + 2);
  if (argc == 6 && strcmp(argv[1], "punch") == 0) return punch(argv + 2);
  if (argc == 6 && strcmp(argv[1], "join") == 0) return join(argv + 2);
  fprintf(stderr, "load: see the comment at the top of load.c\n");
  return 2;
}

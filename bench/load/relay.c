/*
 * The plain peers in C: what arrives at a port goes to each of COUNT viewers.
 *
 *   relay mmsg|segment PORT FROM-ADDRESS FROM-PORT TO-ADDRESS FIRST-PORT COUNT     prints "ready"
 *
 * `mmsg` sends every packet by itself, up to 1,024 with one sendmmsg. `segment` sends what one recvmmsg took, as far as it is
 * of one size, to each viewer as one message that the kernel or the device cuts up (UDP_SEGMENT).
 */
#include "common.h"

enum { PER_CALL = 1024 };

static uint8_t bytes[MOST][SIZE_MAX_BYTES];
static struct iovec part[MOST];
static struct mmsghdr taken[MOST], message[PER_CALL];
static struct sockaddr_in *to;
static int out, viewers, filled;

static void flush_messages(void) {
  for (int done = 0; done < filled;) {
    int sent = sendmmsg(out, message + done, (unsigned)(filled - done), 0);
    done += sent > 0 ? sent : 1;
  }
  filled = 0;
}

/* To one viewer: `count` parts, as one message. */
static void queue(int viewer, struct iovec *parts, int count, void *control, size_t control_bytes) {
  message[filled++].msg_hdr = (struct msghdr){.msg_name = &to[viewer],
                                              .msg_namelen = sizeof *to,
                                              .msg_iov = parts,
                                              .msg_iovlen = (size_t)count,
                                              .msg_control = control,
                                              .msg_controllen = control_bytes};
  if (filled == PER_CALL) flush_messages();
}

static void send_singly(int count) {
  for (int viewer = 0; viewer < viewers; viewer++)
    for (int i = 0; i < count; i++) queue(viewer, &part[i], 1, NULL, 0);
  flush_messages();
}

static void send_segments(int count) {
  for (int first = 0, next; first < count; first = next) {
    uint16_t size = (uint16_t)part[first].iov_len;
    for (next = first + 1; next < count && next - first < PER_MESSAGE && part[next].iov_len == size; next++) {}
    union segment_size control;
    set_segments(&control, size);
    int alone = next - first == 1;
    for (int viewer = 0; viewer < viewers; viewer++)
      queue(viewer, &part[first], next - first, alone ? NULL : &control, alone ? 0 : sizeof control);
    flush_messages();
  }
}

int main(int argc, char **arg) {
  if (argc != 8) return 2;
  int segment = strcmp(arg[1], "segment") == 0;
  int in = open_at("0.0.0.0", atoi(arg[2]), 4 << 20);
  out = open_at(arg[3], atoi(arg[4]), 4 << 20);
  viewers = atoi(arg[7]);
  to = calloc((size_t)viewers, sizeof *to);
  if (to == NULL) return 1;
  for (int i = 0; i < viewers; i++) to[i] = at(arg[5], atoi(arg[6]) + i);
  for (int i = 0; i < MOST; i++) {
    taken[i].msg_hdr.msg_iov = &part[i];
    taken[i].msg_hdr.msg_iovlen = 1;
  }
  say("ready");
  for (;;) {
    for (int i = 0; i < MOST; i++) part[i] = (struct iovec){bytes[i], SIZE_MAX_BYTES};
    int count = recvmmsg(in, taken, MOST, MSG_WAITFORONE, NULL);
    if (count <= 0) return 1;
    for (int i = 0; i < count; i++) part[i].iov_len = taken[i].msg_len;
    if (segment) send_segments(count);
    else send_singly(count);
  }
}

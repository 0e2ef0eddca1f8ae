/* A VP8 video in RTP (RFC 7741) as far as a relay looks: its packets' beginnings, up to 23 bytes. */

struct video {
  uint16_t sequence;
  uint32_t timestamp;
  /* Of packets, pictures and 90 kHz. */
  uint32_t per_picture, pictures_per_key, step;
  uint32_t packet, picture;
};

/* Of so many packets a second from now on: 25 pictures a second, or one a burst if there are fewer. A key frame every 2 s. */
static inline void set_rate(struct video *video, double rate, int burst) {
  uint32_t bursts = (uint32_t)(rate / 25 / burst + 0.5);
  video->per_picture = (uint32_t)burst * (bursts > 0 ? bursts : 1);
  double pictures = rate / video->per_picture;
  video->pictures_per_key = pictures > 1 ? (uint32_t)(2 * pictures) : 2;
  video->step = (uint32_t)(90000 / pictures);
  video->timestamp += video->step;
  video->packet = video->picture = 0;
}

static inline void write_packet(uint8_t *to, struct video *video) {
  int is_first = video->packet == 0, is_last = video->packet + 1 == video->per_picture, is_key = video->picture == 0;
  uint16_t sequence = video->sequence++;
  uint32_t time = video->timestamp;
  /* Version 2; the marker and payload type 96; SSRC 1. */
  uint8_t header[] = {0x80, (uint8_t)(is_last ? 224 : 96), (uint8_t)(sequence >> 8), (uint8_t)sequence,
                      (uint8_t)(time >> 24), (uint8_t)(time >> 16), (uint8_t)(time >> 8), (uint8_t)time,
                      0, 0, 0, 1};
  /* The descriptor says that a frame starts here; its tag that it is shown, whether it is a key frame, and that its first
   * partition has 160 bytes; a key frame goes on with a start code and its size, 640 by 480. */
  uint8_t start[] = {0x10, (uint8_t)(is_key ? 0x10 : 0x11), 0x14, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01};
  memcpy(to, header, sizeof header);
  memset(to + sizeof header, 0, sizeof start);
  if (is_first) memcpy(to + sizeof header, start, is_key ? sizeof start : 4);
  if (!is_last) {
    video->packet++;
    return;
  }
  video->packet = 0;
  video->timestamp += video->step;
  video->picture = (video->picture + 1) % video->pictures_per_key;
}

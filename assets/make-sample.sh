#!/bin/sh
# Makes assets/sample.mp4: 10 s of a test picture with a running clock and frame number, and a beep each second.
# Needs ffmpeg with libx264 and drawtext, and the DejaVu fonts (fonts-dejavu-core).
set -eu
cd "$(dirname "$0")"
font=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
[ -r "$font" ] || { echo "make-sample: needs $font (apt-get install fonts-dejavu-core)" >&2; exit 1; }

box="fontfile=$font:fontcolor=white:box=1:boxcolor=black@0.75:boxborderw=8"
picture="testsrc2=size=480x270:rate=25:duration=10,
  drawtext=$box:fontsize=44:x=(w-tw)/2:y=h/2-52:text='%{pts\:hms}',
  drawtext=$box:fontsize=24:x=(w-tw)/2:y=h/2+24:text='frame %{frame_num}'"
# A tenth of a second of 880 Hz at each full second.
sound="aevalsrc='0.4*sin(2*PI*880*t)*lt(mod(t,1),0.1)':sample_rate=48000:duration=10"

# A key frame every 2 s and no sooner, so that a viewer who joins waits 2 s at most.
ffmpeg -hide_banner -loglevel error -y \
  -f lavfi -i "$picture" -f lavfi -i "$sound" \
  -c:v libx264 -preset veryslow -tune animation -profile:v main -pix_fmt yuv420p -crf 33 -g 50 -keyint_min 50 -sc_threshold 0 \
  -c:a aac -b:a 48k -ac 1 \
  -map_metadata -1 -fflags +bitexact -flags +bitexact -movflags +faststart sample.mp4
ls -l sample.mp4

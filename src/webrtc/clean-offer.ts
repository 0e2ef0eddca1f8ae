/**
 * Attributes that WebRTC needs of an offer (RFC 9429 §5.2). The rest is for what is not done here, or is one browser's own:
 * the native library, which a crafted line might crash, is not shown it. Candidates are not needed, since the browser speaks
 * first to a public host, which learns its address by that (RFC 8445 §7.3.1.3); and with them anybody with a key could have
 * the relay look up names and send checks to hosts that never asked.
 */
const attributes = new Set([
  ...["group", "fingerprint", "ice-ufrag", "ice-pwd", "ice-options", "setup", "mid", "rtcp", "rtcp-mux", "rtcp-rsize"],
  ...["sendrecv", "sendonly", "recvonly", "inactive", "rtpmap", "fmtp", "rtcp-fb", "msid", "ssrc", "ssrc-group"],
]);

/** Longer lines are nobody's: an fmtp with parameter sets has some hundred characters. */
const lineMax = 1_024;

/** The offer without lines that answering it takes no account of. */
export function cleanOffer(offer: string): string {
  const lines = offer.split(/\r\n|\n|\r/).filter((line) => {
    if (line.length > lineMax || !/^[\x20-\x7e]+$/.test(line)) return false;
    if (/^[vostcm]=/.test(line)) return true;
    return attributes.has(/^a=([a-z-]+)(?::|$)/.exec(line)?.[1] ?? "");
  });
  return `${lines.join("\r\n")}\r\n`;
}

/** A 64-bit NTP timestamp (RFC 3550 §4): seconds since 1900-01-01 UTC, and 2⁻³² seconds, each an unsigned 32-bit number. */
export interface NtpTimestamp {
  readonly seconds: number;
  readonly fraction: number;
}

/** Seconds between NTP's 1900-01-01 and Unix's 1970-01-01 (RFC 5905 Figure 4). */
const unixEpochSeconds = 2_208_988_800;

/** The wall clock's milliseconds since 1970 as an NTP timestamp; fractions of a millisecond are kept. */
export function ntpFromWallMs(wallMs: number): NtpTimestamp {
  const wallSeconds = Math.floor(wallMs / 1000);
  const fraction = Math.floor(((wallMs - wallSeconds * 1000) / 1000) * 2 ** 32);
  return { seconds: (wallSeconds + unixEpochSeconds) % 2 ** 32, fraction };
}

/**
 * An NTP timestamp as milliseconds since 1970. NTP's seconds wrap in 2036, so the upper half of their range is taken
 * for 1968-2036 and the lower for 2036-2104 (RFC 2030 §3).
 */
export function wallMsFromNtp(ntp: NtpTimestamp): number {
  const era = ntp.seconds < 2 ** 31 ? 2 ** 32 : 0;
  return (ntp.seconds + era - unixEpochSeconds) * 1000 + (ntp.fraction / 2 ** 32) * 1000;
}

/** The middle 32 bits, in units of 1/65536 s: how report blocks quote a sender report (LSR, RFC 3550 §6.4.1). */
export function middle32(ntp: NtpTimestamp): number {
  return (((ntp.seconds & 0xffff) << 16) | (ntp.fraction >>> 16)) >>> 0;
}

/**
 * Numbers of the attributes that Punchcast reads or writes: IANA's "STUN Attributes" registry, and one of our own.
 * Below 0x8000 a receiver must understand the attribute or refuse the request; from 0x8000 on it may ignore it
 * (RFC 8489 §14).
 */
export const attributeTypes = {
  mappedAddress: 0x0001,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  /** RFC 8656 §18.2. */
  lifetime: 0x000d,
  realm: 0x0014,
  nonce: 0x0015,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  passwordAlgorithms: 0x8002,
  alternateDomain: 0x8003,
  software: 0x8022,
  alternateServer: 0x8023,
  fingerprint: 0x8028,
  /** Punchcast's own (see attributes/punch.ts), from the unassigned part of the comprehension-optional range. */
  punch: 0xca57,
} as const;

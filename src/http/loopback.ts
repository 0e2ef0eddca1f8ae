/** Whether an IP literal, IPv4 also as IPv6 has it, is of this host itself. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.|^::1$/.test(address);
}

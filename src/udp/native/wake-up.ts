import type { Libc } from "./libc.ts";
import { allocate } from "./memory.ts";

/** Wakes a thread that waits in epoll. */
export interface WakeUp {
  /** To be watched by the thread that is to be woken. */
  readonly fd: number;
  ring(): void;
  close(): void;
}

/** EFD_NONBLOCK | EFD_CLOEXEC (sys/eventfd.h). */
const flags = 0x800 | 0x80000;

/** Makes one, for the thread that rings. */
export function createWakeUp(libc: Libc): WakeUp {
  const fd = libc.eventfd(0, flags);
  const one = allocate(libc, 4_096);
  one.u32[0] = 1;
  return {
    fd,
    ring: () => void libc.write(fd, one.address, 8),
    close() {
      libc.close(fd);
      one.free();
    },
  };
}

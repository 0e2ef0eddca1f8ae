import { epollEvent } from "./layout.ts";
import type { Libc } from "./libc.ts";
import { allocate } from "./memory.ts";

/** Waits for any of many descriptors to have something to read. */
export interface Epoll {
  /** Watches `fd` under a number of the caller's. */
  add(fd: number, id: number): void;
  /** Watches it no more, or again. */
  pause(fd: number, id: number, paused: boolean): void;
  remove(fd: number): void;
  /** Blocks this thread until something can be read or the time (-1: none) is over; returns how many are ready. */
  wait(timeoutMs: number): number;
  /** The number of the `index`th that is ready. */
  ready(index: number): number;
  close(): void;
}

/** EPOLL_CTL_ADD, DEL and MOD; EPOLLIN; EPOLL_CLOEXEC (sys/epoll.h). */
const [controlAdd, controlDelete, controlModify] = [1, 2, 3];
const readable = 1;
const closeOnExec = 0x80000;

/** Ready descriptors that one call tells of. Those beyond are told by the next call, after these have been served. */
const most = 64;

/** Makes one. */
export function createEpoll(libc: Libc): Epoll {
  const fd = libc.epollCreate(closeOnExec);
  const events = allocate(libc, 4_096);
  const scratch = events.address + most * epollEvent.size;
  const control = (operation: number, target: number, interest: number, id: number): void => {
    events.u32[(scratch - events.address) >> 2] = interest;
    events.u32[(scratch - events.address + epollEvent.data) >> 2] = id;
    libc.epollControl(fd, operation, target, scratch);
  };
  return {
    add: (target, id) => control(controlAdd, target, readable, id),
    pause: (target, id, paused) => control(controlModify, target, paused ? 0 : readable, id),
    remove: (target) => control(controlDelete, target, 0, 0),
    wait: (timeoutMs) => Math.max(0, libc.epollWait(fd, events.address, most, timeoutMs)),
    ready: (index) => events.u32[(index * epollEvent.size + epollEvent.data) >> 2] ?? 0,
    close() {
      libc.close(fd);
      events.free();
    },
  };
}

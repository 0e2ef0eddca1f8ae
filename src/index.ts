export type { Endpoint } from "./core/address.ts";
export { type ErrorCode, PunchcastError } from "./core/errors.ts";

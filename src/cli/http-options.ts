import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { RelayConfig } from "../config/relay-config.ts";
import type { StateStore } from "../config/state-file.ts";
import { PunchcastError } from "../core/errors.ts";
import { configuredStreams, type RelayFlags } from "./relay-options.ts";
import type { ApiChoice, HttpChoice } from "./start-relay.ts";

/**
 * Where the relay's HTTP port is and how it is secured: flags first, then the configuration file.
 * @throws PunchcastError BAD_OPTION, FILE_UNREADABLE
 */
export async function httpChoice(flags: RelayFlags, config: RelayConfig): Promise<HttpChoice> {
  const port = flags.httpPort ?? config.httpPort;
  const listen = flags.httpListen ?? config.httpListen;
  const tls = await readTls(flags.tlsCert ?? config.tlsCert, flags.tlsKey ?? config.tlsKey);
  const webRtcPort = flags.webrtcPort ?? config.webrtcPort;
  return {
    ...(port !== undefined && { port }),
    ...(listen !== undefined && { listen }),
    ...(webRtcPort !== undefined && { webRtcPort }),
    ...(tls && { tls }),
  };
}

/**
 * What the API is started with. Where its token cannot be kept the API is off, which `warn` hears: a relay whose keys are
 * all given needs no state file.
 */
export async function apiChoice(
  flags: RelayFlags,
  config: RelayConfig,
  state: StateStore,
  warn: (message: string) => void,
): Promise<ApiChoice> {
  const given = flags.adminToken ?? config.adminToken;
  const token = given ?? (await generated(state, warn));
  const viewerMetrics = flags.viewerMetrics === false ? false : (config.viewerMetrics ?? true);
  return { ...(token !== undefined && { token }), state, configured: configuredStreams(flags, config), viewerMetrics };
}

async function generated(state: StateStore, warn: (message: string) => void): Promise<string | undefined> {
  try {
    return await state.adminToken();
  } catch (error) {
    if (!(error instanceof PunchcastError)) throw error;
    warn(`The API is off, since its token cannot be kept: give one with --admin-token. ${error.message}`);
    return undefined;
  }
}

async function readTls(
  certPath: string | undefined,
  keyPath: string | undefined,
): Promise<{ readonly cert: string; readonly key: string } | undefined> {
  if (certPath === undefined && keyPath === undefined) return undefined;
  if (certPath === undefined || keyPath === undefined) {
    throw new PunchcastError("BAD_OPTION", "TLS needs both halves: give --tls-cert and --tls-key.");
  }
  const [cert, key] = [await readPem(certPath, "--tls-cert"), await readPem(keyPath, "--tls-key")];
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new PunchcastError(
      "BAD_OPTION",
      `${certPath} and ${keyPath} are no pair in PEM (${what}): give --tls-cert and --tls-key that belong together.`,
      cause,
    );
  }
  return { cert, key };
}

async function readPem(path: string, option: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new PunchcastError(
      "FILE_UNREADABLE",
      `${option} ${path} cannot be read: check the name and its mode.`,
      cause,
    );
  }
}

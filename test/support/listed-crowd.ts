import { relayHost } from "./browser-scene.ts";

/** Answers the question who watches with a thousand, some of whom fare badly; to run in a page before its own scripts. */
export const crowd: string = `
  const ask = window.fetch;
  const viewers = Array.from({ length: 1000 }, (_, i) => ({
    id: i.toString(16).padStart(16, "0"), stream: "live", by: "key", watchingMs: 60_000 + i * 7_000,
    holes: [0, 1, 2, 3].map((component) => ({
      component, mapped: \`203.0.\${113 + (i >> 8)}.\${i & 255}:\${20_000 + component}\`, relay: "${relayHost}:9000",
      consentLeftMs: 20_000, sent: { packets: 1_000 * i, bytes: 1_000_000 * i, drops: 0 },
      report: { lossFraction: i % 13 === 0 ? (i % 100) / 1000 : 0, lost: 0, jitterMs: 3, rttMs: 8 + (i % 120) },
    })),
  }));
  window.fetch = (url, init) =>
    String(url).endsWith("/viewers")
      ? Promise.resolve(new Response(JSON.stringify({ viewers }), { headers: { "content-type": "application/json" } }))
      : ask(url, init);
`;

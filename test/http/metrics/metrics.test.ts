import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { createMetrics } from "../../../src/http/metrics/metrics.ts";
import { relayFamilies } from "../../../src/http/metrics/relay-families.ts";
import { viewerFamilies } from "../../../src/http/metrics/viewer-families.ts";
import type { StreamStats } from "../../../src/server/server-events.ts";
import type { Viewer } from "../../../src/server/viewer-list.ts";

const restarts = { "same-ssrc": 1, "new-ssrc": 2, "new-port": 0 };
const fare = { bitrate: 8_000, lost: 3, duplicates: 0, reordered: 0, jitterMs: 2.5, frameRate: 25 };
const liveStats: StreamStats = {
  name: 'li"ve\\',
  publisherLive: true,
  holes: 4,
  in: [
    { component: 0, packets: 10, bytes: 1_000, ...fare, restarts },
    { component: 1, packets: 1, bytes: 60 },
  ],
  out: { packets: 20, bytes: 2_000, drops: 5 },
  viewers: [
    {
      ...{ component: 0, viewers: 2, worstLossFraction: 0.25, worstJitterMs: 1, worstRttMs: 2 },
      ...{ medianJitterMs: undefined, medianRttMs: undefined },
    },
  ],
  repair: { resent: 7, refused: 8 },
  oversized: 9,
  notSent: { "queue-full": 6 },
};
const stats = {
  ...({ event: "stats", uptimeMs: 90_500, sendErrors: 2 } as const),
  ...{ streams: [liveStats], refused: { "wrong-key": 3 }, punches: { granted: 11, "wrong-key": 3 } },
};
const info = {
  ...{ version: "1.2.3", plane: "userspace", punch: "h:1", punchPort: 1, uptimeMs: 90_500, streams: 1 },
  ...{ mintsKeys: false, refused: {}, punches: {}, sendErrors: 0 },
};

function viewer(id: string, more: Partial<Viewer["holes"][number]> = {}): Viewer {
  const sent = { packets: 100, bytes: 10_000, drops: 1 };
  const hole = { component: 0, mapped: "192.0.2.1:1", relay: "192.0.2.2:9000", consentLeftMs: 1, sent, ...more };
  return { id, stream: liveStats.name, by: "key", watchingMs: 1, holes: [hole, { ...hole, component: 2 }] };
}

async function render(viewers: readonly Viewer[], withViewers = true): Promise<string> {
  const metrics = createMetrics({
    relay: {
      info: () => Promise.resolve(info),
      readStats: () => Promise.resolve(stats),
      allViewers: () => Promise.resolve([...viewers]),
    },
    viewers: withViewers,
    eventFollowers: () => 3,
  });
  try {
    await metrics.render();
    return await metrics.render();
  } finally {
    metrics.close();
  }
}

const stream = 'stream="li\\"ve\\\\"';

test("every figure stands under its name and labels, the second time as the first", async () => {
  const report = { lossFraction: 0.5, lost: 4, jitterMs: undefined, rttMs: 40 };
  const lines = (await render([viewer("a", { report }), viewer("b")])).split("\n");
  for (const line of [
    'punchcast_info{version="1.2.3",plane="userspace"} 1',
    "punchcast_uptime_seconds 90.5",
    "punchcast_event_followers 3",
    'punchcast_punches_total{result="granted"} 11',
    'punchcast_refused_datagrams_total{reason="wrong-key"} 3',
    `punchcast_publisher_live{${stream}} 1`,
    `punchcast_viewers{${stream}} 2`,
    `punchcast_ingest_packets_total{${stream},component="0"} 10`,
    `punchcast_ingest_bytes_total{${stream},component="1"} 60`,
    `punchcast_ingest_lost_packets{${stream},component="0"} 3`,
    `punchcast_ingest_jitter_seconds{${stream},component="0"} 0.0025`,
    `punchcast_publisher_restarts_total{${stream},component="0"} 3`,
    `punchcast_forwarded_packets_total{${stream}} 20`,
    `punchcast_dropped_packets_total{${stream}} 5`,
    `punchcast_kernel_not_sent_total{${stream},reason="queue-full"} 6`,
    `punchcast_resent_packets_total{${stream}} 7`,
    `punchcast_oversized_packets_total{${stream}} 9`,
    `punchcast_worst_viewer_loss_ratio{${stream}} 0.25`,
    `punchcast_viewer_packets_total{${stream},viewer="a"} 200`,
    `punchcast_viewer_loss_ratio{${stream},viewer="a"} 0.5`,
    `punchcast_viewer_rtt_seconds{${stream},viewer="a"} 0.04`,
    `punchcast_viewer_dropped_total{${stream},viewer="b"} 2`,
    "punchcast_viewers_left_out 0",
  ]) {
    assert.ok(lines.includes(line), line);
  }
  assert.ok(!lines.some((line) => line.startsWith("punchcast_viewer_rtt_seconds") && line.includes('"b"')));
  assert.ok(!lines.some((line) => line.startsWith("punchcast_ingest_lost_packets") && line.includes('component="1"')));
  assert.ok(lines.some((line) => /^process_resident_memory_bytes \d{7,}$/.test(line)));
  const lag = lines.find((line) => line.startsWith("nodejs_eventloop_lag_p99_seconds"))?.split(" ")[1];
  assert.ok(lag !== undefined && Number(lag) >= 0);
});

test("a crowd has a thousand series at the most, and none if they are off", async () => {
  const crowd = Array.from({ length: 1_200 }, (_, i) => viewer(`v${i}`));
  const text = await render(crowd);
  assert.equal(text.match(/^punchcast_viewer_packets_total\{/gm)?.length, 1_000);
  assert.match(text, /^punchcast_viewers_left_out 200$/m);
  const off = await render(crowd, false);
  assert.doesNotMatch(off, /punchcast_viewer_/);
  assert.match(off, /^punchcast_viewers\{.*\} 1200$/m);
});

const rules = z.object({
  groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })),
});
const dashboard = z.object({
  panels: z.array(
    z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })) }),
  ),
  templating: z.object({ list: z.array(z.object({ query: z.string() })) }),
});

function contrib(path: string): string {
  return readFileSync(new URL(`../../../contrib/${path}`, import.meta.url), "utf8");
}

test("the dashboard and the alert rules name metrics and labels that there are", async () => {
  const text = await render([viewer("a", { report: { lossFraction: 0, lost: 0, jitterMs: 1, rttMs: 1 } })]);
  const names = new Set(Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name));
  names.add("up");
  const labelsOf = new Map(
    [...relayFamilies, ...viewerFamilies].map((family) => [
      family.name,
      new Set(["job", "instance", ...(family.labels ?? [])]),
    ]),
  );
  const alerts = rules.parse(parse(contrib("prometheus/punchcast-alerts.yml"))).groups.flatMap((group) => group.rules);
  const { panels, templating } = dashboard.parse(JSON.parse(contrib("grafana/punchcast.json")));
  const expressions = [
    ...alerts.map(({ expr }) => expr),
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ query }) => query).filter((query) => query.includes("(")),
  ];
  assert.ok(alerts.length > 5 && panels.length > 10);
  for (const expression of expressions) {
    const found = [...expression.matchAll(/\b((?:punchcast|nodejs|process)_\w+|up)\b(?:\{([^}]*)\})?/g)];
    assert.ok(found.length > 0, expression);
    for (const [, name = "", matchers = ""] of found) {
      assert.ok(names.has(name), `${name} in: ${expression}`);
      for (const [, label = ""] of matchers.matchAll(/(\w+)(?:=~|!=|=)"/g)) {
        assert.ok(
          (labelsOf.get(name) ?? new Set(["job", "instance"])).has(label),
          `${name}{${label}} in: ${expression}`,
        );
      }
    }
  }
  for (const { targets } of panels) {
    for (const { expr, legendFormat } of targets) {
      const name = /(?:punchcast|nodejs|process)_\w+/.exec(expr)?.[0] ?? "";
      const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
      for (const label of labels) assert.ok(labelsOf.get(name)?.has(label), `${legendFormat} of ${expr}`);
    }
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsPerPage, type ViewerView, viewerRow, viewersPage } from "../../src/console/model/viewer-rows.ts";
import type { ApiViewer } from "../../src/http/api/shapes.ts";

function viewer(i: number, lossFraction?: number): ApiViewer {
  const sent = { packets: i * 10, bytes: i * 1_000, drops: i };
  const report = { lossFraction: lossFraction ?? 0, lost: 0, jitterMs: undefined, rttMs: i };
  const relay = "198.51.100.7:9000";
  return {
    ...{ id: `id-${i}`, stream: "live", by: "key", watchingMs: i * 1_000 },
    holes: [
      {
        component: 0,
        mapped: `203.0.113.${i}:4000`,
        relay,
        consentLeftMs: 0,
        sent,
        ...(lossFraction !== undefined && { report }),
      },
      { component: 1, mapped: `203.0.113.${i}:4001`, relay, consentLeftMs: 0, sent },
    ],
  };
}

const view: ViewerView = { order: "loss", filter: "", page: 0 };

test("a viewer's line has its NAT's address, all ports, sums, and the worst of its tracks", () => {
  assert.deepEqual(viewerRow(viewer(7, 0.2)), {
    ...{ id: "id-7", host: "203.0.113.7", ports: ["4000", "4001"], by: "key", watchingMs: 7_000 },
    ...{ packets: 140, drops: 14, loss: 0.2, rttMs: 7, jitterMs: undefined },
  });
  const [hole] = viewer(1).holes;
  assert.ok(hole);
  const browser = { ...viewer(1), by: "browser" as const, holes: [hole, hole] };
  assert.deepEqual([viewerRow(browser).by, viewerRow(browser).ports], ["browser", ["4000"]]);
  const six = { ...viewer(1), holes: [{ ...hole, mapped: "[2001:db8::1]:5000" }] };
  assert.deepEqual([viewerRow(six).host, viewerRow(six).ports], ["[2001:db8::1]", ["5000"]]);
});

test("the worst are first, and who did not report last", () => {
  const rows = [viewer(1), viewer(2, 0), viewer(3, 0.5), viewer(4, 0.1)].map(viewerRow);
  const ids = (order: ViewerView["order"]): string[] => viewersPage(rows, { ...view, order }).rows.map(({ id }) => id);
  assert.deepEqual(ids("loss"), ["id-3", "id-4", "id-2", "id-1"]);
  assert.deepEqual(ids("rtt"), ["id-4", "id-3", "id-2", "id-1"]);
  assert.deepEqual(ids("packets"), ["id-4", "id-3", "id-2", "id-1"]);
  assert.deepEqual(ids("watching"), ["id-4", "id-3", "id-2", "id-1"]);
  assert.deepEqual(ids("address"), ["id-1", "id-2", "id-3", "id-4"]);
});

test("a thousand are pages; a page that is gone is the last one", () => {
  const rows = Array.from({ length: 1_000 }, (_, i) => viewerRow(viewer(i, 0)));
  const first = viewersPage(rows, view);
  assert.deepEqual([first.rows.length, first.found, first.pages], [rowsPerPage, 1_000, 40]);
  assert.equal(viewersPage(rows, { ...view, page: 99 }).page, 39);
  assert.equal(viewersPage(rows, { ...view, page: -1 }).page, 0);
  assert.deepEqual(viewersPage([], view), { rows: [], found: 0, page: 0, pages: 1 });
});

test("they are found by part of address, port or id", () => {
  const rows = [viewer(7), viewer(77), viewer(8)].map(viewerRow);
  const found = (filter: string): string[] => viewersPage(rows, { ...view, filter }).rows.map(({ id }) => id);
  assert.deepEqual(found("113.7"), ["id-7", "id-77"]);
  assert.deepEqual(found(" 113.8:4001 "), ["id-8"]);
  assert.deepEqual(found("ID-77"), ["id-77"]);
  assert.deepEqual(found("x"), []);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { wallMsFromNtp } from "../../src/rtp/ntp.ts";
import { assertNear, type GotReport, type SentTrack, session, startWallMs } from "./report-session.ts";

const video: SentTrack = { kind: "video", clockRate: 90_000, frameMs: 40 };
const audio: SentTrack = { kind: "audio", clockRate: 48_000, frameMs: 20, firstTimestamp: 77_000_000 };
const frozen = (): number => startWallMs;

/** Where the reports put a track's start, in ms after the publisher's. */
function starts(reports: readonly GotReport[], track: number): number[] {
  return reports.flatMap((each) =>
    each.track === track && each.startWallMs !== undefined ? [each.startWallMs - startWallMs] : [],
  );
}

/** The same delays at every run: 0 to 30 ms, one in eight without. */
const jitter = (packet: number): number => ((packet * 2_654_435_761) % 8) * 4;

test("sane reports pass, the same bytes, through jitter, drift and imprecise timestamps", () => {
  const sane: SentTrack[] = [
    { ...video, delayMs: jitter },
    { ...audio, delayMs: jitter, wallMs: (ms) => startWallMs + ms * 1.0002 },
    { ...audio, firstTimestamp: 0x7fffff00, wallMs: (ms) => startWallMs + ms + ((ms / 5000) % 2) * 120 },
    // The timestamp wraps between two reports.
    { ...video, firstTimestamp: 0xffffff00 },
  ];
  const { reports, repair } = session(sane, 120_000);
  assert.ok(reports.every(({ isUntouched }) => isUntouched));
  assert.deepEqual(
    sane.map((_, track) => repair.isRepairing(track)),
    [false, false, false, false],
  );
});

test("a frozen clock is set right from the second report on, in step with the other track", () => {
  const { reports, repair } = session(
    [video, audio].map((track) => ({ ...track, wallMs: frozen })),
    30_000,
  );
  for (const track of [0, 1]) {
    assert.deepEqual(
      reports.filter((each) => each.track === track).map(({ isUntouched }) => isUntouched),
      [true, ...Array(5).fill(false)],
    );
    assertNear(starts(reports, track), 0, 1);
    assert.ok(repair.isRepairing(track));
  }
});

test("a clock that runs at the wrong rate is found, soon if it is far off", () => {
  const wrong = (rate: number): number => {
    const { reports } = session([{ ...video, wallMs: (ms) => startWallMs + ms * rate }], 120_000);
    return reports.findIndex(({ isUntouched }) => !isUntouched);
  };
  assert.equal(wrong(0.5), 1);
  assert.equal(wrong(1.1), 1);
  assert.ok(wrong(1.03) > 0 && wrong(0.97) > 0);
  assert.equal(wrong(1.019), -1);
  assert.equal(wrong(0.981), -1);
});

test("what players were told last goes on: no step is as long as a picture", () => {
  // The report before went 100 ms wrong; the packets say where it should be, and it gets there bit by bit.
  const wallMs = (ms: number): number => (ms === 0 ? startWallMs + 100 : startWallMs);
  const { reports } = session([{ ...video, wallMs }, audio], 60_000);
  const [first, ...rest] = starts(reports, 0);
  assert.equal(Math.round(first ?? 0), 100);
  let before = first ?? 0;
  for (const start of rest) {
    assert.ok(start <= before + 0.5 && before - start <= 20.5, `${before} to ${start}`);
    before = start;
  }
  assertNear([before], 0, 12);
});

test("queues do not move the mapping: the packets that came soonest count", () => {
  const { reports } = session(
    [video, audio].map((track) => ({ ...track, wallMs: frozen, delayMs: jitter })),
    40_000,
  );
  for (const track of [0, 1]) assertNear(starts(reports, track), 0, 5);
});

test("B-frames do not put the picture ahead of the sound", () => {
  // Two pictures late from the first on, as an edit list undoes; others are sent up to five before they are shown.
  const aheadMs = (picture: number): number => (picture % 30 === 0 ? 80 : ([200, 0, 40, 0, 120][picture % 5] ?? 0));
  const wallMs = (): number => startWallMs + 3000;
  const { reports } = session(
    [
      { ...video, aheadMs, wallMs, reportsAtMs: [3000, 8000, 13_000] },
      { ...audio, wallMs, reportsAtMs: [3000, 8000, 13_000] },
    ],
    15_000,
  );
  // The first reports, which passed, still meant something else; the next ones lead away from it.
  const [picture = [], sound = []] = [0, 1].map((track) => starts(reports, track));
  assert.ok(picture.slice(1).every((start, i) => start < (picture[i] ?? 0) && start >= -80));
  assertNear(sound, 0, 1);
});

test("packets of many frames of sound stand for their end", () => {
  const long = { ...audio, frameMs: 170, wallMs: frozen };
  const { reports } = session([{ ...video, wallMs: frozen }, long], 20_000);
  assertNear(starts(reports, 1), 0, 2);
});

test("a careless sender's report before its first packet is told with that packet", () => {
  const careless = [video, audio].map((track) => ({ ...track, firstTimestamp: 0, wallMs: frozen }));
  const { reports } = session(careless, 11_000);
  for (const track of [0, 1]) {
    const own = reports.filter((each) => each.track === track);
    assert.equal(own[0]?.startWallMs, undefined, "a receiver report in its place");
    assert.ok((own[1]?.atMs ?? 0) < 60, "told within two packets");
    assertNear(starts(reports, track), 0, 1);
  }
  const { reports: ordinary } = session([video], 4000);
  assert.deepEqual(
    ordinary.map(({ isUntouched }) => isUntouched),
    [true],
  );
});

test("without a known clock a frozen report waits until it is found", () => {
  const careless = [video, audio].map((track) => ({ ...track, firstTimestamp: 0, wallMs: frozen }));
  const { reports } = session(careless, 11_000, {});
  for (const track of [0, 1]) assertNear(starts(reports, track), 0, 2);
});

test("a report without a wall clock gets one", () => {
  const ntpZero = wallMsFromNtp({ seconds: 0, fraction: 0 });
  const { reports } = session(
    [
      { ...video, wallMs: () => ntpZero, reportsAtMs: [2000, 4000, 6000] },
      { ...audio, reportsAtMs: [500, 1500, 3500] },
    ],
    8000,
  );
  // The other track's clock is sound, so it is the measure.
  assert.ok(reports.filter(({ track }) => track === 1).every(({ isUntouched }) => isUntouched));
  assertNear(starts(reports, 0), 0, 2);
});

test("a clock set by hand does not reach the players", () => {
  const { reports } = session(
    [{ ...video, wallMs: (ms) => startWallMs + ms + (ms > 12_000 ? 3_600_000 : 0) }, audio],
    40_000,
  );
  assertNear(starts(reports, 0), 0, 2);
  assertNear(starts(reports, 1), 0, 0.1);
});

// Plays one stream by WHEP and plays it again whenever it stops. The key comes from the URL's fragment.

const stream = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const secret = new URLSearchParams(location.hash.slice(1));
const query = secret.has("expires") ? `?expires=${encodeURIComponent(secret.get("expires"))}` : "";
const authorization = { authorization: `Bearer ${secret.get("key") ?? ""}` };

const element = (id) => document.getElementById(id);
const [video, state, badge, facts, notes, unmute] = ["video", "state", "badge", "facts", "notes", "unmute"].map(
  element,
);

// Half of what a person puts up with: a connection that is silent for so long is made anew.
const silenceMs = 1000;
const goodbyeMs = 500;
const lookMs = 250;
const statusMs = 5000;
const retryMs = [300, 700, 1500, 2000];

const fetched = new Set();
let attempt = 0;
let current;

document.title = `${stream} · Punchcast`;
element("stream").textContent = stream;

const badges = { connecting: "Connecting", live: "Live", failed: "Not playing" };

function show(kind, text) {
  badge.dataset.state = kind;
  badge.textContent = badges[kind];
  video.parentElement.dataset.state = kind;
  // Without a picture there is nothing to control.
  video.controls = kind === "live";
  if (kind !== "live") unmute.hidden = true;
  if (state.textContent !== text) state.textContent = text;
}

function showNotes(messages) {
  notes.replaceChildren(
    ...messages.map((message) => Object.assign(document.createElement("li"), { textContent: message })),
  );
}

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.isFinal = status === 401 || status === 406 || status === 422;
  }
}

async function ask(path, init = {}) {
  const response = await fetch(`${path}${query}`, { ...init, headers: { ...authorization, ...init.headers } });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refused(response.status, problem.message ?? `The relay answers ${response.status}.`);
}

async function tellWhatPlays() {
  const { tracks, message } = await (await ask(`/watch/${stream}/status`)).json();
  const wrong = tracks.filter(({ plays }) => plays === "no" || plays === "depends").map((track) => track.message);
  showNotes(message && wrong.length === 0 && tracks.length > 0 ? [message] : wrong);
  const playing = tracks.filter(({ plays }) => plays !== "no").flatMap(({ codec }) => codec ?? []);
  facts.textContent = playing.join(" · ");
  return new Set(tracks.filter(({ plays }) => plays === "yes").map(({ kind }) => kind));
}

/** Opus in stereo has to be asked for, or the sound is mixed down. */
function withStereo(sdp) {
  const opus = /a=rtpmap:(\d+) opus\//i.exec(sdp)?.[1];
  return opus === undefined ? sdp : sdp.replace(`a=fmtp:${opus} `, `a=fmtp:${opus} stereo=1;`);
}

async function play() {
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const run = {
    connection,
    location: undefined,
    heardAt: performance.now(),
    packets: 0,
    kinds: new Set(),
    begunAt: 0,
    isOver: false,
  };
  current = run;
  const media = new MediaStream();
  for (const kind of ["video", "audio"]) connection.addTransceiver(kind, { direction: "recvonly" });
  connection.ontrack = ({ track, receiver }) => {
    // Live: nothing is held back but what the path's own jitter asks for.
    receiver.playoutDelayHint = 0;
    media.addTrack(track);
    if (video.srcObject !== media) video.srcObject = media;
    video.play().catch(() => {});
  };
  connection.onconnectionstatechange = () => {
    if (connection.connectionState === "failed") void again(run);
  };
  await connection.setLocalDescription({ type: "offer", sdp: withStereo((await connection.createOffer()).sdp) });
  const answer = await ask(`/whep/${stream}`, {
    method: "POST",
    headers: { "content-type": "application/sdp" },
    body: connection.localDescription.sdp,
  });
  run.location = answer.headers.get("location");
  await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  run.heardAt = performance.now();
  void watch(run);
}

/** Sees to it that packets keep coming: a relay that was killed says no goodbye. */
async function watch(run) {
  while (!run.isOver) {
    await new Promise((resolve) => setTimeout(resolve, lookMs));
    let packets = 0;
    for (const report of (await run.connection.getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      packets += report.packetsReceived;
      if (report.packetsReceived > 0) run.kinds.add(report.kind);
    }
    if (packets > run.packets) {
      if (run.packets === 0) begun(run);
      run.packets = packets;
      run.heardAt = performance.now();
    }
    const patience = run.packets === 0 ? 5 * silenceMs : silenceMs;
    if (performance.now() - run.heardAt > patience) void again(run);
  }
}

function begun(run) {
  attempt = 0;
  run.begunAt = performance.now();
  show("live", "Live");
  unmute.hidden = !video.muted || !video.srcObject.getAudioTracks().length;
  // Some things show only after a while.
  const tell = () => {
    if (run.isOver) return;
    tellWhatPlays()
      .then((kinds) => fetchMissing(run, kinds))
      .catch(() => {});
    setTimeout(tell, statusMs);
  };
  tell();
}

/** A track that began after the connection was made comes with a new one; tried once for each kind. */
function fetchMissing(run, kinds) {
  const missing = [...kinds].filter((kind) => !run.kinds.has(kind) && !fetched.has(kind));
  if (missing.length === 0 || performance.now() - run.begunAt < statusMs / 2) return;
  for (const kind of missing) fetched.add(kind);
  void again(run);
}

/** Ends a run; the relay's answer, if it has one soon. */
async function end(run) {
  if (run === undefined || run.isOver) return undefined;
  run.isOver = true;
  run.connection.close();
  if (!run.location) return undefined;
  const signal = AbortSignal.timeout(goodbyeMs);
  const init = { method: "DELETE", headers: authorization, keepalive: true, signal };
  return fetch(`${run.location}${query}`, init).catch(() => undefined);
}

async function again(run) {
  if (run.isOver) return;
  show("connecting", "The stream stopped; connecting again…");
  const goodbye = await end(run);
  if (goodbye?.status === 403) show("failed", (await goodbye.json()).message);
  else void begin();
}

async function begin() {
  try {
    await play();
  } catch (error) {
    void end(current);
    if (error instanceof Refused && error.isFinal) {
      show("failed", error.message);
      await tellWhatPlays().catch(() => {});
      return;
    }
    show("connecting", error instanceof Refused ? error.message : "The relay does not answer; trying again…");
    const delay = retryMs[Math.min(attempt, retryMs.length - 1)];
    attempt += 1;
    setTimeout(begin, delay);
  }
}

unmute.addEventListener("click", () => {
  video.muted = false;
  unmute.hidden = true;
});
video.addEventListener("volumechange", () => {
  if (!video.muted) unmute.hidden = true;
});
addEventListener("pagehide", () => void end(current));

if (secret.has("key")) void begin();
else show("failed", "The key is missing: the URL ends in #key=KEY, as the relay printed it.");

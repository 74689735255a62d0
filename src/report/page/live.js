// The live page's side of the server: seconds come by an event stream, and commands go to live control when the address
// of the page has a token behind its #.

const live = { summary: null, ended: false, seen: 0, queued: [], waits: false };

/** Listens; the stream begins anew when it was lost, and seconds that are known already are passed over. */
function listenLive() {
  drawBefore();
  const source = new EventSource("events");
  const link = byId("link");
  const tell = (text, lost) => {
    if (link.textContent !== text) link.textContent = text;
    link.className = lost ? "lost" : "";
  };
  tell("connecting…", false);
  source.addEventListener("header", (event) => {
    const header = JSON.parse(event.data);
    const same = shared.model && shared.model.run.started_at_ms === header.run.started_at_ms && shared.model.run.seed === header.run.seed;
    if (!same) begin(header);
    tell("live", false);
  });
  source.addEventListener("interval", (event) => {
    live.queued.push(event.data);
    if (live.waits) return;
    live.waits = true;
    // The history comes in one go: a hundred seconds are taken in before anything is drawn.
    setTimeout(takeQueued, 0);
  });
  source.addEventListener("end", (event) => {
    takeQueued();
    live.summary = JSON.parse(event.data);
    live.ended = true;
    source.close();
    tell("the run is over", false);
    byId("control").hidden = true;
    document.title = `${WORDS[live.summary.verdict]?.[0] || live.summary.verdict} – kingtide`;
    shared.live = false;
    redraw();
  });
  source.onerror = () => tell("connection lost, trying again…", true);
  source.onopen = () => tell("live", false);
}

function takeQueued() {
  live.waits = false;
  const lines = live.queued;
  live.queued = [];
  let news = false;
  for (const line of lines) if (shared.model && shared.model.add(fromStream(JSON.parse(line)))) news = true;
  if (news) redraw();
}

/** Buttons for live control; none without a token. */
function setUpControl() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") || (/^#[0-9a-fA-F]{16,}$/.test(location.hash) ? location.hash.slice(1) : "");
  if (!token) return;
  const box = byId("control");
  const answer = make("output", { role: "status" });
  const ask = async (path, body, done) => {
    try {
      const options = { method: path === "status" ? "GET" : "POST", headers: { authorization: `Bearer ${token}` } };
      if (body) options.body = JSON.stringify(body);
      const response = await fetch(`v1/${path}`, options);
      const read = await response.json();
      if (!response.ok) throw new Error(read.error || `status ${response.status}`);
      show(read);
      answer.textContent = done || "";
      answer.className = "";
    } catch (error) {
      answer.textContent = error.message;
      answer.className = "bad";
    }
  };
  const pause = make("button", { type: "button", onclick: () => ask(pause.dataset.does || "pause", null, "") }, "Pause");
  const stop = make("button.stop", { type: "button", onclick: () => confirm("End the run? Iterations under way may finish.") && ask("stop", null, "the run is ending") }, "Stop");
  const forms = make("span");
  box.replaceChildren(pause, forms, stop, answer);
  box.hidden = false;

  function show(status) {
    pause.dataset.does = status.paused ? "resume" : "pause";
    pause.textContent = status.paused ? "Resume" : "Pause";
    pause.disabled = stop.disabled = status.state !== "running";
    if (forms.children.length) return;
    for (const scenario of status.scenarios) {
      const what = { "constant-arrival-rate": "rate", "externally-controlled": "vus", "constant-vus": "vus" }[scenario.executor];
      if (what) forms.append(setForm(scenario, what, ask));
    }
  }
  const refresh = () => {
    if (!live.ended) ask("status").then(() => setTimeout(refresh, 5000));
  };
  refresh();
}

function setForm(scenario, what, ask) {
  const label = what === "rate" ? "rate" : "users";
  const input = make("input", { type: "number", min: "0", step: what === "rate" ? "any" : "1", required: true, "aria-label": `${label} of ${scenario.name}` });
  input.value = scenario[`set_${what}`] ?? "";
  const send = (event) => {
    event.preventDefault();
    ask(`scenarios/${encodeURIComponent(scenario.name)}/${what}`, { [what]: Number(input.value) }, `${scenario.name}: ${label} ${input.value}`);
  };
  return make("form", { onsubmit: send }, make("span", {}, `${scenario.name} ${label}`), input, make("button", { type: "submit" }, "Set"));
}

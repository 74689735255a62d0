// The first requests of each kind that failed, with what was sent and what came back side by side. Their texts are the
// system's under test: they become text nodes, as all texts of a run.

/** Kinds that are shown already, by number, so that what somebody has opened stays open. */
const failureRows = { model: null, kinds: new Map() };

function drawFailures() {
  const { model } = shared;
  const [box, note, list] = [byId("failures"), byId("failures").querySelector("p"), byId("failures").querySelector("div")];
  if (failureRows.model !== model) {
    failureRows.model = model;
    failureRows.kinds.clear();
    list.replaceChildren();
  }
  box.hidden = model.failures.size === 0;
  const out = model.failureKindsLeftOut;
  note.textContent = `The first requests of each kind that failed, without credentials.${out ? ` ${count(out)} more kinds are not shown.` : ""}`;
  for (const [number, kind] of model.failures) {
    let row = failureRows.kinds.get(number);
    if (!row) {
      row = failureRow(kind.requests[0]);
      failureRows.kinds.set(number, row);
      list.append(row.details);
    }
    row.count.textContent = kind.count ? `${count(kind.count)}×` : "in a warm-up";
    for (const failed of kind.requests.slice(row.shown)) row.details.append(failedRequest(failed));
    row.shown = kind.requests.length;
  }
}

function failureRow(failed) {
  const tally = make("span.tally");
  const place = failed.scenario || failed.lifecycle || "";
  const title = make("summary", {}, tally, make("b", {}, failed.what), make("span", {}, failed.name.startsWith(`${failed.method} `) ? failed.name : `${failed.method} ${failed.name}`), make("span.plain", {}, place));
  return { details: make("details.failure", {}, title), count: tally, shown: 0 };
}

function failedRequest(failed) {
  const where = [
    `at ${clock(failed.at_ms / 1000)}`, `virtual user ${failed.vu}`,
    failed.iteration === undefined ? failed.lifecycle : `iteration ${failed.iteration}`, phasesOf(failed.timings),
    failed.trace_id ? `trace ${failed.trace_id}` : "",
  ];
  return make("div.failed", {},
    make("p", {}, make("code", {}, `${failed.method} ${failed.url}`)),
    make("p.plain", {}, where.filter(Boolean).join(", ")),
    failed.error ? make("p.alarm", {}, failed.error) : null,
    make("div.sides", {},
      failedSide("Request", failed.request, "It was gone when the check failed."),
      failedSide(failed.status ? `Response ${failed.status}` : failed.grpc_status ? `Response ${failed.grpc_status}` : "Response", failed.response, "None came.")));
}

function phasesOf(timings) {
  const names = { blocked: "blocked", dns: "DNS", connecting: "connecting", tls_handshaking: "TLS", sending: "sending", waiting: "waiting", receiving: "receiving" };
  return Object.entries(names).filter(([key]) => timings[key] > 0).map(([key, name]) => `${name} ${time(timings[key])}`).join(", ");
}

function failedSide(title, message, missing) {
  if (!message) return make("div", {}, make("h3", {}, title), make("p.plain", {}, missing));
  const lines = (pairs) => pairs.map(([name, value]) => `${name}: ${value}`).join("\n");
  const size = message.body_bytes || 0;
  const sizes = message.body !== undefined && message.cut ? `the beginning of ${count(size)} bytes` : message.body === undefined && size ? `${count(size)} bytes that are no text` : "";
  return make("div", {}, make("h3", {}, title),
    message.headers.length ? make("pre", {}, lines(message.headers)) : null,
    message.body !== undefined ? make("pre", {}, message.body) : null,
    sizes ? make("p.plain", {}, sizes) : null,
    message.trailers?.length ? make("pre", {}, lines(message.trailers)) : null);
}

// A row's records in a dialog: scores by seed, learning curves, cost, settings, environment.

const part = (place) => data.parts[place];
const dialog = document.getElementById("detail");
const percent = (value) => (100 * value).toFixed(2);

const isGroup = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function facts(value) {
  const list = element("dl");
  for (const [name, held] of Object.entries(value)) {
    const text = Number.isInteger(held)
      ? held.toLocaleString("en-GB")
      : typeof held === "string"
        ? held
        : JSON.stringify(held);
    list.append(element("dt", {}, name), element("dd", {}, isGroup(held) ? facts(held) : text));
  }
  return list;
}

// Settings of each component apart; what stands alone goes together.
function cards(value) {
  const entries = Object.entries(value);
  const alone = entries.filter((entry) => !isGroup(entry[1]));
  const made = entries
    .filter(([, held]) => isGroup(held))
    .map(([name, held]) => element("div", {}, element("h4", {}, name), facts(held)));
  if (alone.length) made.push(element("div", {}, facts(Object.fromEntries(alone))));
  return element("div", { class: "cards" }, ...made);
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function scoresTable(row) {
  const lines = row.records.flatMap((record) => {
    const start = [element("td", {}, record.cell), element("td", {}, String(record.seed))];
    const scores = Object.entries(record.scores).map(([metric, [mean, interval, n]]) => [
      element("td", {}, metric),
      element("td", { class: "figure" }, `${percent(mean)} ± ${percent(interval)}`),
      element("td", { class: "figure" }, n.toLocaleString("en-GB")),
    ]);
    if (!scores.length) {
      return [
        element("tr", {}, ...start, element("td", { colspan: 3 }, `failed: ${record.reason ?? "no reason recorded"}`)),
      ];
    }
    return scores.map((cells) => element("tr", {}, ...start.map((cell) => cell.cloneNode(true)), ...cells));
  });
  const head = ["target and protocol", "seed", "metric", "mean ± 95% interval, %", "episodes"];
  return element(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "Scores by seed" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, ...lines),
    ),
  );
}

function curves(row) {
  const metrics = new Map();
  const seen = new Set();
  for (const record of row.records) {
    if (seen.has(record.training)) continue; // its other cells repeat the curve
    seen.add(record.training);
    for (const [metric, points] of Object.entries(part(record.curve))) {
      if (!metrics.has(metric)) metrics.set(metric, []);
      metrics.get(metric).push({ name: `seed ${record.seed}`, points });
    }
  }
  return [...metrics].map(([metric, lines]) => drawCurve(metric, lines));
}

// What all of a row's records share is told once; the rest stands with each record.
function shared(row, of) {
  const [first, ...rest] = row.records.map(of);
  return Object.fromEntries(
    Object.entries(first).filter(([name, place]) => rest.every((other) => other[name] === place)),
  );
}

const places = (record) => ({
  ...record.content,
  environment: record.environment,
  cost: record.cost,
  flags: record.flags,
});
const opened = (found) =>
  Object.fromEntries(
    Object.entries(found)
      .filter(([, place]) => place !== null)
      .map(([name, place]) => [name, part(place)]),
  );

function records(row, common) {
  return row.records.map((record) => {
    const own = Object.fromEntries(Object.entries(places(record)).filter(([name]) => !Object.hasOwn(common, name)));
    const keys = {
      key: record.key,
      file: record.file,
      command: `benchbench results show ${record.key.slice(0, 12)}`,
      training: record.training,
      "episode set": record.episodes ?? "none",
      matrix: record.matrix,
      origin: record.origin,
    };
    return element(
      "details",
      {},
      element("summary", {}, `${record.cell}, seed ${record.seed}, ${record.status}`),
      facts({ ...keys, ...opened({ ...own, provenance: record.provenance }), timing: part(record.timing) }),
    );
  });
}

function fillDialog(row) {
  const common = shared(row, places);
  const { environment, cost, ...settings } = common;
  const chips = data.axes
    .map((axis, index) => [axis, row.axes[index]])
    .slice(2)
    .filter(([, value]) => value !== "–");
  chips.push(...row.marks.map((mark) => MARKS[mark].split(": ")));
  const drawn = curves(row);
  dialog.replaceChildren(
    element(
      "header",
      {},
      element("h2", { id: "detail-title", tabindex: "-1" }, methodName(row)),
      element("button", { type: "button", onclick: copyAddress }, "Copy link"),
      element("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×"),
    ),
    element(
      "div",
      { class: "body" },
      element(
        "ul",
        { class: "chips" },
        ...chips.map(([name, value]) => element("li", {}, element("span", {}, name), ` ${value}`)),
      ),
      section("Scores", scoresTable(row)),
      drawn.length ? section("Learning curves", element("div", { class: "curves" }, ...drawn)) : null,
      cost === undefined || cost === null ? null : section("Cost of training", facts(part(cost))),
      section("Settings", cards(opened(settings))),
      environment === undefined ? null : section("Environment", cards(part(environment))),
      section("Records", ...records(row, common)),
    ),
  );
}

async function copyAddress(event) {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    button.textContent = "It is in the address bar";
  }
}

function openRow(id) {
  view.open = id;
  writeAddress();
  fillDialog(rowById.get(id));
  if (!dialog.open) dialog.showModal();
  dialog.querySelector(".body").scrollTop = 0;
  document.getElementById("detail-title").focus();
}

dialog.addEventListener("close", () => {
  const id = view.open;
  view.open = null;
  writeAddress();
  if (id) focusRow(id);
});
// A press on the backdrop is a press on the dialog itself.
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

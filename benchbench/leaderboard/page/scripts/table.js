// The table: Tabulator draws the rows in sight alone, so thousands stay fluid.

const HELP = {
  rank: "average rank over the columns, ties shared; * where cells are missing or failed",
  "tied rank": "the same, where methods that the intervals do not separate from the best share its rank",
  seeds: "training seeds behind a score",
  parameters: "parameters of the encoder",
  samples: "views that entered a loss",
  FLOPs: "floating-point operations of training, counted",
  "train s": "wall seconds of training, which depend on the machine",
  labels: "whose true labels training read; weights: only those that its initial weights were pretrained with",
  "selection labels": "whose true labels chose the checkpoint or, in a declared search, the settings",
  transductive: "whether a query's score may depend on the other queries",
  variant: "the same method with other settings: its records say which",
};

const MARKS = {
  floor: "floor: a baseline that was not trained",
  external: "external: a third party's records, whose scores were not repeated",
  verified: "verified: a third party's records, which came out again when they were trained here",
  "earlier revision": "earlier revision: made before a change of the harness that moves results, and not yet again",
};

const narrow = innerWidth <= 640;

// By the place among the ties of a column.
const TIES = { 1: ["the best, or not separated from it by the intervals"], 2: ["not separated from the best of the rest"] };

const ROW_HEIGHT = 46;

// Of a score column: its range, to place the intervals on.
const ranges = fields.map((column) => {
  const scores = data.rows.map((row) => row.scores[column.index]).filter((score) => score && score.mean !== null);
  const low = Math.min(...scores.map((score) => score.mean - score.interval));
  const high = Math.max(...scores.map((score) => score.mean + score.interval));
  return { low, span: high - low || 1 };
});

function scoreCell(row, index) {
  const score = row.scores[index];
  const text = row.text[index];
  if (!score || score.mean === null) return element("span", { class: "missing" }, text);
  const { low, span } = ranges[index];
  const bar = element("span", { class: "interval", "aria-hidden": "true" });
  const place = (value) => `${((100 * (value - low)) / span).toFixed(2)}%`;
  bar.style.setProperty("--from", place(score.mean - score.interval));
  bar.style.setProperty("--mean", place(score.mean));
  bar.style.setProperty("--wide", `${((200 * score.interval) / span).toFixed(2)}%`);
  const [mean, rest] = text.split(" ± ");
  return element(
    "span",
    { class: ["score", "score best", "score second"][score.place] },
    element("span", {}, mean, element("small", {}, rest ? ` ± ${rest}` : "")),
    bar,
  );
}

function methodCell(row, text) {
  const marks = ` (${row.marks.join(", ")})`;
  const name = text.endsWith(marks) ? text.slice(0, -marks.length) : text;
  return element(
    "span",
    { class: "text method" },
    name,
    ...row.marks.map((mark) => element("span", { class: "badge" }, mark)),
  );
}

function provenance(row, index) {
  const score = row.scores[index];
  const state = Object.fromEntries(data.axes.map((axis, place) => [axis, row.axes[place]]));
  return [
    `${fields[index].title}: ${row.text[index]}`,
    ...(score?.over ?? ["no record"]),
    ...(TIES[score?.place ?? 0] ?? []),
    `labels: ${state.labels}, selection labels: ${state["selection labels"]}, transductive: ${state.transductive}`,
    ...row.marks.map((mark) => MARKS[mark]),
  ];
}

// A button: headings take the keyboard's focus, and Enter sorts. Words stay whole: a protocol's name has hyphens.
function heading(title) {
  const words = title.split(" ").flatMap((word) => [element("span", {}, word), " "]);
  return element(
    "button",
    { type: "button", class: "heading", title: Object.hasOwn(HELP, title) ? HELP[title] : title },
    ...words.slice(0, -1),
  );
}

// A heading breaks between words, unless it is short. Neither it nor a text below it breaks within a word.
const pen = document.createElement("canvas").getContext("2d");
pen.font = `600 13.5px ${getComputedStyle(document.body).fontFamily}`;
function widthOf({ title, kind, index }) {
  const below = kind === "text" ? data.rows.flatMap((row) => row.text[index].split(" ")) : [];
  const pieces = new Set([...(title.length < 10 ? [title] : title.split(" ")), ...below]);
  return Math.ceil([...pieces].reduce((widest, piece) => Math.min(220, Math.max(widest, pen.measureText(piece).width)), 0));
}

function columnOf(column) {
  const { index, field, title, kind } = column;
  const first = index === 0;
  return {
    field,
    title,
    visible: !view.hidden.has(title),
    frozen: first || (kind !== "score" && title === "source"),
    minWidth: first
      ? Math.min(236, Math.round(innerWidth * 0.36))
      : narrow && title === "source" ? 76
      : Math.max(kind === "score" ? 124 : 64, widthOf(column) + 21),
    widthGrow: kind === "score" ? 2 : 1,
    resizable: "header",
    cssClass: `is-${kind}`,
    headerHozAlign: kind === "text" ? "left" : "right",
    sorter: kind === "text" ? "string" : "number",
    sorterParams: { alignEmptyValues: "bottom" },
    headerSortStartingDir: kind === "score" ? "desc" : "asc",
    titleFormatter: () => heading(title),
    formatter: (cell) => {
      const { row } = cell.getData();
      if (kind !== "score")
        return first
          ? methodCell(row, row.text[index])
          : element("span", { class: kind === "text" ? "text" : "" }, row.text[index]);
      cell.getElement().setAttribute("aria-label", provenance(row, index).join("; "));
      return scoreCell(row, index);
    },
    tooltip: (event, cell) => {
      const { row } = cell.getData();
      const lines = kind === "score" ? provenance(row, index) : [row.text[index]];
      return element("div", { class: "tip" }, ...lines.map((line) => element("div", {}, line)));
    },
    accessorDownload: (value, entry) => entry.row.text[index],
  };
}

const entries = data.rows.map((row) => {
  const entry = { id: row.id, row };
  for (const { field, index, kind } of fields) {
    entry[field] =
      kind === "text" ? row.text[index] : kind === "number" ? row.numbers[index] : (row.scores[index]?.mean ?? null);
  }
  return entry;
});

let table;

// Rank and cost stand beside the name of a method, before the scores; on a narrow screen behind them.
const LEADING = ["source", "rank", "samples", "FLOPs", "train s"];
function columnOrder() {
  const [first, ...rest] = fields;
  const scores = rest.filter(({ kind }) => kind === "score");
  const others = rest.filter(({ kind }) => kind !== "score");
  const leading = LEADING.flatMap((title) => others.filter((column) => column.title === title));
  const following = others.filter((column) => !leading.includes(column));
  const source = leading.filter(({ title }) => title === "source");
  const paid = leading.filter(({ title }) => title !== "source");
  return narrow ? [first, ...source, ...scores, ...paid, ...following] : [first, ...leading, ...scores, ...following];
}

function makeTable() {
  const holder = document.getElementById("table");
  table = new Tabulator(holder, {
    data: entries,
    columns: columnOrder().map(columnOf),
    initialSort: view.sort.map(({ field, dir }) => ({ column: field, dir })),
    initialFilter: [{ field: ({ row }) => passes(row) }],
    nestedFieldSeparator: false,
    layout: "fitColumns",
    maxHeight: "75vh",
    rowHeight: ROW_HEIGHT,
    index: "id",
    selectableRows: false,
    keybindings: false, // moveByKey moves the focus as well
    tooltipDelay: 250,
    placeholder: element("p", {}, "No method fits. Reset shows all."),
    rowFormatter: (row) => {
      const line = row.getElement();
      line.tabIndex = -1;
      line.classList.toggle("floor", row.getData().row.marks.includes("floor"));
    },
  });
  table.on("rowClick", (event, row) => openRow(row.getData().id));
  table.on("dataSorted", (sorters) => {
    view.sort = sorters.map(({ field, dir }) => ({ field, dir }));
    writeAddress();
  });
  table.on("dataFiltered", (filters, rows) => {
    const [shown, all] = [rows.length, data.rows.length].map((n) => n.toLocaleString("en-GB"));
    // A large leaderboard's page holds its first rows alone.
    const left = data.left ? `, the first of ${(data.rows.length + data.left).toLocaleString("en-GB")}` : "";
    document.getElementById("count").textContent =
      (shown === all ? `${all} methods` : `${shown} of ${all} methods`) + left;
    holder.setAttribute("aria-rowcount", rows.length + 1);
  });
  holder.addEventListener("keydown", moveByKey);
  return new Promise((resolve) => table.on("tableBuilt", resolve)).then(() => {
    // The library gives its scrolled part the focus but no role, and a grid may hold nothing without one.
    holder.removeAttribute("aria-owns");
    holder.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
    holder.querySelector(".tabulator-table").setAttribute("role", "presentation");
  });
}

let target = null; // the row that the focus is on its way to

async function focusRow(id) {
  const row = table.getRow(id);
  if (!row || row.getPosition() === false) return;
  target = id;
  await row.scrollTo("nearest", false);
  // A long way draws the rows anew in the next frame, and takes the focus from those that were there.
  await new Promise(requestAnimationFrame);
  if (target !== id) return; // a further key was faster
  target = null;
  const now = document.activeElement;
  if (now && now !== document.body && !now.closest(".tabulator")) return; // it went elsewhere meanwhile
  row.getElement().focus({ preventScroll: true });
  row.getElement().scrollIntoView({ block: "nearest" });
}

function moveByKey(event) {
  if (event.target.closest(".tabulator-header") || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = table.getRows("active");
  const line = event.target.closest(".tabulator-row");
  const at = rows.findIndex((row) => (target ? row.getIndex() === target : row.getElement() === line));
  if (event.key === "Enter" || event.key === " ") {
    if (at < 0) return;
    event.preventDefault();
    openRow(rows[at].getData().id);
    return;
  }
  const page = Math.max(1, Math.floor(event.currentTarget.clientHeight / ROW_HEIGHT) - 2);
  const to = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: rows.length - 1,
  }[event.key];
  if (to === undefined || !rows.length) return;
  event.preventDefault();
  focusRow(rows[Math.min(Math.max(to, 0), rows.length - 1)].getData().id);
}

// Which method is best on a target, of those that the budget and the filters leave.

const SIMILAR = 1.15; // costs that differ by less are one amount
const columnsOn = (on) =>
  fields.filter(({ kind, title, target }) => kind === "score" && (!on || on === title || on === target));

// Meta-Dataset's rule for ties, as in the LaTeX table: in every column the intervals do not separate the two.
function tied(a, b, columns) {
  return columns.every(({ index }) => {
    const [one, other] = [a.scores[index], b.scores[index]];
    return Math.abs(one.mean - other.mean) <= Math.hypot(one.interval, other.interval);
  });
}

function bestOn(columns) {
  const scored = data.rows
    .filter((row) => row.ranked && passes(row) && columns.every(({ index }) => (row.scores[index]?.mean ?? null) !== null))
    .map((row) => ({ row, mean: columns.reduce((sum, { index }) => sum + row.scores[index].mean, 0) / columns.length }))
    .sort((a, b) => b.mean - a.mean);
  const [best, ...others] = scored;
  return { best, ties: others.filter(({ row }) => tied(best.row, row, columns)), methods: scored.length };
}

const textOf = (row, title) => {
  const column = fields.find((each) => each.title === title && each.kind !== "score");
  return column ? row.text[column.index] : "–";
};

// Its name, and what else tells it from its namesakes.
function fullName(row) {
  const further = ["backbone", "source", "variant"].filter((title) => fields.some((each) => each.title === title));
  return [methodName(row), ...further.filter((title) => !folded.has(title)).map((title) => textOf(row, title))]
    .filter((text) => text !== "–")
    .join(", ");
}

function opener(row, text) {
  return element("button", { type: "button", class: "link", onclick: () => openRow(row.id) }, text);
}

function budgetText() {
  const limits = BUDGETS.filter(({ name }) => name in view.budget);
  return limits.length
    ? ` with at most ${limits.map(({ name, title }) => `${compact(view.budget[name])} ${title}`).join(" and ")}`
    : "";
}

function showAnswer() {
  const columns = columnsOn(view.on);
  const answer = document.getElementById("answer");
  const where = `${view.on || "all targets"}${budgetText()}`;
  const { best, ties, methods } = columns.length ? bestOn(columns) : {};
  if (!best) {
    answer.replaceChildren(element("p", {}, `On ${where}: no method that passes the filters has every score.`));
    return;
  }
  const { row, mean } = best;
  const score = columns.length === 1 ? row.text[columns[0].index] : `${mean.toFixed(2)} (mean of ${columns.length} columns)`;
  const paid = BUDGETS.filter(({ name }) => row.cost[name] !== null).map(
    ({ name, title }) => `${name === "seconds" ? Math.round(row.cost[name]) : compact(row.cost[name])} ${title}`,
  );
  const kind = Object.fromEntries(data.axes.map((axis, index) => [axis, row.axes[index]]));
  const marks = [
    row.marks.includes("floor") ? "floor, not trained" : null,
    kind.labels === "source" ? "training reads labels" : "training reads no labels",
    kind["selection labels"] === "source" ? "chosen with labels" : "chosen without labels",
    kind.transductive === "yes" ? "transductive" : "inductive",
  ].filter(Boolean);
  const shown = ties.slice(0, 6).flatMap(({ row: other }) => [opener(other, fullName(other)), " "]);
  if (ties.length > 6) shown.push(`and ${ties.length - 6} more`);
  answer.replaceChildren(
    element("p", { class: "where" }, `Best on ${where}, of ${methods}${data.left ? " on this page" : ""}:`),
    element("p", { class: "winner" }, opener(row, fullName(row)), element("strong", {}, ` ${score}`)),
    element("p", { class: "facts" }, [...paid, ...marks].join(" · ")),
    element("p", { class: "ties" }, ties.length ? "Not separated from it by the intervals: " : "The intervals separate it from every other.", ...shown),
  );
}

// Buttons of which one is on.
function chips(title, options, chosen, choose) {
  const buttons = options.map(({ value, label }) => {
    const button = element("button", { type: "button", class: "chip" }, label);
    button.addEventListener("click", () => {
      choose(chosen() === value ? null : value);
      refilter();
    });
    return { value, button };
  });
  const show = () => buttons.forEach(({ value, button }) => button.setAttribute("aria-pressed", String(chosen() === value)));
  const group = element("div", { class: "asked", role: "group", "aria-label": title }, element("span", {}, title), ...buttons.map(({ button }) => button));
  return { group, show };
}

// Amounts that leave some methods out: the dearest of each group of similar costs but the last, rounded up.
function presets(name) {
  const paid = [...new Set(data.rows.map((row) => row.cost[name]).filter((cost) => cost > 0))].sort((a, b) => a - b);
  const ends = paid.filter((cost, index) => paid[index + 1] > SIMILAR * cost);
  const below = [0, 1 / 2, 1].map((part) => ends[Math.round(part * (ends.length - 1))]).filter(Boolean);
  const round = (cost) => {
    const unit = 10 ** (Math.floor(Math.log10(cost)) - 2);
    return Number((Math.ceil(cost / unit) * unit).toPrecision(3));
  };
  return [...new Set(below.map(round))];
}

function budgetChips({ name, title }) {
  const options = presets(name).map((value) => ({ value, label: `≤ ${compact(value)}` }));
  const set = (most) => {
    if (most === null) delete view.budget[name];
    else view.budget[name] = most;
  };
  const made = chips(title, options, () => view.budget[name] ?? null, set);
  const input = element("input", { type: "text", inputmode: "decimal", placeholder: "at most", "aria-label": `at most so many ${title}`, autocomplete: "off" });
  input.addEventListener("change", () => {
    set(amount(input.value));
    refilter();
  });
  made.group.append(input);
  const show = () => {
    made.show();
    input.value = name in view.budget ? compact(view.budget[name]) : "";
  };
  return { group: made.group, show };
}

// A filter of the menus below as a choice of two: both hold one view.
function axisChips(title, axis, options) {
  const index = data.axes.indexOf(axis);
  const there = options.filter(({ value }) => data.rows.some((row) => row.axes[index] === value));
  if (!data.rows.some((row) => there.length && row.axes[index] !== there[0].value && !row.marks.includes("floor"))) return null;
  const chosen = () => {
    const on = view.filters.get(axis);
    return on?.size === 1 ? [...on][0] : null;
  };
  return chips(title, there, chosen, (value) => {
    if (value === null) view.filters.delete(axis);
    else view.filters.set(axis, new Set([value]));
  });
}

const targets = [...new Set(columnsOn("").map(({ target }) => target))];
const several = targets.filter((target) => columnsOn(target).length > 1);
const asks = [
  chips("on", [{ value: "", label: "all targets" }, ...targets.map((target) => ({ value: target, label: target }))],
    () => fields.find(({ kind, title }) => kind === "score" && title === view.on)?.target ?? view.on,
    (value) => { view.on = value ?? ""; }),
  several.length
    ? chips("under", columnsOn("").filter(({ target }) => several.includes(target)).map(({ title }) => ({ value: title, label: title })),
        () => view.on,
        (value) => { view.on = value ?? ""; })
    : null,
  ...BUDGETS.map(budgetChips),
  axisChips("training reads", "labels", [{ value: "none", label: "no labels" }, { value: "source", label: "labels" }]),
  axisChips("chosen with", "selection labels", [{ value: "none", label: "no labels" }, { value: "source", label: "labels" }]),
  axisChips("queries", "transductive", [{ value: "no", label: "inductive" }, { value: "yes", label: "transductive" }]),
].filter(Boolean);

document.getElementById("asked").append(...asks.map(({ group }) => group));

function showBest() {
  const of = columnsOn(view.on)[0]?.target;
  for (const { group, show } of asks) {
    show();
    if (group.getAttribute("aria-label") !== "under") continue;
    // The protocols of the target that was chosen alone.
    group.hidden = !view.on || !several.includes(of);
    for (const button of group.querySelectorAll("button"))
      button.hidden = !columnsOn(of).some(({ title }) => title === button.textContent);
  }
  showAnswer();
}

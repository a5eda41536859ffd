// Search, filters, choice of columns, theme.

const filterBox = document.getElementById("filters");
const query = document.getElementById("query");
const themeButton = document.getElementById("theme");

// `chosen()` gives the values that are on; `choose(values)` is told the new ones.
function menu(title, options, chosen, choose) {
  const note = element("span", { class: "note" });
  const boxes = options.map(({ value, label }) => {
    const box = element("input", { type: "checkbox" });
    box.addEventListener("change", () =>
      choose(new Set(boxes.filter((each) => each.box.checked).map((each) => each.value))),
    );
    return { value, box, label: element("label", {}, box, ` ${label}`) };
  });
  const all = element(
    "button",
    { type: "button", onclick: () => choose(new Set(options.map(({ value }) => value))) },
    "All",
  );
  const none = element("button", { type: "button", onclick: () => choose(new Set()) }, "None");
  const details = element(
    "details",
    { class: "menu", name: "menu" },
    element("summary", {}, title, note),
    element(
      "fieldset",
      {},
      element("legend", {}, title),
      element("p", {}, all, none),
      ...boxes.map(({ label }) => label),
    ),
  );
  const refresh = () => {
    const on = chosen();
    for (const { value, box } of boxes) box.checked = on.has(value);
    const partly = boxes.some(({ box }) => !box.checked);
    note.textContent = partly ? ` ${boxes.filter(({ box }) => box.checked).length}/${boxes.length}` : "";
    details.classList.toggle("chosen", partly);
  };
  refresh();
  return { details, refresh };
}

function axisMenu(axis, index) {
  const counts = new Map();
  for (const row of data.rows) counts.set(row.axes[index], (counts.get(row.axes[index]) ?? 0) + 1);
  if (counts.size < 2) return null;
  const values = [...counts.keys()].sort();
  return menu(
    axis,
    values.map((value) => ({ value, label: `${value} (${counts.get(value).toLocaleString("en-GB")})` })),
    () => view.filters.get(axis) ?? counts,
    (chosen) => {
      if (chosen.size === counts.size) view.filters.delete(axis);
      else view.filters.set(axis, chosen);
      refilter();
    },
  );
}

function columnMenu() {
  const titles = fields.slice(1).map(({ title }) => title); // the first names the row: it stays
  return menu(
    "columns",
    titles.map((title) => ({ value: title, label: title })),
    () => new Set(titles.filter((title) => !view.hidden.has(title))),
    (chosen) => {
      view.hidden = new Set(titles.filter((title) => !chosen.has(title)));
      showColumns();
      refresh();
      writeAddress();
    },
  );
}

const menus = [...data.axes.map(axisMenu), columnMenu()].filter(Boolean);
filterBox.append(...menus.map(({ details }) => details));

const refresh = () => menus.forEach((each) => each.refresh());

function showColumns() {
  for (const { field, title } of fields) {
    if (view.hidden.has(title)) table.hideColumn(field);
    else table.showColumn(field);
  }
  table.redraw();
  sayFolded();
}

function sayFolded() {
  const told = fields
    .filter(({ title }) => folded.has(title) && view.hidden.has(title))
    .map(({ title, index }) => `${title} ${data.rows[0].text[index]}`);
  document.getElementById("folded").textContent = told.length
    ? `In every row: ${told.join(", ")}. The menu of columns shows them.`
    : "";
}

function refilter() {
  table.refreshFilter();
  showBest();
  refresh();
  writeAddress();
}

let waiting;
query.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    view.query = query.value.trim();
    refilter();
  }, 120);
});

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const dark = view.theme ? view.theme === "dark" : systemDark.matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  themeButton.setAttribute("aria-pressed", String(dark));
}

systemDark.addEventListener("change", showTheme);
themeButton.addEventListener("click", () => {
  view.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  remembered(view.theme);
  showTheme();
  writeAddress();
});

document.getElementById("download").addEventListener("click", () => table.download("csv", "leaderboard-view.csv"));
document.getElementById("reset").addEventListener("click", () => {
  Object.assign(view, { query: "", filters: new Map(), sort: [], hidden: new Set(folded), on: "", budget: {} });
  showView();
});

// A menu closes at a press beside it and at Escape, which gives the focus back.
const openMenu = () => document.querySelector("details.menu[open]");
document.addEventListener("pointerdown", (event) => {
  const open = openMenu();
  if (open && !open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  const open = openMenu();
  if (event.key === "Escape" && open) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

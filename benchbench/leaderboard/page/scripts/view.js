"use strict";
// The data, the view that is shown of them, and the address that holds the view.

const data = JSON.parse(document.getElementById("data").textContent);
const rowById = new Map(data.rows.map((row) => [row.id, row]));
// A field is a column's place: titles may be any text.
const fields = data.columns.map((column, index) => ({ ...column, index, field: `c${index}` }));

// What every row shares is folded into one line, until its column is asked for.
const folded = new Set(
  fields
    .slice(1)
    .filter(({ kind, index, title }) => {
      const texts = new Set(data.rows.map((row) => row.text[index]));
      return kind !== "score" && title !== "rank" && data.rows.length > 1 && texts.size === 1;
    })
    .map(({ title }) => title),
);

const view = {
  on: "", // target, or column, that the best is asked for; empty: all
  budget: {}, // samples, flops, seconds: at most so many
  query: "",
  filters: new Map(), // axis -> the values that are shown; an axis that is not there shows all
  sort: [], // {field, dir}
  hidden: new Set(folded), // titles of the columns that are not shown
  theme: null, // "light", "dark"; null: as the system
  open: null, // id of the row whose records are shown
};

// Where a browser keeps nothing for files, the address alone remembers the theme.
function remembered(theme) {
  try {
    if (theme) localStorage.setItem("benchbench-theme", theme);
    return localStorage.getItem("benchbench-theme");
  } catch {
    return null;
  }
}

function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  view.query = asked.get("q") ?? "";
  view.filters = new Map(
    data.axes.filter((axis) => asked.has(axis)).map((axis) => [axis, new Set(asked.getAll(axis).filter(Boolean))]),
  );
  view.sort = asked.getAll("sort").flatMap((text) => {
    const dir = text.startsWith("-") ? "desc" : "asc";
    const column = fields.find(({ title }) => title === text.replace(/^[-+]/, ""));
    return column ? [{ field: column.field, dir }] : [];
  });
  const shown = asked.getAll("show");
  view.hidden = new Set([...[...folded].filter((title) => !shown.includes(title)), ...asked.getAll("hide")]);
  const places = fields.filter(({ kind }) => kind === "score").flatMap(({ title, target }) => [title, target]);
  view.on = places.includes(asked.get("on")) ? asked.get("on") : "";
  view.budget = Object.fromEntries(
    BUDGETS.map(({ name }) => [name, amount(asked.get(name) ?? "")]).filter(([, most]) => most !== null),
  );
  view.theme = [asked.get("theme"), remembered()].find((theme) => ["light", "dark"].includes(theme)) ?? null;
  view.open = rowById.has(asked.get("row")) ? asked.get("row") : null;
}

function writeAddress() {
  const shown = new URLSearchParams();
  if (view.query) shown.set("q", view.query);
  for (const [axis, values] of view.filters) {
    if (!values.size) shown.append(axis, ""); // none of them
    for (const value of values) shown.append(axis, value);
  }
  for (const { field, dir } of view.sort) {
    const { title } = fields.find((column) => column.field === field);
    shown.append("sort", (dir === "desc" ? "-" : "+") + title);
  }
  for (const title of view.hidden) if (!folded.has(title)) shown.append("hide", title);
  for (const title of folded) if (!view.hidden.has(title)) shown.append("show", title);
  if (view.on) shown.set("on", view.on);
  for (const [name, most] of Object.entries(view.budget)) shown.set(name, most);
  if (view.theme) shown.set("theme", view.theme);
  if (view.open) shown.set("row", view.open);
  history.replaceState(null, "", shown.size ? `#${shown}` : location.href.split("#")[0]);
}

// All words of the query, wherever in a row they stand; reasons of failures too.
function searched(row) {
  row.haystack ??= [...row.axes, ...row.text, ...row.records.map((record) => record.reason ?? "")]
    .join("\n")
    .toLowerCase();
  return view.query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => row.haystack.includes(word));
}

const BUDGETS = [
  { name: "samples", title: "samples" },
  { name: "flops", title: "FLOPs" },
  { name: "seconds", title: "seconds" },
];
const SIZES = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 };

// A number that may end in k, M, G, T or P; null if it is none.
function amount(text) {
  const found = /^\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*([kMGTP]?)\s*$/.exec(text);
  return found ? Number(found[1]) * SIZES[found[2]] : null;
}

// Three digits and a prefix, such as 683G.
function compact(value) {
  const [prefix, size] = Object.entries(SIZES).findLast(([, size]) => value >= size) ?? ["", 1];
  return `${Number((value / size).toPrecision(3))}${prefix}`;
}

// Floors were not trained: they are within any budget. A row that does not say its cost is in none.
const affordable = (row) =>
  row.marks.includes("floor") ||
  Object.entries(view.budget).every(([name, most]) => row.cost[name] !== null && row.cost[name] <= most);

const passes = (row) =>
  affordable(row) && data.axes.every((axis, index) => view.filters.get(axis)?.has(row.axes[index]) ?? true) && searched(row);

// An element. Children and attributes are text, never markup: names come from anybody's plugin.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

const methodName = (row) => `${row.axes[0]} × ${row.axes[1]}`;

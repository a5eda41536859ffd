"use strict";
// The data, the view that is shown of them, and the address that holds the view.

const data = JSON.parse(document.getElementById("data").textContent);
const rowById = new Map(data.rows.map((row) => [row.id, row]));
// A field is a column's place: titles may be any text.
const fields = data.columns.map((column, index) => ({ ...column, index, field: `c${index}` }));

const view = {
  query: "",
  filters: new Map(), // axis -> the values that are shown; an axis that is not there shows all
  sort: [], // {field, dir}
  hidden: new Set(), // titles of the columns that are not shown
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
  view.hidden = new Set(asked.getAll("hide"));
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
  for (const title of view.hidden) shown.append("hide", title);
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

const passes = (row) =>
  data.axes.every((axis, index) => view.filters.get(axis)?.has(row.axes[index]) ?? true) && searched(row);

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

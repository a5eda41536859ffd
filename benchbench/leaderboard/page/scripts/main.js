// The page from its address, and again whenever the address changes.

function showView() {
  query.value = view.query;
  showTheme();
  table.setSort(view.sort.map(({ field, dir }) => ({ column: field, dir })));
  showColumns();
  refilter();
  if (view.open) openRow(view.open);
  else if (dialog.open) dialog.close();
}

// As an image a plot runs nothing and shares no style with the page.
function plotImage(name) {
  const title = name.replaceAll(/[-_]/g, " ");
  return element("img", { src: `data:image/svg+xml,${encodeURIComponent(data.plots[name])}`, alt: `plot: ${title}` });
}

function answerTable(name, { title, columns, rows }) {
  const cells = (row) => row.map((text, index) => element(index ? "td" : "th", index ? {} : { scope: "row" }, text));
  return element(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": title },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))),
    ),
  );
}

// The tables that answer a question of their own, each beside its picture.
function showAnswers() {
  document.getElementById("answers").append(
    ...Object.entries(data.tables).map(([name, answer]) =>
      element(
        "section",
        { "aria-labelledby": `answer-${name}` },
        element("h2", { id: `answer-${name}` }, answer.title),
        element(
          "div",
          { class: "pair" },
          Object.hasOwn(data.plots, name) ? element("figure", {}, plotImage(name)) : null,
          answerTable(name, answer),
        ),
        element(
          "details",
          {},
          element("summary", {}, `How to read ${answer.title.toLowerCase()}`),
          element("ul", { class: "notes" }, ...answer.notes.map((note) => element("li", {}, note))),
        ),
      ),
    ),
  );
}

function showPlots() {
  const names = Object.keys(data.plots).filter((name) => !Object.hasOwn(data.tables, name));
  document.getElementById("plots").hidden = !names.length;
  document.querySelector("#plots .plots").append(
    ...names.map((name) => {
      const title = name.replaceAll(/[-_]/g, " ");
      const image = plotImage(name);
      const figure = element("figure", {}, image, element("figcaption", {}, title));
      image.addEventListener("load", () =>
        figure.classList.toggle("wide", image.naturalWidth > 2 * image.naturalHeight),
      );
      return figure;
    }),
  );
}

// The date is that of the file: the same records give the same page whenever they are rendered.
function showMade() {
  const when = new Date(document.lastModified);
  if (Number.isNaN(when.valueOf())) return;
  document.getElementById("made").textContent = `, ${when.toLocaleDateString("en-GB", { dateStyle: "long" })}`;
}

readAddress();
showTheme();
query.value = view.query;
showAnswers();
showPlots();
showMade();
showBest();
makeTable().then(() => {
  sayFolded();
  if (view.open) openRow(view.open);
  document.documentElement.dataset.ready = "yes";
});
addEventListener("hashchange", () => {
  readAddress();
  showView();
});

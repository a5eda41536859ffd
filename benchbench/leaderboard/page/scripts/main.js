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

function showPlots() {
  const names = Object.keys(data.plots);
  document.getElementById("plots").hidden = !names.length;
  document.querySelector("#plots .plots").append(
    ...names.map((name) => {
      const title = name.replaceAll(/[-_]/g, " ");
      // As an image a plot runs nothing and shares no style with the page.
      const image = element("img", { src: `data:image/svg+xml,${encodeURIComponent(data.plots[name])}`, alt: title });
      const figure = element("figure", {}, image, element("figcaption", {}, title));
      image.addEventListener("load", () =>
        figure.classList.toggle("wide", image.naturalWidth > 2 * image.naturalHeight),
      );
      return figure;
    }),
  );
}

readAddress();
showTheme();
query.value = view.query;
showPlots();
makeTable().then(() => {
  if (view.open) openRow(view.open);
  document.documentElement.dataset.ready = "yes";
});
addEventListener("hashchange", () => {
  readAddress();
  showView();
});

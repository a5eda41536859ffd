// A learning curve as a small drawing: one line a training.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 340,
  HEIGHT = 170,
  LEFT = 48,
  RIGHT = 12,
  TOP = 10,
  BOTTOM = 26;
const DASHES = ["", "6 3", "2 2", "8 3 2 3"];

function shape(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const short = (value) => value.toLocaleString("en-GB", { maximumSignificantDigits: 3 });
const count = (value) => value.toLocaleString("en-GB", { notation: "compact", maximumFractionDigits: 1 });

// `lines`: {name, points: [[samples, value], ...]}.
function drawCurve(metric, lines) {
  const points = lines.flatMap((line) => line.points);
  const most = Math.max(...points.map(([samples]) => samples), 1);
  let low = Math.min(...points.map(([, value]) => value));
  let high = Math.max(...points.map(([, value]) => value));
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const x = (samples) => LEFT + (samples / most) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "curve" });
  const [first, last] = [lines[0].points[0][1], lines[0].points.at(-1)[1]];
  svg.setAttribute("aria-label", `${metric}: from ${short(first)} to ${short(last)} over ${count(most)} samples`);
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(
      shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
    );
  }
  for (const samples of [0, most / 2, most]) {
    const anchor = samples === most ? "end" : samples ? "middle" : "start";
    svg.append(shape("text", { x: x(samples), y: HEIGHT - 8, "text-anchor": anchor }, count(samples)));
  }
  lines.forEach((line, index) => {
    const path = line.points.map(([samples, value]) => `${x(samples).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    svg.append(
      shape(
        "polyline",
        {
          class: `line line-${index % 5}`,
          points: path,
          "stroke-dasharray": DASHES[index % DASHES.length],
        },
        shape("title", {}, line.name),
      ),
    );
  });
  const names = lines.length > 1 ? ` (${lines.map((line) => line.name).join(", ")})` : "";
  return element("figure", {}, svg, element("figcaption", {}, `${metric} over samples${names}`));
}

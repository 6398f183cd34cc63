// Draws charts into a place of the page; `onChoose` hears of the flow whose curve is clicked.
function drawCharts(root, charts, bands, onChoose = () => {}) {
  const last = Math.max(1, ...charts.flatMap((each) => each.curves.map((c) => c.steps.at(-1))));
  const shared = { range: [0, last], all: [], chosen: "" };
  shared.all = charts.map((each) => chart(root, each, bands, shared, onChoose));
  let wait = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(wait);
    wait = requestAnimationFrame(() => shared.all.forEach((each) => each.draw()));
  });
  return {
    zoom(band) {
      shared.range = band ? [band.first, Math.max(band.last, band.first + 1)] : [0, last];
      for (const each of shared.all) each.draw();
    },
    choose(flow) {
      shared.chosen = flow;
      for (const each of shared.all) each.light(flow);
    },
  };
}

function chart(root, spec, bands, shared, onChoose) {
  const figure = element("figure", "chart");
  figure.dataset.chart = spec.key;
  const head = element("div", "chart-head");
  head.append(element("b", "", spec.title), element("span", "soft", spec.unit));
  const canvas = part("svg", { tabindex: 0, role: "img", "aria-label": spec.title });
  const legend = element("div", "legend");
  const readout = element("div", "readout");
  readout.hidden = true;
  figure.append(head, canvas, legend, readout);
  root.append(figure);
  const off = new Set(JSON.parse(memory.get(`off ${spec.key}`) || "[]"));
  let log = memory.get(`log ${spec.key}`) === "yes";
  let place = null;
  let inverse = null;

  const visible = () => spec.curves.filter((each) => !off.has(each.name));
  const number = (curve) => curve.colour % 8 + 1;
  const colour = (curve) => `var(--c${number(curve)})`;
  const dash = (curve) => spec.curves.slice(0, spec.curves.indexOf(curve))
    .filter((each) => number(each) === number(curve)).length % 3;
  const swatchOf = (curve) => {
    const made = element("i", `dash${dash(curve)}`);
    made.style.setProperty("--own", colour(curve));
    return made;
  };

  function yRange() {
    const [from, to] = shared.range;
    const values = visible().flatMap((each) => each.values.filter((value, at) =>
      value !== null && each.steps[at] >= from && each.steps[at] <= to && (!log || value > 0)));
    let low = values.reduce((a, b) => Math.min(a, b), Infinity);
    let high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!values.length) return log ? [0.1, 1] : [0, 1];
    if (log) return low === high ? [low / 2, high * 2] : [low / 1.15, high * 1.15];
    if (spec.zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
    const air = (high - low || Math.abs(high) || 1) * 0.06;
    if (low !== 0) low -= air;
    if (high !== 0) high += air;
    return spec.unit === "%" ? [Math.max(low, 0), Math.min(high, 100)] : [low, high];
  }

  function draw() {
    const width = Math.max(Math.floor(canvas.getBoundingClientRect().width), 200);
    const [left, right, top, bottom] = [52, width - 14, 24, 226];
    const [from, to] = shared.range;
    const [low, high] = yRange();
    const scale = log ? Math.log : (value) => value;
    const x = (step) => left + (right - left) * (step - from) / (to - from);
    const y = (value) =>
      bottom - (bottom - top) * (scale(value) - scale(low)) / (scale(high) - scale(low));
    place = { x, y, left, right, top, bottom };
    inverse = (pixels) => from + (to - from) * (pixels - left) / (right - left);
    canvas.setAttribute("viewBox", `0 0 ${width} 250`);
    canvas.setAttribute("height", 250);
    canvas.replaceChildren();
    drawBands(x, right);
    for (const tick of log ? powerTicks(low, high) : ticks(low, high, 5)) {
      const at = y(tick).toFixed(1);
      canvas.append(part("path", { class: "grid", d: `M${left},${at}H${right}` }));
      const words = { x: left - 7, y: Number(at) + 3.5, class: "y" };
      canvas.append(part("text", words, tickText(tick)));
    }
    const steps = ticks(from, to, Math.max(2, Math.floor((right - left) / 90)));
    for (const tick of steps.filter(Number.isInteger)) {
      canvas.append(part("path", { class: "tick", d: `M${x(tick).toFixed(1)},${bottom}v4` }));
      canvas.append(part("text", { x: x(tick).toFixed(1), y: bottom + 17, class: "x" }, tick));
    }
    canvas.append(part("path", { class: "axis", d: `M${left},${top}V${bottom}H${right}` }));
    canvas.append(part("text", { x: 4, y: bottom + 17 }, "step"));
    canvas.append(lines(width), part("g", { class: "cursor" }));
    light(shared.chosen);
  }

  function drawBands(x, right) {
    const [from, to] = shared.range;
    if (bands.length < 2) return;
    bands.forEach((band, at) => {
      const [start, end] = [Math.max(band.first, from), Math.min(band.last, to)];
      if (start >= end) return;
      const [one, other] = [x(start), Math.min(x(end), right)];
      const size = { x: one, y: 8, width: other - one, height: 218 };
      canvas.append(part("rect", { class: at % 2 ? "band odd" : "band", ...size }));
      const room = Math.floor((other - one - 6) / 6.2);
      const short = band.name.length > room ? `${band.name.slice(0, room - 1)}…` : band.name;
      if (room < 2) return;
      const words = part("text", { x: one + 4, y: 19, class: "phase" }, short);
      words.append(part("title", {}, band.name));
      canvas.append(words);
    });
  }

  function lines(width) {
    // an inner picture cuts off what lies beside the range of steps
    const { x, y, left, right, top, bottom } = place;
    const size = { x: left, y: top - 4, width: right - left + 5, height: bottom - top + 8 };
    const inner = part("svg", { ...size, viewBox: Object.values(size).join(" ") });
    const [from, to] = shared.range;
    for (const curve of visible()) {
      const group = part("g", { "data-flow": curve.flow, class: "curve" });
      group.style.setProperty("--own", colour(curve));
      let path = "";
      let open = false;
      const dots = [];
      curve.values.forEach((value, at) => {
        const step = curve.steps[at];
        const drawn = value !== null && (!log || value > 0);
        if (drawn) {
          const point = `${x(step).toFixed(1)},${y(value).toFixed(1)}`;
          path += `${open ? "L" : "M"}${point}`;
          if (step >= from && step <= to) dots.push([x(step), y(value)]);
        } else if (value === null) {
          group.append(part("text", { x: x(step).toFixed(1), y: top + 9, class: "broken" }, "×"));
        }
        open = drawn;
      });
      group.append(part("path", { class: "hit", d: path }));
      group.append(part("path", { d: path, class: `line dash${dash(curve)}` }));
      for (const [cx, cy] of dots.length > 40 ? [] : dots) {
        group.append(part("circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 2.4 }));
      }
      group.append(part("title", {}, curve.name));
      if (curve.flow) group.addEventListener("click", () => onChoose(curve.flow));
      inner.append(group);
    }
    return inner;
  }

  function light(flow) {
    const here = spec.curves.some((each) => each.flow && each.flow === flow);
    for (const each of canvas.querySelectorAll(".curve")) {
      each.classList.toggle("quiet", here && each.dataset.flow !== flow);
      each.classList.toggle("chosen", here && each.dataset.flow === flow);
    }
    for (const [at, each] of [...legend.children].entries()) {
      each.classList.toggle("chosen", here && spec.curves[at].flow === flow);
    }
  }

  function point(step) {
    const cursor = canvas.querySelector(".cursor");
    cursor.replaceChildren();
    if (step === null) { readout.hidden = true; return; }
    const { x, y, top, bottom } = place;
    cursor.append(part("path", { d: `M${x(step).toFixed(1)},${top}V${bottom}` }));
    for (const [curve, at] of read(step)) {
      const value = curve.values[at];
      if (value === null || (log && value <= 0)) continue;
      const dot = part("circle", { cx: x(curve.steps[at]), cy: y(value), r: 4 });
      dot.style.setProperty("--own", colour(curve));
      cursor.append(dot);
    }
  }

  // of each curve the point nearest to a step, unless that is far away
  function read(step) {
    const far = (shared.range[1] - shared.range[0]) * 0.03;
    return visible().map((curve) => [curve, nearest(curve.steps, step)])
      .filter(([curve, at]) => curve.steps.length && Math.abs(curve.steps[at] - step) <= far);
  }

  function say(step) {
    const band = bands.find((each) => step > each.first && step <= each.last);
    readout.replaceChildren(element("b", "", `step ${step}${band ? ` · ${band.name}` : ""}`));
    for (const [curve, at] of read(step)) {
      const row = element("div");
      const there = curve.steps[at] === step ? "" : `at ${curve.steps[at]}`;
      row.append(swatchOf(curve), element("span", "", curve.name), element("small", "", there));
      row.append(element("b", "", numberText(curve.values[at])));
      readout.append(row);
    }
    readout.hidden = false;
    const at = place.x(step) + legend.offsetLeft;
    const room = figure.clientWidth;
    const beside = at > room / 2 ? at - readout.offsetWidth - 12 : at + 12;
    readout.style.left = `${Math.max(0, Math.min(beside, room - readout.offsetWidth))}px`;
  }

  function go(step) {
    const known = visible().flatMap((each) => each.steps)
      .filter((each) => each >= shared.range[0] && each <= shared.range[1]);
    if (!known.length) return null;
    const found = known.reduce((best, each) =>
      Math.abs(each - step) < Math.abs(best - step) ? each : best);
    for (const each of shared.all) each.point(found);
    say(found);
    return found;
  }

  let cursorStep = null;
  canvas.addEventListener("pointermove", (event) => {
    const around = canvas.getBoundingClientRect();
    cursorStep = go(inverse(event.clientX - around.left));
  });
  const leave = () => { for (const each of shared.all) each.point(null); };
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const steps = [...new Set(visible().flatMap((each) => each.steps))].sort((a, b) => a - b);
    const at = cursorStep === null ? (by > 0 ? -1 : steps.length) : steps.indexOf(cursorStep);
    cursorStep = go(steps[Math.max(0, Math.min(steps.length - 1, at + by))]);
  });

  for (const curve of spec.curves) {
    const button = element("button");
    button.append(swatchOf(curve), element("span", "", curve.name));
    button.title = `${curve.name}: show or hide`;
    button.setAttribute("aria-pressed", String(!off.has(curve.name)));
    button.addEventListener("click", () => {
      if (!off.delete(curve.name)) off.add(curve.name);
      button.setAttribute("aria-pressed", String(!off.has(curve.name)));
      memory.set(`off ${spec.key}`, JSON.stringify([...off]));
      draw();
    });
    legend.append(button);
  }
  if (spec.log) {
    const button = element("button", "log", "log scale");
    button.setAttribute("aria-pressed", String(log));
    button.addEventListener("click", () => {
      log = !log;
      button.setAttribute("aria-pressed", String(log));
      memory.set(`log ${spec.key}`, log ? "yes" : "no");
      draw();
    });
    head.append(button);
  }
  draw();
  return { draw, light, point };
}

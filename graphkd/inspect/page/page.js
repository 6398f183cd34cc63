"use strict";
// What a blueprint says is data: it reaches the page as text alone, never as markup.
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const byId = (id) => document.getElementById(id);
  const all = (look) => [...document.querySelectorAll(look)];
  const views = all(".view");
  const parts = all("[data-of]");
  const cameras = new Map();
  let chosen = null;

  function make(tag, words, look) {
    const made = document.createElement(tag);
    if (words !== undefined) made.textContent = words;
    if (look) made.className = look;
    return made;
  }

  // views, and the piece of a drawing that is seen

  const shown = () => views.find((each) => !each.hidden);

  function show(name) {
    for (const view of views) view.hidden = view.id !== name;
    for (const tab of all("nav button")) {
      tab.setAttribute("aria-selected", String(tab.dataset.view === name));
    }
    for (const id of ["closer", "farther", "whole"]) byId(id).hidden = name === "schedule";
    const camera = cameras.get(name);
    // at first so that words can be read
    if (camera && !camera.set) camera.fit(0.4);
  }

  function camera(view) {
    const drawn = view.querySelector("svg");
    const size = drawn.viewBox.baseVal;
    const [width, height] = [size.width, size.height];
    const made = { set: false, x: 0, y: 0, scale: 1 };
    made.apply = () => {
      made.set = true;
      const [w, h] = [view.clientWidth / made.scale, view.clientHeight / made.scale];
      drawn.setAttribute("viewBox", `${made.x} ${made.y} ${w} ${h}`);
    };
    made.fit = (least = 0) => {
      const most = Math.min(view.clientWidth / width, view.clientHeight / height, 1.2);
      made.scale = Math.max(most, least);
      // what does not fit begins at its upper left corner
      made.x = Math.min(0, (width - view.clientWidth / made.scale) / 2);
      made.y = Math.min(0, (height - view.clientHeight / made.scale) / 2);
      made.apply();
    };
    made.zoom = (factor, left = view.clientWidth / 2, top = view.clientHeight / 2) => {
      const scale = Math.min(Math.max(made.scale * factor, 0.01), 8);
      made.x += left / made.scale - left / scale;
      made.y += top / made.scale - top / scale;
      made.scale = scale;
      made.apply();
    };
    made.center = (part) => {
      const box = part.getBBox();
      made.scale = Math.max(made.scale, 0.8);
      made.x = box.x + box.width / 2 - view.clientWidth / made.scale / 2;
      made.y = box.y + box.height / 2 - view.clientHeight / made.scale / 2;
      made.apply();
    };
    view.addEventListener("wheel", (event) => {
      event.preventDefault();
      const around = view.getBoundingClientRect();
      const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015));
      made.zoom(factor, event.clientX - around.left, event.clientY - around.top);
    }, { passive: false });
    drag(view, made);
    return made;
  }

  function drag(view, made) {
    let last = null;
    let dragged = false;
    view.addEventListener("pointerdown", (event) => {
      last = [event.clientX, event.clientY];
      dragged = false;
    });
    view.addEventListener("click", (event) => {
      if (!dragged && !event.target.closest("[data-of]")) choose(null);
    });
    view.addEventListener("pointermove", (event) => {
      if (!last || !event.buttons) return;
      dragged = true;
      // captured only now: a mere click stays with the part that is clicked
      view.setPointerCapture(event.pointerId);
      made.x -= (event.clientX - last[0]) / made.scale;
      made.y -= (event.clientY - last[1]) / made.scale;
      last = [event.clientX, event.clientY];
      made.apply();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      view.addEventListener(end, () => { last = null; });
    }
  }

  // the side panel

  function list(panel, title, rows) {
    if (!rows.length) return;
    panel.append(make("h3", title));
    const table = make("dl");
    for (const [key, value, help] of rows) {
      const said = make("dd", value);
      if (help) said.append(make("small", help));
      table.append(make("dt", key), said);
    }
    panel.append(table);
  }

  function describe(id, tap) {
    const panel = byId("panel");
    panel.replaceChildren();
    const item = facts.items[id];
    if (!item) {
      panel.append(make("h2", facts.name), make("p", facts.about));
      panel.append(make("p", "Click on a box, an arrow or an instruction.", "soft"));
      for (const phase of facts.phases) panel.append(make("p", phase.said, "soft"));
      return;
    }
    panel.append(make("h2", item.title), make("p", `${item.kind} · ${item.notes}`, "soft"));
    const component = facts.components[item.component];
    panel.append(make("p", component.summary));
    list(panel, "facts", item.facts);
    list(panel, "taps that are read", item.taps);
    for (const term of panel.querySelectorAll("dt")) {
      if (tap && term.textContent === tap) term.className = "here";
    }
    list(panel, "parameters", item.parameters);
    links(panel, item.links);
    if (component.text) {
      const title = item.kind === "loss" ? "formula and source" : "more";
      panel.append(make("h3", `${item.component}: ${title}`));
      panel.append(make("p", component.text, "doc"));
    }
  }

  function links(panel, found) {
    let before = "";
    for (const [how, words, id] of found) {
      if (how !== before) panel.append(make("h3", how));
      before = how;
      const button = make("button", words);
      button.addEventListener("click", () => go(id));
      panel.append(button);
    }
  }

  function mark(look, wanted) {
    for (const part of parts) part.classList.toggle(look, wanted(part));
  }

  const touches = (part, id) =>
    part.dataset.of === id || (part.dataset.ends || "").split(" ").includes(id);

  function choose(id, tap) {
    chosen = id;
    describe(id, tap);
    mark("chosen", (part) => id !== null && part.dataset.of === id);
    near(id);
  }

  function near(id) {
    mark("near", (part) => id !== null && touches(part, id));
    for (const view of views) view.classList.toggle("quiet", id !== null);
  }

  function go(id) {
    choose(id);
    const there = (view) => parts.find((each) => each.dataset.of === id && view.contains(each));
    const view = there(shown()) ? shown() : views.find(there);
    if (!view) return;
    show(view.id);
    const part = there(view);
    if (cameras.has(view.id)) cameras.get(view.id).center(part);
    else part.scrollIntoView({ block: "center" });
  }

  // search, phases, colours

  function search(words) {
    const wanted = words.trim().toLowerCase();
    const found = wanted
      ? Object.keys(facts.items).filter((id) => texts.get(id).includes(wanted))
      : [];
    mark("match", (part) => found.includes(part.dataset.of));
    byId("found").textContent = wanted ? `${found.length} found` : "";
    return found;
  }

  function select(number) {
    const phase = facts.phases[number];
    const awake = new Set(phase ? phase.awake : []);
    const learning = new Set(phase ? phase.learning : []);
    const sleeps = ({ of, tap, ends }) => {
      if (!phase) return false;
      if (ends) return !ends.split(" ").every((each) => awake.has(each));
      return !awake.has(of) || Boolean(tap && !awake.has(`${of} ${tap}`));
    };
    mark("asleep", (part) => part.tagName !== "TR" && sleeps(part.dataset));
    const model = (part) => phase && (facts.items[part.dataset.of] || {}).kind === "model";
    mark("learning", (part) => Boolean(phase && learning.has(part.dataset.of)));
    mark("resting", (part) =>
      Boolean(model(part) && awake.has(part.dataset.of) && !learning.has(part.dataset.of)));
    for (const each of all("section.phase")) {
      each.hidden = Boolean(phase) && each.dataset.phase !== String(number);
    }
  }

  function turn() {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
  }

  const texts = new Map(Object.entries(facts.items).map(([id, item]) => {
    const lists = [...item.facts, ...item.taps].flat();
    const words = [item.title, item.kind, item.component, item.notes, ...lists];
    return [id, words.join(" ").toLowerCase()];
  }));

  for (const view of all(".canvas")) cameras.set(view.id, camera(view));
  for (const arrow of all(".arrow")) {
    const line = arrow.querySelector("path");
    const hit = line.cloneNode();
    hit.setAttribute("class", "hit");
    arrow.prepend(hit);
  }
  for (const part of parts) {
    part.addEventListener("click", (event) => {
      // the lines of values stand beside all rows, in the first of them
      if (event.target.closest(".lives")) return;
      choose(part.dataset.of || null, part.dataset.tap);
    });
    part.addEventListener("pointerenter", () => {
      if (chosen !== null) return;
      describe(part.dataset.of, part.dataset.tap);
      near(part.dataset.of);
    });
    part.addEventListener("pointerleave", () => { if (chosen === null) near(null); });
    part.setAttribute("tabindex", "0");
    part.addEventListener("keydown", (event) => {
      if (event.key === "Enter") choose(part.dataset.of || null, part.dataset.tap);
    });
  }
  for (const tab of all("nav button")) tab.addEventListener("click", () => show(tab.dataset.view));
  const moved = (by) => cameras.get(shown().id)?.[by[0]](...by.slice(1));
  byId("closer").addEventListener("click", () => moved(["zoom", 1.25]));
  byId("farther").addEventListener("click", () => moved(["zoom", 0.8]));
  byId("whole").addEventListener("click", () => moved(["fit"]));
  byId("theme").addEventListener("click", turn);
  byId("phase").addEventListener("change", (event) => select(event.target.value));
  byId("search").addEventListener("input", (event) => search(event.target.value));
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const found = search(event.target.value);
    if (found.length) go(found[(found.indexOf(chosen) + 1) % found.length]);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") choose(null);
    if (event.target.matches("input, select")) return;
    if (event.key === "/") { event.preventDefault(); byId("search").focus(); }
    if (event.key === "+") moved(["zoom", 1.25]);
    if (event.key === "-") moved(["zoom", 0.8]);
    if (event.key === "0") moved(["fit"]);
  });
  addEventListener("resize", () => {
    for (const each of cameras.values()) if (each.set) each.apply();
  });
  describe(null);
  show(facts.first);
})();

"use strict";
// What a blueprint says is data: it reaches the page as text alone, never as markup.
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const byId = (id) => document.getElementById(id);
  const all = (look) => [...document.querySelectorAll(look)];
  const views = all(".view");
  const parts = all("[data-of]");
  const cameras = new Map();
  // pieces of a drawing that are drawn at once, scale below which words are left out
  const [MANY, FAR] = [600, 0.2];
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
      const here = tab.dataset.view === name;
      tab.setAttribute("aria-selected", String(here));
      tab.tabIndex = here ? 0 : -1;
    }
    for (const id of ["closer", "farther", "whole"]) byId(id).hidden = name === "schedule";
    const camera = cameras.get(name);
    // at first so that words can be read
    if (camera && !camera.set) camera.fit(0.4);
  }

  // leaves out of a large drawing what lies outside of the piece that is seen
  function culling(drawn) {
    const boxes = new Map();
    const cull = (x, y, width, height) => {
      const pieces = drawn.querySelectorAll(".part, .arrow, .halo");
      if (pieces.length < MANY) return;
      if (!boxes.size) for (const piece of pieces) boxes.set(piece, piece.getBBox());
      for (const [piece, box] of boxes) {
        const seen = box.x <= x + width && x <= box.x + box.width
          && box.y <= y + height && y <= box.y + box.height;
        piece.classList.toggle("away", !seen);
      }
    };
    cull.boxes = boxes;
    return cull;
  }

  function camera(view) {
    const drawn = view.querySelector("svg");
    // what is in it can be chosen
    drawn.setAttribute("role", "group");
    const size = drawn.viewBox.baseVal;
    const [width, height] = [size.width, size.height];
    const made = { set: false, x: 0, y: 0, scale: 1 };
    const cull = culling(drawn);
    made.apply = () => {
      made.set = true;
      const [w, h] = [view.clientWidth / made.scale, view.clientHeight / made.scale];
      cull(made.x, made.y, w, h);
      // what cannot be read costs most of the time
      drawn.classList.toggle("far", made.scale < FAR);
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
      const box = cull.boxes.get(part) || part.getBBox();
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

  function taps(panel, rows) {
    list(panel, "taps", rows.map(([tap, carried]) => [tap, carried]));
    const terms = [...panel.querySelectorAll("dl:last-of-type dt")];
    rows.forEach(([, , read], at) => {
      if (read) terms[at].nextSibling.append(make("small", "read", "read"));
      else terms[at].classList.add("unread");
    });
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
    taps(panel, item.taps);
    for (const term of panel.querySelectorAll("dt")) {
      if (tap && term.textContent === tap) term.className = "here";
    }
    list(panel, "parameters", item.parameters.map(([key, value]) =>
      [key, value, component.help[key]]));
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

  // asking first costs less than a change that changes nothing
  function mark(look, wanted) {
    for (const part of parts) {
      const now = wanted(part);
      if (part.classList.contains(look) !== now) part.classList.toggle(look, now);
    }
  }

  // a flow touches who learns from it too, though its arrow may end in its loss
  const taught = new Map(Object.entries(facts.items).filter(([, item]) => item.kind === "loss")
    .map(([id, item]) => [id, new Set(item.links.map(([, , other]) => other))]));
  const touches = (part, id) =>
    part.dataset.of === id || (part.dataset.ends || "").split(" ").includes(id)
    || Boolean(part.dataset.ends && taught.get(part.dataset.of)?.has(id));

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
    const known = new Set(found);
    mark("match", (part) => known.has(part.dataset.of));
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
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(part.dataset.of || null, part.dataset.tap);
    });
    if (part.tagName === "TR") continue;
    const item = facts.items[part.dataset.of];
    part.setAttribute("role", "button");
    const ends = (part.dataset.ends || "").split(" ").filter(Boolean);
    const words = ends.length
      ? ["arrow", ends.map((id) => facts.items[id].title).join(" to ")]
      : [item.kind, item.title, part.dataset.tap];
    part.setAttribute("aria-label", words.filter(Boolean).join(" "));
  }
  // two lines of a table hold what is short; the rest is seen by resting on it
  byId("schedule").addEventListener("pointerover", ({ target }) => {
    const cell = target.closest(".cell");
    if (cell) cell.title = cell.scrollHeight > cell.clientHeight ? cell.textContent : "";
  });
  const tabs = all("nav button");
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => show(tab.dataset.view));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const next = tabs[(at + by + tabs.length) % tabs.length];
      show(next.dataset.view);
      next.focus();
    });
  });
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

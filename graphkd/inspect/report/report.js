(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const byId = (id) => document.getElementById(id);
  const all = (look) => [...document.querySelectorAll(look)];
  const lit = drawCharts(byId("charts"), facts.charts, facts.bands, (flow) => choose(flow));
  let chosen = "";

  // the drawn graph

  function choose(flow) {
    chosen = flow === chosen ? "" : flow;
    lit.choose(chosen);
    for (const each of all("[data-of]")) {
      each.classList.toggle("near", Boolean(chosen) && each.dataset.of === chosen);
    }
    for (const each of all(".drawn")) each.classList.toggle("quiet", Boolean(chosen));
    memory.set("flow", chosen);
  }

  function show(view) {
    for (const each of all(".drawn")) each.hidden = each.id !== view;
    for (const tab of all("[data-view]")) {
      tab.setAttribute("aria-pressed", String(tab.dataset.view === view));
    }
    memory.set("view", view);
  }

  function select(wanted) {
    const name = wanted === "now" ? facts.now : facts.phases[Number(wanted)]?.name;
    const phase = wanted === "" ? undefined : facts.phases.find((each) => each.name === name);
    const values = phase ? facts.live[phase.name] || {} : facts.newest;
    for (const each of all("[data-live]")) each.textContent = values[each.dataset.live] || "";
    const awake = phase && phase.awake ? new Set(phase.awake) : null;
    const sleeps = ({ of, tap, ends }) => ends
      ? !ends.split(" ").every((each) => awake.has(each))
      : !awake.has(of) || Boolean(tap && !awake.has(`${of} ${tap}`));
    for (const each of all("[data-of]")) {
      each.classList.toggle("asleep", awake !== null && sleeps(each.dataset));
    }
    const zoomed = wanted === "now" || wanted === "" ? undefined
      : facts.bands.find((each) => each.name === name);
    lit.zoom(zoomed);
    memory.set("phase", wanted);
  }

  const flows = new Set(facts.flows);
  for (const each of all("[data-of]").filter((one) => flows.has(one.dataset.of))) {
    each.classList.add("flow");
    each.addEventListener("click", () => choose(each.dataset.of));
    const line = each.matches(".arrow") && each.querySelector("path");
    if (!line) continue;
    const hit = line.cloneNode();
    hit.setAttribute("class", "hit");
    each.prepend(hit);
  }
  for (const tab of all("[data-view]")) tab.addEventListener("click", () => show(tab.dataset.view));
  const views = all("[data-view]").map((each) => each.dataset.view);
  if (views.length) show(views.includes(memory.get("view")) ? memory.get("view") : views[0]);
  const menu = byId("phase");
  if (menu) {
    const before = memory.get("phase");
    if ([...menu.options].some((each) => each.value === before)) menu.value = before;
    menu.addEventListener("change", () => select(menu.value));
    select(menu.value);
  }
  if (flows.has(memory.get("flow"))) choose(memory.get("flow"));

  // classes

  const table = byId("classes");
  if (table) classes(table);

  function classes(sheet) {
    const body = sheet.tBodies[0];
    const rows = [...body.rows];
    const few = 20;
    let whole = rows.length <= 50;
    let order = rows;
    let by = 0;
    const value = (row, column) => column === 0
      ? row.cells[0].textContent : parseFloat(row.cells[column].dataset.value);
    const compare = (column, down) => (one, other) => {
      const [a, b] = [value(one, column), value(other, column)];
      const turn = down ? -1 : 1;
      if (column === 0) return turn * a.localeCompare(b, undefined, { numeric: true });
      // what has no value stands at the end, either way
      return Number.isNaN(a) - Number.isNaN(b) || turn * (a - b) || 0;
    };
    const shown = () => {
      const wanted = (byId("class-search")?.value || "").trim().toLowerCase();
      const called = (row) => row.cells[0].textContent.toLowerCase();
      if (wanted) return order.filter((row) => called(row).includes(wanted));
      const known = order.filter((row) => by === 0 || !Number.isNaN(value(row, by)));
      return whole ? order : [...known.slice(0, few), ...known.slice(few).slice(-few)];
    };
    const fill = () => {
      const found = shown();
      body.replaceChildren(...found);
      const note = byId("class-note");
      const cut = !whole && found.length === 2 * few;
      if (note) note.textContent = `${found.length} of ${rows.length}${cut ? ": both ends" : ""}`;
    };
    const sort = (column, down) => {
      by = column;
      order = [...rows].sort(compare(column, down));
      [...sheet.tHead.rows[0].cells].forEach((cell, at) => {
        cell.setAttribute("aria-sort", at !== column ? "none" : down ? "descending" : "ascending");
      });
      memory.set("classes", JSON.stringify([column, down]));
      fill();
    };
    for (const cell of sheet.tHead.rows[0].cells) {
      cell.firstChild.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "none"
          ? cell.cellIndex > 0 && Boolean(Number(sheet.dataset.gap))
            && cell.cellIndex === sheet.tHead.rows[0].cells.length - 1
          : cell.getAttribute("aria-sort") === "ascending";
        sort(cell.cellIndex, down);
      });
    }
    byId("class-search")?.addEventListener("input", fill);
    byId("class-all")?.addEventListener("click", (event) => {
      whole = !whole;
      event.target.setAttribute("aria-pressed", String(whole));
      fill();
    });
    const [column, down] = JSON.parse(memory.get("classes") || "[-1, false]");
    const last = sheet.tHead.rows[0].cells.length - 1;
    if (column >= 0 && column <= last) sort(column, down);
    else if (!whole) sort(last, Boolean(Number(sheet.dataset.gap)));
  }
})();

// A page of a run that goes on loads itself anew, and keeps where its reader is.
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const top = memory.get("top");
  if (top !== null) {
    history.scrollRestoration = "manual";
    scrollTo(0, Number(top));
  }
  addEventListener("pagehide", () => memory.set("top", String(scrollY)));
  const open = (memory.get("open") || "").split(" ");
  for (const each of document.querySelectorAll("details[id]")) {
    each.open = each.open || open.includes(each.id);
    each.addEventListener("toggle", () => {
      const found = [...document.querySelectorAll("details[id][open]")].map((one) => one.id);
      memory.set("open", found.join(" "));
    });
  }
  if (!facts.running) return;
  const news = document.getElementById("news");
  const button = document.getElementById("pause");
  let paused = memory.get("paused") === "yes";
  let left = facts.every;
  // nothing is taken away from somebody who has marked or typed something
  const busy = () => String(getSelection()) !== "" ||
    [...document.querySelectorAll("input")].some((each) => each.value !== "");
  const say = () => {
    button.textContent = paused ? "go on reloading" : "pause reloading";
    button.setAttribute("aria-pressed", String(paused));
    const age = Math.max(0, Math.round(Date.now() / 1000 - facts.written));
    const old = age > 120 ? `; no news for ${Math.round(age / 60)} min: has it ended?` : "";
    const next = busy() ? "reloading waits" : `reloads in ${Math.max(left, 0)} s`;
    news.textContent = (paused ? "paused" : next) + old;
  };
  button.addEventListener("click", () => {
    paused = !paused;
    left = facts.every;
    memory.set("paused", paused ? "yes" : "no");
    say();
  });
  setInterval(() => {
    if (!paused && !busy() && !document.hidden) left -= 1;
    say();
    if (left <= 0) { left = facts.every; location.reload(); }
  }, 1000);
  say();
})();

"use strict";
// what a reader chose on a page, as long as its tab is open; a browser may refuse to keep it
const memory = {
  get(name) {
    try { return sessionStorage.getItem(`graphkd ${location.pathname} ${name}`); }
    catch { return null; }
  },
  set(name, value) {
    try { sessionStorage.setItem(`graphkd ${location.pathname} ${name}`, value); }
    catch { /* then it is forgotten */ }
  },
};
{
  const theme = memory.get("theme");
  if (theme) document.documentElement.dataset.theme = theme;
}

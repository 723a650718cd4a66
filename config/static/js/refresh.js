// Keeps a fragment that asks for it (hx-trigger="refresh") fresh while somebody looks at it: every 20 seconds, and
// at once on coming back to the page. If that fails, says so: an old "all quiet" is worse than none.
// Never touches a fragment in which somebody is reading something opened or typing.

const EVERY = 20_000;

function busy(element) {
  return element.querySelector("details[open]") || element.contains(document.activeElement?.closest("form"));
}

function refresh() {
  if (document.hidden || !window.htmx) return;
  for (const element of document.querySelectorAll('[hx-trigger~="refresh"]')) {
    if (!busy(element)) window.htmx.trigger(element, "refresh");
  }
}

function stale(yes) {
  const warning = document.getElementById("stale");
  if (warning) warning.hidden = !yes;
}

if (document.querySelector('[hx-trigger~="refresh"]')) {
  setInterval(refresh, EVERY);
  document.addEventListener("visibilitychange", refresh);
}
document.addEventListener("htmx:responseError", () => stale(true));
document.addEventListener("htmx:sendError", () => stale(true));
document.addEventListener("htmx:afterSwap", () => stale(false));
// The session has ended: said where somebody may be typing, instead of leading them away from it.
document.addEventListener("logged-out", () => {
  const notice = document.getElementById("logged-out");
  if (notice) notice.hidden = false;
});

// Small comforts: a menu that closes by Escape or by a click elsewhere, as panels do, and buttons that copy.

for (const menu of document.querySelectorAll("details.account")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

document.addEventListener("click", (event) => {
  for (const panel of document.querySelectorAll(".panels > details[open]")) {
    if (!panel.contains(event.target)) panel.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const panel = event.key === "Escape" && event.target.closest?.(".panels > details[open]");
  if (!panel) return;
  panel.open = false;
  panel.querySelector("summary").focus();
});

function offerCopying(within) {
  if (!navigator.clipboard) return;
  for (const button of within.querySelectorAll("button[data-copies]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copies]");
  if (!button) return;
  const label = button.querySelector("[data-label]");
  const said = label.textContent;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = said; }, 1_600);
});

offerCopying(document);
document.addEventListener("htmx:afterSwap", (event) => offerCopying(event.target));

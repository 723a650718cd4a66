// Small comforts: a menu that closes by Escape or by a click elsewhere, and buttons that copy.

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

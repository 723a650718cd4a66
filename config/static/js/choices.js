// The switches in the account menu: theme (system, light, dark) and times (short, exact).
// Kept in this browser only. A switch is hidden in the markup and shown here, because without JavaScript it can't work.

const root = document.documentElement;

function choose(choice, value) {
  if (value) root.dataset[choice] = value;
  else delete root.dataset[choice];
  try {
    if (value) localStorage.setItem(`watchkeeper.${choice}`, value);
    else localStorage.removeItem(`watchkeeper.${choice}`);
  } catch {
    // Storage can be forbidden; the choice then lasts for this page.
  }
}

function show(group) {
  const chosen = root.dataset[group.dataset.choice] ?? "";
  for (const button of group.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.value === chosen));
  }
}

for (const group of document.querySelectorAll("[data-choice]")) {
  group.closest("[hidden]")?.removeAttribute("hidden");
  show(group);
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    choose(group.dataset.choice, button.value);
    show(group);
  });
}

// Picking rows of a list: a button that ticks all that are shown, and how many are ticked.

const form = document.querySelector("form.picking");
const all = form.querySelector("[data-pick-all]");
const said = form.querySelector("[data-picked]");
const boxes = () => [...form.querySelectorAll("input.pick")];

function count() {
  const picked = boxes().filter((box) => box.checked).length;
  said.textContent = `${picked} selected`;
}

all.hidden = false;
all.addEventListener("click", () => {
  for (const box of boxes()) box.checked = true;
  count();
});
form.addEventListener("change", count);
document.addEventListener("htmx:afterSettle", count);
count();

// Times that stay true while the page stays open: "3 min ago" grows, a live incident's duration runs on.
// The words are those of templatetags/moments.py. A tap on a time shows it exactly, with its offset.
// Counts by the server's clock (data-now), since a phone's own can be wrong.

const skew = Number(document.documentElement.dataset.now || Date.now()) - Date.now();
const now = () => Date.now() + skew;

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

function lasting(seconds) {
  if (seconds < 1) return "less than 1 s";
  if (seconds < 60) return `${seconds} s`;
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  const [unit, size] = UNITS[first];
  const [lesser, lesserSize] = UNITS[first + 1];
  const rest = Math.floor((seconds % size) / lesserSize);
  const whole = `${Math.floor(seconds / size)} ${unit}`;
  return rest && lesser !== "s" ? `${whole} ${rest} ${lesser}` : whole;
}

function tick() {
  for (const element of document.querySelectorAll("[data-ago]")) {
    const minutes = Math.floor((now() - Number(element.dataset.ago)) / 60_000);
    const short = minutes < 1 ? "just now" : minutes < 60 ? `${minutes} min ago` : element.dataset.clock;
    if (element.textContent !== short) element.textContent = short;
  }
  for (const element of document.querySelectorAll("[data-in]")) {
    const minutes = (Number(element.dataset.in) - now()) / 60_000;
    const short = minutes <= 0 ? "now" : minutes < 2 ? "in a minute" : `in ${Math.floor(minutes)} min`;
    if (element.textContent !== short) element.textContent = short;
  }
  for (const element of document.querySelectorAll("[data-lasting]")) {
    const text = lasting(Math.max(0, Math.floor((now() - Number(element.dataset.lasting)) / 1000)));
    if (element.textContent !== text) element.textContent = text;
  }
}

setInterval(tick, 10_000);
document.addEventListener("visibilitychange", () => document.hidden || tick());
document.addEventListener("click", (event) => {
  event.target.closest?.(".moment")?.classList.toggle("flipped");
});

// Runs in <head> before the first paint, so that nobody is dazzled at night: applies the theme and the form of
// times that this browser chose. What is not chosen follows the system. Does nothing else; js/choices.js sets them.
(() => {
  // What is only for browsers without JavaScript is hidden where this is set.
  document.documentElement.dataset.script = "";
  try {
    for (const choice of ["theme", "times"]) {
      const value = localStorage.getItem(`watchkeeper.${choice}`);
      if (value) document.documentElement.dataset[choice] = value;
    }
  } catch {
    // Storage can be forbidden; then the system decides.
  }
})();

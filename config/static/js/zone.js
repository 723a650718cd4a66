// Preferences: offers the time zone that this device is in, if it is another than the chosen one.

const offer = document.getElementById("browser-zone");
const select = document.getElementById("id_time_zone");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (offer && select && zone !== select.value && [...select.options].some((option) => option.value === zone)) {
  offer.querySelector("span").textContent = `Take this device’s: ${zone.replaceAll("_", " ")}`;
  offer.hidden = false;
  offer.addEventListener("click", () => {
    select.value = zone;
    offer.hidden = true;
  });
}

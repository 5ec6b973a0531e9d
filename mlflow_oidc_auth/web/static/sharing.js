"use strict";
// The field that takes a person, a group or a team offers more while somebody types. Without this script it offers
// the first few.
(() => {
  const PAUSE = 200; // milliseconds without a key before we ask
  const field = document.querySelector("input[data-suggestions]");
  const known = field && document.getElementById(field.getAttribute("list"));
  if (!known) {
    return;
  }
  let planned = 0;
  let asked = "";

  const option = ({ name, label }) => {
    const one = document.createElement("option");
    one.value = name;
    one.textContent = label;
    return one;
  };

  const ask = async () => {
    const text = field.value.trim();
    if (text === asked || [...known.options].some((one) => one.value === text)) {
      return;
    }
    asked = text;
    try {
      const address = `${field.dataset.suggestions}?text=${encodeURIComponent(text)}`;
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      if (answer.ok && text === asked) {
        known.replaceChildren(...(await answer.json()).suggestions.map(option));
      }
    } catch {
      // The server is away: the field works as it is.
    }
  };

  field.addEventListener("input", () => {
    clearTimeout(planned);
    planned = setTimeout(ask, PAUSE);
  });
})();

"use strict";
// What the Permissions pages do beyond plain HTML. Without this script they work all the same.
(() => {
  // The reader's own time beside UTC.
  for (const element of document.querySelectorAll("time")) {
    const moment = new Date(element.dateTime);
    const own = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    element.title = `${own}, your time`;
    if ("own" in element.dataset && moment.getTimezoneOffset() !== 0) {
      element.after(` (${own}, your time)`);
    }
  }

  // Whoever fills in a date means the date.
  const date = document.querySelector('#new-key input[name="expires_at"]');
  if (date) {
    const choice = document.querySelector('input[name="lifetime"][value="date"]');
    date.addEventListener("input", () => {
      choice.checked = choice.checked || date.value !== "";
      demand();
    });
    const demand = () => {
      date.required = choice.checked;
    };
    for (const radio of document.querySelectorAll('input[name="lifetime"]')) {
      radio.addEventListener("change", () => {
        demand();
        if (choice.checked && !date.value) {
          date.focus();
        }
      });
    }
    demand();
  }

  // A form is sent once, however often the button is pressed.
  for (const form of document.querySelectorAll('form[method="post"]')) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
      }
      form.dataset.sent = "yes";
    });
  }
  // The browser may show this page again as it was left.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form")) {
      delete form.dataset.sent;
    }
  });
})();

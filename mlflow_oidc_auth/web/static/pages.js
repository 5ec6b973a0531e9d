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

  // On a phone a row of a table is a block, and each cell says of what column it is. Laid out so, browsers forget that it
  // is a table: the roles say it.
  for (const table of document.querySelectorAll(".scroll table")) {
    const columns = [...table.querySelectorAll("thead th")].map((head) =>
      head.querySelector(".unseen") ? "" : head.textContent.trim(),
    );
    const roles = { "": "table", "thead, tbody": "rowgroup", tr: "row", "thead th": "columnheader" };
    for (const [what, role] of Object.entries({ ...roles, "tbody th": "rowheader", td: "cell" })) {
      for (const element of what ? table.querySelectorAll(what) : [table]) {
        element.setAttribute("role", role);
      }
    }
    for (const row of table.tBodies[0]?.rows ?? []) {
      [...row.cells].forEach((cell, place) => {
        const says = cell.querySelector("form, details"); // what can be done there, in words of its own
        if (cell.matches("td") && columns[place] && !says) {
          cell.dataset.column = columns[place];
        }
      });
    }
    table.classList.add("stacks");
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

"use strict";
// Buttons that copy what stands elsewhere on the page: a field, a text, or where a link leads. Without this script
// they are hidden.
(() => {
  const textOf = (element) => element.href ?? element.value ?? element.textContent;
  const select = (element) => {
    if ("select" in element) {
      element.select();
    } else {
      getSelection().selectAllChildren(element);
    }
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text); // over plain http there is no clipboard to ask
      return true;
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      const copied = document.execCommand("copy");
      field.remove();
      return copied;
    }
  };
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const says = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const element = document.getElementById(button.dataset.copy);
      if (await copy(textOf(element))) {
        button.dispatchEvent(new Event("copied", { bubbles: true }));
        button.textContent = "Copied";
      } else {
        select(element);
        button.textContent = "Press Ctrl+C";
      }
      setTimeout(() => (button.textContent = says), 3000);
    });
  }
})();

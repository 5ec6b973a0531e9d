"use strict";
// The page that shows a new access key, once.
(() => {
  const field = document.getElementById("key");
  const light = document.getElementById("first-use");

  // Loading the page again would send the form again, and replace the key that was just copied.
  history.replaceState(null, "", light.dataset.page);
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      location.replace(light.dataset.page);
    }
  });

  // Leaving without having copied asks once.
  let mayLeave = false;
  addEventListener("beforeunload", (event) => {
    if (!mayLeave) {
      event.preventDefault();
      mayLeave = true; // Chromium does not ask when the listener takes itself away meanwhile
    }
  });
  const done = () => {
    mayLeave = true;
  };
  document.addEventListener("copy", done);
  document.addEventListener("copied", done);

  field.addEventListener("focus", () => field.select());

  // The light: waiting until a program uses the key.
  const started = Date.now();
  const say = (text, state) => {
    light.textContent = text;
    light.className = `first-use ${state}`;
  };
  const look = async () => {
    const answer = await fetch(light.dataset.address, { headers: { Accept: "application/json" } });
    if (answer.status === 401) {
      say("You are logged out. Log in again to see whether the key was used.", "ended");
      return false;
    }
    const { tokens } = await answer.json();
    const key = tokens.find((one) => one.id === light.dataset.keyId);
    if (!key) {
      say("This key was revoked or replaced.", "ended");
      return false;
    }
    if (key.last_used_at) {
      say("It works: the key was used.", "used");
      return false;
    }
    return true;
  };
  const poll = async () => {
    let goOn = true;
    if (document.visibilityState === "visible") {
      goOn = await look().catch(() => true); // the server may be away for a moment
    }
    const passed = Date.now() - started;
    if (!goOn) {
      return;
    }
    if (passed > 30 * 60_000) {
      say("Not used yet. The Permissions page tells when it is.", "ended");
      return;
    }
    setTimeout(poll, passed < 120_000 ? 2000 : 10_000);
  };
  light.hidden = false;
  poll();
})();

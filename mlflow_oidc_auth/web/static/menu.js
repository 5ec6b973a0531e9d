"use strict";
// What MLflow's own page gets from us: who am I, Permissions, Log out; and the way to the login when the session
// has ended, and back to the same place.
(() => {
  const prefix = document.currentScript.dataset.prefix;
  const WHO = `${prefix}/ajax-api/2.0/mlflow/users/current`;
  const KEPT = "mlflow-oidc-auth-place";
  const LONGEST_ADDRESS = 1500; // what the login takes along; longer places are kept in this tab
  const plainFetch = window.fetch.bind(window);

  // --- The session -----------------------------------------------------------------------------------------

  let leaving = false;

  function toLogin() {
    if (leaving) {
      return;
    }
    leaving = true;
    const page = location.pathname + location.search;
    const whole = page + location.hash;
    sessionStorage.setItem(KEPT, location.hash);
    const next = whole.length < LONGEST_ADDRESS ? whole : page;
    location.assign(`${prefix}/login?next=${encodeURIComponent(next)}`);
  }

  function backToPlace() {
    const place = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (place && (location.hash === "" || location.hash === "#/")) {
      location.replace(place);
    }
  }

  // Who is logged in, or null; the login if nobody is. When the server is away, everything stays as it is.
  async function who() {
    try {
      const answer = await plainFetch(WHO, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.status === 401) {
        toLogin();
      }
      return answer.ok ? (await answer.json()).user : null;
    } catch {
      return null;
    }
  }

  let asking = null;
  let askedAt = 0;

  // A 401 may come from something behind MLflow; only the answer about ourselves sends to the login.
  function checkSession(atMostEvery = 0) {
    if (asking === null && Date.now() - askedAt >= atMostEvery) {
      askedAt = Date.now();
      asking = who().finally(() => (asking = null));
    }
  }

  const isOurs = (address) => new URL(address, location.href).origin === location.origin;

  window.fetch = async (...request) => {
    const answer = await plainFetch(...request);
    if (answer.status === 401 && isOurs(answer.url)) {
      checkSession();
    }
    return answer;
  };

  const plainSend = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...body) {
    this.addEventListener("loadend", () => {
      if (this.status === 401 && isOurs(this.responseURL)) {
        checkSession();
      }
    });
    return plainSend.apply(this, body);
  };

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      checkSession(15_000);
    }
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      leaving = false;
      checkSession();
    }
  });

  // --- The menu --------------------------------------------------------------------------------------------

  const PERSON = "M8 7.25a2.75 2.75 0 1 0 0-5.5a2.75 2.75 0 0 0 0 5.5zM2.75 14.5c0-6 10.5-6 10.5 0";
  const KEY = "M14.25 5.5a3.75 3.75 0 1 1-7.5 0a3.75 3.75 0 0 1 7.5 0zM7.85 8.15L2 14M4 12l2 2";
  const DOOR = "M6 2H2.75v12H6M6 8h8M11 5l3 3-3 3";
  const PAGES = [
    ["Permissions", `${prefix}/permissions`, KEY],
    ["Log out", `${prefix}/logout`, DOOR],
  ];

  function icon(path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const look = { width: "1em", height: "1em", viewBox: "0 0 16 16", fill: "none", stroke: "currentColor", "stroke-width": "1.5" };
    for (const [name, value] of Object.entries(look)) {
      svg.setAttribute(name, value);
    }
    svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
    svg.firstChild.setAttribute("d", path);
    return svg;
  }

  // Only what differs is written: each write wakes the observer that called us.
  function set(element, property, value) {
    if (element[property] !== value) {
      element[property] = value;
    }
  }

  // The rows in MLflow's sidebar. They wear the classes of its own row "Settings", wide or an icon alone.
  class Rows {
    constructor(username) {
      this.username = username;
      this.texts = [username, ...PAGES.map(([text]) => text)];
      this.items = [this.row("", PERSON), ...PAGES.map(([, address, path]) => this.row(address, path))];
    }

    row(address, path) {
      const item = document.createElement("li");
      item.className = "oidc-auth-menu";
      const inside = document.createElement(address ? "a" : "div");
      if (address) {
        inside.href = address;
      }
      const picture = document.createElement("span");
      picture.setAttribute("aria-hidden", "true");
      picture.append(icon(path));
      inside.append(picture, document.createElement("span"));
      item.append(inside);
      return item;
    }

    remove() {
      this.items.forEach((item) => item.remove());
    }

    // After `model`, MLflow's own row. `settled`: MLflow has drawn by now all that it draws.
    put(model, settled) {
      // MLflow tells who is logged in by itself, in versions that ask for it.
      const titled = model.closest("aside").querySelectorAll("button [title]");
      const told = !settled || [...titled].some((one) => one.title === this.username);
      if (told) {
        this.items[0].remove();
      }
      const picture = model.querySelector('[role="img"]');
      const wide = model.textContent.trim() !== "";
      let last = model.parentElement;
      this.items.slice(told ? 1 : 0).forEach((item) => {
        const [inside, text] = [item.firstChild, this.texts[this.items.indexOf(item)]];
        set(inside, "className", model.className);
        set(inside, "title", wide ? "" : text);
        set(inside.firstChild, "className", picture ? picture.className : "");
        set(inside.lastChild, "textContent", text);
        set(inside.lastChild, "className", wide ? "oidc-auth-text" : "oidc-auth-unseen");
        if (last.nextSibling !== item) {
          last.after(item);
        }
        last = item;
      });
    }
  }

  // Where there is no sidebar that we know.
  function cornerOf(username) {
    const corner = document.createElement("details");
    corner.className = "oidc-auth-corner";
    const summary = document.createElement("summary");
    summary.textContent = username;
    corner.append(summary);
    for (const [text, address] of PAGES) {
      const link = document.createElement("a");
      link.href = address;
      link.textContent = text;
      corner.append(link);
    }
    corner.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        corner.open = false;
        summary.focus();
      }
    });
    return corner;
  }

  // MLflow redraws its page as it likes; this puts our menu back each time.
  function keep(rows, corner) {
    const PATIENCE = 3000; // milliseconds until what MLflow has not drawn is taken as missing
    const started = Date.now();
    const place = () => {
      const settled = Date.now() - started >= PATIENCE;
      // On its settings pages MLflow lists those in place of the row "Settings"; "Docs" stays below.
      const below = location.hash.startsWith("#/settings") ? '[href*="mlflow.org/docs"]' : '[href^="#/settings"]';
      const model = document.querySelector(`aside li > a${below}`);
      if (model) {
        corner.remove();
        rows.put(model, settled);
      } else {
        rows.remove();
        if (settled && !corner.isConnected) {
          document.body.append(corner);
        }
      }
    };
    let planned = false;
    const plan = () => {
      if (!planned) {
        planned = true;
        requestAnimationFrame(() => {
          planned = false;
          place();
        });
      }
    };
    const changes = { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] };
    new MutationObserver(plan).observe(document.body, changes);
    plan();
    setTimeout(plan, PATIENCE);
  }

  async function begin() {
    backToPlace();
    const me = await who();
    if (me) {
      keep(new Rows(me.username), cornerOf(me.username));
    }
  }

  begin();
})();

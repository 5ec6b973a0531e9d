"use strict";
// What MLflow's own page gets from us: who am I, Share on what one manages, a first access key for who has none and
// a word before one ends, Permissions, Log out; and the way to the login when the session has ended, and back to the same place.
(() => {
  const prefix = document.currentScript.dataset.prefix;
  const WHO = `${prefix}/ajax-api/2.0/mlflow/users/current`;
  const KEYS = `${WHO}/tokens`;
  const LEVEL = `${prefix}/ajax-api/3.0/mlflow/users/permissions/get`;
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

  // --- Access keys -----------------------------------------------------------------------------------------

  const DAY = 24 * 60 * 60 * 1000;
  const SOON = 14 * DAY; // as on the Permissions page

  // Who has no key can make the first one from here, in one step: MLflow's page is where newcomers arrive. Whose key
  // ends soon is told so.
  class Keys {
    constructor(changed) {
      this.changed = changed;
      this.forget();
      this.ask();
      addEventListener("pageshow", (event) => {
        if (event.persisted) {
          this.forget(); // there may be a key by now, and another would take its place
          this.changed();
          this.ask();
        }
      });
    }

    forget() {
      this.none = false;
      this.ending = "";
    }

    async ask() {
      try {
        const answer = await plainFetch(KEYS, { headers: { Accept: "application/json" }, cache: "no-store" });
        if (answer.ok) {
          this.look((await answer.json()).tokens);
          this.changed();
        }
      } catch {
        // The server is away: there is nothing to tell.
      }
    }

    look(keys) {
      this.none = keys.length === 0;
      const left = keys.filter((key) => key.replaced_at === null).map((key) => Date.parse(key.expires_at) - Date.now());
      const first = Math.min(...left);
      const days = Math.floor(first / DAY);
      const when = days === 0 ? "today" : days === 1 ? "in 1 day" : `in ${days} days`;
      this.ending = first <= SOON ? `Access key ends ${when}` : "";
    }

    // The form that the row's button sends: the same as on the Permissions page.
    form() {
      const form = document.createElement("form");
      form.id = "oidc-auth-first-key";
      form.method = "post";
      form.action = `${prefix}/permissions/keys`;
      const lifetime = document.createElement("input");
      lifetime.type = "hidden";
      lifetime.name = "lifetime";
      lifetime.value = "usual";
      form.append(lifetime);
      return form;
    }
  }

  // --- What only admins may use ----------------------------------------------------------------------------

  // MLflow's assistant acts on the server's host, and its demo fills the server: both are refused to who is no admin,
  // so their buttons are not shown (menu.css). On the server's own host MLflow opens the assistant at the first visit,
  // before it is known who visits: it waits to be opened.
  const ASSISTANT_WAS_OPENED = "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1";
  if (localStorage.getItem(ASSISTANT_WAS_OPENED) === null) {
    localStorage.setItem(ASSISTANT_WAS_OPENED, "true");
  }

  // --- What can be shared here -----------------------------------------------------------------------------

  const KINDS = { experiments: "experiment", models: "registered_model", prompts: "prompt" };

  // The experiment, model or prompt that MLflow's page is about, as our addresses name it; or null.
  function resourceHere() {
    const [, place, name] = location.hash.match(/^#\/(experiments|models|prompts)\/([^/?]+)/) ?? [];
    if (!name || (place === "experiments" && !/^[0-9]+$/.test(name))) {
      return null;
    }
    try {
      return new URLSearchParams({ resource_type: KINDS[place], resource_id: decodeURIComponent(name) });
    } catch {
      return null; // no page of MLflow is called so
    }
  }

  // What to do about what the page shows: share it, for who manages it; ask for access, for who cannot see it, whether it
  // is there or not. Else `address` is empty.
  class Share {
    constructor(username, changed) {
      this.username = username;
      this.changed = changed;
      this.about = "";
      this.address = "";
      this.text = "Share";
    }

    look() {
      const here = resourceHere();
      const about = here ? here.toString() : "";
      if (about !== this.about) {
        this.about = about;
        this.address = "";
        if (here) {
          this.ask(here, about);
        }
      }
    }

    async ask(here, about) {
      const query = new URLSearchParams(here);
      query.set("username", this.username);
      try {
        const answer = await plainFetch(`${LEVEL}?${query}`, { headers: { Accept: "application/json" } });
        const manages = answer.ok && (await answer.json()).permission === "MANAGE";
        if (about === this.about && (manages || answer.status === 403)) {
          const asked = new URLSearchParams({ resource_type: here.get("resource_type"), name: here.get("resource_id") });
          const page = manages ? `sharing?${about}` : `requests?${asked}`;
          this.text = manages ? "Share" : "Ask for access";
          this.address = new URL(`${prefix}/permissions/${page}`, location.href).href;
          this.changed();
        }
      } catch {
        // The server is away: there is no link.
      }
    }
  }

  // --- The menu --------------------------------------------------------------------------------------------

  const PERSON = "M8 7.25a2.75 2.75 0 1 0 0-5.5a2.75 2.75 0 0 0 0 5.5zM2.75 14.5c0-6 10.5-6 10.5 0";
  const KEY = "M14.25 5.5a3.75 3.75 0 1 1-7.5 0a3.75 3.75 0 0 1 7.5 0zM7.85 8.15L2 14M4 12l2 2";
  const PEOPLE = "M6 7.5a2.5 2.5 0 1 0 0-5a2.5 2.5 0 0 0 0 5zM1.5 13.5c0-5 9-5 9 0M13 5v5M10.5 7.5h5";
  const DOOR = "M6 2H2.75v12H6M6 8h8M11 5l3 3-3 3";
  const SHIELD = "M8 1.75l5.25 2v4c0 3.5-2.25 5.5-5.25 6.5c-3-1-5.25-3-5.25-6.5v-4z";
  const PAGES = [
    ["Permissions", `${prefix}/permissions`, SHIELD],
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
    constructor(username, share, keys) {
      this.username = username;
      this.share = share;
      this.keys = keys;
      this.create = { text: "Create access key", item: this.button(KEY, keys.form()) };
      this.ending = { text: "", item: this.row(`${prefix}/permissions`, KEY) };
      this.who = { text: username, item: this.row("", PERSON) };
      this.sharing = { text: "Share", item: this.row("#", PEOPLE) };
      this.pages = PAGES.map(([text, address, path]) => ({ text, item: this.row(address, path) }));
    }

    row(address, path) {
      const inside = document.createElement(address ? "a" : "div");
      if (address) {
        inside.href = address;
      }
      return this.item(inside, path);
    }

    button(path, form) {
      const inside = document.createElement("button");
      inside.type = "submit";
      inside.setAttribute("form", form.id);
      const item = this.item(inside, path);
      item.append(form);
      return item;
    }

    item(inside, path) {
      const item = document.createElement("li");
      item.className = "oidc-auth-menu";
      const picture = document.createElement("span");
      picture.setAttribute("aria-hidden", "true");
      picture.append(icon(path));
      inside.append(picture, document.createElement("span"));
      item.append(inside);
      return item;
    }

    remove() {
      [this.who, this.sharing, this.create, this.ending, ...this.pages].forEach(({ item }) => item.remove());
    }

    // After `model`, MLflow's own row. `settled`: MLflow has drawn by now all that it draws.
    put(model, settled) {
      // MLflow tells who is logged in by itself, in versions that ask for it.
      const titled = model.closest("aside").querySelectorAll("button [title]");
      const told = !settled || [...titled].some((one) => one.title === this.username);
      const sometimes = [
        [this.who, !told],
        [this.sharing, this.share.address !== ""],
        [this.create, this.keys.none],
        [this.ending, this.keys.ending !== ""],
      ];
      this.ending.text = this.keys.ending;
      this.sharing.text = this.share.text;
      const shown = [...sometimes.filter(([, now]) => now).map(([one]) => one), ...this.pages];
      sometimes.filter(([, now]) => !now).forEach(([{ item }]) => item.remove());
      if (this.share.address) {
        set(this.sharing.item.firstChild, "href", this.share.address);
      }
      const picture = model.querySelector('[role="img"]');
      const wide = model.textContent.trim() !== "";
      let last = model.parentElement;
      shown.forEach(({ item, text }) => {
        const inside = item.firstChild;
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
  class Corner {
    constructor(username, share) {
      this.share = share;
      this.element = document.createElement("details");
      this.element.className = "oidc-auth-corner";
      const summary = document.createElement("summary");
      summary.textContent = username;
      this.sharing = this.link("Share", "#");
      this.element.append(summary, ...PAGES.map(([text, address]) => this.link(text, address)));
      this.element.addEventListener("keydown", (event) => {
        if (event.key === "Escape") {
          this.element.open = false;
          summary.focus();
        }
      });
    }

    link(text, address) {
      const link = document.createElement("a");
      link.href = address;
      link.textContent = text;
      return link;
    }

    remove() {
      this.element.remove();
    }

    put() {
      if (!this.share.address) {
        this.sharing.remove();
      } else {
        set(this.sharing, "href", this.share.address);
        set(this.sharing, "textContent", this.share.text);
        if (!this.sharing.isConnected) {
          this.element.firstChild.after(this.sharing);
        }
      }
      if (!this.element.isConnected) {
        document.body.append(this.element);
      }
    }
  }

  // MLflow redraws its page as it likes; this puts our menu back each time.
  function keep(username) {
    const PATIENCE = 3000; // milliseconds until what MLflow has not drawn is taken as missing
    const started = Date.now();
    const share = new Share(username, () => plan());
    const rows = new Rows(username, share, new Keys(() => plan()));
    const corner = new Corner(username, share);
    const place = () => {
      share.look();
      const settled = Date.now() - started >= PATIENCE;
      // On its settings pages MLflow lists those in place of the row "Settings"; "Docs" stays below.
      const below = location.hash.startsWith("#/settings") ? '[href*="mlflow.org/docs"]' : '[href^="#/settings"]';
      const model = document.querySelector(`aside li > a${below}`);
      if (model) {
        corner.remove();
        rows.put(model, settled);
      } else {
        rows.remove();
        if (settled) {
          corner.put();
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
    addEventListener("hashchange", plan);
    plan();
    setTimeout(plan, PATIENCE);
  }

  async function begin() {
    backToPlace();
    const me = await who();
    if (me) {
      document.documentElement.classList.toggle("oidc-auth-no-admin", !me.is_admin);
      keep(me.username);
    }
  }

  begin();
})();

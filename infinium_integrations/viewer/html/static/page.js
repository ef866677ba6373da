// The page works without this file.
"use strict";

// Shows new traces by themselves.
(() => {
  const rows = document.getElementById("rows");
  const news = document.getElementById("news");
  if (!rows || rows.dataset.page !== "1") return;
  const every = 2000;
  const slowest = 30000;
  let wait = every;
  let etag = null;

  const ids = (root) => new Set([...root.querySelectorAll("tr[data-id]")].map((row) => row.dataset.id));

  const busy = () =>
    rows.contains(document.activeElement) || rows.querySelector("input:checked") !== null || String(document.getSelection() || "") !== "";

  const show = (fresh) => {
    const before = ids(rows);
    const added = [...ids(fresh)].filter((id) => !before.has(id)).length;
    if (busy()) {
      if (added) news.textContent = `${added} new. They appear when nothing is ticked or selected.`;
      etag = null;
      return;
    }
    rows.replaceChildren(...fresh.childNodes);
    news.textContent = added ? `${added} new` : "";
    document.querySelector(".welcome")?.remove();
  };

  const look = async () => {
    try {
      const answer = await fetch("/rows" + location.search, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
      if (answer.status === 200) {
        const first = etag === null && news.dataset.seen === undefined;
        etag = answer.headers.get("etag");
        news.dataset.seen = "";
        const page = new DOMParser().parseFromString(await answer.text(), "text/html").body;
        const known = ids(rows);
        const now = ids(page);
        const changed = !first || now.size !== known.size || [...now].some((id) => !known.has(id));
        if (changed) show(page);
      } else if (answer.status === 403) {
        news.textContent = "The server was started anew: open the address that it printed.";
      }
      wait = every;
    } catch {
      wait = Math.min(wait * 2, slowest);
    }
    setTimeout(tick, wait);
  };

  const tick = () => {
    if (document.visibilityState === "visible") look();
    else document.addEventListener("visibilitychange", tick, { once: true });
  };
  setTimeout(tick, every);
})();

// Keys, copy buttons, finding in steps, and texts that are loaded when they are asked for.
(() => {
  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  };
  const body = document.querySelector(".ifm-two");
  const steps = () => [...document.querySelectorAll(".ifm-fall summary.ifm-row")].filter((row) => row.checkVisibility());
  const wide = () => body !== null && getComputedStyle(body).display === "grid";

  // below the width of two panes several steps may be open at a time
  const owns = () => document.querySelectorAll(".ifm-own");
  const group = owns()[0]?.getAttribute("name");
  const arrange = () => {
    const two = wide();
    owns().forEach((own) => (two ? own.setAttribute("name", group) : own.removeAttribute("name")));
  };
  if (body) {
    arrange();
    addEventListener("resize", arrange);
  }

  // -- copying

  const rawOf = (part) => {
    if (part.dataset.raw !== undefined) return part.dataset.raw;
    const inner = [...part.querySelectorAll("[data-raw], pre")].filter((one) => !one.parentElement.closest("[data-raw]"));
    return inner.length ? inner.map(rawOf).join("\n\n") : part.textContent;
  };

  const write = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = make("textarea"); // over plain http from another machine there is no clipboard
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };

  const copier = (part) => {
    const button = make("button", "ifm-copy", "Copy");
    button.type = "button";
    button.tabIndex = -1; // so that Tab leads from step to step; the key for it is c
    button.addEventListener("click", async () => {
      try {
        await write(rawOf(part));
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    return button;
  };

  const dress = (pane) => {
    if (pane.dataset.dressed) return;
    pane.dataset.dressed = "";
    for (const part of pane.querySelectorAll(".ifm-msg, .ifm-call, pre, .ifm-fields")) {
      const inside = part.parentElement.closest(".ifm-fields, .ifm-call") || (!part.closest(".ifm-md") && part.parentElement.closest(".ifm-msg"));
      if (inside && !part.matches(".ifm-call")) continue;
      const head = part.matches(".ifm-msg") ? part.querySelector(".ifm-role") : part.matches(".ifm-call") ? part.querySelector("p") : null;
      if (head) head.append(copier(part));
      else {
        const around = make("div", "ifm-copyable");
        part.replaceWith(around);
        around.append(part, copier(part));
      }
    }
  };

  // -- texts that the page left out

  const load = async (from) => {
    const panel = from.closest(".ifm-panel");
    const again = from.matches(".ifm-earlier") ? [...panel.querySelectorAll(".ifm-earlier")].indexOf(from) : -1;
    try {
      const answer = await fetch(`${from.dataset.load}?fragment=1`);
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".ifm-panel");
      if (!fresh || !panel.isConnected) return;
      const place = panel.querySelector(".ifm-pane").scrollTop;
      panel.replaceWith(fresh);
      fresh.querySelectorAll(".ifm-earlier")[again]?.setAttribute("open", "");
      fresh.querySelector(".ifm-pane").scrollTop = place;
      dress(fresh);
    } catch {
      // the link that stands there leads to the same
    }
  };

  document.addEventListener(
    "toggle",
    (event) => {
      const one = event.target;
      if (!one.open) return;
      if (one.matches(".ifm-own")) {
        const panel = one.querySelector(":scope > .ifm-panel");
        if (panel.dataset.load) load(panel);
        else dress(panel);
      } else if (one.matches(".ifm-earlier[data-load]")) load(one);
    },
    true,
  );
  const run = document.querySelector(".ifm-run");
  if (run) dress(run);
  document.querySelectorAll(".ifm-alone .ifm-panel").forEach(dress);

  // -- links to steps open them

  const follow = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !body?.contains(target)) return;
    for (let one = target.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
    const own = target.closest(".ifm-own") || target.closest(".ifm-step")?.querySelector(":scope > .ifm-own");
    if (own && wide()) own.open = true;
    if (target.closest(".ifm-pane")) target.scrollIntoView({ block: "nearest" });
    else own?.firstElementChild.scrollIntoView({ block: "nearest" });
  };
  addEventListener("hashchange", follow);
  if (location.hash) follow();
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.hash === location.hash) follow();
  });

  // -- finding steps by what they say

  let find = null;
  const tools = body?.querySelector(".ifm-tools");
  if (tools) {
    const label = make("label", "ifm-find");
    find = make("input");
    find.type = "search";
    find.placeholder = "Find in steps";
    find.setAttribute("aria-label", "Find in steps");
    label.append(find);
    tools.prepend(label);
    // what the page left out is found by the server
    const left = document.querySelector(".ifm-panel[data-load], .ifm-earlier[data-load]");
    let asked = 0;
    const ask = async (words, mine) => {
      try {
        const answer = await fetch(`${location.pathname}/find?q=${encodeURIComponent(words.join(" "))}`);
        const numbers = answer.ok ? await answer.json() : [];
        if (mine !== asked) return;
        for (const number of numbers) document.getElementById(`s${number}`)?.closest(".ifm-step")?.classList.add("ifm-hit");
      } catch {
        // then only what stands here is found
      }
    };
    const filter = () => {
      const mine = ++asked;
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      tools.closest(".ifm").classList.toggle("ifm-finding", words.length > 0);
      for (const step of document.querySelectorAll(".ifm-fall .ifm-step")) step.classList.remove("ifm-hit");
      if (words.length === 0) return;
      for (const own of owns()) {
        const text = own.textContent.toLowerCase();
        if (words.every((word) => text.includes(word))) own.parentElement.classList.add("ifm-hit");
      }
      if (left) setTimeout(() => mine === asked && ask(words, mine), 200);
    };
    find.addEventListener("input", filter);
  }

  // -- a run that goes on: its page follows it

  const live = document.querySelector("[data-live]");
  const parts = [".ifm-head", ".ifm-run", ".ifm-ruler", ".ifm-lines", ".ifm-top"];
  const part = (root, name) => root.querySelector(`.ifm ${name}`);
  let missing = 0;

  const renew = (page) => {
    const open = [...owns()].filter((own) => own.open).map((own) => own.parentElement.id);
    const folded = [...document.querySelectorAll(".ifm-kids:not([open])")].map((kids) => kids.parentElement.id);
    const held = document.activeElement?.closest?.(".ifm-step")?.id;
    for (const name of parts) part(document, name)?.replaceChildren(...(part(page, name)?.childNodes ?? []));
    arrange();
    for (const id of open) {
      const own = document.getElementById(id)?.querySelector(":scope > .ifm-own");
      if (own) own.open = true;
    }
    for (const id of folded) document.getElementById(id)?.querySelector(":scope > .ifm-kids")?.removeAttribute("open");
    if (held) document.getElementById(held)?.querySelector("summary.ifm-row")?.focus({ preventScroll: true });
    find?.dispatchEvent(new Event("input"));
  };

  const watch = async () => {
    if (document.visibilityState !== "visible") {
      document.addEventListener("visibilitychange", watch, { once: true });
      return;
    }
    try {
      const answer = await fetch(location.pathname, { cache: "no-store" });
      const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
      missing = answer.status === 404 ? missing + 1 : 0;
      if (missing > 3) {
        live.textContent = "It ended without a word, so nothing of it is kept: its process may have been killed.";
        return;
      }
      if (page && (!page.querySelector("[data-live]") || parts.some((name) => !part(document, name) !== !part(page, name)))) {
        location.reload();
        return;
      }
      if (page && String(document.getSelection() || "") === "") renew(page);
    } catch {
      // the server is gone for now
    }
    setTimeout(watch, 1000);
  };
  if (live) setTimeout(watch, 1000);

  // -- keys

  const help = () => {
    document.querySelector(".ifm-help")?.remove(); // what Esc does depends on the width
    const dialog = make("dialog", "ifm-help");
    dialog.setAttribute("aria-label", "Keys");
    dialog.append(make("h2", "", "Keys"));
    const told = [
      ["/", find ? "find in this trace's steps" : "search"],
      ["?", "this help"],
      ...(body ? [["↓ j", "next step"], ["↑ k", "previous step"], ["→ ←", "unfold, fold what is inside"], ["Enter", "open or close a step"], ["c", "copy what the step says"], ["Esc", wide() ? "back to the run" : "close the step"]] : []),
    ];
    for (const [key, text] of told) {
      const line = make("p");
      line.append(make("kbd", "", key), make("span", "", text));
      dialog.append(line);
    }
    const form = make("form");
    form.method = "dialog";
    form.append(make("button", "", "Close"));
    dialog.append(form);
    document.body.append(dialog);
    dialog.showModal();
  };

  const move = (by) => {
    const rows = steps();
    const open = document.querySelector(".ifm-own[open] > summary");
    const here = rows.indexOf(document.activeElement) >= 0 ? rows.indexOf(document.activeElement) : rows.indexOf(open);
    const row = rows[here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + by, 0), rows.length - 1)];
    if (!row) return;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    if (wide() && row.parentElement.matches(".ifm-own")) row.parentElement.open = true;
  };

  const fold = (open) => {
    const row = document.activeElement.closest?.("summary.ifm-row");
    const kids = row && (row.parentElement.matches(".ifm-own") ? row.closest(".ifm-step").querySelector(":scope > .ifm-kids") : row.parentElement);
    if (kids) kids.open = open;
    return Boolean(kids);
  };

  const close = () => {
    const open = wide() ? document.querySelector(".ifm-own[open]") : document.activeElement.closest?.(".ifm-own[open]");
    if (!open) return false;
    open.open = false;
    if (!wide()) open.firstElementChild.focus();
    return true;
  };

  const copyStep = () => {
    const row = document.activeElement.closest?.(".ifm-own");
    const pane = (row?.open ? row : document.querySelector(".ifm-own[open]"))?.querySelector(":scope > .ifm-panel > .ifm-pane");
    if (!pane) return false;
    write(rawOf(pane)).catch(() => {});
    return true;
  };

  if (location.hash === "#search") document.getElementById("search")?.focus();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const at = event.target;
    if (at === find && event.key === "Escape") {
      find.value = "";
      find.dispatchEvent(new Event("input"));
      find.blur();
      return;
    }
    if (at.matches?.("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    const search = find || document.querySelector("input[type=search], input[name=q]");
    const reading = !at.matches?.("summary.ifm-row") && (!wide() || at.closest?.(".ifm-pane, .ifm-run")); // arrows scroll there
    let done = true;
    if (event.key === "/" && search) search.focus();
    else if (event.key === "/") location.assign("/#search"); // a view without a box: the list's
    else if (event.key === "?") help();
    else if (!body) done = false;
    else if (event.key === "j" || (event.key === "ArrowDown" && !reading)) move(1);
    else if (event.key === "k" || (event.key === "ArrowUp" && !reading)) move(-1);
    else if (event.key === "ArrowRight") done = fold(true);
    else if (event.key === "ArrowLeft") done = fold(false);
    else if (event.key === "c") done = copyStep();
    else if (event.key === "Escape") done = close();
    else done = false;
    if (done) event.preventDefault();
  });
})();

// Shows new traces by themselves. The page works without this file.
"use strict";
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

// What the console adds where scripts run.  Every page and form works without this file; it only makes them quicker.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const typing = (node) => node.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable], .ts-control");

  // What fails in one part is logged and harms no other.
  const attempt = (name, start) => { try { start(); } catch (error) { console.error(`${name} failed:`, error); } };

  // ---- One polite live region for everything that a screen reader should hear.
  const say = (text) => { const region = $("#kk-live"); if (region) { region.textContent = ""; setTimeout(() => { region.textContent = text; }, 50); } };

  // ---- Forms: nothing typed is lost, nothing is sent twice.
  attempt("Forms", () => {
    const dirty = new Set();
    // Files that the server would refuse are named here, before minutes of sending them.
    const tooLarge = (form) => $$("[data-kk-most-together]", form).some((group) => {
      const files = $$("input[type=file]", group).flatMap((input) => [...input.files]), note = $("[data-kk-files-note]", group);
      const each = Number(group.dataset.kkMostEach), together = Number(group.dataset.kkMostTogether), mega = 1048576;
      const big = files.find((file) => file.size > each);
      const sum = files.reduce((total, file) => total + file.size, 0);
      note.hidden = !(big || sum > together);
      note.textContent = big ? `${big.name} has ${(big.size / mega).toFixed(1)} MB; a photo may have ${each / mega} MB. Take a smaller one.`
        : `The photos have ${(sum / mega).toFixed(1)} MB together; ${together / mega} MB are possible. Leave one out, or take smaller ones.`;
      if (!note.hidden) note.scrollIntoView({ block: "center" });
      return !note.hidden;
    });
    // What a page says about a period is not said about another one.
  document.addEventListener("input", (event) => $$("[data-kk-claim]").forEach((node) => {
    if (!node.childElementCount || !node.dataset.kkClaim.split(" ").includes(event.target.name)) return;
    node.replaceChildren(Object.assign(document.createElement("p"), { className: "kk-hint", textContent: "The period has changed. It is checked again when you send the request." }));
    delete node.dataset.kkClaim;
  }));

  // An unlikely odometer reading is asked about here, before photos are sent and have to be chosen again.
    const isDoubtful = (form) => {
      const group = $("[data-kk-odometer][data-kk-lowest]", form);
      if (!group) return false;
      const input = $("input:not([type=hidden])", group), sure = $("input[name=sure]", group), typed = input.value.trim();
      const { kkLowest, kkHighest, kkLow, kkHigh } = group.dataset;
      const isLow = Number(typed) < Number(kkLowest);
      if (!/^\d+$/.test(typed) || !isLow && Number(typed) <= Number(kkHighest) || sure.value === typed) return false;
      sure.value = typed;
      const note = $("[data-kk-doubt]", group) || group.appendChild(Object.assign(document.createElement("p"), { className: "kk-error", id: `${input.id}-doubt` }));
      note.dataset.kkDoubt = ""; note.setAttribute("role", "alert");
      note.textContent = (isLow ? kkLow : kkHigh).replace("{typed}", Number(typed).toLocaleString("en"));
      input.setAttribute("aria-describedby", note.id);
      $$(".kk-submit button:not([type=button])", form).forEach((button) => { button.textContent = "Save anyway"; });
      input.focus();
      return true;
    };
    document.addEventListener("input", (event) => { const form = event.target.closest("form[data-kk-form]"); if (form && form.method === "post") dirty.add(form); });
    addEventListener("beforeunload", (event) => { if ([...dirty].some((form) => form.isConnected)) event.preventDefault(); });
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (tooLarge(form) || isDoubtful(form)) { event.preventDefault(); return; }
      dirty.delete(form);
      if (form.method !== "post" || form.hasAttribute("hx-post")) return;
      if (form.dataset.kkSent) { event.preventDefault(); return; }
      form.dataset.kkSent = "yes";
      $$("button:not([type=button])", form).forEach((button) => button.setAttribute("aria-busy", "true"));
      keep(form);
    });
    addEventListener("pageshow", () => $$("form[data-kk-sent]").forEach(release));
    const release = (form) => { delete form.dataset.kkSent; $$("[aria-busy]", form).forEach((button) => button.removeAttribute("aria-busy")); };

    // ---- A session that ends while somebody types: what was typed waits in this tab until the form is shown again.
    // It waits for the same person only, for an hour, and not beyond signing out.
    const person = document.body.dataset.kkPerson || "";
    const kept = (key) => { try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; } };
    const forget = (which) => { try { Object.keys(sessionStorage).filter((key) => key.startsWith("kk-form:") && which(kept(key))).forEach((key) => sessionStorage.removeItem(key)); } catch { /* No store, nothing kept. */ } };
    forget((draft) => !draft || Date.now() - draft.at > 3600e3 || (person && draft.person !== person));
    document.addEventListener("submit", (event) => { if (new URL(event.target.getAttribute("action") || "", location.href).pathname === "/logout") forget(() => true); });
    const place = (form) => `kk-form:${location.pathname}:${form.getAttribute("action") || ""}`;
    const secret = (name) => ["csrf_token", "acting_for", "form_key", "version"].includes(name);
    const keep = (form) => {
      if (!form.matches("[data-kk-form]") || $("input[type=password]", form)) return;
      const values = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !secret(name));
      try { sessionStorage.setItem(place(form), JSON.stringify({ at: Date.now(), person, values })); } catch { /* A full store keeps nothing; the form itself still works. */ }
    };
    const returned = new URLSearchParams(location.search).has("restored");
    $$("form[data-kk-form]").forEach((form) => {
      const key = place(form);
      const draft = kept(key);
      if (returned && draft && draft.person === person) {
        draft.values.forEach(([name, value]) => {
          const control = form.elements[name];
          if (!control) return;
          if (control.type === "checkbox") control.checked = true; else if ("value" in control) control.value = value;
        });
        dirty.add(form);
        say("What you had typed is back in the form.");
      }
      sessionStorage.removeItem(key);
    });
  });

  // ---- Focus: the first error when a page opens with one.
  attempt("Focus", () => $("[data-kk-focus]")?.focus());

  // ---- Theme: at once here, and remembered by the server.
  attempt("Theme", () => {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-kk-theme-form] button");
      if (!button) return;
      event.preventDefault();
      const form = button.form, root = document.documentElement;
      const body = new FormData(form); body.set("theme", button.value);
      root.dataset.kkTheme = button.value;
      root.dataset.bsTheme = button.value === "auto" ? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light") : button.value;
      $$("button", form).forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      fetch(form.action, { method: "POST", body, redirect: "manual" });
    });
  });

  // ---- Large selects become searchable; the library comes only where one is on the page.
  let library;
  const load = () => library ??= new Promise((done) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: document.body.dataset.selectCss });
    const script = Object.assign(document.createElement("script"), { src: document.body.dataset.selectJs, onload: done });
    document.head.append(style, script);
  });
  const enrich = (root) => {
    const selects = $$("select[data-kk-select]:not(.tomselected)", root);
    if (!selects.length) return;
    load().then(() => selects.forEach((select) => attempt("Select", () => {
      // The library keeps options in an object: one named like a part of every object would break it.
      if ([...select.options].some((option) => option.value in Object.prototype)) return;
      const label = select.labels?.[0]?.textContent.trim() || select.getAttribute("aria-label") || "Choose";
      select.setAttribute("aria-label", label);
      const url = select.dataset.kkSelect;
      const more = url ? { load: (text, done) => fetch(`${url}${url.includes("?") ? "&" : "?"}q=${encodeURIComponent(text)}`).then((r) => r.json()).then(done, () => done()), valueField: "id", labelField: "label", searchField: ["label"] } : {};
      try { new window.TomSelect(select, { maxOptions: 100, create: false, ...more }); }
      catch (error) { plain(select); throw error; }
    })));
  };
  // A select that the library has left half done is a plain one again.
  const plain = (select) => {
    select.classList.remove("tomselected", "ts-hidden-accessible");
    delete select.tomselect;
    if (select.nextElementSibling?.matches(".ts-wrapper")) select.nextElementSibling.remove();
  };
  attempt("Selects", () => enrich(document));

  // ---- Lists: "all on this page", and how many are chosen.
  attempt("Lists", () => {
    const count = (form) => {
      const boxes = $$("input[name=chosen]", form), chosen = boxes.filter((box) => box.checked).length;
      $$("[data-kk-chosen]", form).forEach((node) => { node.textContent = `${chosen} chosen`; });
      const all = $("[data-kk-all]", form); if (all) { all.checked = chosen > 0 && chosen === boxes.length; all.indeterminate = chosen > 0 && chosen < boxes.length; }
    };
    document.addEventListener("change", (event) => {
      const form = event.target.form; if (!form) return;
      if (event.target.matches("[data-kk-all]")) $$("input[name=chosen]", form).forEach((box) => { box.checked = event.target.checked; });
      if (event.target.matches("[data-kk-all], input[name=chosen]")) count(form);
      if (event.target.matches("[data-kk-submit]")) form.requestSubmit();
    });
    document.addEventListener("click", (event) => {
      const node = event.target.closest("[data-kk-copy]");
      if (node) navigator.clipboard?.writeText(node.dataset.kkCopy).then(() => say("Copied."));
      if (event.target.closest("[data-kk-print]")) print();
    });
  });

  // ---- Live parts: <div data-kk-live="URL">.  204 means nothing new; hidden tabs, typing and choosing pause it.
  const busy = (part) => document.hidden || part.contains(document.activeElement) && typing(document.activeElement) || $("input[name=chosen]:checked", part) || $(":popover-open", part);
  const poll = async (part) => {
    if (!part.isConnected) return;
    if (!busy(part)) {
      try {
        const answer = await fetch(part.dataset.kkLive, { headers: { "X-Live": "1" } });
        if (answer.status === 286 || answer.status >= 400) return;
        // Even where nothing is new, the next look may have to begin elsewhere.
        const position = answer.headers.get("X-Live-Url");
        if (answer.status === 200) {
          const next = new DOMParser().parseFromString(await answer.text(), "text/html").body;
          if (part.dataset.kkWhen === "ask") {
            const bar = $(".kk-new", part.parentElement);
            if (bar) { bar.hidden = false; say(bar.textContent.trim()); }
          } else if (window.htmx && !busy(part)) {
            await window.htmx.swap({ target: part, text: next.innerHTML, swap: "innerMorph" });
            if (part.dataset.kkSay) say(part.dataset.kkSay);
          }
          if (!position && part.dataset.kkWhen === "ask") return;
        }
        if (position) part.dataset.kkLive = position;
      } catch { /* The network is away: try again at the next turn. */ }
    }
    setTimeout(poll, Number(part.dataset.kkEvery || 2) * 1000, part);
  };
  const watch = (root) => $$("[data-kk-live]", root).forEach((part) => { if (!part.kkWatched) { part.kkWatched = true; setTimeout(poll, 2000, part); } });
  attempt("Live parts", () => watch(document));

  // ---- htmx: focus the swapped part's heading or first error, say that it changed.
  document.addEventListener("htmx:after:swap", (event) => {
    const target = event.target;
    if (!target.querySelector) return;
    attempt("Selects", () => enrich(target));
    attempt("Live parts", () => watch(target));
    const node = $("[data-kk-focus], .is-invalid", target);
    if (node) node.focus();
  });

  // ---- The palette: search and commands from anywhere.
  let palette;
  const openPalette = () => {
    if (!document.body.dataset.search) return;
    if (!palette) {
      palette = document.createElement("dialog");
      palette.className = "kk-dialog kk-palette";
      palette.setAttribute("aria-label", "Search and commands");
      palette.innerHTML = '<input class="form-control" type="search" aria-label="Search plates, bookings, people, organizations, events and pages" placeholder="Plate, booking, person, organization, event, page" autocomplete="off"><div></div>';
      document.body.append(palette);
      const input = $("input", palette), list = $("div", palette);
      let turn = 0, timer;
      const look = () => {
        const mine = ++turn;
        fetch(`${document.body.dataset.search}?part=1&q=${encodeURIComponent(input.value)}`).then((answer) => answer.ok ? answer.text() : "").then((html) => {
          if (mine !== turn) return;
          list.innerHTML = html;
          say(`${$$("a", list).length} results`);
        });
      };
      input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 120); });
      palette.addEventListener("keydown", (event) => {
        const links = $$("a", list), at = links.indexOf(document.activeElement);
        if (event.key === "ArrowDown") { event.preventDefault(); links[Math.min(at + 1, links.length - 1)]?.focus(); }
        else if (event.key === "ArrowUp") { event.preventDefault(); (at > 0 ? links[at - 1] : input).focus(); }
        else if (event.key === "Enter" && document.activeElement === input) { event.preventDefault(); links[0]?.click(); }
      });
      palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
      palette.kkLook = look;
    }
    if (!palette.open) { palette.showModal(); $("input", palette).select(); palette.kkLook(); }
  };

  // ---- What a single key does: a form is sent once its question was answered, or leads to what is still empty.
  const press = (act) => {
    if (!act.matches("form")) {
      act.click();
      const panel = document.getElementById(act.getAttribute("popovertarget"));
      if (panel) $("select, textarea, input:not([type=hidden]), button", panel)?.focus();
      return;
    }
    const empty = !act.hasAttribute("data-kk-empty-ok") && [...act.elements].find((control) => control.required && !control.value);
    if (empty) { (empty.tomselect || empty).focus(); return; }
    const send = $("button:not([type=button])", act), question = document.createElement("dialog");
    question.className = "kk-dialog";
    question.setAttribute("aria-labelledby", "kk-question");
    question.innerHTML = '<h2 id="kk-question"></h2><p></p><form method="dialog" class="kk-submit"><button class="btn btn-primary" value="yes"></button><button class="btn btn-secondary">Keep as it is</button></form>';
    $("h2", question).textContent = act.dataset.kkAsk;
    // What a select holds was perhaps never looked at.
    const held = act.hasAttribute("data-kk-empty-ok") ? [] : $$("select", act).filter((select) => select.value);
    $("p", question).textContent = held.map((select) => `${select.labels[0].firstChild.textContent.trim()}: ${select.selectedOptions[0].textContent.trim()}.`).join(" ");
    $("button", question).textContent = send.textContent.trim();
    question.addEventListener("close", () => { question.remove(); if (question.returnValue === "yes") act.requestSubmit(send); });
    document.body.append(question);
    question.showModal();
  };

  // ---- Keys.  Single keys can be switched off; none acts while somebody types.
  const rows = () => $$("main tbody tr:has(a), main .kk-list > li:has(a)");
  let waitsForG = 0;
  const move = (step) => {
    const all = rows(); if (!all.length) return;
    const now = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.max(0, Math.min(all.length - 1, now + step))];
    $("a", next)?.focus(); next.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
    if (document.body.dataset.keys !== "on" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || $("dialog[open], .kk-dialog:popover-open")) return;
    if (waitsForG && Date.now() - waitsForG < 1500) {
      waitsForG = 0;
      const link = $(`#kk-nav a[data-kk-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const row = document.activeElement.closest("tr, .kk-list > li");
    switch (event.key) {
      case "/": event.preventDefault(); $("[data-kk-search]")?.focus(); break;
      case "?": location.assign($(".kk-foot a").href); break;
      case "j": move(1); break;
      case "k": move(-1); break;
      case "x": { const box = row && $("input[name=chosen]", row); if (box) { box.click(); } break; }
      case "g": waitsForG = Date.now(); break;
      default: { const act = $(`main [data-kk-key="${CSS.escape(event.key)}"]`); if (act) { event.preventDefault(); press(act); } }
    }
  });
})();

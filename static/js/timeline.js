// Live timelines.  Asks every two seconds, while the tab is visible, how much is new: rows never move under the pointer,
// a button says "3 new" and shows them when asked.  Deliveries of rows that are shown go on in place.  The address to ask
// next comes with each answer, so an answer that was lost is simply asked for again: nothing is missed, nothing comes twice.
(() => {
  "use strict";
  const EVERY = 2000;
  const say = (text) => { const region = document.getElementById("kk-live"); if (region) region.textContent = text; };
  const parse = (html) => { const holder = document.createElement("template"); holder.innerHTML = html; return holder.content; };

  const follow = (box) => {
    let story = box.querySelector("[data-story]");
    const bar = box.querySelector(".kk-new"), button = bar?.querySelector("button");
    if (!story?.dataset.live || !bar || box.kkFollowed) return;
    box.kkFollowed = true;
    let url = story.dataset.live, fresh = 0, isMore = false;

    const announce = () => {
      if (!fresh) { bar.hidden = true; return; }
      button.textContent = `${fresh}${isMore ? " or more" : ""} new`;
      if (bar.hidden) say(`${button.textContent} in the timeline`);
      bar.hidden = false;
    };

    // Rows that somebody opened stay open.
    const replace = (row, html) => {
      const next = parse(html).querySelector("[data-event]");
      if (!next) return;
      const opened = [...row.querySelectorAll("details")].map((one) => one.open);
      next.querySelectorAll("details").forEach((one, index) => { if (opened[index]) one.open = true; });
      if (!row.contains(document.activeElement)) row.replaceWith(next);
    };

    const ask = async () => {
      const watched = [...story.querySelectorAll("[data-event][data-unsettled]")].slice(0, 50)
        .map((row) => `${row.dataset.event}:${row.dataset.mark}`).join(",");
      const answer = await fetch(`${url}${watched ? `&watch=${encodeURIComponent(watched)}` : ""}`, { headers: { "X-Live": "1" }, cache: "no-store" });
      if (answer.status === 403 || answer.status === 404) return false;
      if (!answer.ok || answer.redirected) return true;
      if (answer.status === 200) {
        const found = await answer.json();
        fresh += found.count; isMore ||= found.isMore;
        found.entries.forEach((entry) => {
          const row = story.querySelector(`[data-event="${CSS.escape(entry.id)}"]`);
          if (row) replace(row, entry.html);
        });
        announce();
      }
      url = answer.headers.get("X-Live-Url") || url;
      return true;
    };

    const turn = async () => {
      let goesOn = true;
      if (!document.hidden) { try { goesOn = await ask(); } catch { /* The network is away: the same is asked at the next turn. */ } }
      if (goesOn && box.isConnected) setTimeout(turn, EVERY);
    };

    button.addEventListener("click", async () => {
      let answer;
      try { answer = await fetch(story.dataset.part, { cache: "no-store" }); } catch { /* The network is away. */ }
      if (!answer?.ok) { location.reload(); return; }
      const next = parse(await answer.text()).querySelector("[data-story]");
      if (!next) { location.reload(); return; }
      const known = new Set([...story.querySelectorAll("[data-event]")].map((row) => row.dataset.event));
      story.replaceWith(next);
      story = next; url = next.dataset.live || url; fresh = 0; isMore = false;
      announce();
      const first = [...next.querySelectorAll("[data-event]")].find((row) => !known.has(row.dataset.event));
      if (first) { first.tabIndex = -1; first.focus({ preventScroll: false }); }
      say("The timeline is up to date.");
    });

    setTimeout(turn, EVERY);
  };

  // On a thing's own page the events come after the page.  Where they do not, the link to them stays.
  const fetchLater = async (story) => {
    const box = story.parentElement;
    story.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(story.dataset.storyLater, { cache: "no-store" });
      const next = answer.ok && !answer.redirected ? parse(await answer.text()).querySelector("[data-story]") : null;
      if (next) { story.replaceWith(next); follow(box); }
    } catch { /* The network is away. */ }
    story.removeAttribute("aria-busy");
    story.removeAttribute("data-story-later");
  };

  document.querySelectorAll("[data-story]").forEach((story) => {
    try { if (story.dataset.storyLater) fetchLater(story); else follow(story.parentElement); }
    catch (error) { console.error("Timeline failed:", error); }
  });
})();

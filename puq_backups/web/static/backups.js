// Keeps the Backups page up to date and makes its dialogs modal. Without it the page works, and stands still.
(() => {
  "use strict";
  const root = document.querySelector("[data-puqb-state]");
  if (!root) return;
  const find = (selector) => root.querySelector(selector);
  const BUSY = 3000, IDLE = 15000, HIDDEN = 60000, SLOWEST = 60000;
  let timer, etag, shown, stale = false, failures = 0;
  let busy = root.dataset.puqbBusy === "1";

  // Dialogs -------------------------------------------------------------------------------------------------

  const open = (dialog) => {
    if (dialog.open) dialog.close();
    dialog.showModal();
    const field = dialog.querySelector("input:not([type=hidden]):not([type=checkbox]), select");
    if (field) field.focus();
    look(dialog);
  };

  // What exactly a restore would do is asked for when its dialog opens. Until it is known, or where it cannot be,
  // the dialog says what every restore does.
  const part = (place, name) => place.querySelector(`[data-puqb-part="${name}"]`);
  const look = async (dialog) => {
    const plan = part(dialog, "plan");
    if (!plan) return;
    plan.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(plan.dataset.puqbLook, { credentials: "same-origin" });
      if (answer.ok) show(dialog, new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // Its link stays: whoever follows it sees what is wrong.
    }
    plan.removeAttribute("aria-busy");
  };

  const show = (dialog, page) => {
    const plan = part(page, "plan"), safety = part(page, "safety"), chosen = part(dialog, "safety").querySelector("input");
    if (!plan || plan.dataset.puqbLook) return; // another page: signed out, perhaps
    replace(part(dialog, "plan"), plan);
    if (safety) replace(part(dialog, "safety"), safety);
    const box = part(dialog, "safety").querySelector("input:not(:disabled)");
    if (box && chosen) box.checked = chosen.checked;
    dialog.querySelector("button[type=submit]:last-child").disabled = "puqbBlocked" in plan.dataset;
  };

  root.addEventListener("close", (event) => {
    event.target.querySelectorAll("form").forEach((form) => form.reset());
  }, true);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[popovertarget]");
    const dialog = button && document.getElementById(button.getAttribute("popovertarget"));
    if (!dialog || !root.contains(dialog) || !dialog.showModal) return;
    event.preventDefault();
    if (button.getAttribute("popovertargetaction") === "hide") dialog.close(); else open(dialog);
  });

  // Forms ---------------------------------------------------------------------------------------------------

  const chosen = (select) => Math.max(0, [...select.options].findIndex((option) => option.defaultSelected));
  const changed = (field) => {
    if (field.type === "hidden") return false;
    if (field.type === "checkbox") return field.checked !== field.defaultChecked;
    return field.tagName === "SELECT" ? field.selectedIndex !== chosen(field) : field.value !== field.defaultValue;
  };
  const dirty = (part) => [...part.querySelectorAll("input, textarea, select")].some(changed);
  const guarded = find("[data-puqb-guard]");
  let leaving = false;

  root.addEventListener("input", () => { find("[data-puqb-unsaved]").hidden = !dirty(guarded); });
  window.addEventListener("beforeunload", (event) => { if (!leaving && dirty(guarded)) event.preventDefault(); });
  const ready = () => {
    leaving = false;
    root.querySelectorAll("form[data-sent]").forEach((form) => form.removeAttribute("data-sent"));
    root.querySelectorAll("button[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
  };
  window.addEventListener("pageshow", ready);
  root.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "1";
    leaving = event.target === guarded || !dirty(guarded);
    if (event.submitter) event.submitter.setAttribute("aria-busy", "true");
    setTimeout(ready, 10000); // still here: the reader chose to stay, or the answer never came
  });

  // Keeping up ----------------------------------------------------------------------------------------------

  const inUse = (part) => part.querySelector("dialog[open]") || dirty(part)
    || (part.contains(document.activeElement) && document.activeElement.matches("input, select"));

  const announce = () => {
    const said = find("[data-puqb-say]"), place = find("[data-puqb-announce]");
    if (said && place.textContent !== said.textContent) place.textContent = said.textContent;
  };

  const replace = (part, fresh) => {
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceChildren(...document.importNode(fresh, true).childNodes);
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
  };

  const refresh = async () => {
    const answer = await fetch(root.dataset.puqbPage, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresher = page.getElementById(root.id);
    if (!fresher) throw new Error("another page"); // signed out, perhaps
    root.dataset.puqbSeen = fresher.dataset.puqbSeen;
    stale = false;
    root.querySelectorAll("[data-puqb-live]").forEach((part) => {
      const fresh = page.getElementById(part.id);
      if (fresh && inUse(part)) stale = true; // what someone is typing in is replaced later
      else if (fresh) replace(part, fresh);
    });
    announce();
  };

  const rest = (state) => JSON.stringify({ ...state, operation: state.operation && { ...state.operation, progress: 0, transferred: 0 } });
  const seen = ({ operation, backups }) => [operation?.id, operation?.state, operation?.step,
    backups.map((backup) => backup.id).sort().join(",")].join("|");

  const GIB = 2 ** 30;
  const move = ({ progress, transferred }) => {
    const bar = find("[data-puqb-progress]"), label = find("[data-puqb-percent]"), bytes = find("[data-puqb-bytes]");
    if (!bar || progress === null) return;
    bar.value = progress;
    label.textContent = new Intl.NumberFormat(root.lang, { style: "percent" }).format(progress / 100);
    if (!transferred) return;
    const size = (amount) => new Intl.NumberFormat(root.lang, { maximumFractionDigits: 1 }).format(amount / GIB);
    bytes.textContent = bytes.dataset.puqbBytes
      .replace("{done}", size(transferred.done)).replace("{total}", size(transferred.total));
  };

  const take = async (state) => {
    const news = seen(state) !== root.dataset.puqbSeen || (shown && rest(shown) !== rest(state));
    if (news || stale) await refresh();
    // "… has been asked for" would stand beside "… was created".
    if (busy && !state.operation) find("[data-puqb-said]")?.remove();
    if (seen(state) !== root.dataset.puqbSeen) stale = true; // the page changed once more since
    if (state.operation) move(state.operation);
    shown = state;
    busy = state.locked || Boolean(state.operation);
  };

  const poll = async () => {
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(root.dataset.puqbState, { credentials: "same-origin", headers });
      if (answer.status === 200 && !answer.redirected) {
        await take(await answer.json());
        etag = answer.headers.get("ETag");
      } else if (answer.status !== 304) {
        throw new Error(answer.status);
      } else if (stale) {
        await refresh();
      }
      failures = 0;
    } catch {
      failures += 1;
    }
    find("[data-puqb-offline]").hidden = failures < 2;
    plan();
  };

  const plan = () => {
    clearTimeout(timer);
    const pause = document.hidden ? HIDDEN : busy ? BUSY : IDLE;
    timer = setTimeout(poll, Math.min(pause * 2 ** failures, SLOWEST));
  };

  document.addEventListener("visibilitychange", () => { if (document.hidden) plan(); else { clearTimeout(timer); poll(); } });
  root.querySelectorAll("dialog[open]").forEach(open);
  poll();
})();

// Keeps the Backups page up to date, fills its dialogs and sends small forms in place. The page works without it.
(() => {
"use strict";
const root = document.querySelector("[data-puqb-state]");
if (!root) return;
const find = (selector) => root.querySelector(selector);
const all = (selector) => [...root.querySelectorAll(selector)];
const BUSY = 3000, IDLE = 15000, MINUTE = 60000;
let timer, etag, shown, stale = false, failures = 0, wait = 0;
let busy = root.dataset.puqbBusy === "1";

// Dialogs: one of each kind for all backups

const open = (dialog) => {
  if (dialog.open) dialog.close();
  dialog.showModal();
  const field = dialog.querySelector("input:not([type=hidden]):not([type=checkbox]), select");
  if (field) field.focus();
  checkWord(dialog);
};

const fill = (dialog, button) => {
  const row = button.closest("tr"), title = dialog.querySelector("[data-puqb-fill]");
  dialog.querySelector("form").action = button.formAction;
  title.textContent = title.dataset.puqbFill.replace("{when}", row.dataset.puqbWhen);
  const said = [...row.querySelectorAll("[data-puqb-note], .puqb-kind, .puqb-mark[data-tone], .puqb-size")].map((part) => part.textContent.trim());
  dialog.querySelector("[data-puqb-about]").textContent = said.filter(Boolean).join(" · ");
  open(dialog);
  if (part(dialog, "plan")) look(dialog, button.formAction);
};

// A dialog says what every restore does until Proxmox has answered.
const part = (place, name) => place.querySelector(`[data-puqb-part="${name}"]`);
const before = new Map(all("[data-puqb-part]").map((place) => [place, place.innerHTML]));
const look = async (dialog, address) => {
  const plan = part(dialog, "plan");
  before.forEach((html, place) => { place.innerHTML = html; });
  dialog.dataset.puqbBlocked = "";
  plan.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (answer.ok && dialog.open && dialog.querySelector("form").action === address) {
      show(dialog, new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch { /* It cannot be known now. */ }
  plan.removeAttribute("aria-busy");
};
const show = (dialog, page) => {
  const plan = part(page, "plan"), against = page.querySelector(".puqb-confirm > .puqb-alert");
  if (against && !plan) part(dialog, "plan").replaceChildren(document.importNode(against, true));
  for (const place of page.querySelectorAll("[data-puqb-part]")) replace(part(dialog, place.dataset.puqbPart), place);
  dialog.dataset.puqbBlocked = against || (plan && "puqbBlocked" in plan.dataset) ? "1" : "";
  checkWord(dialog);
};

// The danger button is off until the word is there.
const checkWord = (dialog) => {
  const field = dialog.querySelector("[data-puqb-word]"), button = dialog.querySelector("[data-puqb-submit]");
  if (!field || !button) return;
  const same = field.value.trim().toLowerCase() === field.dataset.puqbWord.trim().toLowerCase();
  button.disabled = !same || dialog.dataset.puqbBlocked === "1";
};

root.addEventListener("close", (event) => {
  event.target.querySelectorAll("form").forEach((form) => form.reset());
}, true);

document.addEventListener("click", (event) => {
  all(".puqb-more[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  const button = event.target.closest("button, [data-puqb-leave]");
  if (!button || !root.contains(button)) return;
  const dialog = document.getElementById(button.dataset.puqbOpens || button.getAttribute("popovertarget"));
  if (button.dataset.puqbOpens && dialog) {
    event.preventDefault();
    fill(dialog, button);
  } else if (dialog?.showModal) {
    event.preventDefault();
    if (button.getAttribute("popovertargetaction") === "hide") dialog.close(); else open(dialog);
  } else if (button.dataset.puqbEdits) {
    event.preventDefault();
    edit(button);
  } else if ("puqbLeave" in button.dataset && leaveEdit(button)) {
    event.preventDefault();
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && find(".puqb-more[open]"), editing = event.target.closest?.(".puqb-edit");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  if (event.key === "Escape" && editing) leaveEdit(editing);
});

// A description is edited in its row

const cells = new Map();
const edit = (button) => {
  const cell = button.closest("tr").querySelector(".puqb-desc"), form = find("#puqb-edit-form").content.firstElementChild.cloneNode(true);
  const field = form.querySelector("input:not([type=hidden])");
  button.closest("details").open = false;
  form.action = button.dataset.puqbEdits;
  field.value = field.defaultValue = cell.querySelector("[data-puqb-note]")?.textContent ?? "";
  cells.set(cell, [...cell.childNodes]);
  cell.replaceChildren(form);
  field.focus();
};
const leaveEdit = (inside) => {
  const cell = inside.closest(".puqb-desc");
  if (!cells.has(cell)) return false;
  cell.replaceChildren(...cells.get(cell));
  cell.closest("tr").querySelector(".puqb-more > summary")?.focus();
  return true;
};

// Forms

const changed = (field) => {
  if (field.type === "hidden" || !field.name) return false;
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
  return field.value !== field.defaultValue;
};
const dirty = (place) => "puqbUnsaved" in place.dataset || [...place.querySelectorAll("input, textarea, select")].some(changed);
const week = find("[data-puqb-guard]"), save = find("[data-puqb-save]"), zone = find("#puqb-timezone");
const open_ = save && !save.disabled;
let leaving = false;

const clock = () => {
  const said = find("[data-puqb-zone]");
  if (!said) return;
  try {
    const time = new Intl.DateTimeFormat(root.lang, { timeStyle: "short", timeZone: zone.value.trim() || "UTC" }).format(new Date());
    said.textContent = said.dataset.puqbZone.replace("{time}", time);
  } catch {
    said.textContent = said.dataset.puqbUnknown;
  }
};
const judge = () => {
  if (!week) return;
  const said = find("[data-puqb-changes]"), unsaved = dirty(week);
  said.textContent = unsaved ? said.dataset.puqbChanges : said.dataset.puqbSame;
  if (open_) save.disabled = !unsaved;
};
// "warsaw" is enough where one zone only has it.
zone?.addEventListener("change", () => {
  const typed = zone.value.trim().toLowerCase().replaceAll(" ", "_"), known = [...zone.list.options].map((option) => option.value);
  const fits = known.filter((name) => name.toLowerCase() === typed || name.toLowerCase().endsWith(`/${typed}`));
  if (fits.length === 1) zone.value = fits[0];
  clock();
  judge();
});
const together = find("[data-puqb-all]");
if (together) {
  together.querySelector("button").addEventListener("click", () => {
    const time = together.querySelector("input").value;
    if (!time) return;
    week.querySelectorAll(".puqb-day").forEach((day) => {
      day.querySelector("[type=time]").value = time;
      day.querySelector("[type=checkbox]").checked = true;
    });
    judge();
  });
}

root.addEventListener("input", (event) => {
  if (event.target === zone) clock();
  judge();
  const dialog = event.target.closest("dialog");
  if (dialog) checkWord(dialog);
});
window.addEventListener("beforeunload", (event) => { if (!leaving && week && dirty(week)) event.preventDefault(); });
const ready = () => {
  leaving = false;
  for (const mark of ["data-sent", "aria-busy"]) all(`:is(form, button)[${mark}]`).forEach((sent) => sent.removeAttribute(mark));
};
window.addEventListener("pageshow", ready);
root.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter;
  if (form.method === "dialog") return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  button?.setAttribute("aria-busy", "true");
  if ("puqbQuiet" in form.dataset || ["puqb-remove", "puqb-delete", "puqb-cancel"].includes(form.parentElement.id)) {
    event.preventDefault();
    send(form, button);
    return;
  }
  leaving = form === week || !week || !dirty(week);
  setTimeout(ready, 10000); // still here: the reader chose to stay, or the answer never came
});

// Sends a form in place: the page does not move, what is typed elsewhere and the focus stay.
const send = async (form, button) => {
  const address = button?.hasAttribute("formaction") ? button.formAction : form.action;
  const focused = document.activeElement, row = focused.closest?.("tr")?.id;
  try {
    const answer = await fetch(address, { method: "POST", body: new FormData(form, button), credentials: "same-origin" });
    const fresher = await pageOf(answer);
    if (!fresher) { tell(kindOf(answer) || "failing"); return; }
    form.closest("dialog")?.close();
    if (answer.ok) {
      form.reset();
      if (form.closest(".puqb-edit")) form.remove();
      all(".puqb-more[open]").forEach((menu) => { menu.open = false; });
      await refresh(fresher);
      if (!root.contains(document.activeElement)) {
        const there = document.getElementById(row);
        (there?.querySelector(".puqb-more > summary") ?? there?.querySelector("button:not(:disabled)") ?? find("#puqb-backups")).focus({ preventScroll: true });
      }
    } else {
      await refresh(fresher);
      find("#puqb-live-messages")?.scrollIntoView({ block: "nearest" });
    }
  } catch {
    tell("offline");
  } finally {
    ready();
    clearTimeout(timer);
    poll();
  }
};

// Keeping up

const inUse = (place) => place.querySelector("dialog[open], .puqb-edit, details.puqb-more[open]") || dirty(place)
  || (place.contains(document.activeElement) && document.activeElement.matches("input, select"));

const announce = () => {
  const said = (find("[data-puqb-said]") ?? find("[data-puqb-say]"))?.textContent.trim(), place = find("[data-puqb-announce]");
  if (said && place.textContent !== said) place.textContent = said;
};

const replace = (place, fresh) => {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const folds = [...place.querySelectorAll("details:not(.puqb-more)")].map((fold) => fold.open);
  const key = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.hasAttribute("formaction") ? `[formaction="${focused.getAttribute("formaction")}"]` : "");
  const row = focused?.closest("tr")?.id;
  place.replaceChildren(...document.importNode(fresh, true).childNodes);
  [...place.querySelectorAll("details:not(.puqb-more)")].forEach((fold, at) => { fold.open = folds[at] ?? fold.open; });
  if (fresh.dataset.tone) place.dataset.tone = fresh.dataset.tone;
  const again = (key && place.querySelector(key)) || (row && document.getElementById(row)?.querySelector(".puqb-more > summary"));
  if (again) again.focus({ preventScroll: true });
};

const was = new Map(all("[data-puqb-live]").map((place) => [place.id, place.innerHTML]));
const pageOf = async (answer) => {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.getElementById(root.id);
};

// Puts the fresher parts of the page in place of the old ones, but for what somebody is typing in.
const refresh = async (given) => {
  let fresher = given;
  if (!fresher) {
    const answer = await fetch(root.dataset.puqbPage, { credentials: "same-origin" });
    fresher = answer.ok && await pageOf(answer);
    if (!fresher) throw answer;
  }
  root.dataset.puqbSeen = fresher.dataset.puqbSeen;
  stale = false;
  all("[data-puqb-live]").forEach((place) => {
    const fresh = fresher.querySelector(`#${place.id}`);
    if (place.id === "puqb-live-messages" && !given) return;
    if (fresh && inUse(place)) stale = true;
    else if (fresh && fresh.innerHTML !== was.get(place.id)) { replace(place, fresh); was.set(place.id, fresh.innerHTML); }
  });
  announce();
  judge();
};

const rest = (state) => JSON.stringify(state, (key, value) => (["progress", "bytes", "seconds_left"].includes(key) ? 0 : value));
const seen = ({ operation, listing }) => [operation?.id, operation?.state, operation?.step, listing.all, listing.newest].join("|");

const UNITS = [[31557600, "year"], [2629800, "month"], [604800, "week"], [86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
const unitOf = (seconds) => UNITS.find(([per]) => seconds >= per) ?? [1, "second"];
const number = (value) => new Intl.NumberFormat(root.lang, { maximumFractionDigits: 1 }).format(value);
const length = (seconds) => {
  const [per, unit] = unitOf(seconds);
  return new Intl.NumberFormat(root.lang, { style: "unit", unit, unitDisplay: "short" }).format(Math[per < 3600 ? "ceil" : "round"](seconds / per));
};
const move = ({ progress, bytes, seconds_left: left }) => {
  const bar = find("[data-puqb-progress]"), label = find("[data-puqb-left]"), amount = find("[data-puqb-bytes]"), rate = find("[data-puqb-rate]");
  if (!bar || progress === null) return;
  bar.value = progress;
  const percent = new Intl.NumberFormat(root.lang, { style: "percent" }).format(progress / 100);
  label.textContent = left ? label.dataset.puqbLeft.replace("{percent}", percent).replace("{time}", length(left)) : percent;
  if (!bytes) return;
  amount.textContent = `: ${amount.dataset.puqbBytes.replace("{done}", number(bytes.done / 2 ** 30)).replace("{total}", `${number(bytes.total / 2 ** 30)} GiB`)}`;
  rate.textContent = bytes.rate ? `${number(bytes.rate / 2 ** 20)} MiB/s` : "";
};

const take = async (state) => {
  const news = seen(state) !== root.dataset.puqbSeen || (shown && rest(shown) !== rest(state));
  if (news || stale) await refresh();
  // "Your backup is starting" would stand beside "The backup was made".
  if (busy && !state.operation) find("#puqb-live-messages [role=status]")?.remove();
  if (seen(state) !== root.dataset.puqbSeen) stale = true; // it changed meanwhile
  if (state.operation) move(state.operation);
  shown = state;
  busy = state.locked || Boolean(state.operation);
};

const tell = (kind) => {
  const place = find("[data-puqb-trouble]");
  place.hidden = !kind;
  place.querySelectorAll("span").forEach((said) => { said.hidden = !said.hasAttribute(`data-puqb-${kind}`); });
};
const kindOf = (answer) => {
  if (answer.status === 401 || answer.redirected) return "signed-out";
  return { 403: "forbidden", 404: "gone" }[answer.status] || (answer.ok || answer.status === 304 ? "" : "failing");
};

const poll = async () => {
  wait = 0;
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(root.dataset.puqbState, { credentials: "same-origin", headers });
    const kind = kindOf(answer);
    if (kind) throw answer;
    if (answer.status === 200) {
      await take(await answer.json());
      etag = answer.headers.get("ETag");
    } else if (stale) {
      await refresh();
    }
    failures = 0;
    tell("");
  } catch (error) {
    failures += 1;
    const kind = error instanceof Response ? kindOf(error) || "failing" : "offline";
    if (error instanceof Response) wait = (Number(error.headers.get("Retry-After")) || 0) * 1000;
    if (failures > 1 || !["offline", "failing"].includes(kind)) tell(kind);
  }
  plan();
};

const plan = () => {
  clearTimeout(timer);
  const pause = document.hidden ? MINUTE : busy ? BUSY : IDLE;
  timer = setTimeout(poll, Math.max(wait, Math.min(pause * 2 ** failures, MINUTE)));
};

// "7 hours ago" stays true.
const relative = () => {
  const words = new Intl.RelativeTimeFormat(root.lang);
  all("[data-puqb-ago]").forEach((time) => {
    const away = (new Date(time.dateTime) - Date.now()) / 1000, [per, unit] = unitOf(Math.abs(away));
    time.textContent = words.format(Math.round(away / per), unit);
  });
  clock();
  setTimeout(relative, MINUTE);
};

document.addEventListener("visibilitychange", () => { if (document.hidden) plan(); else { clearTimeout(timer); poll(); } });
all("dialog[open]").forEach(open);
judge();
setTimeout(relative, MINUTE);
poll();
})();

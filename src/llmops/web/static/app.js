// Small conveniences. Every page works without this file; what needs it is hidden until it runs.
"use strict";

const live = document.querySelector("[data-live]");

function say(text) {
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

// Show or hide a password. The value, the caret and the focus stay where they are.
function revealing(button) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
  // A password manager must see a password field when the form is sent.
  input.form.addEventListener("submit", () => { input.type = "password"; });
}

function hintingCapsLock(hint) {
  const input = document.getElementById(hint.dataset.capsLock);
  const show = (on) => {
    const text = on ? "Caps Lock is on" : "";
    if (hint.textContent !== text) hint.textContent = text;
  };
  for (const kind of ["keydown", "keyup"]) {
    input.addEventListener(kind, (event) => show(event.getModifierState?.("CapsLock") ?? false));
  }
  input.addEventListener("blur", () => show(false));
}

// The clipboard exists only on secure origins; elsewhere the text stays selectable and the button hidden.
function copying(button) {
  if (!navigator.clipboard) return;
  const word = button.querySelector("[data-copy-word]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      say("Copying did not work. Select the text and copy it.");
      return;
    }
    say("Copied");
    word.textContent = "Copied";
    setTimeout(() => { word.textContent = "Copy"; }, 2000);
  });
}

// The viewer's own time with the name of its zone; UTC stays in the tooltip.
function localizing(time) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const format = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  });
  time.title = time.textContent;
  time.textContent = format.format(at);
}

// A menu closes on Escape and when the focus or a click goes elsewhere.
function closing(menu) {
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// Five minutes before the session ends, say so, with a button to stay. Another tab's pages count as use too.
// By the clock and not by one long timer, which would sleep when the computer does.
function warning(note) {
  const [text, stay] = [note.querySelector("p"), note.querySelector("button")];
  const tabs = new BroadcastChannel("session");
  let endsAt, more, before;
  const tell = (words) => {
    if (text.textContent === words) return;
    text.textContent = words;
    say(words);
  };
  const look = () => {
    const left = endsAt - Date.now();
    note.hidden = left > 5 * 60 * 1000;
    stay.hidden = left <= 0 || !more;
    if (note.hidden) return;
    const at = new Date(endsAt).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    if (left <= 0) tell("Your session has ended. Copy what you typed before you leave this page.");
    else if (more) tell(`Your session ends at ${at}, because nothing happened for a while.`);
    else tell(`Your session ends at ${at}. Finish what you are typing, then sign in again.`);
  };
  const last = (session) => {
    endsAt = Date.now() + session.seconds * 1000;
    more = session.more;
    look();
  };
  tabs.addEventListener("message", (event) => last(event.data));
  note.addEventListener("focusin", (event) => { if (event.relatedTarget) before = event.relatedTarget; });
  stay.addEventListener("click", async () => {
    try {
      const answer = await fetch("/session", { redirect: "error", cache: "no-store" });
      const session = await answer.json();
      before?.focus();
      last(session);
      tabs.postMessage(session);
      if (note.hidden) say("You stay signed in.");
    } catch {
      tell("That did not work. Copy what you typed before you leave this page.");
    }
  });
  const now = { seconds: Number(note.dataset.session), more: "sessionMore" in note.dataset };
  last(now);
  tabs.postMessage(now);
  setInterval(look, 5000);
}

document.querySelectorAll("[data-reveal]").forEach(revealing);
document.querySelectorAll("[data-caps-lock]").forEach(hintingCapsLock);
document.querySelectorAll("[data-copy]").forEach(copying);
document.querySelectorAll("time[data-local]").forEach(localizing);
document.querySelectorAll("details[data-menu]").forEach(closing);
document.querySelectorAll("[data-session]").forEach(warning);

// What went wrong is read first, unless the page asks for a certain field.
if (!document.querySelector("[autofocus]")) document.querySelector("[data-alert]")?.focus();

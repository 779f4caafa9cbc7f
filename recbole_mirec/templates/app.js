"use strict";
(() => {
  // Decisions go to the server as they are made; what it has not answered yet is sent again.
  const team = document.querySelector("#team"), said = document.querySelector("#kept");
  const { list, who, kept, failed } = team.dataset;
  const address = `/api/lists/${list}/decisions`;
  const waiting = new Map();
  let sending = false, timer;
  const cell = (tag, text) => {
    const made = document.createElement(tag);
    made.textContent = text;
    return made;
  };
  const show = async () => {
    const answer = await fetch(address);
    if (!answer.ok) return;
    team.querySelector("tbody").replaceChildren(...(await answer.json()).map(one => {
      const row = document.createElement("tr"), when = one.decided_at.slice(0, 16).replace("T", " ");
      const name = cell("th", one.influencer);
      name.scope = "row";
      row.append(name, ...[one.who, one.decision, one.note, when].map(text => cell("td", text)));
      return row;
    }));
  };
  const send = async () => {
    if (sending || !waiting.size) return;
    sending = true;
    try {
      while (waiting.size) {
        const [influencer, one] = waiting.entries().next().value;
        const body = JSON.stringify({ influencer, who, ...one });
        const answer = await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body, keepalive: true });
        if (!answer.ok) throw new Error((await answer.json()).detail);
        if (waiting.get(influencer) === one) waiting.delete(influencer);
      }
      said.textContent = kept;
      await show();
    } catch (error) {
      said.textContent = failed + error.message;
      timer = setTimeout(send, 5000);
    }
    sending = false;
  };
  document.addEventListener("decided", ({ detail: { id, decision, note } }) => {
    waiting.set(id, { decision, note });
    clearTimeout(timer);
    timer = setTimeout(send, 300);
    said.textContent = "…";
  });
  addEventListener("pagehide", send);
  addEventListener("focus", show);
  addEventListener("beforeunload", event => { if (waiting.size) event.preventDefault(); });
})();
